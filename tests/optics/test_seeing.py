"""Zernike polynomials, phase screens and the images through them, against Noll, Fried and Kolmogorov."""

import astropy.units as u
import numpy as np
import pytest
import torch

from sunpy_ml.optics import (
    HINODE_SOT,
    IDEAL_28CM,
    Telescope,
    airy_mtf,
    convolve,
    kolmogorov_coefficients,
    kolmogorov_screen,
    kolmogorov_structure,
    long_exposure_mtf,
    noll_covariance,
    noll_index,
    psf_from_phase,
    pupil_grid,
    seeing_psf,
    short_exposure_mtf,
    zernike,
)
from sunpy_ml.optics.phase import _PARABOLA, _embedding
from sunpy_ml.optics.seeing import _tilt

HALF_METRE = Telescope("Test", aperture=50 * u.cm, wavelength=500 * u.nm, pixel=0.1 * u.arcsec / u.pix)
# Noll 1976, table IV: what is left of the phase after the first modes, for an aperture as wide as Fried's parameter.
RESIDUALS = [1.0299, 0.582, 0.134, 0.111, 0.0880, 0.0648, 0.0587, 0.0525, 0.0463, 0.0401, 0.0377]
RESIDUALS += [0.0352, 0.0328, 0.0304, 0.0279, 0.0267, 0.0255, 0.0243, 0.0232, 0.0220, 0.0208]
# Three values of each polynomial as AOtools computes them, at (row, column) (1, 2), (5, 0) and (6, 5) of 8 x 8.
AOTOOLS = {
    2: [-0.75, -1.75, 0.75],
    3: [-1.25, 0.75, 1.25],
    5: [1.148198, -1.607478, 1.148198],
    8: [0.430893, -1.778815, -0.430893],
    11: [-1.104932, 1.096197, -1.104932],
    17: [1.196705, 0.438933, -1.196705],
    22: [-0.246424, 0.323291, -0.246424],
    37: [1.081255, -0.5818, 1.081255],
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_nolls_numbers():
    first = [(0, 0), (1, 1), (1, -1), (2, 0), (2, -2), (2, 2), (3, -1), (3, 1), (3, -3), (3, 3), (4, 0)]
    first += [(4, 2), (4, -2), (4, 4), (4, -4), (5, 1), (5, -1), (5, 3), (5, -3), (5, 5), (5, -5), (6, 0)]
    assert [noll_index(mode) for mode in range(1, 23)] == first
    # Each order is there once, whatever its number.
    orders = [noll_index(mode) for mode in range(1, 497)]
    assert len(set(orders)) == 496
    assert all(abs(m) <= n <= 30 and (n - m) % 2 == 0 for n, m in orders)


def test_polynomials_agree_with_aotools():
    places = torch.as_tensor((np.arange(8) + 0.5) / 4 - 1)
    ours = zernike(list(AOTOOLS), places[:, None], places)
    for values, expected in zip(ours.numpy(), AOTOOLS.values(), strict=True):
        np.testing.assert_allclose([values[1, 2], values[5, 0], values[6, 5]], expected, atol=1e-6)
    assert (ours[:, 0, 0] == 0).all()


def test_polynomials_are_orthonormal():
    # Gauss-Legendre in the square of the radius and even steps of the angle are exact for polynomials.
    nodes, weights = np.polynomial.legendre.leggauss(20)
    radius = torch.as_tensor(np.sqrt((nodes + 1) / 2))[:, None]
    angle = torch.arange(64).double() * (2 * torch.pi / 64)
    modes = zernike(range(1, 67), radius * torch.sin(angle), radius * torch.cos(angle))
    gram = torch.einsum("iry,jry,r->ij", modes, modes, torch.as_tensor(weights) / 2) / 64
    torch.testing.assert_close(gram, torch.eye(66).double(), atol=1e-10, rtol=0)


def test_the_edge_of_the_disk_belongs_to_it():
    angle = torch.linspace(0, 6, 50, dtype=torch.float64)
    torch.testing.assert_close(zernike(4, torch.sin(angle), torch.cos(angle))[0], torch.full((50,), 3**0.5).double())


def test_turbulence_is_nolls():
    variances = noll_covariance(range(2, 22)).diagonal()
    residuals = RESIDUALS[0] - np.cumsum(variances.numpy())
    # His constant is rounded, and 1.0299 with it: 1.0324 fits the exact one.
    np.testing.assert_allclose(residuals + 0.0025, RESIDUALS[1:], rtol=0.01)
    # What is left after many modes is known, too (his equation 34).
    first = float(noll_covariance(range(2, 466)).diagonal().sum())
    assert first + 0.2944 * 465 ** (-(3**0.5) / 2) == pytest.approx(1.0324, abs=0.0005)


def test_covariances_agree_with_the_structure_function():
    # The covariance of two modes is minus half their mean over pairs of points, weighted with the structure function.
    generator = np.random.default_rng(0)
    radius, angle = np.sqrt(generator.random((2, 400_000))), 2 * np.pi * generator.random((2, 400_000))
    x, y = torch.as_tensor(radius * np.cos(angle)), torch.as_tensor(radius * np.sin(angle))
    apart = torch.hypot(x[0] - x[1], y[0] - y[1]) / 2
    structure = kolmogorov_structure(apart.numpy() * u.m, fried=1 * u.m)
    modes = [2, 3, 4, 8]
    first, second = zernike(modes, y[0], x[0]), zernike(modes, y[1], x[1])
    drawn = -0.5 * torch.einsum("in,jn,n->ij", first, second, structure) / len(apart)
    torch.testing.assert_close(drawn, noll_covariance(modes), atol=0.008, rtol=0)


def test_coefficients_are_drawn_with_their_covariance():
    drawn = kolmogorov_coefficients(range(2, 12), aperture=80 * u.cm, fried=10 * u.cm, batch=20_000, generator=seeded())
    expected = noll_covariance(range(2, 12)) * 8 ** (5 / 3)
    scale = torch.sqrt(torch.outer(expected.diagonal(), expected.diagonal()))
    torch.testing.assert_close(torch.cov(drawn.T).double() / scale, expected / scale, atol=0.03, rtol=0)


@pytest.mark.parametrize("diagonal", [20.0, 90.5, 181.0])
def test_the_embedding_has_kolmogorovs_structure_function(diagonal):
    # The covariance of the periodic part, and what random slopes add, at any distance up to the diagonal.
    covariance = torch.fft.fft2(_embedding(diagonal) ** 2).real
    steps = torch.arange(1, int(diagonal / 2**0.5))
    for distance, value in (
        (steps / diagonal, covariance[0, steps]),
        (steps / diagonal * 2**0.5, covariance[steps, steps]),
    ):
        structure = 2 * (covariance[0, 0] - value) + 2 * _PARABOLA * distance.double() ** 2
        torch.testing.assert_close(structure, 2 * distance.double() ** (5 / 3), rtol=0.005, atol=0)


def test_screens_have_kolmogorovs_structure_function():
    pixel, fried = 1 * u.cm / u.pix, 12 * u.cm
    screens = kolmogorov_screen((32, 32), pixel=pixel, fried=fried, batch=2500, generator=seeded(1))
    for step in (1, 2, 5, 12, 28):
        down = float((screens[:, step:] - screens[:, :-step]).square().mean())
        right = float((screens[..., step:] - screens[..., :-step]).square().mean())
        theory = float(kolmogorov_structure(step * u.cm, fried=fried))
        assert (down + right) / 2 == pytest.approx(theory, rel=0.05)


def test_screens_are_independent_and_can_be_drawn_again():
    def draw(seed, batch=3):
        return kolmogorov_screen((24, 30), pixel=2 * u.cm / u.pix, fried=10 * u.cm, batch=batch, generator=seeded(seed))

    torch.testing.assert_close(draw(5), draw(5))
    assert not torch.allclose(draw(5), draw(6))
    many = draw(7, batch=400).flatten(1)
    torch.testing.assert_close(many.mean(dim=1), torch.zeros(400), atol=1e-4, rtol=0)
    # Neighbours in the batch share a transform, and nothing else.
    pairs = torch.nn.functional.cosine_similarity(many[::2], many[1::2])
    assert abs(float(pairs.mean())) < 0.15


def test_zernike_modes_of_screens_are_nolls():
    screens = kolmogorov_screen((32, 32), pixel=1 / 32 * u.m / u.pix, fried=1 * u.m, batch=2000, generator=seeded(2))
    pupil, y, x = pupil_grid(32)
    modes = zernike(range(2, 11), y, x)
    found = torch.einsum("bij,mij,ij->bm", screens, modes, pupil) / pupil.sum()
    ratio = found.double().var(dim=0) / noll_covariance(range(2, 11)).diagonal()
    torch.testing.assert_close(ratio, torch.ones(9).double(), atol=0.12, rtol=0)
    # Without tilt, what is left is 0.134.
    rest = screens - _tilt(screens, 0.0)
    variance = (rest.square() * pupil).sum(dim=(1, 2)) / pupil.sum()
    assert float(variance.mean()) == pytest.approx(0.1346, rel=0.05)


@pytest.mark.parametrize("telescope", [IDEAL_28CM, HINODE_SOT], ids=lambda t: t.name)
def test_a_flat_wavefront_makes_an_ideal_image(telescope):
    scale, size = 0.05, 61
    flat = torch.zeros(192, 192, dtype=torch.float64)
    psf = psf_from_phase(flat, telescope, scale=scale * u.arcsec / u.pix, size=size, normalise=False)
    offset = scale * (np.arange(size) - size // 2)
    radius = np.hypot(offset[:, None], offset)
    theory = scale**2 * telescope.point_spread(radius * u.arcsec).numpy()
    np.testing.assert_allclose(psf, theory, atol=1e-3 * theory.max())
    wide = psf_from_phase(flat, telescope, scale=0.08 * u.arcsec / u.pix, size=201, normalise=False)
    assert 0.97 < wide.sum() < 1


def test_all_the_light_is_in_the_whole_field():
    # As many pixels as diffraction widths: Parseval's theorem holds to rounding, whatever the phase.
    pupil, _, _ = pupil_grid(32, dtype=torch.float64)
    phase = kolmogorov_screen((32, 32), pixel=1 * u.cm / u.pix, fried=8 * u.cm, generator=seeded(), dtype=torch.float64)
    width = (HALF_METRE.wavelength / HALF_METRE.aperture * u.rad).to("arcsec")
    psf = psf_from_phase(phase, HALF_METRE, scale=width / (2 * u.pix), size=64, normalise=False)
    assert float(psf.sum()) == pytest.approx(float((pupil**2).sum() / pupil.sum()), abs=1e-9)
    assert 0.97 < psf.sum() < 1
    assert (psf >= 0).all()


def test_a_tilt_moves_the_image():
    _, y, x = pupil_grid(96, dtype=torch.float64)
    scale, width = 0.04, (HALF_METRE.wavelength / HALF_METRE.aperture * u.rad).to_value("arcsec")
    # A wave across the diameter is a diffraction width in the image.
    phase = 2 * torch.pi * (1.5 * x / 2 - 0.75 * y / 2)
    psf = psf_from_phase(phase, HALF_METRE, scale=scale * u.arcsec / u.pix, size=128)
    flat = psf_from_phase(torch.zeros_like(phase), HALF_METRE, scale=scale * u.arcsec / u.pix, size=128)
    row, column = np.unravel_index(int(psf.argmax()), psf.shape)
    assert column - 64 == pytest.approx(1.5 * width / scale, abs=1)
    assert row - 64 == pytest.approx(-0.75 * width / scale, abs=1)
    assert float(psf.max()) == pytest.approx(float(flat.max()), rel=0.02)


def test_psfs_have_gradients_and_batches():
    phase = torch.randn(2, 8, 8, generator=seeded(), dtype=torch.float64)

    def image(phases):
        return psf_from_phase(phases, HALF_METRE, scale=0.1 * u.arcsec / u.pix, size=6)

    both = image(phase)
    for one, alone in zip(phase, both, strict=True):
        torch.testing.assert_close(image(one), alone)
    assert torch.autograd.gradcheck(image, phase.requires_grad_())


@pytest.mark.parametrize("stabilised", [False, True])
def test_the_mean_of_short_exposures_is_frieds(stabilised):
    fried, size, scale = 12.5 * u.cm, 96, 0.1
    psf = seeing_psf(
        HALF_METRE,
        fried=fried,
        scale=scale * u.arcsec / u.pix,
        size=size,
        points=48,
        batch=500,
        stabilised=stabilised,
        generator=seeded(3),
    )
    torch.testing.assert_close(psf.sum(dim=(1, 2)), torch.ones(500))
    mean = torch.fft.ifftshift(psf.mean(dim=0))
    # The mean along both axes and against both.
    transfer = torch.fft.rfft2(mean).real
    transfer = (transfer[: size // 2 + 1, 0] + transfer[0]) / 2
    frequency = np.arange(size // 2 + 1) / (size * scale) / u.arcsec
    optics = airy_mtf(frequency, aperture=HALF_METRE.aperture, wavelength=HALF_METRE.wavelength)
    if stabilised:
        air = short_exposure_mtf(frequency, fried=fried, wavelength=500 * u.nm, aperture=50 * u.cm)
    else:
        air = long_exposure_mtf(frequency, fried=fried, wavelength=500 * u.nm)
    # Fried takes the tilt as unrelated to the rest of the wavefront: his short exposures pass somewhat too little.
    torch.testing.assert_close(transfer.double(), optics * air, atol=0.05 if stabilised else 0.02, rtol=0)


def test_images_through_the_air_are_blurred_and_keep_their_light():
    image = torch.rand(1, 64, 64, generator=seeded(1))
    psf = seeing_psf(
        IDEAL_28CM, fried=7 * u.cm, scale=0.2 * u.arcsec / u.pix, size=32, batch=4, points=64, generator=seeded()
    )
    seen = convolve(image, psf)
    assert seen.shape == (4, 64, 64)
    torch.testing.assert_close(seen.mean(dim=(1, 2)), image.mean().expand(4))
    assert (seen.std(dim=(1, 2)) < image.std()).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noll_index(0), "mode: Noll counts from 1, got 0"),
        (lambda: zernike(500, torch.zeros(1), torch.zeros(1)), "radial order 31 is above 30"),
        (lambda: noll_covariance([1, 2]), "piston"),
        (lambda: kolmogorov_screen((8, 8), pixel=1 * u.cm / u.pix, fried=-1 * u.cm), "fried: .* got -1"),
        (lambda: kolmogorov_screen((0, 8), pixel=1 * u.cm / u.pix, fried=1 * u.cm), "shape, batch and pixel"),
        (lambda: kolmogorov_coefficients([2], aperture=1 * u.m, fried=1 * u.m, batch=0), "batch and aperture"),
        (lambda: pupil_grid(0), "points: .* got 0"),
        (lambda: psf_from_phase(torch.zeros(8, 9), IDEAL_28CM, scale=1 * u.arcsec / u.pix, size=4), "phase: .*8, 9"),
        (lambda: psf_from_phase(torch.zeros(8, 8), IDEAL_28CM, scale=1 * u.arcsec / u.pix, size=9), "size: 9 pixels"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_units_are_asked_for():
    with pytest.raises(u.UnitsError, match="fried"):
        kolmogorov_screen((8, 8), pixel=1 * u.cm / u.pix, fried=1 * u.nm / u.s)
    with pytest.raises(TypeError, match="scale"):
        psf_from_phase(torch.zeros(8, 8), IDEAL_28CM, scale=1, size=9)
