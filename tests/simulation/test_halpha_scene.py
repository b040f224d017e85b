"""Scenes of the chromosphere: what the header says is in the image."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.time import Time
from scipy.ndimage import gaussian_filter, label
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
from sunpy.map.maputils import all_coordinates_from_map, coordinate_is_on_solar_disk

from sunpy_ml.simulation import halpha_parameters, halpha_scene

KINDS = ("filaments", "flares", "prominences", "quiet", "sunspots")
QUIET = 1000.0
MM_PER_ARCSEC = 0.7253


def at(tx, ty):
    return SkyCoord(tx * u.arcsec, ty * u.arcsec, frame=Helioprojective)


def smoothed(scene, size=2.0):
    """The scene in units of the quiet Sun, without its grain (``size`` in Mm)."""
    return gaussian_filter(scene.data / QUIET, size / MM_PER_ARCSEC / scene.scale[0].value)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene(kind):
    first, second = halpha_scene(kind, seed=5), halpha_scene(kind, seed=5)
    assert np.array_equal(first.data, second.data)
    assert first.meta == second.meta
    assert not np.array_equal(first.data, halpha_scene(kind, seed=6).data)


def test_a_generator_gives_one_scene_after_the_other():
    rng = np.random.default_rng(1)
    first, second = halpha_scene(seed=rng), halpha_scene(seed=rng)
    assert not np.array_equal(first.data, second.data)


@pytest.mark.parametrize("kind", KINDS)
def test_data_are_plain(kind):
    scene = halpha_scene(kind, shape=(90, 121), seed=3)
    assert scene.data.shape == (90, 121)
    assert scene.data.dtype == np.float32
    assert np.isfinite(scene.data).all()
    assert scene.data.min() >= 0


def test_header_says_what_was_asked():
    center = at(-120, 310)
    scene = halpha_scene("quiet", scale=0.0002 * u.deg / u.pix, center=center, time="2011-02-15T01:02:03.5")
    assert scene.wavelength == 6562.8 * u.AA
    assert scene.unit == u.DN
    assert u.allclose(scene.scale, 0.72 * u.arcsec / u.pix)
    assert scene.date == Time("2011-02-15T01:02:03.5")
    assert "simulation" in scene.observatory
    assert "simulation" in scene.instrument
    assert u.isclose(scene.dsun, 1 * u.au)
    middle = scene.wcs.pixel_to_world(*(np.array(scene.data.shape[::-1]) - 1) / 2)
    assert u.allclose([middle.Tx, middle.Ty], [center.Tx, center.Ty], atol=1e-6 * u.arcsec)


def test_survives_a_fits_file(tmp_path):
    scene = halpha_scene("filaments", extra=["sunspots"])
    scene.save(tmp_path / "scene.fits")
    again = sunpy.map.Map(tmp_path / "scene.fits")
    assert np.array_equal(again.data, scene.data)
    assert again.wavelength == scene.wavelength
    assert again.meta["features"] == "filaments, sunspots"


def test_center_of_another_frame_is_transformed():
    point = SkyCoord(30 * u.deg, 20 * u.deg, frame=HeliographicStonyhurst, obstime="2014-01-01")
    scene = halpha_scene("quiet", center=point, time="2014-01-01", shape=(65, 65))
    seen = scene.wcs.pixel_to_world(32, 32).transform_to(HeliographicStonyhurst(obstime="2014-01-01"))
    assert u.allclose([seen.lon, seen.lat], [30, 20] * u.deg, atol=1e-3 * u.deg)


@pytest.mark.parametrize(("tx", "ty"), [(960, 0), (-680, 680), (10, -955)])
def test_limb_is_where_the_wcs_says(tx, ty):
    scene = halpha_scene("quiet", center=at(tx, ty), seed=2)
    world = all_coordinates_from_map(scene)
    on_disk = coordinate_is_on_solar_disk(world)
    height = np.hypot(world.Tx, world.Ty) - scene.rsun_obs
    image = scene.data / QUIET
    assert on_disk.any()
    assert not on_disk.all()
    # Clear of the blur and of the spicules, the disk is bright and the sky is dark.
    assert image[height < -5 * u.arcsec].min() > 0.2
    assert image[height > 25 * u.arcsec].max() < 0.12
    # The limb is sharp to a few arcsec.
    assert image[np.abs(height + 3 * u.arcsec) < 1 * u.arcsec].mean() > 0.35
    assert image[np.abs(height - 8 * u.arcsec) < 1 * u.arcsec].mean() < 0.2


def test_limb_darkening_follows_mu():
    scene = halpha_scene("quiet", center=at(0, 0), scale=8 * u.arcsec / u.pix, seed=4)
    world = all_coordinates_from_map(scene)
    distance = (np.hypot(world.Tx, world.Ty) / scene.rsun_obs).to_value("")
    image = scene.data / QUIET
    rings = [np.median(image[np.abs(distance - r) < 0.03]) for r in (0.1, 0.5, 0.8, 0.93)]
    assert np.all(np.diff(rings) < 0)
    assert rings[0] == pytest.approx(1, abs=0.03)
    assert rings[-1] == pytest.approx(0.73, abs=0.05)


@pytest.mark.parametrize("scale", [0.3, 1.06, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_spots_have_dark_umbrae(seed, scale):
    scene = halpha_scene("sunspots", scale=scale * u.arcsec / u.pix, seed=seed)
    assert scene.data.min() / np.median(scene.data) < 0.6


@pytest.mark.parametrize("scale", [0.3, 1.06, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_filaments_are_dark_and_long(seed, scale):
    scene = halpha_scene("filaments", center=at(50, 100), scale=scale * u.arcsec / u.pix, seed=seed)
    quiet = halpha_scene("quiet", center=at(50, 100), scale=scale * u.arcsec / u.pix, seed=seed)
    dark, quiet_dark = smoothed(scene, 1.0) < 0.85, smoothed(quiet, 1.0) < 0.85
    pieces, number = label(dark, np.ones((3, 3)))
    rows, columns = np.nonzero(pieces == 1 + np.argmax(np.bincount(pieces[dark])[1:]))
    assert number
    assert quiet_dark.mean() < 0.5 * dark.mean()
    extent = np.hypot(np.ptp(rows), np.ptp(columns)) * scale * MM_PER_ARCSEC
    area = rows.size * (scale * MM_PER_ARCSEC) ** 2
    assert extent > 10
    assert extent**2 > 1.5 * area


@pytest.mark.parametrize("scale", [0.3, 1.06, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_prominences_are_bright_above_the_limb(seed, scale):
    scene = halpha_scene("prominences", scale=scale * u.arcsec / u.pix, seed=seed)
    world = all_coordinates_from_map(scene)
    height = (np.hypot(world.Tx, world.Ty) - scene.rsun_obs).to_value("arcsec") * MM_PER_ARCSEC
    # Spicules reach less than 10 Mm.
    bright = (scene.data > 0.15 * QUIET) & (height > 10)
    assert bright.sum() * (scale * MM_PER_ARCSEC) ** 2 > 20
    bare = halpha_scene("quiet", scale=scale * u.arcsec / u.pix, seed=seed, center=scene.center)
    assert bare.data[height > 12].max() / QUIET < 0.12


@pytest.mark.parametrize("scale", [0.3, 1.06, 2.0])
@pytest.mark.parametrize("seed", range(4))
def test_flares_outshine_everything(seed, scale):
    scene = halpha_scene("flares", scale=scale * u.arcsec / u.pix, seed=seed)
    assert np.percentile(scene.data, 99.9) / np.median(scene.data) > 1.4


@pytest.mark.parametrize("seed", range(4))
def test_quiet_sun_is_quiet(seed):
    scene = halpha_scene("quiet", center=at(0, 0), seed=seed)
    assert 0.02 < scene.data.std() / scene.data.mean() < 0.12
    assert np.percentile(scene.data, [0.1, 99.9]) / QUIET == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize("seed", range(3))
def test_a_spot_has_the_same_size_at_every_scale(seed):
    areas = []
    for scale, pixels in ((0.5, 512), (1.0, 256)):
        scene = halpha_scene(
            "sunspots", center=at(0, 0), scale=scale * u.arcsec / u.pix, shape=(pixels, pixels), seed=seed
        )
        pieces, _ = label(scene.data < 0.6 * QUIET)
        areas.append(np.bincount(pieces.ravel())[1:].max() * scale**2)
    assert np.sqrt(areas[0] / areas[1]) == pytest.approx(1, abs=0.2)


def test_spots_are_foreshortened_near_the_limb():
    def extents(tx):
        scale = 0.5 * u.arcsec / u.pix
        scene = halpha_scene("sunspots", center=at(tx, 0), shape=(400, 400), scale=scale, seed=3)
        pieces, _ = label(scene.data < 0.55 * np.median(scene.data[200]))
        rows, columns = np.nonzero(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))
        return np.array([rows.std(), columns.std()])

    upright, across = extents(870) / extents(0)
    assert across < 0.75 * upright


def test_extra_features_leave_the_rest_alone():
    spots = halpha_scene("sunspots", center=at(0, 0), seed=8)
    both = halpha_scene("sunspots", extra=["flares"], center=at(0, 0), seed=8)
    added = both.data / spots.data
    assert added.max() > 1.4
    assert both.meta["features"] == "flares, sunspots"
    assert np.median(np.abs(added - 1)) < 1e-3


def test_extra_takes_one_name():
    assert halpha_scene("prominences", extra="filaments").meta["features"] == "filaments, prominences"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "spicules"}, "kind is 'spicules'.*filaments, flares, prominences, quiet, sunspots"),
        ({"extra": ["faculae"]}, r"extra is \['faculae'\].*filaments, flares, prominences, sunspots"),
        ({"extra": ["quiet"]}, r"extra is \['quiet'\]"),
        ({"kind": "quiet", "extra": ["flares"]}, "leave it out"),
        ({"shape": (256,)}, r"shape is \(256,\)"),
        ({"shape": (1, 256)}, r"shape is \(1, 256\)"),
        ({"scale": -1 * u.arcsec / u.pix}, "scale is -1.0 arcsec / pix"),
        ({"scale": [1, 1] * u.arcsec / u.pix}, "one positive plate scale"),
        ({"scale": np.inf * u.arcsec / u.pix}, "scale is inf"),
        ({"kind": "prominences", "center": at(0, 0)}, "misses the limb"),
        ({"kind": "filaments", "center": at(2000, 0)}, "misses the disk"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        halpha_scene(**arguments)


def test_bad_units_and_types():
    with pytest.raises(u.UnitsError, match="scale"):
        halpha_scene(scale=1 * u.arcsec)
    with pytest.raises(TypeError, match="scale"):
        halpha_scene(scale=1.06)
    with pytest.raises(TypeError, match="center is"):
        halpha_scene(center=(0, 0))
    with pytest.raises(TypeError, match="center is"):
        halpha_scene(center=at(np.zeros(2), np.zeros(2)))


def test_every_parameter_has_a_source_and_a_certainty():
    table = halpha_parameters()
    assert (table["low"] <= table["high"]).all()
    assert all(table["source"])
    assert set(table["certainty"]) <= {"high", "medium", "low"}
    assert len(set(table["parameter"])) == len(table)


def test_the_table_tells_what_is_used(monkeypatch):
    monkeypatch.setattr("sunpy_ml.simulation.halpha.scene._SEEING", (20.0, 30.0))
    row = next(row for row in halpha_parameters() if row["parameter"] == "seeing")
    assert (row["low"], row["high"]) == (20, 30)
    blurred = halpha_scene("sunspots", seed=1, shape=(64, 64))
    monkeypatch.undo()
    sharp = halpha_scene("sunspots", seed=1, shape=(64, 64))
    assert blurred.data.std() < sharp.data.std()
