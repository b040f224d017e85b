"""Simulations as files: what is read back is what was simulated."""

import subprocess
import sys

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCube

import sunpy_ml.simulation
from sunpy_ml.simulation import (
    convection_run,
    halpha_scene,
    moving_granulation,
    photosphere_scene,
    write_simulation,
)

BOX = {
    "duration": 20 * u.s,
    "spin_up": 10 * u.s,
    "cadence": 10 * u.s,
    "shape": (24, 8, 10),
    "cell": (60, 200, 200) * u.km,
}
TINY = {
    "convection": BOX,
    "flare": {"shape": (96, 128)},
    "halpha": {"shape": (32, 40)},
    "motion": {"shape": (24, 32), "frames": 3},
    "photosphere": {"shape": (48, 64), "kind": "quiet"},
}


def cube(path):
    data, header = fits.getdata(path, header=True)
    return NDCube(data, wcs=WCS(header), unit=header["BUNIT"], meta=dict(header))


def assert_same_cube(path, made):
    read = cube(path)
    assert np.array_equal(read.data, made.data)
    assert read.unit == made.unit
    corner = tuple(size - 1 for size in made.data.shape[::-1])
    for pixel in ((0, 0, 0), corner):
        (place, time), (true_place, true_time) = (each.wcs.pixel_to_world(*pixel) for each in (read, made))
        assert abs(Time(time) - Time(true_time)) < 1 * u.us
        # Corners have the same sides, and the observer stands where he stood.
        assert u.allclose([place.Tx, place.Ty], [true_place.Tx, true_place.Ty], atol=1e-8 * u.arcsec)
        assert u.isclose(place.observer.radius, true_place.observer.radius)
        assert abs(place.obstime - true_place.obstime) < 1 * u.us
    return read


def assert_same_map(path, made):
    read = sunpy.map.Map(path)
    assert np.array_equal(read.data, made.data)
    assert read.unit == made.unit
    assert read.date == made.date
    assert read.center.separation(made.center) < 1e-6 * u.arcsec
    assert u.allclose(read.scale, made.scale)
    return read


def test_halpha(tmp_path):
    (path,) = write_simulation("halpha", tmp_path / "scene.fits", kind="filaments", seed=4, shape=(32, 40))
    read = assert_same_map(path, halpha_scene("filaments", shape=(32, 40), seed=4))
    assert path == tmp_path / "scene.fits"
    assert "simulation halpha, seed 4" in read.meta["history"].replace("\n", "")


def test_photosphere(tmp_path):
    paths = write_simulation("photosphere", tmp_path / "new" / "scene.fits", seed=2, **TINY["photosphere"])
    assert [path.name for path in paths] == ["scene_continuum.fits", "scene_magnetogram.fits"]
    scene = photosphere_scene("quiet", shape=(48, 64), seed=2)
    for path, made in zip(paths, scene, strict=True):
        assert_same_map(path, made)


def test_flare(tmp_path):
    image, ribbons = (
        sunpy.map.Map(path) for path in write_simulation("flare", tmp_path / "flare.fits", **TINY["flare"])
    )
    inside = ribbons.data.astype(bool)
    assert 0.005 < inside.mean() < 0.5
    assert set(np.unique(ribbons.data)) == {0, 1}
    assert image.unit == u.DN
    assert np.median(image.data[inside]) > 1.3 * np.median(image.data[~inside])
    assert image.meta["features"] == "flares"
    assert image.center.separation(ribbons.center) < 1e-6 * u.arcsec
    assert u.allclose([image.center.Tx, image.center.Ty], 0 * u.arcsec, atol=1 * u.arcsec)


def test_motion(tmp_path):
    paths = write_simulation("motion", tmp_path / "motion.fits", kind="unrelated", seed=3, **TINY["motion"])
    assert [path.stem for path in paths] == ["motion_frames", "motion_vx", "motion_vy"]
    frames, velocity, card = moving_granulation(motion="unrelated", seed=3, **TINY["motion"])
    read = assert_same_cube(paths[0], frames)
    assert read.unit == u.DN
    assert read.meta["MOTION"] == "unrelated"
    assert read.meta["CORRELATION"] == card.correlation
    assert fits.getheader(paths[0]).comments["CADENCE"] == "[s]"
    for path, name in zip(paths[1:], ("vx", "vy"), strict=True):
        assert_same_cube(path, velocity[name])


def test_masked_pixels_are_nan(tmp_path):
    image = halpha_scene("quiet", shape=(24, 32), scale=0.3 * u.arcsec / u.pix)
    mask = np.zeros((24, 32), dtype=bool)
    mask[3, 5] = True
    masked = sunpy.map.Map(image.data, image.meta, mask=mask)
    path = write_simulation("motion", tmp_path / "motion.fits", image=masked, kind="still")[0]
    read = cube(path)
    assert np.array_equal(np.isnan(read.data), np.broadcast_to(mask, read.data.shape))


def test_convection(tmp_path):
    paths = write_simulation("convection", tmp_path / "box.fits", seed=1, depths=(0.1, 1.0), **BOX)
    run = convection_run(seed=1, depths=(0.1, 1.0), **BOX)
    assert_same_cube(paths[0], run.intensity)
    for path, name in zip(paths[1:], ("vx", "vy", "vz", "temperature"), strict=True):
        assert path.stem == f"box_{name}"
        read = assert_same_cube(path, run.field(name, 1.0))
        assert read.meta["QUANTITY"] == f"{name} at optical depth 1"


@pytest.mark.parametrize("name", TINY)
def test_the_seed_tells_all(tmp_path, name):
    first, again, other = (
        write_simulation(name, tmp_path / str(number) / "out.fits", seed=seed, **TINY[name])
        for number, seed in enumerate((5, 5, 6))
    )
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, again, strict=True))
    assert not np.array_equal(fits.getdata(first[0]), fits.getdata(other[0]))


def test_no_file_is_replaced_unless_asked(tmp_path):
    there = tmp_path / "scene_magnetogram.fits"
    there.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="scene_magnetogram"):
        write_simulation("photosphere", tmp_path / "scene.fits", **TINY["photosphere"])
    assert [path.name for path in tmp_path.iterdir()] == [there.name]
    assert there.read_bytes() == b"mine"
    write_simulation("photosphere", tmp_path / "scene.fits", overwrite=True, **TINY["photosphere"])
    assert sunpy.map.Map(there).unit == u.G


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("corona", "out.fits", {}), "name is 'corona': choose one of convection, flare, halpha, motion, photosphere"),
        (("halpha", "out.png", {}), r"out is '.*out.png': give the name of a file that ends in .fits"),
        (("halpha", "out.fits", {"frames": 3}), "options are frames: halpha takes .*shape"),
        (("motion", "out.fits", {"seed": -1}), "seed is -1"),
        (("flare", "out.fits", {"kind": "plage"}), "kind is 'plage': flare is of one kind"),
        (("photosphere", "out.fits", {"kind": "corona"}), "kind is 'corona'.*plage"),
        (("motion", "out.fits", {"kind": "corona"}), "motion is 'corona'.*still"),
    ],
)
def test_mistakes_are_named(tmp_path, arguments, message):
    name, out, options = arguments
    with pytest.raises(ValueError, match=message):
        write_simulation(name, tmp_path / out, **options)
    assert not list(tmp_path.iterdir())


def test_the_simulators_are_there_and_nothing_else():
    for name in sunpy_ml.simulation.__all__:
        assert getattr(sunpy_ml.simulation, name) is not None
        assert name in dir(sunpy_ml.simulation)
    with pytest.raises(AttributeError, match="no attribute 'corona_scene'"):
        _ = sunpy_ml.simulation.corona_scene


def test_a_simulator_imports_no_other():
    command = "import sys; from sunpy_ml.simulation import halpha_scene; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
