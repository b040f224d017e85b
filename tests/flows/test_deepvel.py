"""deepvel_flow: units, axes, grids, cadences, masks and uncertainties, with networks whose answers are known."""

import dataclasses
import warnings

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCube
from torch import nn

from sunpy_ml import deepvel_flow
from sunpy_ml.exceptions import CardError, DomainError, DomainWarning, ObservationError, WeightsError
from sunpy_ml.flows import divergence, shift_response
from sunpy_ml.flows.channels import input_planes, output_channels
from sunpy_ml.flows.networks import NETWORKS
from sunpy_ml.flows.pairs import KM_PER_ARCSEC
from sunpy_ml.flows.rotation import surface_rotation
from sunpy_ml.observations import image_sequence
from sunpy_ml.weights import Domain, get_card, list_weights
from sunpy_ml.weights.readers import read_state
from tests.maps import make_map, rotated_header

KNOWN = {"cadence": 30 * u.s, "scale": 0.1 * u.arcsec / u.pix}
PIXEL = 0.1 * KM_PER_ARCSEC


class Slopes(nn.Module):
    """The slopes of the earlier image along columns and rows: an answer that turns as the image does."""

    def forward(self, x):
        padded = nn.functional.pad(x[:, :1], (1, 1, 1, 1), mode="replicate")
        across = 0.5 * (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2])
        return torch.cat([across, 0.5 * (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1])], dim=1)


class Seen(list):
    """What a network was asked, even one of which a copy is made to run it."""

    def __deepcopy__(self, memo):
        return self


class Told(nn.Module):
    """The same numbers everywhere, whatever is seen."""

    def __init__(self, *numbers):
        super().__init__()
        self.numbers, self.seen = numbers, Seen()

    def forward(self, x):
        self.seen.append(x.numpy().copy())
        return torch.ones_like(x[:, :1]) * torch.tensor(self.numbers)[:, None, None]


def lopsided(channels_out, channels_in=2, seed=0):
    """A network that turns nothing round."""
    torch.manual_seed(seed)
    return nn.Conv2d(channels_in, channels_out, 3, padding=1).eval().requires_grad_(False)


def card_of(channels=("dx", "dy"), units=None, *, output=None, domain=None, **rules):
    """A card of displacements in pixels unless told otherwise, which reads what is there as it is."""
    published = get_card("deepvel-2017")
    rules = {"geometry": "native", "normaliser": "raw", "channels": ("first", "second"), "halo": 2} | rules
    rules = {"plate_scale": None, "cadence": None} | rules
    none = {"offset": (), "scale": (), "x_axis": "columns"}
    output = none | {"channels": channels, "units": units or ("pix",) * len(channels)} | (output or {})
    return dataclasses.replace(
        published,
        input=dataclasses.replace(published.input, **rules),
        output=dataclasses.replace(published.output, **output),
        domain=domain or Domain(),
    )


def images(count=2, shape=(40, 56), seed=0):
    return np.random.default_rng(seed).normal(1, 0.1, (count, *shape)).astype(np.float32)


def cube(frames, **options):
    return NDCube(np.asarray(frames), wcs=WCS(naxis=3), **options)


def maps(frames, seconds=30, **header):
    header = {"cdelt1": 0.1, "cdelt2": 0.1, **header}
    dates = [f"2014-10-24T12:{int(seconds * i) // 60:02d}:{seconds * i % 60:02d}" for i in range(len(frames))]
    return [make_map(frame, date__obs=date, **header) for frame, date in zip(frames, dates, strict=True)]


def vectors(flow, names=("vx", "vy")):
    return np.stack([flow[name].data for name in names])


def flow_of(observations, network, card, **options):
    return deepvel_flow(observations, weights=network, card=card, progress=False, **options)


@pytest.mark.parametrize(
    ("kind", "name", "unit"), [("deepvel", "deepvel-2017", 1), ("deepvelu", "deepvelu-qs-ic", 1e-3)]
)
def test_what_keras_gives_comes_through_in_km_per_s(shared_data, kind, name, unit):
    folder = shared_data.parent / "keras_fixtures"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    network = NETWORKS[kind]()
    network.load_state_dict(read_state(folder / f"{kind}_random.h5", "keras", network))
    card = get_card(name)
    card = dataclasses.replace(card, input=dataclasses.replace(card.input, normaliser="raw"))
    arrays = np.load(folder / f"{kind}_random_io.npz")
    known = {"cadence": card.input.cadence * u.s, "scale": card.input.plate_scale * u.arcsec / u.pix}
    pair = cube(arrays["x"][0].transpose(2, 0, 1), meta={"wavelnth": sum(card.domain.wavelength[0]) * 5})
    flow = flow_of(pair, network.eval(), card, **known)
    expected = unit * (np.array(card.output.offset) + arrays["y"][0] * np.array(card.output.scale))
    # The authors' x is along the rows of the array.
    for component, first in (("vx", 1), ("vy", 0)):
        found = flow[component].data[0]
        assert flow[component].unit == u.km / u.s
        assert abs(found - expected[..., first::2].transpose(2, 0, 1)).max() < 1e-4 * expected.std()


def test_optical_depths_are_a_linear_axis_and_one_can_be_chosen():
    channels = [f"{name}(tau={tau})" for tau in ("1", "0.1", "0.01") for name in ("vx", "vy")]
    card = card_of(channels, ("km / s",) * 6, cadence=30, plate_scale=0.1)
    flow = flow_of(maps(images(3)), Told(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), card)
    assert flow["vx"].shape == (2, 3, 40, 56)
    assert list(flow["vx"].wcs.wcs.ctype) == ["HPLN-TAN", "HPLT-TAN", "LOGTAU", "TIME"]
    world = flow["vx"].wcs.low_level_wcs.pixel_to_world_values([0] * 3, [0] * 3, range(3), [0, 0, 1])
    np.testing.assert_allclose(world[2], [0, -1, -2])
    np.testing.assert_allclose(world[3], [0, 0, 30], atol=1e-5)
    assert flow["vx"].meta["levels"] == ("tau=1", "tau=0.1", "tau=0.01")
    assert flow["vx"].meta["motion"] == "plasma"
    deepest = flow[:, 2]
    # The observer is nearer than one astronomical unit, so that a pixel is smaller.
    assert deepest["vy"].data.mean() == pytest.approx(6 * 1.49e11 / u.au.to(u.m), rel=1e-5)
    assert divergence(deepest).shape == (2, 40, 56)
    with pytest.raises(ValueError, match=r"several optical depths; choose one, such as flow\[:, 0\]"):
        divergence(flow)


@pytest.mark.parametrize(("unit", "factor"), [("km / s", 1), ("m / s", 1e-3), ("cm / s", 1e-5)])
def test_numbers_become_velocities_by_the_constants_of_the_card(unit, factor):
    constants = {"offset": (-2.0, 1.0), "scale": (4.0, 2.0)}
    card = card_of(("vx", "vy"), (unit,) * 2, output=constants, cadence=30, plate_scale=0.1)
    flow = flow_of(cube(images()), Told(0.75, 0.25), card, **KNOWN)
    assert flow["vx"].shape == (1, 40, 56)
    np.testing.assert_allclose(vectors(flow)[:, 0, 0, 0], np.array([1, 1.5]) * factor, rtol=1e-5)


def test_another_cadence_scales_velocities_and_warns():
    card = card_of(("vx", "vy"), ("km / s",) * 2, cadence=30, plate_scale=0.1, domain=Domain(cadence=(27, 33)))
    pair = cube(images())
    with pytest.warns(DomainWarning, match="the cadence is 60 s, trained on 27-33 s"):
        flow = flow_of(pair, Told(1.0, -2.0), card, scale=KNOWN["scale"], cadence=60 * u.s)
    np.testing.assert_allclose(vectors(flow)[:, 0, 0, 0], [0.5, -1], rtol=1e-5)
    with pytest.raises(DomainError, match="the cadence is 60 s"):
        flow_of(pair, Told(1.0, -2.0), card, scale=KNOWN["scale"], cadence=60 * u.s, strict=True)


@pytest.mark.parametrize(
    ("scale", "grid"), [(0.1, (40, 56)), (0.102, (40, 56)), (0.05, (20, 28)), (0.2, (80, 112)), ((0.2, 0.1), (40, 112))]
)
def test_another_plate_scale_is_resampled(scale, grid):
    network = Told(1.0, -2.0)
    card = card_of(("vx", "vy"), ("km / s",) * 2, geometry="plate-scale", cadence=30, plate_scale=0.1)
    flow = flow_of(cube(images()), network, card, cadence=30 * u.s, scale=scale * u.arcsec / u.pix)
    assert network.seen[0].shape == (1, 2, *grid)
    assert flow["vx"].shape == (1, 40, 56)
    # Where nothing was resampled, what moved is the same in pixels, which are a little larger.
    expected = np.array([1.0, -2]) * (1.02 if scale == 0.102 else 1)
    np.testing.assert_allclose(vectors(flow)[:, 0, 0, 0], expected, rtol=1e-5)


def test_a_plate_scale_that_cannot_be_is_refused():
    card = card_of(geometry="plate-scale", cadence=30, plate_scale=0.1)
    with pytest.raises(ObservationError, match="mend their plate scale"):
        flow_of(cube(images()), Told(1.0, 0.0), card, cadence=30 * u.s, scale=1e4 * u.arcsec / u.pix)


def test_what_is_found_on_another_grid_comes_back_in_place():
    """A ramp of velocities, found at half the resolution, is the same ramp."""
    row, column = np.indices((40, 56))
    frames = np.stack([1 + 0.01 * column.astype(float) ** 2 + 0.02 * row.astype(float) ** 2] * 2)
    card = card_of(geometry="plate-scale", plate_scale=0.2)
    flow = flow_of(cube(frames), Slopes(), card, **KNOWN)
    inner = np.s_[0, 10:-10, 10:-10]
    # Along pixels twice as large slopes are twice as steep, and as many of these pixels go twice as far.
    for name, expected in (("vx", 0.02 * column), ("vy", 0.04 * row)):
        np.testing.assert_allclose(
            flow[name].data[inner], 4 * expected[10:-10, 10:-10] * PIXEL / 30, rtol=2e-3, atol=2e-2
        )


@pytest.mark.parametrize(("cadence", "grid"), [(10, (20, 28)), (60, (4, 6))])
def test_images_finer_than_a_network_knows_are_resampled(cadence, grid):
    """To 0.2 arcsec, or to where 1 km/s moves no more than 0.1 pixels."""
    network = Told(1.0, 0.0)
    fine = Domain(plate_scale=(0.2, 0.5))
    card = card_of(constants={"fastest_step": 0.1}, domain=fine)
    with warnings.catch_warnings():
        if cadence == 60:
            warnings.filterwarnings("ignore", "The observation lies outside", DomainWarning)
        flow = flow_of(cube(images()), network, card, scale=KNOWN["scale"], cadence=cadence * u.s)
    assert network.seen[0].shape[2:] == grid
    expected = PIXEL * 56 / grid[1] / cadence
    np.testing.assert_allclose(flow["vx"].data, expected, rtol=1e-5)


def test_planes_of_pixel_size_and_cadence_are_what_they_are():
    network = Told(0.0, 0.0)
    card = card_of()
    card = dataclasses.replace(
        card,
        input=dataclasses.replace(card.input, channels=("first", "second", "pixel", "cadence"), normaliser="contrast"),
    )
    frames = images(3)
    flow_of(cube(frames), network, card, **KNOWN)
    first, second, pixel, cadence = network.seen[1][0]
    # The mean of the whole sequence, so that it is the same for all pairs.
    np.testing.assert_allclose(first, frames[1] / frames.mean() - 1, atol=1e-5)
    np.testing.assert_allclose(second, frames[2] / frames.mean() - 1, atol=1e-5)
    assert np.unique(pixel) == pytest.approx(PIXEL)
    assert np.unique(cadence) == 30


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.013, -90.0, 25.0])
@pytest.mark.parametrize("flipped", [False, True])
def test_vectors_are_along_the_sun_however_images_are_turned(angle, flipped):
    frames = images(shape=(24, 32))
    header = rotated_header(angle, "pc", cdelt=(-0.1 if flipped else 0.1, 0.1))
    given = maps(frames, **header)
    flow = flow_of(given, Slopes(), card_of())
    step = image_sequence(given).step
    padded = np.pad(frames[0], 1, mode="edge")
    slopes = 0.5 * np.stack([padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]])
    np.testing.assert_allclose(vectors(flow)[:, 0], np.einsum("ij,jyx->iyx", step, slopes) / 30, atol=1e-4)


def test_tiles_give_what_the_whole_gives():
    network, given = lopsided(2), cube(images(shape=(70, 90)))
    whole = flow_of(given, network, card_of(multiple=8), **KNOWN)
    tiled = flow_of(given, network, card_of(multiple=8), tile=16, **KNOWN)
    np.testing.assert_allclose(vectors(tiled), vectors(whole), atol=1e-4)


def test_an_average_over_the_turns_turns_with_the_images():
    network, frames = lopsided(4), images(shape=(24, 32))
    card = card_of(("dx", "dy", "sigma_dx", "sigma_dy"), multiple=8)
    names = ("vx", "vy", "sigma_vx", "sigma_vy")

    def found(images, **options):
        return vectors(flow_of(cube(images), network, card, **KNOWN, **options), names)[:, 0]

    straight = found(frames, average_turns=True)
    assert abs(straight - found(frames)).max() > 0.1
    vx, vy, sigma_x, sigma_y = straight
    np.testing.assert_allclose(
        found(frames[:, :, ::-1], average_turns=True)[:, :, ::-1], [-vx, vy, sigma_x, sigma_y], atol=1e-5
    )
    turned = found(frames.swapaxes(1, 2)[:, ::-1], average_turns=True)
    # By a quarter clockwise, in arrays whose first row is the lowest.
    np.testing.assert_allclose(turned[:, ::-1].swapaxes(1, 2), [vy, -vx, sigma_y, sigma_x], atol=1e-5)


def test_the_spread_over_the_turns():
    frames = images(shape=(24, 32))
    flow = flow_of(cube(frames), lopsided(2), card_of(), uncertainty="ensemble", **KNOWN)
    same = flow_of(cube(frames), Slopes(), card_of(), uncertainty="ensemble", **KNOWN)
    assert flow["sigma_vx"].unit == u.km / u.s
    assert flow["sigma_vx"].data.min() > 0
    assert abs(same["sigma_vx"].data).max() < 1e-5
    assert flow["vx"].meta["uncertainty"] == "ensemble"


def test_standard_deviations_are_those_of_the_components_along_the_sun():
    network = Told(0.0, 0.0, 0.3, 0.4)
    card = card_of(("dx", "dy", "sigma_dx", "sigma_dy"), orientation="as-is")
    for angle, expected in ((0.0, (0.3, 0.4)), (90.0, (0.4, 0.3)), (45.0, (0.3536, 0.3536))):
        given = maps(images(), **rotated_header(angle, "pc", cdelt=(0.1, 0.1)))
        flow = flow_of(given, network, card)
        km = image_sequence(given).pixel[0].to_value(u.km)
        found = vectors(flow, ("sigma_vx", "sigma_vy"))[:, 0, 0, 0]
        np.testing.assert_allclose(found, np.array(expected) * km / 30, rtol=1e-3)
    assert set(flow_of(cube(images()), network, card, uncertainty="none", **KNOWN)) == {"vx", "vy"}


def test_what_is_masked_stays_masked_and_what_saw_it_is_counted():
    frames = images(3)
    frames[1, 10, 20] = np.nan
    flow = flow_of(cube(frames), lopsided(2), card_of(halo=1), **KNOWN)
    assert flow["vx"].mask.sum() == 2
    assert flow["vy"].mask[:, 10, 20].all()
    assert np.isnan(flow["vx"].data[:, 10, 20]).all()
    assert flow["vx"].meta["masked"] == (1, 1)
    assert flow["vx"].meta["contaminated"] == (8, 8)


def test_nothing_that_is_given_is_changed():
    frames = images()
    before, given = frames.copy(), cube(frames)
    flow_of(given, lopsided(2), card_of(), **KNOWN)
    assert np.array_equal(frames, before)
    assert given.meta is None or not given.meta


def test_the_median_is_that_of_the_whole_sequence():
    frames = 500 * images(3)
    network = Told(0.0, 0.0)
    flow_of(cube(frames), network, card_of(normaliser="median"), **KNOWN)
    np.testing.assert_allclose(network.seen[0][0], frames[:2] / np.median(frames), rtol=1e-5)
    np.testing.assert_allclose(network.seen[1][0], frames[1:] / np.median(frames), rtol=1e-5)


def test_sides_that_are_no_multiples_are_padded():
    network, frames = Told(1.0, 2.0), images(shape=(13, 18))
    flow = flow_of(cube(frames), network, card_of(multiple=8), **KNOWN)
    assert network.seen[0].shape == (1, 2, 16, 24)
    np.testing.assert_array_equal(network.seen[0][0, 0, 13:, 18:], frames[0, -1, -1])
    assert flow["vx"].shape == (1, 13, 18)


def quantities(**units):
    """Sequences of the vertical velocity and field, of which the network wants cm/s and gauss."""
    units = {"vz": u.m / u.s, "Bz": u.G} | units
    return {name: cube(images(seed=seed), unit=unit) for seed, (name, unit) in enumerate(units.items())}


def test_a_network_that_reads_several_quantities():
    published = get_card("deepvelu-ar-bzvz")
    # Four numbers go in, of which two come out: the input is what is looked at.
    network = Told(0.5, 0.5)
    given = quantities()
    known = {"cadence": 45 * u.s, "scale": 0.504 * u.arcsec / u.pix}
    with pytest.warns(DomainWarning, match="wavelength"):
        flow = flow_of(given, network, published, **known)
    seen = network.seen[0][0]
    assert seen.shape == (4, 40, 56)
    np.testing.assert_allclose(seen[1], (100 * given["vz"].data[1] + 600794) / 855884.39, rtol=1e-5)
    np.testing.assert_allclose(seen[2], (given["Bz"].data[0] + 802.9696) / 2221.5184, rtol=1e-5)
    expected = (-1068232.4 + 0.5 * 2113206.65) / 1e5
    assert flow["vx"].data.mean() == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ObservationError, match=r"reads several quantities; give a dict of \['vz', 'Bz'\]"):
        flow_of(given["vz"], network, published, **known)
    with pytest.raises(ObservationError, match=r"reads \['vz', 'Bz'\], got \['vz'\]"):
        flow_of({"vz": given["vz"]}, network, published, **known)
    with pytest.raises(ObservationError, match=r"'vz' and 'Bz' do not belong together: .* and \(2, 20, 56\) of"):
        flow_of(given | {"Bz": cube(images()[:, :20], unit=u.G)}, network, published, **known)
    with pytest.raises(ObservationError, match="their unit is 'm / s', which cannot become 'G'"):
        flow_of(quantities(Bz=u.m / u.s), network, published, **known)
    with pytest.raises(ObservationError, match="nothing tells their unit"):
        flow_of(quantities(Bz=None), network, published, **known)


@pytest.mark.parametrize(
    ("header", "seconds", "message"),
    [
        ({"crval1": 121.0}, 45, "place the same pixel up to 1.98 pixels apart"),
        ({}, 60, "their cadences are 45 s and 60 s"),
        ({"date": "2014-10-24T12:10:00"}, 45, "are 600 s later"),
    ],
)
def test_quantities_of_other_places_and_times_are_refused(header, seconds, message):
    def sequence(unit, seconds=45, date="2014-10-24T12:00:00", **header):
        dates = Time(date) + seconds * u.s * np.arange(2)
        header = {"cdelt1": 0.504, "cdelt2": 0.504, "bunit": unit, **header}
        return [make_map(frame, date__obs=d.isot, **header) for frame, d in zip(images(), dates, strict=True)]

    given = {"vz": sequence("m / s"), "Bz": sequence("G", seconds, **header)}
    with pytest.raises(ObservationError, match=f"'vz' and 'Bz' do not belong together: .*{message}"):
        flow_of(given, Told(0.5, 0.5), get_card("deepvelu-ar-bzvz"))


def test_channels_without_constants_are_divided_by_their_median():
    published = get_card("deepvelu-ar-bzicvz")
    network = Told(0.5, 0.5)
    given = quantities(intensity=None)
    with pytest.warns(DomainWarning, match="wavelength"):
        flow_of(given, network, published, cadence=45 * u.s, scale=0.504 * u.arcsec / u.pix)
    frames = given["intensity"].data
    np.testing.assert_allclose(network.seen[0][0, 2:4], frames / np.median(frames), rtol=1e-5)


@pytest.mark.parametrize("name", [str(name) for name in list_weights("flows")["name"]])
def test_the_channels_of_every_card_are_understood(name):
    card = get_card(name)
    assert input_planes(card)
    outputs = output_channels(card)
    assert outputs.displacements or (card.input.cadence and card.input.plate_scale)


@pytest.mark.parametrize(
    ("channels", "units", "message"),
    [
        (("vx", "vz"), ("km / s",) * 2, "components are missing"),
        (("up", "down"), ("km / s",) * 2, "expected vx and vy"),
        (("dx", "dy"), ("km / s",) * 2, "expected vx and vy"),
        (("vx", "vy"), ("", ""), "expected vx and vy"),
        (("vx", "vy"), ("km / s", "furlong"), "expected vx and vy"),
        (("sigma_vx", "sigma_vy"), ("km / s",) * 2, "expected vx and vy"),
        (("vx", "vy"), ("km / s",) * 2, "needs the cadence and plate_scale"),
        (
            ("vx(tau=1)", "vy(tau=1)", "vx(tau=0.5)", "vy(tau=0.5)", "vx(tau=0.1)", "vy(tau=0.1)"),
            ("km / s",) * 6,
            "needs the cadence",
        ),
    ],
)
def test_cards_that_cannot_be_understood(channels, units, message):
    with pytest.raises(CardError, match=message):
        flow_of(cube(images()), Told(*range(len(channels))), card_of(channels, units), **KNOWN)


def test_depths_that_are_not_evenly_spaced_are_refused():
    channels = [f"{name}(tau={tau})" for tau in ("1", "0.5", "0.1") for name in ("vx", "vy")]
    card = card_of(channels, ("km / s",) * 6, cadence=30, plate_scale=0.1)
    with pytest.raises(CardError, match=r"evenly spaced in log\(tau\)"):
        flow_of(cube(images()), Told(*range(6)), card, **KNOWN)
    card = card_of()
    card = dataclasses.replace(card, input=dataclasses.replace(card.input, channels=("first", "third")))
    with pytest.raises(CardError, match="'third' is neither an image"):
        flow_of(cube(images()), Told(0.0, 0.0), card, **KNOWN)


def test_mistakes_are_told():
    pair, network, card = cube(images()), lopsided(2), card_of()
    with pytest.raises(ValueError, match="uncertainty: got 'all', choose from"):
        flow_of(pair, network, card, uncertainty="all", **KNOWN)
    with pytest.raises(ValueError, match="tile: expected at least 1 pixel"):
        flow_of(pair, network, card, tile=0, **KNOWN)
    with pytest.raises(ValueError, match="precision: got 'float8'"):
        flow_of(pair, network, card, precision="float8", **KNOWN)
    with pytest.raises(ObservationError, match="give cadence="):
        flow_of(pair, network, card, scale=KNOWN["scale"])
    with pytest.raises(ObservationError, match="give scale="):
        flow_of(pair, network, card, cadence=KNOWN["cadence"])
    with pytest.raises(WeightsError, match="serves 'classification', not 'flows'"):
        deepvel_flow(pair, weights="halpha-2", **KNOWN)
    apart = [make_map(frame, crval1=x, cdelt1=0.1, cdelt2=0.1) for frame, x in zip(images(), (0.0, 9.0), strict=True)]
    with pytest.raises(ObservationError, match=r"sunkit_image\.coalignment"):
        flow_of(apart, network, card)


def test_the_surface_turns_as_it_is_known_to():
    seconds = 86400.0
    for latitude in (0.0, 30.0):
        offset = 959.6 * np.sin(np.radians(latitude)) * 1.496e11 / 1.49e11
        given = maps(images(shape=(9, 11)), crval1=0.0, crval2=offset, hglt_obs=0.0)
        rotation = surface_rotation(image_sequence(given))[:, 4, 5]
        sine = np.sin(np.radians(latitude))
        # Howard, Harvey & Forgach 1990, in microradians per second; the Earth goes on by a degree in a day.
        sidereal = 2.894 - 0.428 * sine**2 - 0.370 * sine**4
        synodic = sidereal * 1e-6 - np.radians(0.99) / seconds
        expected = synodic * 6.957e5 * np.cos(np.radians(latitude))
        assert rotation[0] == pytest.approx(expected, rel=0.01)
        assert abs(rotation[1]) < 0.01


def test_rotation_is_removed():
    """Images that turn with the Sun do not move once that is taken away."""
    given = maps(images(shape=(48, 64)), crval1=200.0, crval2=-300.0, crota2=20.0)
    sequence = image_sequence(given)
    rotation = surface_rotation(sequence)
    pixels = np.linalg.inv(sequence.step) @ rotation[:, 24, 32] * 30
    network = Told(*pixels.tolist())
    moving = flow_of(given, network, card_of(orientation="as-is"))
    still = flow_of(given, network, card_of(orientation="as-is"), remove_rotation=True)
    assert np.hypot(*vectors(moving)[:, 0, 24, 32]) > 1.5
    assert abs(vectors(still)).max() < 0.02
    assert still["vx"].meta["rotation_removed"]
    # Images that follow the middle of their field do not move there.
    followed = flow_of(given, Told(0.0, 0.0), card_of(), remove_rotation=True, coaligned=True)
    np.testing.assert_allclose(vectors(followed)[:, 0], rotation[:, 24:25, 32:33] - rotation, atol=2e-3)


def test_there_is_no_rotation_beyond_the_limb_nor_without_a_place():
    given = maps(images(shape=(16, 80)), crval1=955.0, crval2=0.0, cdelt1=1.0, cdelt2=1.0)
    flow = flow_of(given, Told(0.0, 0.0), card_of(), remove_rotation=True)
    assert 0.2 < flow["vx"].mask.mean() < 0.8
    assert flow["vx"].mask[0, 8, -1]
    assert not flow["vx"].mask[0, 8, 0]
    with pytest.raises(ObservationError, match="rotation cannot be removed"):
        flow_of(cube(images()), Told(0.0, 0.0), card_of(), remove_rotation=True, **KNOWN)


class Difference(nn.Module):
    """The displacement of one bright column, or row, from the centres of mass of both images."""

    def forward(self, x):
        rows, columns = (torch.arange(float(length)) for length in x.shape[2:])
        weight = x.square()
        weight = weight / weight.sum(dim=(2, 3), keepdim=True)
        centres = torch.stack([(weight * columns).sum(dim=(2, 3)), (weight * rows[:, None]).sum(dim=(2, 3))], dim=-1)
        moved = centres[0, 1] - centres[0, 0]
        return torch.ones_like(x[:, :1]) * moved[:, None, None]


@pytest.mark.parametrize("x_axis", ["columns", "rows"])
def test_a_known_shift_tells_the_axes(x_axis):
    row, column = np.indices((64, 80))
    image = np.exp(-0.5 * ((column - 42) ** 2 + (row - 30) ** 2) / 16)
    card = card_of(output={"x_axis": x_axis})
    response = shift_response(image, scale=KNOWN["scale"], weights=Difference(), card=card, shift=1.6, border=0)
    straight = np.eye(2) if x_axis == "columns" else np.eye(2)[::-1]
    np.testing.assert_allclose(response[0], straight, atol=1e-3)
    with pytest.raises(ValueError, match="more than 96 each way"):
        shift_response(image, scale=KNOWN["scale"], weights=Difference(), card=card)


@pytest.mark.remote_data
def test_the_published_network_has_its_components_along_the_axes_of_its_card(shared_data):
    """Settles what the code of the authors leaves open; their weights are fetched for it."""
    from astropy.io import fits

    image = fits.getdata(shared_data / "high_resolution" / "sunrise_imax_focus.fits").astype(float)[300:600, 300:600]
    response = shift_response(image, scale=0.0545 * u.arcsec / u.pix, weights="deepvel-2017")[0]
    assert (np.diag(response) > 2 * abs(response[::-1].diagonal())).all()
