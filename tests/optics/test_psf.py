"""Point spread functions and their transforms, against theory and against each other."""

from dataclasses import replace
from itertools import product as product_of

import astropy.units as u
import numpy as np
import pytest
import torch
from scipy.integrate import simpson
from scipy.special import j0, j1

from sunpy_ml.optics import (
    HINODE_SOT,
    HMI,
    HMI_WACHTER,
    IDEAL_28CM,
    TELESCOPES,
    WACHTER,
    WACHTER_MODIFIED,
    Telescope,
    WachterForm,
    airy_mtf,
    airy_psf,
    apply_transfer,
    pixel_transfer,
    product,
    ratio,
    telescope_table,
)

APERTURE = {"aperture": 28 * u.cm, "wavelength": 617.33 * u.nm}
CUTOFF = (28 * u.cm / (617.33 * u.nm) / u.rad).to(1 / u.arcsec)


def enclosed(mtf, radius, highest, count=20_001):
    """The energy within a radius, by theory an integral of the transfer function over its frequencies."""
    frequency = np.linspace(0, highest, count)
    values = mtf(frequency / u.arcsec).numpy()
    return float(2 * np.pi * radius * simpson(values * j1(2 * np.pi * frequency * radius), x=frequency))


def hankel(psf, frequency, radius, count=1_000_001):
    """The transform of a round function, by brute force."""
    r = np.linspace(0, radius, count)
    return simpson(2 * np.pi * r * psf(r * u.arcsec).numpy() * j0(2 * np.pi * frequency * r), x=r)


@pytest.mark.parametrize("radius", [0.1, 0.553, 1.0, 5.0])
def test_the_energy_of_an_airy_disc_follows_rayleigh(radius):
    v = np.pi * CUTOFF.value * radius
    energy = enclosed(lambda f: airy_mtf(f, **APERTURE), radius, CUTOFF.value)
    assert energy == pytest.approx(1 - j0(v) ** 2 - j1(v) ** 2, abs=1e-4)


@pytest.mark.parametrize("obscuration", [0.0, 0.1, 0.344, 0.8])
def test_psf_and_mtf_of_any_aperture_hold_the_same_energy(obscuration):
    r = np.linspace(0, 3, 200_001)
    psf = airy_psf(r * u.arcsec, obscuration=obscuration, **APERTURE).numpy()
    energy = enclosed(lambda f: airy_mtf(f, obscuration=obscuration, **APERTURE), 3, CUTOFF.value)
    assert simpson(2 * np.pi * r * psf, x=r) == pytest.approx(energy, abs=1e-4)
    assert 0.8 < energy < 1


@pytest.mark.parametrize("obscuration", [0.0, 0.344, 0.7])
def test_mtf_is_the_autocorrelation_of_the_pupil(obscuration):
    # The pupil is cut into strips; what two strips have in common is a matter of their ends.
    y = (np.arange(40_000) + 0.5) / 20_000 - 1
    outer, inner = np.sqrt(1 - y**2), np.sqrt(np.clip(obscuration**2 - y**2, 0, None))
    strips = [(-outer, -inner), (inner, outer)]
    shifts = np.linspace(0, 2, 101)
    overlap = np.zeros_like(shifts)
    for index, shift in enumerate(shifts):
        for (a, b), (c, d) in product_of(strips, strips):
            overlap[index] += np.clip(np.minimum(b, d + shift) - np.maximum(a, c + shift), 0, None).sum()
    mtf = airy_mtf(shifts / 2 * CUTOFF, obscuration=obscuration, **APERTURE).numpy()
    np.testing.assert_allclose(overlap / overlap[0], mtf, atol=1e-5)


@pytest.mark.parametrize("obscuration", [0.0, 0.344])
def test_nothing_passes_beyond_the_cutoff(obscuration):
    mtf = airy_mtf([0, 0.9999, 1, 1.0001, 50] * CUTOFF, obscuration=obscuration, **APERTURE).numpy()
    assert mtf[0] == pytest.approx(1, abs=1e-12)
    assert 0 < mtf[1] < 1e-4
    np.testing.assert_allclose(mtf[2:], 0, atol=1e-12)


def test_wachters_form_is_what_the_paper_says():
    unit = (617.33 * u.nm / (np.pi * 14 * u.cm) * u.rad).to_value("arcsec")
    assert unit == pytest.approx(0.2895, abs=1e-4)
    r = np.array([0.0, 0.3, 0.6, 2.0, 10.0, 59.0])
    for telescope, w, wide in ((HMI, 2, 3.4), (HMI_WACHTER, 1.8, 3)):
        x = r / unit
        form = 0.9 * np.exp(-((x / w) ** 2)) + 0.1 / (1 + (x / wide) ** 3)
        ours = telescope.point_spread(r * u.arcsec).numpy()
        np.testing.assert_allclose(ours / ours[0], form, rtol=1e-6)
        assert telescope.point_spread(61 * u.arcsec) == 0


@pytest.mark.parametrize("telescope", [HMI, HMI_WACHTER], ids=lambda t: t.name)
@pytest.mark.parametrize("frequency", [0.0, 0.003, 0.02, 0.1, 0.5, 0.84, 1.0, 2.0])
def test_the_transform_of_hmis_psf_is_right(telescope, frequency):
    assert hankel(telescope.point_spread, frequency, 60) == pytest.approx(
        float(telescope.mtf(frequency / u.arcsec)), abs=1e-5
    )


def test_hmis_wings_hold_what_they_are_known_to():
    r = np.linspace(0, 60, 600_001)
    ring = 2 * np.pi * r * HMI.point_spread(r * u.arcsec).numpy()
    assert simpson(ring, x=r) == pytest.approx(1, abs=1e-4)
    # 3.5 % of an endless function is 3 % of one that ends at 60 arcsec.
    assert simpson(ring[r >= 10], x=r[r >= 10]) == pytest.approx(0.030, abs=0.001)
    endless = WachterForm(core=2.0, wing=3.4, radius=1e4)
    beyond = 1 - simpson(ring[r <= 10], x=r[r <= 10]) * (1 - endless.wing_energy) / (1 - WACHTER_MODIFIED.wing_energy)
    assert beyond == pytest.approx(0.035, abs=0.001)
    assert endless.wing_energy == pytest.approx(0.44, abs=0.005)
    assert WACHTER.wing_energy == pytest.approx(0.43, abs=0.01)


@pytest.mark.parametrize("telescope", [HMI, IDEAL_28CM, HINODE_SOT], ids=lambda t: t.name)
def test_the_image_of_a_point_is_the_psf(telescope):
    step, size = 0.06, 1500
    point = torch.zeros(size, size, dtype=torch.float64)
    point[size // 2, size // 2] = 1
    seen = apply_transfer(point, telescope.transfer(), scale=step * u.arcsec / u.pix).numpy()
    offset = step * (np.arange(size) - size // 2)
    psf = telescope.point_spread(np.abs(offset) * u.arcsec).numpy()
    # The wings of the neighbours in the periodic plane add a little.
    np.testing.assert_allclose(seen[size // 2] / step**2, psf, atol=1e-4 * psf.max())
    assert seen.sum() == pytest.approx(1, abs=1e-12)


def test_the_pixel_is_a_sinc():
    fy, fx = torch.tensor(0.3), torch.tensor([0.0, 1 / 0.504, 0.9])
    expected = np.sinc(0.3 * 0.504) * np.sinc(fx.numpy() * 0.504)
    np.testing.assert_allclose(pixel_transfer(HMI.pixel)(fy, fx), expected, atol=1e-6)
    both = product(HMI.transfer(), pixel_transfer(HMI.pixel))(fy, fx)
    np.testing.assert_allclose(both, HMI.transfer()(fy, fx).numpy() * expected, atol=1e-6)


def test_the_ratio_undoes_what_is_done_twice():
    frequency = torch.linspace(0, 4, 401, dtype=torch.float64)
    first, then = IDEAL_28CM.transfer(), ratio(HMI.transfer(), IDEAL_28CM.transfer())
    zero = torch.zeros_like(frequency)
    missing = then(zero, frequency)
    known = first(zero, frequency) > 0.01
    torch.testing.assert_close((missing * first(zero, frequency))[known], HMI.transfer()(zero, frequency)[known])
    assert (missing[~known] == 0).all()
    assert (missing[frequency > CUTOFF.value] == 0).all()
    assert float(missing.abs().max()) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"floor: .* got 0"):
        ratio(first, first, floor=0)


def test_the_table_of_telescopes_has_units_and_sources():
    table = telescope_table()
    assert len(table) == len(TELESCOPES) == len(set(table["name"]))
    assert table["cutoff"].unit == 1 / u.arcsec
    assert all(row["source"] for row in table)
    assert all(doi.startswith("10.") for row in table for doi in row["doi"].split(", "))
    assert replace(HMI, aperture=28 * u.cm).cutoff == IDEAL_28CM.cutoff


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"aperture": 0.14}, TypeError, "aperture: expected a Quantity"),
        ({"aperture": -1 * u.m}, ValueError, "aperture: expected one positive value, got -1"),
        ({"wavelength": [1, 2] * u.nm}, ValueError, "wavelength: expected one"),
        ({"pixel": 1 * u.arcsec}, u.UnitsError, "arcsec"),
        ({"obscuration": 1.0}, ValueError, "obscuration: .* got 1.0"),
        ({"psf": "gauss"}, ValueError, "psf: got 'gauss', choose from .*wachter-modified"),
    ],
)
def test_impossible_telescopes_are_refused(values, error, message):
    good = {"aperture": 1 * u.m, "wavelength": 500 * u.nm, "pixel": 0.1 * u.arcsec / u.pix}
    with pytest.raises(error, match=message):
        Telescope(name="Test", **{**good, **values})


@pytest.mark.parametrize("values", [{"core": 0}, {"power": 2}, {"share": 1.5}, {"radius": 5}])
def test_impossible_forms_are_refused(values):
    with pytest.raises(ValueError, match=r"form|radius"):
        WachterForm(**{"core": 2, "wing": 3.4, **values})


def test_units_are_asked_for():
    with pytest.raises(u.UnitsError, match="frequency"):
        HMI.mtf(1 * u.arcsec)
    with pytest.raises(TypeError, match="angle"):
        airy_psf(1.0, **APERTURE)
