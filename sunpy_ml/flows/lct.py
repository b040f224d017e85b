"""Local correlation tracking: the verb `lct_flow`."""

from typing import Any

import astropy.units as u
import numpy as np
import torch
from ndcube import NDCollection

from sunpy_ml.flows.correlation import Method, Window, track
from sunpy_ml.flows.result import along_the_sun, wrap_flow
from sunpy_ml.flows.subsonic import subsonic_filtered
from sunpy_ml.inference import choose_device
from sunpy_ml.observations import ImageSequence, image_sequence

__all__ = ["lct_flow"]

_FWHM_PER_SIGMA = float(np.sqrt(8 * np.log(2)))
_METHODS = ("correlation", "difference")
# Fewer frames do not tell what is slow from what is not.
_FEWEST_FOR_FILTER = 6
# Spacing of granules in km.
_GRANULE = 1400.0


def lct_flow(
    observations: Any,
    *,
    window: u.Quantity = 1.5 * u.Mm,
    cadence: u.Quantity | None = None,
    scale: u.Quantity | None = None,
    coaligned: bool = False,
    method: Method = "correlation",
    average: u.Quantity | str | None = None,
    subsonic: u.Quantity | None = None,
    fastest: u.Quantity = 4 * u.km / u.s,
    fine: int = 1,
    device: str | torch.device | None = None,
) -> NDCollection:
    """Find horizontal velocities by local correlation tracking.

    Around each pixel, two images are compared within a Gaussian window, while both are shifted against each other, half
    each way. The displacement is where they agree best.

    Parameters
    ----------
    observations : list of sunpy.map.GenericMap, sunpy.map.MapSequence or ndcube.NDCube
        Two or more co-aligned images, or a cube (time, y, x); see `~sunpy_ml.observations.image_sequence`.
    window : astropy.units.Quantity
        Full width at half maximum of the window, as a length on the Sun or as an angle.
    cadence : astropy.units.Quantity, optional
        Time from image to image; by default what the headers tell.
    scale : astropy.units.Quantity, optional
        Angle or length per pixel; by default what the header tells.
    coaligned : bool
        Whether pixels show the same places although headers differ.
    method : {"correlation", "difference"}
        Whether the largest normalised correlation is looked for, or the smallest mean square difference.
    average : astropy.units.Quantity or "all", optional
        Time over which correlations are averaged before the peak is looked for; each such time gives one field, and
        frames that do not fill one are left out. By default each pair of successive frames gives one.
    subsonic : astropy.units.Quantity, optional
        Speed above which what moves is filtered out of the cube first, such as 4 km/s; by default nothing is. The
        filter needs what was before and comes after, so a minute at either end is lost.
    fastest : astropy.units.Quantity
        The largest component of the velocity that is looked for. Where images agree best beyond it, pixels are masked.
    fine : int
        Displacements that are tried per pixel. The peak between them is that of a quadratic function, so that errors of
        some hundredths of a pixel remain for sharp images; 2 makes them smaller and takes four times as long.
    device : str or torch.device, optional
        By default the first there is of cuda, mps and cpu.

    Returns
    -------
    ndcube.NDCollection
        "vx" and "vy", each an `~ndcube.NDCube` (time, y, x) in km/s, towards solar west and north however images are
        turned, at the middle of the times that were averaged. Masked where an image is, where there is nothing to
        correlate, and where no peak was found; ``meta`` counts the pixels: ``"at_limit"`` those beyond ``fastest``,
        ``"masked"`` all.

    Raises
    ------
    sunpy_ml.exceptions.ObservationError
        If the images are not of one place, or if neither they nor a keyword tell the cadence or the scale.
    ValueError
        If another argument cannot be.

    Notes
    -----
    It is the motion of a pattern. The window smooths it: what is smaller than twice the window is hardly seen.
    Velocities are those across the line of sight, at the distance of the Sun's centre.

    References
    ----------
    November & Simon 1988, ApJ 333, 427, https://doi.org/10.1086/166758
    Title et al. 1989, ApJ 336, 475, https://doi.org/10.1086/167026

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_ml import lct_flow
    >>> from sunpy_ml.simulation import moving_granulation
    >>> frames = moving_granulation(shape=(64, 64), velocity=[1.0, -0.5] * u.km / u.s, cadence=60 * u.s).frames
    >>> flow = lct_flow(frames)
    >>> flow["vx"].shape, flow["vx"].unit
    ((1, 64, 64), Unit("km / s"))
    >>> bool(abs(np.nanmean(flow["vx"].data) - 1) < 0.1), bool(abs(np.nanmean(flow["vy"].data) + 0.5) < 0.1)
    (True, True)
    """
    if method not in _METHODS:
        raise ValueError(f"method: got {method!r}, choose from {_METHODS}.")
    chosen = choose_device(device)
    sequence = image_sequence(observations, cadence=cadence, scale=scale, coaligned=coaligned)
    seen = _window(sequence, window, fastest, fine)
    kept = slice(None)
    frames = torch.from_numpy(sequence.frames)
    if subsonic is not None:
        kept = _kept(sequence, subsonic)
        frames = _filtered(frames.to(chosen), sequence, subsonic)[kept]
    mask = None if sequence.mask is None else sequence.mask[kept]
    pairs = _pairs(len(frames), sequence.cadence, average)
    fields, masks, at_limit = [], [], []
    for first in range(0, len(frames) - pairs, pairs):
        part = slice(first, first + pairs + 1)
        hidden = None if mask is None else mask[part]
        valid = None if hidden is None else torch.from_numpy(~hidden).to(chosen)
        peak = track(frames[part].to(chosen), valid, seen, method)
        displacement = peak.displacement.cpu().numpy()
        # Peaks are looked for a little farther than asked, so that those at the limit can be told from those within.
        beyond = (np.abs(displacement) > np.array(seen.farthest)[:, np.newaxis, np.newaxis]).any(axis=0)
        beyond |= peak.at_limit.cpu().numpy()
        fields.append(displacement)
        masks.append(beyond | ~peak.usable.cpu().numpy() | (False if hidden is None else hidden.any(axis=0)))
        at_limit.append(int(beyond.sum()))
    return wrap_flow(
        sequence,
        along_the_sun(sequence, np.stack(fields), sequence.cadence.to_value(u.s)),
        np.stack(masks),
        first=((kept.start or 0) + 0.5 * pairs) * sequence.cadence,
        spacing=pairs * sequence.cadence,
        meta={
            "flow": "lct_flow",
            "method": method,
            "window": _length(sequence, window),
            "cadence": sequence.cadence,
            "averaged": pairs * sequence.cadence,
            "pairs": pairs,
            "frames_left_out": (len(frames) - 1) % pairs,
            "subsonic": subsonic,
            "fastest": fastest,
            "at_limit": tuple(at_limit),
        },
    )


def _length(sequence: ImageSequence, window: u.Quantity) -> u.Quantity:
    """The window at the Sun."""
    unusable = not isinstance(window, u.Quantity) or not window.isscalar or not 0 < window.value < np.inf
    if unusable or not (window.unit.is_equivalent(u.Mm) or window.unit.is_equivalent(u.arcsec)):
        raise ValueError(f"window: expected one positive length or angle, such as 1.5 * u.Mm, got {window!r}.")
    if window.unit.is_equivalent(u.Mm):
        return window.to(u.Mm)
    if sequence.scale is None:
        raise ValueError(f"window: it is an angle, {window}, where the scale is a length; give it as a length, too.")
    return (window / sequence.scale[0]).to_value(u.pix) * sequence.pixel[0]


def _window(sequence: ImageSequence, window: u.Quantity, fastest: u.Quantity, fine: int) -> Window:
    """The window and the search in pixels."""
    pixel = sequence.pixel.to_value(u.km)
    width = _length(sequence, window).to_value(u.km) / pixel
    shape = np.array(sequence.frames.shape[:0:-1])
    if (width < 2).any() or (width > shape).any():
        raise ValueError(
            f"window: {window} is {width.max():.3g} pixels of {pixel.max():.4g} km, where 2 to {shape.min()} can be."
        )
    if not isinstance(fine, int) or fine < 1:
        raise ValueError(f"fine: expected a whole number from 1, got {fine!r}.")
    farthest = _speed("fastest", fastest) * sequence.cadence.to_value(u.s) / pixel
    if (4 * farthest > shape).any():
        raise ValueError(
            f"fastest: in {sequence.cadence:.4g} what moves at {fastest} goes {farthest.max():.3g} pixels, more than a "
            f"quarter of the image of {shape.min()}; give a smaller one, or more frames per time."
        )
    sigma = width / _FWHM_PER_SIGMA
    return Window((float(sigma[0]), float(sigma[1])), (float(farthest[0]), float(farthest[1])), fine)


def _speed(name: str, value: u.Quantity) -> float:
    if not isinstance(value, u.Quantity) or not value.unit.is_equivalent(u.km / u.s) or not 0 < value.value < np.inf:
        raise ValueError(f"{name}: expected one positive speed, such as 4 * u.km / u.s, got {value!r}.")
    return value.to_value(u.km / u.s)


def _pairs(count: int, cadence: u.Quantity, average: u.Quantity | str | None) -> int:
    """How many pairs of frames are averaged."""
    most = count - 1
    if average is None:
        return 1
    if isinstance(average, str) and average == "all":
        return most
    if not isinstance(average, u.Quantity) or not average.unit.is_equivalent(u.s) or not average.value > 0:
        raise ValueError(f"average: expected a positive time, such as 30 * u.min, 'all' or None, got {average!r}.")
    pairs = max(1, round((average / cadence).to_value(u.one)))
    if pairs > most:
        raise ValueError(f"average: {average} is longer than the {most * cadence} of the images; give 'all'.")
    return pairs


def _kept(sequence: ImageSequence, subsonic: u.Quantity) -> slice:
    """The frames that the filter knows the past and the future of, as far as granules need it."""
    phase = _GRANULE / (2 * np.pi * _speed("subsonic", subsonic))
    ends = int(np.ceil(phase / sequence.cadence.to_value(u.s)))
    if len(sequence.frames) < _FEWEST_FOR_FILTER + 2 * ends:
        raise ValueError(
            f"subsonic: expected at least {_FEWEST_FOR_FILTER + 2 * ends} frames to filter, of which {ends} at either "
            f"end are lost, got {len(sequence.frames)}."
        )
    return slice(ends, len(sequence.frames) - ends)


def _filtered(frames: torch.Tensor, sequence: ImageSequence, subsonic: u.Quantity) -> torch.Tensor:
    column, row = sequence.pixel.to_value(u.km)
    return subsonic_filtered(
        frames, (float(column), float(row)), sequence.cadence.to_value(u.s), _speed("subsonic", subsonic)
    )
