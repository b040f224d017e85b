"""Divergence, vorticity, spectrum, residual and figures of known velocity fields."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sunpy.map import GenericMap, Map

from sunpy_ml import lct_flow
from sunpy_ml.flows import divergence, flow_residual, kinetic_energy_spectrum, plot_flow, vorticity
from sunpy_ml.flows.result import read_flow
from sunpy_ml.simulation.motion import moving_granulation
from tests.flows.fields import flow_of, grid
from tests.maps import make_map

TURNED = ((60.0, -80.0), (80.0, 60.0))
MIRRORED = ((-50.0, 0.0), (0.0, 100.0))


@pytest.mark.parametrize("step", [((100.0, 0.0), (0.0, 100.0)), TURNED, MIRRORED])
@pytest.mark.parametrize("celestial", [False, True])
def test_derivatives_are_along_the_solar_axes(step, celestial):
    x, y = grid(step=step)
    flow = flow_of([[2e-3 * x - 1e-3 * y, 3e-3 * x + 1e-3 * y]], step, celestial=celestial)
    rate, turn = divergence(flow), vorticity(flow)
    assert rate.unit == turn.unit == 1 / u.s
    np.testing.assert_allclose(rate.data, 3e-3, rtol=1e-6)
    np.testing.assert_allclose(turn.data, 4e-3, rtol=1e-6)


def test_what_is_masked_spreads_to_its_neighbours_only():
    x, y = grid()
    mask = np.zeros((1, 48, 64), dtype=bool)
    mask[0, 20, 30] = True
    rate = divergence(flow_of([[1e-3 * x, 1e-3 * y]], mask=mask))
    assert np.argwhere(rate.mask[0]).tolist() == [[19, 30], [20, 29], [20, 30], [20, 31], [21, 30]]


@pytest.mark.parametrize("shape", [(48, 64), (50, 81)])
@pytest.mark.parametrize("step", [((100.0, 0.0), (0.0, 100.0)), MIRRORED, TURNED])
def test_the_spectrum_adds_up_to_half_the_mean_square(shape, step):
    velocity = np.random.default_rng(1).normal(0, 1, (3, 2, *shape)).cumsum(axis=3).cumsum(axis=2) + 5
    spectrum = kinetic_energy_spectrum(flow_of(velocity, step))
    expected = 0.5 * velocity.var(axis=(2, 3)).sum(axis=1).mean()
    assert (spectrum.energy.sum() * spectrum.width).to_value(u.km**2 / u.s**2) == pytest.approx(expected, rel=1e-6)


def test_one_wave_is_one_peak():
    x, _ = grid((96, 96))
    length = 1.2
    velocity = np.stack([0 * x, 1.5 * np.sin(2 * np.pi * x / (1e3 * length))])[None]
    spectrum = kinetic_energy_spectrum(flow_of(velocity, window=1.5 * u.Mm))
    peak = spectrum.wavenumber[spectrum.energy.argmax()].to_value(1 / u.Mm)
    assert peak == pytest.approx(2 * np.pi / length, rel=0.01)
    near = abs(spectrum.wavenumber.to_value(1 / u.Mm) - peak) < 3.5 * spectrum.width.value
    assert (spectrum.energy[near].sum() * spectrum.width).value == pytest.approx(1.5**2 / 4, rel=0.05)
    assert spectrum.nyquist.to_value(1 / u.Mm) == pytest.approx(np.pi / 0.1)
    assert spectrum.cutoff.to_value(1 / u.Mm) == pytest.approx(4 * np.log(2) / 1.5)


@pytest.mark.parametrize("count", [1, 6])
def test_the_noise_is_that_which_was_added(count):
    x, y = grid((96, 96))
    steady = np.stack([np.sin(x / 500), np.cos(y / 700)])
    noise = np.random.default_rng(2).normal(0, 0.2, (count, 2, 96, 96))
    spectrum = kinetic_energy_spectrum(flow_of(steady + noise))
    assert (spectrum.noise.sum() * spectrum.width).value == pytest.approx(0.04, rel=0.1)
    high = spectrum.wavenumber > 0.7 * spectrum.nyquist
    assert spectrum.noise[high].sum().value == pytest.approx(spectrum.energy[high].sum().value, rel=0.1)


@pytest.mark.parametrize("celestial", [True, False])
def test_the_true_flow_explains_the_next_image(celestial):
    frames, velocity, _ = moving_granulation(shape=(64, 80), noise=0, correlation=1, seed=1)
    found = lct_flow(frames, window=0.6 * u.Mm)
    values = [
        flow_residual(frames, flow).value for flow in (velocity, found, turned_round(velocity), turned_round(found))
    ]
    assert values[0] < 0.05
    assert values[0] < values[1] < 0.7
    assert min(values[2:]) > 1.1


def turned_round(flow):
    return type(flow)([(name, -cube) for name, cube in flow.items()], aligned_axes="all")


def test_no_flow_explains_nothing():
    frames = moving_granulation(shape=(64, 80), seed=1).frames
    residual = flow_residual(frames, flow_of(np.zeros((1, 2, 64, 80))))
    assert residual.value == pytest.approx(1, abs=1e-6)
    assert isinstance(residual.map, GenericMap)
    assert residual.map.unit == u.DN
    expected = frames.wcs.pixel_to_world(0, 0, 0)[0]
    there = residual.map.pixel_to_world(0 * u.pix, 0 * u.pix)
    assert there.Tx.to_value("arcsec") == pytest.approx(expected.Tx.to_value("arcsec"), abs=1e-6)
    np.testing.assert_allclose(residual.map.data, frames.data[1] - frames.data[0], rtol=1e-4, atol=1e-3)


def test_what_cannot_be_compared_is_refused():
    frames, velocity, _ = moving_granulation(shape=(64, 80), seed=1)
    with pytest.raises(ValueError, match="pair: got 1"):
        flow_residual(frames, velocity, pair=1)
    with pytest.raises(ValueError, match="64, 80"):
        flow_residual(frames, flow_of(np.zeros((1, 2, 9, 9))))
    with pytest.raises(ValueError, match="all of it is masked"):
        kinetic_energy_spectrum(flow_of(np.full((1, 2, 9, 9), np.nan)))
    with pytest.raises(ValueError, match="NDCollection"):
        divergence(velocity["vx"])
    with pytest.raises(ValueError, match="three pixels"):
        divergence(flow_of(np.zeros((1, 2, 2, 9))))


def test_slices_of_a_flow_keep_their_places_and_times():
    flow = moving_granulation(shape=(40, 50), frames=4).velocity
    whole, part = read_flow(flow), read_flow(flow[1:, 5:, 7:])
    assert part.velocity.shape == (2, 2, 35, 43)
    assert (part.start - whole.start).to_value(u.s) == pytest.approx(30)
    there = whole.wcs.pixel_to_world_values(7, 5)
    assert part.wcs.pixel_to_world_values(0, 0) == pytest.approx(there)


@pytest.fixture
def closed():
    yield
    plt.close("all")


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("kind", ["quiver", "streamlines"])
@pytest.mark.parametrize("given", ["map", "array", "nothing"])
def test_figures_have_units_on_their_axes(kind, given):
    frames, velocity, _ = moving_granulation(shape=(40, 50))
    image = {"map": Map(frames.data[0], flow_residual(frames, velocity).map.meta), "array": frames.data[0]}.get(given)
    axes = plot_flow(velocity, image, kind=kind)
    assert axes.get_xlabel() == "solar x [arcsec]"
    assert axes.get_xlim() == (-0.5, 49.5)
    axes.figure.canvas.draw()


@pytest.mark.usefixtures("closed")
def test_arrows_point_along_the_pixels_of_a_turned_image():
    velocity = np.zeros((1, 2, 40, 40))
    velocity[:, 0] = 2.0
    axes = plot_flow(flow_of(velocity, ((0.0, -100.0), (100.0, 0.0))), every=10)
    quiver = next(child for child in axes.get_children() if hasattr(child, "U"))
    np.testing.assert_allclose(quiver.U, 0, atol=1e-12)
    np.testing.assert_allclose(quiver.V, -2)
    assert axes.get_xlabel() == "x [Mm]"


@pytest.mark.usefixtures("closed")
def test_heliographic_axes_are_in_degrees():
    header = {"ctype1": "CRLN-CEA", "ctype2": "CRLT-CEA", "cunit1": "deg", "cunit2": "deg", "crval2": 5.0}
    steps = {"cdelt1": 0.03, "cdelt2": 0.03}
    image = np.random.default_rng(0).normal(size=(40, 40))
    flow = lct_flow([make_map(image, **header, **steps)] * 2, cadence=720 * u.s, window=5 * u.Mm)
    axes = plot_flow(flow)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("longitude [deg]", "latitude [deg]")
    axes.figure.canvas.draw()


@pytest.mark.usefixtures("closed")
def test_the_spectrum_is_drawn_with_its_limits():
    spectrum = kinetic_energy_spectrum(flow_of(np.random.default_rng(0).normal(size=(1, 2, 32, 32)), window=1 * u.Mm))
    axes = spectrum.plot()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["energy", "noise", "window", "Nyquist"]
    with pytest.raises(ValueError, match="kind: got 'other'"):
        plot_flow(flow_of(np.zeros((1, 2, 9, 9))), kind="other")
    with pytest.raises(ValueError, match="image: it has"):
        plot_flow(flow_of(np.zeros((1, 2, 9, 9))), np.zeros((9, 8)))
