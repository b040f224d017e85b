"""Moving granulation as NDCubes: where and when it was seen, and that the velocity is in it."""

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.time import Time
from scipy.ndimage import gaussian_filter
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
from sunpy.map import GenericMap

from sunpy_ml.simulation.motion import SOURCES, moving_granulation, shift

KM_S = u.km / u.s


def brute_force(frames, centers, *, sigma, reach, step):
    """
    Displacements (x, y) in pixels from one frame to the next, by trying them all.

    Both frames are shifted by half of each; the sum of squared differences in a Gaussian window decides, between the
    displacements that were tried by a parabola along each axis.
    """
    before, after = (torch.from_numpy(np.array(frame, dtype=np.float64))[None] for frame in frames)
    tried = np.arange(-reach, reach + step / 2, step)
    cost = np.empty((len(tried), len(tried), len(centers)))
    for i, y in enumerate(tried):
        for j, x in enumerate(tried):
            half = torch.tensor([[x / 2, y / 2]])
            difference = shift(before, half, periodic=False) - shift(after, -half, periodic=False)
            smooth = gaussian_filter(difference[0].numpy() ** 2, sigma)
            cost[i, j] = [smooth[center] for center in centers]
    found = []
    for index in range(len(centers)):
        i, j = np.unravel_index(np.argmin(cost[..., index]), cost.shape[:2])
        assert 0 < i < len(tried) - 1
        assert 0 < j < len(tried) - 1

        def vertex(left, middle, right):
            return 0.5 * (left - right) / (left - 2 * middle + right) * step

        found.append(
            (tried[j] + vertex(*cost[i, j - 1 : j + 2, index]), tried[i] + vertex(*cost[i - 1 : i + 2, j, index]))
        )
    return np.array(found)


def map_like(data, *, scale=0.1, turn=0.0, scale2=None, **extra):
    header = {
        "CTYPE1": "HPLN-TAN",
        "CTYPE2": "HPLT-TAN",
        "CUNIT1": "arcsec",
        "CUNIT2": "arcsec",
        "CRPIX1": 10.0,
        "CRPIX2": 20.0,
        "CRVAL1": 100.0,
        "CRVAL2": -200.0,
        "CDELT1": scale,
        "CDELT2": scale2 or scale,
        "PC1_1": np.cos(turn),
        "PC1_2": -np.sin(turn),
        "PC2_1": np.sin(turn),
        "PC2_2": np.cos(turn),
        "DATE-OBS": "2009-06-09T01:00:00",
        "DSUN_OBS": 0.98 * u.au.to(u.m),
        "HGLN_OBS": 1.0,
        "HGLT_OBS": 2.0,
        "RSUN_REF": 6.957e8,
        "BUNIT": "ct",
        **extra,
    }
    return GenericMap(data, header)


@pytest.fixture(scope="module")
def granules():
    return moving_granulation(shape=(80, 96), noise=0, correlation=1, motion="still", seed=3).frames.data[0]


def test_frames_are_seen_where_and_when_was_asked():
    center = SkyCoord(-120 * u.arcsec, 310 * u.arcsec, frame=Helioprojective)
    frames, velocity, _ = moving_granulation(
        shape=(33, 41), frames=3, cadence=20 * u.s, center=center, time="2011-02-15T01:02:03.5", seed=1
    )
    assert frames.unit == u.DN
    assert frames.data.dtype == np.float32
    assert frames.shape == (3, 33, 41)
    world, when = frames.wcs.array_index_to_world(1, 16, 20)
    assert u.allclose([world.Tx, world.Ty], [-120, 310] * u.arcsec, atol=1e-6 * u.arcsec)
    assert u.isclose(world.observer.radius, 1 * u.au)
    assert abs(when - Time("2011-02-15T01:02:23.5")) < 1 * u.ms
    beside, _ = frames.wcs.array_index_to_world(1, 16, 21)
    assert u.isclose(beside.Tx - world.Tx, 0.1 * u.arcsec, rtol=1e-4)
    assert set(velocity) == {"vx", "vy"}
    for component in velocity.values():
        assert component.unit == KM_S
        assert component.shape == (2, 33, 41)
        same, between = component.wcs.array_index_to_world(0, 16, 20)
        assert u.isclose(same.Tx, world.Tx)
        assert abs(between - Time("2011-02-15T01:02:13.5")) < 1 * u.ms
        assert np.array_equal(component.data[0], component.data[1])
    assert velocity.aligned_dimensions is not None


def test_a_center_of_another_frame_is_transformed():
    point = SkyCoord(30 * u.deg, 20 * u.deg, frame=HeliographicStonyhurst, obstime="2014-01-01")
    frames = moving_granulation(shape=(17, 17), motion="still", center=point, time="2014-01-01").frames
    seen = frames.wcs.array_index_to_world(0, 8, 8)[0].transform_to(HeliographicStonyhurst(obstime="2014-01-01"))
    assert u.allclose([seen.lon, seen.lat], [30, 20] * u.deg, atol=1e-3 * u.deg)


def test_an_arcsec_is_725_km_from_1_au():
    card = moving_granulation(shape=(16, 16), scale=1 * u.arcsec / u.pix, motion="still").card
    assert card.pixel.to_value(u.km) == pytest.approx(1.495978707e8 * np.pi / 180 / 3600, rel=1e-9)


def test_the_card_says_what_was_done():
    frames, velocity, card = moving_granulation(shape=(64, 64), rms=2 * KM_S, noise=0.01, contrast=0.1, seed=11)
    speed = np.sqrt(np.mean(velocity["vx"].data ** 2 + velocity["vy"].data ** 2))
    assert card.rms.to_value(KM_S) == pytest.approx(speed, rel=1e-5)
    assert card.rms.to_value(KM_S) == pytest.approx(2, rel=1e-5)
    assert card.contrast == pytest.approx(0.1, rel=1e-3)
    assert card.correlation == pytest.approx(0.985)
    assert (card.motion, card.image, card.seed, card.noise) == ("diverging", "drawn", 11, 0.01)
    assert frames.meta["motion"] == "diverging"
    assert card.sources == SOURCES
    assert all("http" in text or "choice" in text or "textbook" in text for text in SOURCES.values())
    assert moving_granulation(shape=(16, 16), cadence=60 * u.s, motion="still").card.correlation == pytest.approx(
        0.985**2, rel=1e-5
    )


def test_mean_and_noise_of_drawn_frames():
    arguments = {"shape": (96, 96), "motion": "still", "correlation": 1, "seed": 2}
    noisy = moving_granulation(**arguments, noise=0.02).frames.data
    quiet = moving_granulation(**arguments, noise=0).frames.data
    assert np.array_equal(quiet[0], quiet[1])
    assert quiet.mean() == pytest.approx(1000, rel=1e-3)
    assert (noisy - quiet).std() == pytest.approx(20, rel=0.03)


@pytest.mark.parametrize("velocity", [(1.6, 0.0), (0.0, -1.1), (-0.7, 1.9)])
def test_uniform_velocity_is_found_by_brute_force(velocity):
    frames, truth, card = moving_granulation(
        velocity=velocity * KM_S, shape=(80, 80), correlation=1, noise=0.005, contrast=0.14, seed=5
    )
    found = brute_force(frames.data, [(26, 26), (40, 54), (54, 30)], sigma=8, reach=1.05, step=0.15)
    speed = found * card.pixel.to_value(u.km) / 30
    assert truth["vx"].data[0, 0, 0] == np.float32(velocity[0])
    assert truth["vy"].data[0, 0, 0] == np.float32(velocity[1])
    # vx is along columns and vy along rows, each to 40 m/s in windows of 1.4 Mm (FWHM).
    assert speed == pytest.approx(np.tile(velocity, (3, 1)), abs=0.04)


def test_smooth_velocity_is_found_by_brute_force():
    # Waves of 9 Mm, slow enough in space for windows of 1 Mm (FWHM), of other shape along x than along y.
    rows, columns = np.mgrid[:96, :96] * 0.072527
    planted = np.stack([1.2 * np.sin(2 * np.pi * rows / 9), 0.8 * np.cos(2 * np.pi * columns / 9)])
    frames, truth, card = moving_granulation(
        velocity=planted * KM_S, shape=(96, 96), correlation=1, noise=0.002, seed=6
    )
    centers = [(row, column) for row in (20, 48, 76) for column in (20, 48, 76)]
    speed = brute_force(frames.data, centers, sigma=6, reach=0.9, step=0.15) * card.pixel.to_value(u.km) / 30
    expected = np.array(
        [[gaussian_filter(truth[name].data[0], 6)[center] for name in ("vx", "vy")] for center in centers]
    )
    error = speed - expected
    # Each component to 0.08 km/s, of which the rms is 0.6 to 0.85 km/s.
    assert np.sqrt(np.mean(error**2, axis=0)).max() < 0.08
    for axis in (0, 1):
        assert np.corrcoef(speed[:, axis], expected[:, axis])[0, 1] > 0.98


def test_real_granulation_moves_as_planted(shared_data):
    with fits.open(shared_data / "high_resolution" / "sunrise_imax_focus.fits") as hdus:
        image = hdus[0].data[400:528, 400:528]
    scale = 0.0545 * u.arcsec / u.pix
    for velocity in ((2.0, 0.0), (0.0, 2.0)):
        frames, _, card = moving_granulation(
            image, velocity=velocity * KM_S, scale=scale, correlation=1, noise=0.002, seed=1
        )
        found = brute_force(frames.data, [(48, 60), (80, 64)], sigma=10, reach=1.8, step=0.3)
        assert found * card.pixel.to_value(u.km) / 30 == pytest.approx(np.tile(velocity, (2, 1)), abs=0.03)


@pytest.mark.parametrize(("motion", "sign"), [("diverging", 1), ("converging", -1), ("unrelated", 0)])
def test_divergence_over_granules(motion, sign):
    found = []
    for seed in range(3):
        frames, velocity, _ = moving_granulation(shape=(128, 128), motion=motion, seed=seed)
        spread = np.gradient(velocity["vx"].data[0], axis=1) + np.gradient(velocity["vy"].data[0], axis=0)
        found.append(np.corrcoef(spread.ravel(), frames.data.mean(axis=0).ravel())[0, 1])
    if sign:
        assert min(sign * np.array(found)) > 0.4
    else:
        assert abs(np.mean(found)) < 0.12


def test_uniform_and_still():
    velocity = moving_granulation(shape=(32, 32), motion="uniform", rms=1.5 * KM_S).velocity
    assert np.hypot(velocity["vx"].data, velocity["vy"].data) == pytest.approx(1.5, rel=1e-5)
    assert np.ptp(velocity["vx"].data) == 0
    velocity = moving_granulation(shape=(32, 32), motion="still").velocity
    assert not velocity["vx"].data.any()
    assert not velocity["vy"].data.any()


def test_a_map_says_where_it_was_seen(granules):
    image = map_like(granules)
    frames, velocity, card = moving_granulation(image, rms=2.5 * KM_S, cadence=60 * u.s, seed=1)
    assert frames.unit == u.ct
    # Nearer than 1 au, a pixel is smaller.
    assert card.pixel.to_value(u.km) == pytest.approx(0.98 * 72.527, rel=1e-4)
    assert card.image == "given"
    expected = image.wcs.array_index_to_world(40, 50)
    for cube in (frames, velocity["vy"]):
        world, when = cube.wcs.array_index_to_world(0, 40, 50)
        assert u.allclose([world.Tx, world.Ty], [expected.Tx, expected.Ty], atol=1e-6 * u.arcsec)
        assert abs(when - image.date) < 31 * u.s
    assert u.isclose(world.observer.lat, 2 * u.deg)
    # Only near the edges can something come from outside.
    assert frames.mask.any()
    assert not frames.mask[:, 10:-10, 10:-10].any()
    assert np.abs(frames.data.mean(axis=0) - granules)[10:-10, 10:-10].mean() < 0.4 * granules.std()


def test_what_is_masked_stays_masked(granules):
    mask = np.zeros(granules.shape, bool)
    mask[40, 40] = True
    image = map_like(granules)
    frames = moving_granulation(GenericMap(granules, image.meta, mask=mask), motion="still").frames
    assert frames.mask[:, 40, 40].all()
    assert frames.mask.sum() == 2


def test_the_caller_s_data_are_left_alone(granules):
    kept = granules.astype(">f4")
    again = kept.copy()
    moving_granulation(kept)
    assert np.array_equal(kept, again)


def test_seeds_decide():
    arguments = {"shape": (32, 32)}
    first = moving_granulation(**arguments, seed=4)
    assert np.array_equal(first.frames.data, moving_granulation(**arguments, seed=4).frames.data)
    assert not np.array_equal(first.frames.data, moving_granulation(**arguments, seed=5).frames.data)
    generator = torch.Generator().manual_seed(4)
    assert np.array_equal(first.frames.data, moving_granulation(**arguments, seed=generator).frames.data)
    # Noise and change leave scene and velocity as they were.
    other = moving_granulation(**arguments, seed=4, noise=0.02, correlation=0.9)
    assert np.array_equal(first.velocity["vx"].data, other.velocity["vx"].data)


def test_a_sequence_forgets_its_beginning():
    data = moving_granulation(shape=(64, 64), motion="still", frames=5, correlation=0.9, noise=0).frames.data
    found = np.corrcoef(data.reshape(5, -1))[0]
    assert found == pytest.approx(0.9 ** np.arange(5), abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"motion": "sideways"}, "motion is 'sideways'.*diverging"),
        ({"frames": 1}, "frames is 1"),
        ({"cadence": 0 * u.s}, "cadence is 0"),
        ({"cadence": 720 * u.s, "rms": 2.5 * KM_S}, "cadence is too long for 2 frames"),
        ({"rms": [1, 2] * KM_S}, "rms is"),
        ({"jitter": -1 * u.arcsec}, "jitter is -1"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"correlation": 1.1}, "correlation is 1.1"),
        ({"contrast": 2}, "contrast is 2"),
        ({"shape": (32,)}, r"shape is \(32,\)"),
        ({"scale": 0 * u.arcsec / u.pix}, "scale is 0"),
        ({"scale": 3 * u.arcsec / u.pix}, r"pixel is 2\.18 Mm"),
        ({"image": np.ones((16, 16)), "scale": 200 * u.arcsec / u.pix}, "scale is 200.* nothing is left"),
        ({"velocity": [1, 2, 3] * KM_S}, r"velocity has the shape \(3,\)"),
        ({"velocity": [np.nan, 2] * KM_S}, "all finite"),
        ({"image": np.full((16, 16), np.nan)}, "image has the shape"),
        ({"image": np.zeros((16, 16))}, "positive mean"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        moving_granulation(**{"shape": (32, 32), **arguments})


def test_bad_units_types_and_maps(granules):
    with pytest.raises(u.UnitsError, match="cadence"):
        moving_granulation(cadence=1 * u.m)
    with pytest.raises(TypeError, match="image is list"):
        moving_granulation([1, 2])
    with pytest.raises(TypeError, match="center is"):
        moving_granulation(center=(0, 0))
    with pytest.raises(ValueError, match=r"image is turned by 29\.8 deg.*rotate"):
        moving_granulation(map_like(granules, turn=0.52))
    with pytest.raises(ValueError, match="square"):
        moving_granulation(map_like(granules, scale2=0.2))
