"""Scenes of the photosphere: brightness and field have solar values, and agree with each other."""

import itertools

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.time import Time
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.ndimage import label as labelled
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective

from sunpy_ml.optics import HMI, IDEAL_28CM, degrade
from sunpy_ml.simulation.photosphere import PhotosphereParameters, photosphere_scene

KINDS = ("network", "plage", "pores", "quiet", "spot")
SCALE = 0.15 * u.arcsec / u.pix
MM = 0.15 * 0.7219
# Gaussian of the core of HMI's PSF, 0.96 arcsec wide, in pixels of 0.15 arcsec.
HMI_CORE = 0.96 / 2.3548 / 0.15


def arrays(scene):
    return scene.continuum.data.astype(float), scene.magnetogram.data.astype(float)


def seen_by_hmi(continuum, field):
    """Blurred with the core of HMI's PSF; the field is seen in the light that there is."""
    light = gaussian_filter(continuum, HMI_CORE)
    return light, gaussian_filter(continuum * field, HMI_CORE) / light


def largest_spot(light):
    """Where the largest spot is, and its umbra, as areas of smoothed brightness."""
    smooth = gaussian_filter(light, 2)
    regions, _ = labelled(gaussian_filter(light, 4) < 0.9)
    spot = regions == np.argmax(np.bincount(regions.ravel())[1:]) + 1
    return spot, spot & (smooth < 0.5)


@pytest.fixture(scope="module")
def spots():
    card = PhotosphereParameters(spot_radius=(8, 9) * u.Mm)
    return [arrays(photosphere_scene(shape=(380, 420), scale=SCALE, seed=seed, parameters=card)) for seed in (0, 1, 3)]


@pytest.fixture(scope="module")
def quiet():
    return [arrays(photosphere_scene("quiet", shape=(400, 400), scale=SCALE, seed=seed)) for seed in range(2)]


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene(kind):
    first, second, other = (photosphere_scene(kind, shape=(130, 150), scale=SCALE, seed=seed) for seed in (5, 5, 6))
    for one, again, different in zip(first, second, other, strict=True):
        assert one.data.shape == (130, 150)
        assert one.data.dtype == np.float32
        assert np.isfinite(one.data).all()
        assert np.array_equal(one.data, again.data)
        assert one.meta == again.meta
        assert not np.array_equal(one.data, different.data)


def test_a_generator_gives_one_scene_after_the_other():
    rng = np.random.default_rng(1)
    first, second = (photosphere_scene("quiet", shape=(64, 64), seed=rng) for _ in range(2))
    assert not np.array_equal(first.continuum.data, second.continuum.data)


def test_headers_say_what_the_maps_are():
    center = SkyCoord(-120 * u.arcsec, 310 * u.arcsec, frame=Helioprojective)
    continuum, magnetogram = photosphere_scene(
        "plage", shape=(80, 96), scale=0.00005 * u.deg / u.pix, center=center, time="2011-02-15T01:02:03.5"
    )
    assert continuum.unit == u.dimensionless_unscaled
    assert magnetogram.unit == u.G
    assert continuum.meta["content"] == "CONTINUUM INTENSITY"
    assert magnetogram.meta["content"] == "MAGNETOGRAM"
    for m in (continuum, magnetogram):
        assert u.isclose(m.wavelength, 617.33 * u.nm)
        assert m.date == Time("2011-02-15T01:02:03.5")
        assert u.allclose(m.scale, 0.18 * u.arcsec / u.pix)
        assert u.isclose(m.observer_coordinate.radius, 1 * u.au)
        assert u.isclose(m.rsun_meters, 695700 * u.km)
        assert "simulation" in m.instrument
        middle = m.wcs.pixel_to_world(47.5, 39.5)
        assert u.allclose([middle.Tx, middle.Ty], [center.Tx, center.Ty], atol=1e-6 * u.arcsec)


def test_survives_a_fits_file(tmp_path):
    for m in photosphere_scene("network", shape=(64, 64)):
        m.save(tmp_path / "scene.fits", overwrite=True)
        again = sunpy.map.Map(tmp_path / "scene.fits")
        assert np.array_equal(again.data, m.data)
        assert again.unit == m.unit
        assert again.wcs.wcs.compare(m.wcs.wcs)


def test_center_of_another_frame_is_transformed():
    point = SkyCoord(10 * u.deg, 8 * u.deg, frame=HeliographicStonyhurst, obstime="2014-01-01")
    scene = photosphere_scene("quiet", center=point, time="2014-01-01", shape=(65, 65))
    seen = scene.magnetogram.wcs.pixel_to_world(32, 32).transform_to(HeliographicStonyhurst(obstime="2014-01-01"))
    assert u.allclose([seen.lon, seen.lat], [10, 8] * u.deg, atol=1e-3 * u.deg)


def test_umbrae_are_dark_and_strong(spots):
    for light, field in spots:
        _, umbra = largest_spot(light)
        assert 0.03 < light.min() < 0.25
        assert 0.05 < np.percentile(light[umbra], 10) < 0.28
        assert 1800 < np.abs(field[umbra]).mean() < 3000
        assert 2200 < np.abs(field[umbra]).max() < 3700
        # One polarity each.
        assert np.abs(np.sign(field[umbra]).mean()) > 0.98


def test_a_spot_has_four_to_seven_times_the_area_of_its_umbra(spots):
    ratios = []
    for light, _ in spots:
        spot, umbra = largest_spot(light)
        ratios.append(spot.sum() / umbra.sum())
        assert spot.sum() * MM**2 == pytest.approx(np.pi * 8.5**2, rel=0.3)
    assert 4 < np.mean(ratios) < 7


def test_penumbra_is_between(spots):
    for light, field in spots:
        spot, umbra = largest_spot(light)
        penumbra = spot & ~umbra & (gaussian_filter(light, 2) > 0.55)
        assert 0.7 < light[penumbra].mean() < 0.86
        assert 0.08 < light[penumbra].std() < 0.2
        assert 350 < np.abs(field[penumbra]).mean() < 1100
        # Field returns at the outer ends of filaments, but not much of it.
        polarity = np.sign(field[umbra].mean())
        assert 0.002 < (field[penumbra] * polarity < -50).mean() < 0.2


def test_bright_filaments_have_the_weaker_field(spots):
    for light, field in spots:
        spot, umbra = largest_spot(light)
        penumbra = spot & ~umbra & (gaussian_filter(light, 3) > 0.6)
        fine_light, fine_field = (image - gaussian_filter(image, 4) for image in (light, np.abs(field)))
        assert np.corrcoef(fine_light[penumbra], fine_field[penumbra])[0, 1] < -0.4


def test_the_darker_the_stronger(spots):
    for light, field in spots:
        light, field = seen_by_hmi(light, field)
        magnetic = (light < 0.9) | (np.abs(field) > 300)
        assert np.corrcoef(light[magnetic], np.abs(field[magnetic]))[0, 1] < -0.65
        levels = [np.median(np.abs(field[(light > low) & (light <= low + 0.15)])) for low in (0.3, 0.5, 0.7, 0.9)]
        assert np.all(np.diff(levels) < 0)
        assert levels[0] > 1200
        assert levels[-1] < 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_flux_is_balanced(kind, seed):
    _, field = arrays(photosphere_scene(kind, shape=(256, 256), scale=SCALE, seed=seed))
    assert np.abs(field.sum()) < 0.08 * np.abs(field).sum()


def test_quiet_sun_has_granules(quiet):
    for light, field in quiet:
        assert light.mean() == pytest.approx(1, abs=0.01)
        assert 0.135 < light.std() < 0.175
        # The peak of k P(k).
        power = np.abs(np.fft.fft2(light - light.mean())) ** 2
        waves = np.hypot(*np.meshgrid(*(np.fft.fftfreq(400, MM),) * 2))
        edges = np.geomspace(0.1, 4, 12)
        spectrum = [power[(waves >= a) & (waves < b)].mean() * a * b for a, b in itertools.pairwise(edges)]
        peak = np.sqrt(edges[1:] * edges[:-1])[np.argmax(spectrum)]
        assert 0.5 < peak < 2
        assert 8 < np.abs(field).mean() < 25
        assert 3 < np.abs(seen_by_hmi(light, field)[1]).mean() < 13


@pytest.mark.parametrize(("telescope", "low", "high"), [(HMI, 0.036, 0.044), (IDEAL_28CM, 0.082, 0.098)])
def test_contrast_of_granulation_is_that_which_telescopes_see(telescope, low, high):
    scene = photosphere_scene("quiet", shape=(512, 512), seed=3)
    assert low < degrade(scene.continuum, telescope).data.std() < high


def test_strong_field_is_between_granules():
    given = photosphere_scene("quiet", shape=(300, 300), scale=SCALE, seed=8).continuum.data
    light, field = arrays(photosphere_scene("network", shape=(300, 300), scale=SCALE, seed=9, granulation=given))
    tubes = np.abs(field) > 800
    assert 0.002 < tubes.mean() < 0.1
    assert np.median(given[tubes]) < np.median(given) - 0.05
    # They are brighter than the lanes were.
    assert np.median(light[tubes]) > np.median(given[tubes]) + 0.03
    assert np.abs(field[tubes]).max() < 2600


def test_given_granulation_is_kept_and_not_changed():
    rng = np.random.default_rng(2)
    given = (500 * (1 + 0.1 * gaussian_filter(rng.standard_normal((120, 140)), 2))).astype(">f4")
    before = given.copy()
    light, field = arrays(photosphere_scene("quiet", shape=(120, 140), granulation=given))
    assert np.array_equal(given, before)
    weak = gaussian_filter((np.abs(field) > 200).astype(float), 5) < 1e-3
    assert weak.mean() > 0.3
    assert np.corrcoef(light[weak], given[weak])[0, 1] > 0.98
    assert light.mean() == pytest.approx(1, abs=0.02)


def test_sizes_are_solar_whatever_the_scale():
    card = PhotosphereParameters(spot_radius=(7, 7) * u.Mm)
    areas = []
    for scale, side in ((0.12, 420), (0.24, 210)):
        light, _ = arrays(
            photosphere_scene(shape=(side, side), scale=scale * u.arcsec / u.pix, seed=4, parameters=card)
        )
        areas.append((light < 0.5).sum() * (scale * 0.7219) ** 2)
    assert areas[0] == pytest.approx(areas[1], rel=0.35)


def test_small_concentrations_are_bright_and_large_ones_dark():
    light, field = arrays(photosphere_scene("plage", shape=(400, 400), scale=SCALE, seed=0))
    light, field = seen_by_hmi(light, field)
    weak, middle, strong = (
        light[(np.abs(field) > low) & (np.abs(field) < high)].mean() for low, high in ((0, 20), (100, 300), (700, 1000))
    )
    assert weak == pytest.approx(1, abs=0.015)
    assert 0.995 < middle < 1.04
    assert strong < 0.97


def test_pores_have_no_penumbra():
    light, field = arrays(photosphere_scene("pores", shape=(300, 300), scale=SCALE, seed=1))
    smooth = gaussian_filter(light, 2)
    dark = smooth < 0.5
    assert dark.sum() * MM**2 > 1
    away = distance_transform_edt(~dark) * MM
    assert light[(away > 1) & (away < 2)].mean() > 0.88
    assert 1300 < np.abs(field[dark]).mean() < 2300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "flare"}, "kind is 'flare': choose one of network"),
        ({"shape": (8, 100)}, "shape is"),
        ({"shape": (100, 100), "scale": 0.05 * u.arcsec / u.pix}, "needs 12 Mm"),
        ({"scale": -1 * u.arcsec / u.pix}, "scale is -1"),
        ({"center": SkyCoord(900 * u.arcsec, 0 * u.arcsec, frame=Helioprojective)}, "seen from above"),
        ({"granulation": np.ones((4, 4))}, "granulation has the shape"),
        ({"granulation": np.full((512, 512), np.nan)}, "granulation has the shape"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        photosphere_scene(**arguments)


def test_scale_needs_a_unit_and_center_one_point():
    with pytest.raises(TypeError, match="scale"):
        photosphere_scene(scale=0.1)
    with pytest.raises(u.UnitsError):
        photosphere_scene(scale=0.1 * u.arcsec)
    with pytest.raises(TypeError, match="center is"):
        photosphere_scene(center=(0, 0))
