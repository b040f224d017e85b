"""The embedded weights through the verb: real granulation that moved by a known amount, and the symmetries."""

import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCube

from sunpy_ml import deepvel_flow
from sunpy_ml.exceptions import DomainError, DomainWarning
from sunpy_ml.simulation import moving_granulation
from tests.maps import make_map, rotated_header

#: Of the observer in the headers of `make_map`.
KM_PER_ARCSEC = 1.49e8 * np.radians(1 / 3600)
SCALE, CADENCE = 0.0545, 30
KNOWN = {"cadence": CADENCE * u.s, "scale": 0.1 * u.arcsec / u.pix}
NAMES = ("vx", "vy", "sigma_vx", "sigma_vy")
# What was shifted in from the other edge, or is seen beside padding, does not count.
INNER = np.s_[..., 24:-24, 24:-24]


def shifted(image, displacement, part):
    """Two images that are apart by so many pixels along columns, then rows, shifted by half each way."""
    spectrum = np.fft.fft2(image)
    up, along = (np.fft.fftfreq(length) for length in image.shape)
    phase = np.exp(-1j * np.pi * (displacement[0] * along + displacement[1] * up[:, np.newaxis]))
    return [np.fft.ifft2(spectrum * turn).real[part] for turn in (phase.conj(), phase)]


def maps(frames, **header):
    dates = Time("2014-10-24T12:00:00") + CADENCE * u.s * np.arange(len(frames))
    header = {"cdelt1": SCALE, "cdelt2": SCALE, "wavelnth": 5250.2, **header}
    return [make_map(frame, date__obs=date.isot, **header) for frame, date in zip(frames, dates, strict=True)]


def found(observations, names=("vx", "vy"), **options):
    flow = deepvel_flow(observations, progress=False, **options)
    return np.stack([flow[name].data[0] for name in names])


def cube(frames):
    return NDCube(np.asarray(frames), wcs=WCS(naxis=3))


@pytest.fixture(scope="module")
def imax(shared_data):
    """Of which the left half was not trained on."""
    return fits.getdata(shared_data / "high_resolution" / "sunrise_imax_focus.fits").astype(float)


@pytest.fixture(scope="module")
def frames():
    """Drawn granulation that is carried by a flow of 1 km/s, with some noise."""
    return moving_granulation(shape=(96, 120), rms=1 * u.km / u.s, seed=4).frames.data.astype(np.float32)


@pytest.mark.parametrize("displacement", [(1.5, 0.0), (0.0, -1.5)])
@pytest.mark.parametrize("angle", [0.0, 180.013, 25.0])
def test_real_granulation_moves_as_it_was_moved(imax, displacement, angle):
    given = shifted(imax, displacement, np.s_[300:500, 150:350])
    velocity = found(maps(given, **rotated_header(angle, "pc", cdelt=(SCALE, SCALE))))
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    expected = [[cosine, -sine], [sine, cosine]] @ np.array(displacement) * SCALE * KM_PER_ARCSEC / CADENCE
    mean = velocity[INNER].mean(axis=(1, 2))
    assert np.hypot(*(mean - expected)) < 0.05 * np.hypot(*expected)


@pytest.mark.parametrize("speed", [0.5, 3.0])
def test_slow_and_fast_shifts_of_real_granulation(imax, speed):
    pixels = speed * CADENCE / (SCALE * KM_PER_ARCSEC)
    noise = np.random.default_rng(0).normal(0, 0.005 * imax.mean(), (2, 200, 200))
    given = shifted(imax, (0.6 * pixels, 0.8 * pixels), np.s_[300:500, 150:350]) + noise
    mean = found(maps(given))[INNER].mean(axis=(1, 2))
    assert np.hypot(*(mean - [0.6 * speed, 0.8 * speed])) < 0.05 * speed


@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.0, -1.0)])
def test_finer_images_than_were_trained_on(shared_data, direction):
    """Pixels of 7.3 km by DKIST, which become five times as large for the network."""
    image = fits.getdata(shared_data / "high_resolution" / "dkist_photosphere.fits").astype(float)
    pixel = 0.0101 * u.arcsec.to(u.rad) * u.au.to(u.km)
    velocity = 2.0 * np.array(direction)
    given = shifted(image, velocity * 15 / pixel, np.s_[:, :])
    flow = found(cube(given), cadence=15 * u.s, scale=0.0101 * u.arcsec / u.pix)
    mean = flow[:, 60:-60, 60:-60].mean(axis=(1, 2))
    # Of 60 pixels each way that are left, the edges are most.
    assert np.hypot(*(mean - velocity)) < 0.1 * 2.0


def test_noise_alone_hardly_moves(imax):
    image = imax[300:500, 150:350]
    rng = np.random.default_rng(0)
    velocity = found(maps([image + rng.normal(0, 0.01 * image.mean(), image.shape) for _ in range(2)]))[INNER]
    assert abs(velocity.mean(axis=(1, 2))).max() < 0.03
    assert np.sqrt(np.square(velocity).mean()) < 0.15


def test_exchanged_images_turn_the_velocity_round(frames):
    there, back = (found(cube(given), NAMES, **KNOWN) for given in (frames, frames[::-1]))
    assert np.sqrt(np.square(there[:2]).mean()) > 0.5
    np.testing.assert_allclose(back[:2], -there[:2], atol=1e-5)
    np.testing.assert_allclose(back[2:], there[2:], rtol=1e-4)


def test_nothing_moves_between_identical_images(frames):
    assert abs(found(cube(frames[[0, 0]]), **KNOWN)).max() == 0


def turned(frames, field):
    """Reflected at the diagonal, then along columns: the field of the turned images, turned back."""
    vx, vy, sigma_x, sigma_y = field(frames.swapaxes(1, 2)[:, :, ::-1])[:, :, ::-1].swapaxes(1, 2)
    return np.stack([vy, -vx, sigma_y, sigma_x])


def test_an_average_over_turns_turns_as_the_images_do(frames):
    def field(given):
        return found(cube(given), NAMES, average_turns=True, **KNOWN)

    np.testing.assert_allclose(turned(frames, field), field(frames), atol=1e-5)


def test_without_the_average_it_turns_nearly_so(frames):
    def field(given):
        return found(cube(given), NAMES, **KNOWN)

    straight = field(frames)[:2]
    difference = turned(frames, field)[:2] - straight
    assert np.sqrt(np.square(difference).mean()) < 0.05 * np.sqrt(np.square(straight).mean())


def test_tiles_give_nearly_what_the_whole_gives():
    """Spectra are measured in each tile, and so differ; by less than what is uncertain anyway."""
    given = moving_granulation(shape=(420, 150), rms=1 * u.km / u.s, seed=6).frames
    whole, tiled = (found(given, NAMES, tile=tile) for tile in (512, 144))
    assert np.sqrt(np.square(tiled - whole)[:2].mean()) < 0.4 * whole[2:].mean()


def test_deviations_are_of_the_size_of_the_errors():
    given = moving_granulation(shape=(120, 120), rms=1 * u.km / u.s, seed=8)
    velocity = found(given.frames, NAMES)
    truth = np.stack([given.velocity[name].data[0] for name in ("vx", "vy")])
    score = (velocity[:2] - truth)[INNER] / velocity[2:][INNER]
    assert 0.5 < np.sqrt(np.square(score).mean()) < 2
    assert np.corrcoef(velocity[:2][INNER].ravel(), truth[INNER].ravel())[0, 1] > 0.85


def test_averages_over_minutes_are_outside_the_domain(shared_data):
    series = fits.getdata(shared_data / "time_series" / "hmi_sunspot_cube.fits")[:2].astype(np.float32)
    stated = {"cadence": 720 * u.s, "scale": 0.504 * u.arcsec / u.pix}
    with pytest.warns(DomainWarning, match="the cadence is 720 s"):
        velocity = found(cube(series), **stated)
    assert np.isfinite(velocity).all()
    with pytest.raises(DomainError, match="the cadence is 720 s"):
        found(cube(series), strict=True, **stated)


def test_images_of_the_training_s_kind_are_inside_the_domain(frames):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow = deepvel_flow(cube(frames), strict=True, progress=False, **KNOWN)
    assert flow["vx"].meta["motion"] == "apparent"
    assert flow["vx"].meta["domain"] == "inside"
    assert set(flow) == set(NAMES)
