"""Local correlation tracking finds known motion, along the solar axes, and masks what it does not find."""

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCollection, NDCube
from scipy.ndimage import gaussian_filter

from sunpy_ml import lct_flow
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.flows import correlation
from sunpy_ml.flows.correlation import Window, half_shifted, track
from sunpy_ml.flows.peak import highest_peak
from sunpy_ml.flows.subsonic import subsonic_filtered
from sunpy_ml.simulation.motion import granulation, moving_granulation
from tests.maps import make_map, rotated_header

SIZE = 0.1 * 1.49e8 * np.radians(1 / 3600)


def moved(image, *displacement):
    """The image, shifted by its Fourier series, columns first."""
    spectrum = np.fft.fft2(image)
    along, up = np.fft.fftfreq(image.shape[1]), np.fft.fftfreq(image.shape[0])[:, None]
    return np.fft.ifft2(spectrum * np.exp(-2j * np.pi * (along * displacement[0] + up * displacement[1]))).real


def texture(shape=(64, 80), seed=0):
    """Drawn granulation, as sharp as a telescope that resolves two pixels would show it."""
    image = granulation(shape, pixel=72 * u.km, periodic=True, seed=seed)[0].numpy().astype(float)
    return gaussian_filter(image, 2 / 2.3548, mode="wrap")


def pair(*displacement, image=None, part=np.s_[:]):
    image = texture() if image is None else image
    half = np.array(displacement) / 2
    return np.stack([moved(image, *-half)[part], moved(image, *half)[part]])


def maps(frames, **header):
    header = {"cdelt1": 0.1, "cdelt2": 0.1, **header}
    dates = Time("2014-10-24T12:00:00") + 30 * u.s * np.arange(len(frames))
    return [make_map(frame, date__obs=date.isot, **header) for frame, date in zip(frames, dates, strict=True)]


def cube(frames):
    return NDCube(np.asarray(frames), wcs=WCS(naxis=3))


KNOWN = {"cadence": 30 * u.s, "scale": 0.1 * u.arcsec / u.pix}


def means(flow):
    return np.array([np.nanmean(flow[name].data) for name in ("vx", "vy")])


def test_the_vertex_of_a_quadratic_function_is_found_exactly():
    column, row = torch.meshgrid(torch.arange(-4.0, 5), torch.arange(-3.0, 4), indexing="xy")
    centre = torch.tensor([[[1.3, -2.2]], [[0.7, 1.4]]])
    x, y = column[..., None, None] - centre[0], row[..., None, None] - centre[1]
    peak = highest_peak(iter(5 - x**2 - 0.7 * y**2 + 0.6 * x * y))
    assert peak.usable.all()
    torch.testing.assert_close(peak.displacement, centre)


def test_a_maximum_at_the_limit_is_no_peak():
    column, row = torch.meshgrid(torch.arange(-3.0, 4), torch.arange(-3.0, 4), indexing="xy")
    score = torch.stack([column, -row, -(column**2) - row**2, 0 * column], dim=-1)[..., None]
    peak = highest_peak(iter(score))
    assert peak.at_limit.ravel().tolist() == [True, True, False, False]
    assert peak.usable.ravel().tolist() == [False, False, True, False]


def test_images_between_their_pixels():
    x = torch.arange(32.0)
    image = torch.cos(2 * torch.pi * 5 * (x + 0.5) / 64).expand(1, 24, 32)
    halves = half_shifted(image, 2)
    assert torch.equal(halves[0, 0, 0], image[0])
    expected = torch.cos(2 * torch.pi * 5 * x / 64).expand(24, 32)
    torch.testing.assert_close(halves[0, 1, 0], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(halves[1, 0, 0], image[0], atol=1e-5, rtol=0)


def test_tiles_give_what_the_whole_gives(monkeypatch):
    frames = torch.from_numpy(pair(1.2, -0.6)).float()
    valid = torch.ones_like(frames, dtype=torch.bool)
    valid[0, 20:24, 30:33] = False
    window = Window((5.0, 4.0), (3.0, 2.0))
    whole = track(frames, valid, window)
    monkeypatch.setattr(correlation, "_BUDGET", 1)
    assert len(correlation._tiles(frames.shape, window)) == 6
    tiled = track(frames, valid, window)
    torch.testing.assert_close(tiled.displacement, whole.displacement, atol=2e-4, rtol=0)
    assert torch.equal(tiled.usable, whole.usable)


@pytest.mark.parametrize("method", ["correlation", "difference"])
def test_nothing_moves_between_identical_frames(method):
    image = texture().astype(np.float32)
    flow = lct_flow(cube([image, image]), method=method, **KNOWN)
    assert not flow["vx"].mask.any()
    assert abs(flow["vx"].data).max() < 1e-5
    assert abs(flow["vy"].data).max() < 1e-5


@pytest.mark.parametrize("method", ["correlation", "difference"])
@pytest.mark.parametrize("displacement", [(0.5, 0), (0, -0.7), (1, 1), (-1.24, 0.4), (-0.3, -1.2)])
def test_a_shift_is_found_in_size_and_direction_up_to_the_edges(displacement, method):
    frames = pair(*displacement, image=texture((80, 96)), part=np.s_[8:-8, 8:-8])
    flow = lct_flow(cube(frames), method=method, **KNOWN)
    expected = np.array(displacement) * 0.1 * 725.27 / 30
    assert means(flow) == pytest.approx(expected, abs=0.05)
    assert np.abs(flow["vx"].data - expected[0]).max() < 0.15


def test_exchanging_the_frames_turns_the_flow_round():
    frames = moving_granulation(shape=(48, 64), seed=2).frames.data
    there, back = (lct_flow(cube(order), **KNOWN) for order in (frames, frames[::-1]))
    for name in ("vx", "vy"):
        np.testing.assert_array_equal(there[name].mask, back[name].mask)
        np.testing.assert_allclose(there[name].data, -back[name].data, atol=2e-4)


@pytest.mark.parametrize("form", ["crota", "cd"])
@pytest.mark.parametrize("angle", [0, 40, 90, 180.013])
def test_vectors_are_along_the_solar_axes_however_maps_are_turned(angle, form):
    flow = lct_flow(maps(pair(1, -0.5), **rotated_header(angle, form, (0.1, 0.1))))
    turn = np.exp(1j * np.radians(angle)) * (1 - 0.5j) * SIZE / 30
    assert means(flow) == pytest.approx([turn.real, turn.imag], abs=0.04)


def test_a_mirrored_map_has_its_columns_towards_the_east():
    flow = lct_flow(maps(pair(1, -0.5), cdelt1=-0.1))
    assert means(flow) == pytest.approx([-SIZE / 30, -0.5 * SIZE / 30], abs=0.04)


def test_the_result_has_units_times_places_and_a_history():
    frames = moving_granulation(shape=(48, 64), frames=6, cadence=20 * u.s).frames
    before = frames.data.copy()
    flow = lct_flow(frames, average=40 * u.s)
    assert isinstance(flow, NDCollection)
    assert set(flow) == {"vx", "vy"}
    vx = flow["vx"]
    assert vx.shape == (2, 48, 64)
    assert vx.unit == u.km / u.s
    assert vx.mask.shape == vx.shape
    place, time = vx.wcs.pixel_to_world(3, 4, [0, 1])
    expected, start = frames.wcs.pixel_to_world(3, 4, 0)
    assert place[0].Tx.to_value("arcsec") == pytest.approx(expected.Tx.to_value("arcsec"), abs=1e-6)
    assert place[0].Ty.to_value("arcsec") == pytest.approx(expected.Ty.to_value("arcsec"), abs=1e-6)
    assert (time - start).to_value(u.s) == pytest.approx([20, 60], abs=1e-3)
    assert vx.meta["frames_left_out"] == 1
    assert vx.meta["window"] == 1.5 * u.Mm
    assert vx.meta["component"] == "vx"
    np.testing.assert_array_equal(frames.data, before)


def test_images_without_coordinates_get_lengths():
    flow = lct_flow(cube(pair(0.5, 0)), **KNOWN)
    assert list(flow["vx"].wcs.world_axis_units) == ["Mm", "Mm", "s"]
    world = flow["vx"].wcs.pixel_to_world_values(0, 0, 0)
    assert world == pytest.approx([-39.5 * 0.0725271, -31.5 * 0.0725271, 15], rel=1e-5)


def test_an_angle_is_the_same_window_as_its_length():
    frames = moving_granulation(shape=(48, 64)).frames
    by_length, by_angle = (lct_flow(frames, window=window) for window in (1.4505419 * u.Mm, 2 * u.arcsec))
    np.testing.assert_allclose(by_angle["vx"].data, by_length["vx"].data, atol=1e-3)


def test_averaging_is_better_than_one_pair():
    frames, _, _ = moving_granulation(
        shape=(64, 64), frames=7, velocity=[0.5, 0.2] * u.km / u.s, noise=0.03, correlation=0.9, seed=5
    )
    errors = [
        np.sqrt(np.nanmean((lct_flow(frames, window=0.6 * u.Mm, average=average)["vx"].data - 0.5) ** 2))
        for average in (None, "all")
    ]
    assert errors[1] < 0.6 * errors[0]


def test_what_is_too_fast_is_masked_and_counted():
    flow = lct_flow(cube(pair(3, 0)), fastest=1 * u.km / u.s, **KNOWN)
    vx = flow["vx"]
    assert vx.mask.mean() > 0.9
    assert np.isnan(vx.data[vx.mask]).all()
    assert vx.meta["at_limit"][0] > 0.5 * vx.mask.size
    assert vx.meta["masked"] == (vx.mask.sum(),)


def test_masked_pixels_are_masked_and_do_not_count():
    frames = pair(1, 0)
    mask = np.zeros(frames.shape, dtype=bool)
    mask[1, 20:26, 30:38] = True
    spoilt = np.where(mask, 1e4, frames)
    hidden = NDCube(spoilt, wcs=WCS(naxis=3), mask=mask)
    clean, flow = (lct_flow(given, **KNOWN) for given in (cube(frames), hidden))
    assert flow["vx"].mask[0, 20:26, 30:38].all()
    assert not flow["vx"].mask[0, :10].any()
    usable = ~flow["vx"].mask
    assert np.abs(flow["vx"].data - clean["vx"].data)[usable].max() < 0.1
    gaps = NDCube(np.where(mask, np.nan, frames), wcs=WCS(naxis=3))
    np.testing.assert_array_equal(lct_flow(gaps, **KNOWN)["vx"].data, flow["vx"].data)


def test_a_flat_image_has_no_flow():
    flow = lct_flow(cube(np.full((2, 40, 40), 3.0)), **KNOWN)
    assert flow["vx"].mask.all()


def test_the_scale_of_the_intensity_does_not_count():
    frames = pair(0.7, 0.3)
    flow, bright = (lct_flow(cube(given), **KNOWN) for given in (frames, 1e20 * frames))
    np.testing.assert_allclose(bright["vx"].data, flow["vx"].data, atol=1e-4)


def wave(speed, length, count=32, size=48, cadence=1.0):
    x, t = torch.arange(size), torch.arange(count) * cadence
    return torch.cos(2 * torch.pi * (x[None, :] - speed * t[:, None]) / length)[:, None].expand(-1, 16, -1).clone()


def test_the_subsonic_filter_keeps_the_slow_and_drops_the_fast():
    slow, fast = wave(0.5, 12.0), wave(3.0, 12.0)
    filtered = subsonic_filtered(slow + fast, (1.0, 1.0), 1.0, 1.5)
    inner = slice(8, -8)
    assert (filtered - slow)[inner].std() < 0.1 * fast.std()
    assert (subsonic_filtered(slow, (1.0, 1.0), 1.0, 1.5) - slow)[inner].std() < 0.05 * slow.std()


def test_a_brightening_of_everything_is_filtered_out_of_a_cube():
    frames = moving_granulation(shape=(48, 48), frames=12, velocity=[1, 0] * u.km / u.s, noise=0, correlation=1).frames
    swell = 1 + 0.2 * np.sin(2 * np.pi * np.arange(12) / 10)[:, None, None]
    swelling = NDCube(frames.data + 1000 * (swell - 1), wcs=frames.wcs)
    flow = lct_flow(swelling, average="all", subsonic=4 * u.km / u.s)
    assert flow["vx"].meta["subsonic"] == 4 * u.km / u.s
    # Two of twelve frames are lost at either end.
    assert flow["vx"].meta["pairs"] == 7
    time = flow["vx"].wcs.pixel_to_world(0, 0, 0)[1] - frames.wcs.pixel_to_world(0, 0, 0)[1]
    assert time.to_value(u.s) == pytest.approx(165, abs=1e-3)
    assert means(flow) == pytest.approx([1, 0], abs=0.06)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "other"}, "method: got 'other'"),
        ({"window": 1.5}, "window: expected"),
        ({"window": 10 * u.km}, "2 to 64 can be"),
        ({"window": 90 * u.Mm}, "2 to 64 can be"),
        ({"window": 5 * u.s}, "window: expected"),
        ({"fine": 0}, "fine: expected"),
        ({"fastest": 60 * u.km / u.s}, "fastest: in"),
        ({"fastest": 6 * u.km}, "fastest: expected"),
        ({"average": 1 * u.hr}, "average: 1.0 h is longer"),
        ({"average": "some"}, "average: expected"),
        ({"subsonic": 4 * u.km / u.s}, "subsonic: expected at least 10"),
        ({"device": "abacus"}, "device: 'abacus'"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        lct_flow(cube(pair(0, 0)), **KNOWN, **arguments)


def test_other_pointings_are_refused():
    first, second = maps(pair(0, 0))
    other = make_map(second.data, **{**dict(second.meta), "crval1": 121.0})
    with pytest.raises(ObservationError, match=r"sunkit_image\.coalignment"):
        lct_flow([first, other])


@pytest.mark.parametrize(
    ("name", "pixel", "cadence", "part"),
    [
        ("sunrise_imax_focus.fits", 39.5, 30, np.s_[500:700, 600:800]),
        ("dkist_photosphere.fits", 7.33, 6, np.s_[:200, :200]),
    ],
)
@pytest.mark.parametrize("angle", [10, 100, 190, 280])
def test_real_granulation_along_each_axis(shared_data, name, pixel, cadence, part, angle):
    image = fits.getdata(shared_data / "high_resolution" / name).astype(float)
    velocity = 2.4 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    frames = pair(*velocity * cadence / pixel, image=image, part=part)
    flow = lct_flow(cube(frames), window=0.6 * u.Mm, cadence=cadence * u.s, scale=pixel * u.km / u.pix)
    assert means(flow) == pytest.approx(velocity, abs=0.03)


def test_the_moat_of_a_real_spot_flows_outwards(shared_data):
    frames = fits.getdata(shared_data / "time_series" / "hmi_sunspot_cube.fits")
    stated = {"cadence": 720 * u.s, "scale": 0.504 * u.arcsec / u.pix, "fastest": 2 * u.km / u.s}
    flow = lct_flow(cube(frames), window=7 * u.arcsec, average="all", **stated)
    mean = frames.mean(axis=0)
    row, column = (axis[mean < 0.5 * np.median(mean)].mean() for axis in np.indices(mean.shape))
    y, x = np.indices(mean.shape) - np.array([row, column])[:, None, None]
    distance = np.hypot(x, y)
    outward = (x * flow["vx"].data[0] + y * flow["vy"].data[0]) / distance
    rings = [np.nanmean(outward[(distance >= low) & (distance < low + 6)]) for low in (24, 32, 40, 48)]
    assert rings == sorted(rings)
    assert 0.1 < rings[0] < rings[-1] < 0.4


@pytest.mark.slow
def test_the_outflow_is_gone_when_the_frames_are_shuffled(shared_data):
    frames = fits.getdata(shared_data / "time_series" / "hmi_sunspot_cube.fits").astype(np.float32)
    mean = frames.mean(axis=0)
    row, column = (axis[mean < 0.5 * np.median(mean)].mean() for axis in np.indices(mean.shape))
    y, x = np.indices(mean.shape) - np.array([row, column])[:, None, None]
    radius = np.sqrt((mean < 0.9 * np.median(mean)).sum() / np.pi)
    distance = np.hypot(x, y)
    ring = (distance >= 1.2 * radius) & (distance < 2.3 * radius)
    stated = {"cadence": 720 * u.s, "scale": 0.504 * u.arcsec / u.pix, "fastest": 2 * u.km / u.s}

    def significance(given):
        flow = lct_flow(cube(given), window=7 * u.arcsec, **stated)
        outward = np.nanmean(((x * flow["vx"].data + y * flow["vy"].data) / distance)[:, ring], axis=1)
        return outward.mean() / (outward.std(ddof=1) / np.sqrt(len(outward)))

    assert significance(frames) > 20
    assert abs(significance(frames[np.random.default_rng(0).permutation(30)])) < 2


def test_what_is_faster_than_asked_is_masked_and_counted():
    frames = moving_granulation(shape=(64, 64), velocity=[3.0, 0.0] * u.km / u.s, cadence=30 * u.s).frames
    found = lct_flow(frames)["vx"]
    assert np.median(found.data[~found.mask] if found.mask is not None else found.data) == pytest.approx(3, abs=0.2)
    slow = lct_flow(frames, fastest=1 * u.km / u.s)["vx"]
    assert slow.mask.mean() > 0.95
    assert slow.meta["at_limit"][0] > 0.95 * slow.data.size
