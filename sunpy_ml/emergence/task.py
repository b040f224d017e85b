"""Whether and when magnetic flux emerges: the verb `detect_emergence`."""

from dataclasses import replace
from typing import Any

import astropy.units as u
from torch import nn

from sunpy_ml.emergence.answers import ask
from sunpy_ml.emergence.cubes import Patch, read_patch
from sunpy_ml.emergence.result import Emergence
from sunpy_ml.emergence.video import CADENCE, FRAMES, SIDE, video
from sunpy_ml.emergence.windows import windows
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.inference import choose_device
from sunpy_ml.weights import Card, network_for, resolve

__all__ = ["TASK", "detect_emergence"]

TASK = "emergence"


def detect_emergence(
    cube: Any,
    *,
    weights: Any = None,
    card: Card | None = None,
    device: Any = None,
    hmi_as_mdi: bool = False,
    step: u.Quantity = 6 * u.day,
    strict: bool = False,
    progress: bool = True,
) -> Emergence:
    """Tell whether a magnetic region emerges in a patch that was followed over days, when, and how sure that is.

    Parameters
    ----------
    cube : ndcube.NDCube, str or pathlib.Path
        (time, latitude, longitude) of the field along the line of sight, in any unit of it, as
        `~sunpy_ml.emergence.patch_cube` makes it of full-disk Maps; or the path of an ASDF file with one such NDCube,
        which needs the extra ``asdf``. Its times are those of the extra coordinate ``time``, else of the axis, and may
        be uneven; NaN and masked pixels are not known. It is not changed.
    weights : str, pathlib.Path or torch.nn.Module, optional
        A name from `sunpy_ml.weights.list_weights`, the path of a file written by `sunpy_ml.weights.save_weights`, or
        a network, with its ``card``. By default the weights that are part of the package.
    card : sunpy_ml.weights.Card, optional
        Of a network that is given as a module.
    device : str or torch.device, optional
        By default the first there is of cuda, mps and cpu.
    hmi_as_mdi : bool
        Make of a cube of HMI what MDI would have told: blur it, average it on pixels of 1.98 arcsec where its own are
        finer, and multiply it by 1.40.
    step : astropy.units.Quantity
        Of a cube that is longer than a video of 15 days: the longest time from the beginning of a window to that of the
        next.
    strict : bool
        Raise instead of warn where the cube is not known to lie inside the network's domain.
    progress : bool
        Show a bar when the work lasts longer than two seconds.

    Returns
    -------
    Emergence
        Probability with its spread over the ensemble, time with its interval, the probability up to each frame, domain
        report and card, with ``saliency()``, ``table()`` and ``plot()``. Of a cube that is longer than a video, that of
        the most probable window, with all of them in ``windows``.

    Raises
    ------
    sunpy_ml.exceptions.ObservationError
        If ``cube`` is no such cube, has no unit of a magnetic field or no dates, or nothing of it is known.
    sunpy_ml.exceptions.WeightsError
        If there are no such weights.
    sunpy_ml.exceptions.DomainError
        With ``strict``, if the cube is not known to be of the kind that the network was trained on.
    ValueError
        If the device or the step cannot be used.

    Warns
    -----
    sunpy_ml.exceptions.DomainWarning
        In the same case without ``strict``.

    See Also
    --------
    sunpy_ml.emergence.patch_cube : makes such cubes.

    Notes
    -----
    The patch is brought to 90 x 90 pixels and to frames 96 minutes apart, in which what is missing is interpolated in
    time and the last frame repeated, and the field is cut at 1000 G. Every answer is the mean over four views: the
    video, with its polarity reversed, with its latitudes reversed, and both. The time is that at which the probability,
    smoothed by a Gaussian of 4 frames (published: not smoothed), rises most steeply as the video goes on, less the bias
    that the card tells; in the first two days and on the last one no time is told.

    References
    ----------
    Chatterjee, Muñoz-Jaramillo & Lamb 2022, Nature Astronomy 6, 796, https://doi.org/10.1038/s41550-022-01701-3
    Liu et al. 2012, Sol. Phys. 279, 295, https://doi.org/10.1007/s11207-012-9976-x

    Examples
    --------
    >>> from sunpy_ml import detect_emergence
    >>> from sunpy_ml.simulation.emergence import emergence_patch
    >>> cube = emergence_patch("emerging", seed=2036)
    >>> found = detect_emergence(cube)
    >>> found.emerged
    True
    >>> bool(abs(found.time - cube.meta["t10"]).to_value("day") < 1)
    True
    """
    found = resolve(TASK, weights, card)
    choose_device(device)
    patch = read_patch(cube, _shape(found), hmi_as_mdi=hmi_as_mdi)
    parts = _parts(patch, step)
    reports = [found.domain.check(part.facts) for part in parts]
    next((report for report in reports if not report), reports[0]).enforce(found.name, strict)
    network = _sized(network_for(found, weights), patch.pixel)
    results = []
    for part, report in zip(parts, reports, strict=True):
        answers = ask(network, video(part.field, part.seconds), device=device, progress=progress)
        results.append(Emergence.from_answers(answers, report, found, part, network))
    best = max(results, key=lambda result: result.probability)
    return best if len(results) == 1 else replace(best, windows=tuple(results))


def _shape(card: Card) -> tuple[int, int]:
    rows, columns = card.input.shape or (SIDE, SIDE)
    return rows, columns


def _sized(network: nn.Module, pixel: float | None) -> nn.Module:
    """The network for pixels of so many arcsec, where it asks for that."""
    of_pixels = getattr(network, "of_pixels", None)
    if pixel is None or not callable(of_pixels):
        return network
    sized: nn.Module = of_pixels(pixel)
    return sized


def _parts(patch: Patch, step: u.Quantity) -> list[Patch]:
    """The windows of a patch in which anything is known at two times or more."""
    if not isinstance(step, u.Quantity) or not step.unit.is_equivalent(u.s) or not step > 0 * u.s:
        raise ValueError(f"step: expected a positive time, such as 6 * u.day, got {step!r}.")
    cuts = windows(patch.seconds, FRAMES * CADENCE, step.to_value(u.s))
    parts = [patch.window(cut) for cut in cuts if patch.shows[cut].sum() >= 2]
    if not parts:
        raise ObservationError("cube: nothing of it is known at two times within 15 days; give more of its frames.")
    return parts
