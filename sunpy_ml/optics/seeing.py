"""Images through a wavefront that is not flat: short exposures, and what their mean tends to."""

import math

import astropy.units as u
import torch

from sunpy_ml.optics.airy import check_obscuration, cutoff
from sunpy_ml.optics.phase import STRENGTH, kolmogorov_screen
from sunpy_ml.optics.telescope import Telescope
from sunpy_ml.optics.transfer import per_arcsec

__all__ = ["long_exposure_mtf", "psf_from_phase", "pupil_grid", "seeing_psf", "short_exposure_mtf"]

# Each point of the pupil's edge is this many times finer.
_FINER = 16


def pupil_grid(
    points: int, *, obscuration: float = 0.0, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """An aperture, on a square grid that just holds it.

    Parameters
    ----------
    points : int
        Across the aperture.
    obscuration : float
        Diameter of the central obscuration over that of the aperture.
    dtype, device
        Of the result.

    Returns
    -------
    pupil : torch.Tensor
        (points, points), from 0 to 1: the share of the area around each point that is open.
    y, x : torch.Tensor
        (points, 1) and (points,), places in units of the radius, for `zernike`.

    Raises
    ------
    ValueError
        If ``points`` is not positive, or ``obscuration`` outside 0 to 1.

    Examples
    --------
    >>> from sunpy_ml.optics import pupil_grid
    >>> pupil, y, x = pupil_grid(64)
    >>> round(float(pupil.mean()), 3)  # pi / 4
    0.785
    """
    check_obscuration(obscuration)
    if points < 1:
        raise ValueError(f"points: expected a positive number across the aperture, got {points}.")
    fine = _places(points * _FINER, torch.float64)
    square = fine[:, None] ** 2 + fine**2
    is_open = ((square <= 1) & (square >= obscuration**2)).double()
    pupil = is_open.reshape(points, _FINER, points, _FINER).mean(dim=(1, 3)).to(dtype=dtype, device=device)
    places = _places(points, dtype).to(device)
    return pupil, places[:, None], places


@u.quantity_input
def psf_from_phase(
    phase: torch.Tensor,
    telescope: Telescope,
    *,
    scale: u.Quantity[u.arcsec / u.pix],
    size: int,
    normalise: bool = True,
) -> torch.Tensor:
    """Point spread functions of a telescope behind wavefronts.

    Parameters
    ----------
    phase : torch.Tensor
        (..., points, points), in radians, on the grid of `pupil_grid`.
    telescope : Telescope
        Of which the aperture, its obscuration and the wavelength count.
    scale : `~astropy.units.Quantity`
        Of the result, an angle per pixel.
    size : int
        Rows and columns of the result.
    normalise : bool
        Whether the sum is made 1, as a convolution needs; else it is the share of the light within the field.

    Returns
    -------
    torch.Tensor
        (..., size, size), centred on the pixel ``(size // 2, size // 2)``. Gradients flow.

    Raises
    ------
    ValueError
        If the field is wider than the points can tell, or a value cannot be.

    Notes
    -----
    The Fourier transform of the pupil is a product of matrices, which samples any field at any scale (Soummer et al.
    2007, doi:10.1364/OE.15.015935). Positive x of the pupil and of the image agree: a phase that grows along x moves
    the image along positive x.

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import IDEAL_28CM, psf_from_phase
    >>> flat = psf_from_phase(torch.zeros(64, 64), IDEAL_28CM, scale=0.1 * u.arcsec / u.pix, size=65)
    >>> flat.sum(), flat.argmax() == 32 * 65 + 32
    (tensor(1.0000), tensor(True))
    """
    points = phase.shape[-1]
    if phase.ndim < 2 or phase.shape[-2] != points or not phase.is_floating_point():
        raise ValueError(f"phase: expected floats (..., points, points), got {tuple(phase.shape)} of {phase.dtype}.")
    # In units of the reciprocal cut-off, in which the points tell a field of as many units.
    step = float(scale.to_value(u.arcsec / u.pix)) * cutoff(telescope.aperture, telescope.wavelength)
    if size < 1 or not 0 < size * step <= points * (1 + 1e-6):
        raise ValueError(
            f"size: {size} pixels of {scale} are {size * step:.0f} diffraction widths, and {points} points across "
            "the pupil tell as many; give more points, or a smaller positive size or scale."
        )
    pupil, _, _ = pupil_grid(points, obscuration=telescope.obscuration, dtype=phase.dtype, device=phase.device)
    places = _places(points, torch.float64) / 2
    angles = step * (torch.arange(size, dtype=torch.float64) - size // 2)
    waves = torch.exp(-2j * math.pi * angles[:, None] * places)
    waves = waves.to(device=phase.device, dtype=torch.complex128 if phase.dtype == torch.float64 else torch.complex64)
    field = waves @ torch.polar(pupil, phase) @ waves.T
    spread = field.real**2 + field.imag**2
    if normalise:
        return spread / spread.sum(dim=(-2, -1), keepdim=True)
    # A point of which half is open lets half the amplitude pass: the light that is missing then is farther away.
    return spread * (step / points) ** 2 / pupil.sum()


@u.quantity_input
def seeing_psf(
    telescope: Telescope,
    *,
    fried: u.Quantity[u.m],
    scale: u.Quantity[u.arcsec / u.pix],
    size: int,
    batch: int = 1,
    points: int = 128,
    stabilised: bool = False,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Draw short-exposure point spread functions of a telescope in Kolmogorov turbulence.

    Parameters
    ----------
    telescope : Telescope
        Of which the aperture, its obscuration and the wavelength count.
    fried : `~astropy.units.Quantity`
        Fried's parameter, at the wavelength of the telescope.
    scale : `~astropy.units.Quantity`
        Of the result, an angle per pixel.
    size : int
        Rows and columns of the result.
    batch : int
        How many.
    points : int
        Across the aperture: a few for each Fried parameter, and one for each diffraction width of the field.
    stabilised : bool
        Whether the tilt of each wavefront is taken away, so that the images do not move.
    generator : torch.Generator, optional
        On ``device``; torch's global one by default.
    dtype, device
        Of the result.

    Returns
    -------
    torch.Tensor
        (batch, size, size), each of sum 1, centred on the pixel ``(size // 2, size // 2)``; as `convolve` takes it.

    Raises
    ------
    ValueError
        If the field is wider than the points can tell, or a value cannot be.

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import IDEAL_28CM, seeing_psf
    >>> generator = torch.Generator().manual_seed(0)
    >>> seeing_psf(
    ...     IDEAL_28CM, fried=7 * u.cm, scale=0.1 * u.arcsec / u.pix, size=64, batch=2, points=64, generator=generator
    ... ).shape
    torch.Size([2, 64, 64])
    """
    pixel = telescope.aperture / (points * u.pix)
    phase = kolmogorov_screen(
        (points, points), pixel=pixel, fried=fried, batch=batch, generator=generator, dtype=dtype, device=device
    )
    if stabilised:
        phase = phase - _tilt(phase, telescope.obscuration)
    return psf_from_phase(phase, telescope, scale=scale, size=size)


@u.quantity_input
def long_exposure_mtf(
    frequency: u.Quantity[1 / u.arcsec], *, fried: u.Quantity[u.m], wavelength: u.Quantity[u.m]
) -> torch.Tensor:
    """Modulation transfer of the atmosphere in a long exposure; that of the telescope comes as a factor.

    Parameters
    ----------
    frequency : `~astropy.units.Quantity`
        Spatial frequencies, in cycles per angle; any shape.
    fried : `~astropy.units.Quantity`
        Fried's parameter, at ``wavelength``.
    wavelength : `~astropy.units.Quantity`
        Of the light.

    Returns
    -------
    torch.Tensor
        float64 of the shape of ``frequency``.

    Notes
    -----
    Fried 1966, doi:10.1364/JOSA.56.001372.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.optics import long_exposure_mtf
    >>> long_exposure_mtf([0, 0.5, 1] / u.arcsec, fried=10 * u.cm, wavelength=500 * u.nm)
    tensor([1.0000, 0.3194, 0.0267], dtype=torch.float64)
    """
    relative = per_arcsec(frequency).abs() / cutoff(fried, wavelength)
    return torch.exp(-STRENGTH / 2 * relative ** (5 / 3))


@u.quantity_input
def short_exposure_mtf(
    frequency: u.Quantity[1 / u.arcsec],
    *,
    fried: u.Quantity[u.m],
    wavelength: u.Quantity[u.m],
    aperture: u.Quantity[u.m],
) -> torch.Tensor:
    """The same in the mean of short exposures of which the motion was taken away.

    Parameters
    ----------
    frequency, fried, wavelength
        As for `long_exposure_mtf`.
    aperture : `~astropy.units.Quantity`
        Diameter of the entrance pupil, without obscuration.

    Returns
    -------
    torch.Tensor
        float64 of the shape of ``frequency``, without meaning beyond the cut-off of the aperture.

    Notes
    -----
    Fried 1966, doi:10.1364/JOSA.56.001372, without scintillation. It takes the tilt and what is left of the wavefront
    as independent, and passes up to 0.04 too little at an aperture of four Fried parameters.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.optics import short_exposure_mtf
    >>> short_exposure_mtf(0.5 / u.arcsec, fried=10 * u.cm, wavelength=500 * u.nm, aperture=50 * u.cm)
    tensor(0.5455, dtype=torch.float64)
    """
    radial = per_arcsec(frequency).abs()
    relative = radial / cutoff(fried, wavelength)
    share = radial / cutoff(aperture, wavelength)
    return torch.exp(-STRENGTH / 2 * relative ** (5 / 3) * (1 - share ** (1 / 3)))


def _places(points: int, dtype: torch.dtype) -> torch.Tensor:
    """The middles of equal parts of the interval from -1 to 1."""
    return (2 * torch.arange(points, dtype=dtype) + 1) / points - 1


def _tilt(phase: torch.Tensor, obscuration: float) -> torch.Tensor:
    """Mean and tilt of wavefronts over the aperture."""
    pupil, y, x = pupil_grid(phase.shape[-1], obscuration=obscuration, dtype=phase.dtype, device=phase.device)
    # The polynomials end at the edge of the disk; the planes that they are cut from do not.
    planes = torch.stack(torch.broadcast_tensors(torch.ones_like(x), 2 * x, 2 * y))
    gram = torch.einsum("iyx,jyx,yx->ij", planes, planes, pupil)
    moments = torch.einsum("byx,iyx,yx->bi", phase, planes, pupil)
    return torch.einsum("bi,iyx->byx", torch.linalg.solve(gram, moments.T).T, planes)
