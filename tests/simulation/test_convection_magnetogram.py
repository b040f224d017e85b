"""The field that a flow carries: conservation, transport, diffusion."""

import astropy.units as u
import numpy as np
import pytest
from astropy.time import Time

from sunpy_ml.simulation.convection import ConvectionCard, ConvectionRun, carried_field

PIXELS, PIXEL, CADENCE = 32, 1e5, 20.0


def run_with(vy, vx, count=4):
    surfaces = np.zeros((count, 1, 4, PIXELS, PIXELS), np.float32)
    surfaces[:, 0, 1], surfaces[:, 0, 2] = vy, vx
    return ConvectionRun(
        intensity_values=np.ones((count, PIXELS, PIXELS), np.float32),
        surface_values=surfaces,
        flux=np.ones(count) * u.W / u.m**2,
        seconds=CADENCE * np.arange(count) * u.s,
        depths=(1.0,),
        pixel=[PIXEL, PIXEL] * u.m,
        epoch=Time("2020-01-01"),
        card=ConvectionCard(),
    )


def hill():
    y, x = np.mgrid[:PIXELS, :PIXELS]
    return 5 + 100 * np.exp(-((x - 16) ** 2 + (y - 12) ** 2) / 18)


def test_uniform_flow_carries():
    # Two pixels to the west and one to the south between frames.
    run = run_with(-PIXEL / CADENCE, 2 * PIXEL / CADENCE)
    field = carried_field(run, hill() * u.G, diffusivity=0 * u.km**2 / u.s)
    expected = np.roll(hill(), (-3, 6), (0, 1))
    assert np.corrcoef(field.data[3].ravel(), expected.ravel())[0, 1] > 0.99
    assert field.data[3].max() > 0.85 * hill().max()
    assert np.array_equal(field.data[0], hill().astype(np.float32))


def test_flux_is_conserved_and_gathers_where_flows_meet():
    phase = 2 * np.pi * np.arange(PIXELS) / PIXELS
    run = run_with(np.zeros((PIXELS, 1)), 1500 * np.sin(phase), count=10)
    field = carried_field(run, 10 * u.G)
    assert field.unit == u.G
    assert np.allclose(field.data.mean((1, 2)), 10, rtol=1e-5)
    assert field.data.min() >= 0
    assert abs(int(field.data[-1].mean(0).argmax()) - PIXELS // 2) <= 1
    assert field.data[-1].max() > 15


def test_diffusion_follows_theory():
    wave = np.cos(2 * np.pi * np.arange(PIXELS) / PIXELS) + np.zeros((PIXELS, 1))
    diffusivity = 2000 * u.km**2 / u.s
    field = carried_field(run_with(0, 0), wave * u.G, diffusivity=diffusivity)
    rate = diffusivity.to_value("m2/s") * (2 * np.pi / (PIXELS * PIXEL)) ** 2
    assert field.data[3].max() == pytest.approx(np.exp(-rate * 3 * CADENCE), rel=0.01)


def test_unit_of_the_start():
    run = run_with(0, 0)
    assert np.allclose(carried_field(run, 1 * u.mT).data, 10)
    with pytest.raises(u.UnitsError):
        carried_field(run, 1 * u.m)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"start": np.ones((3, 3)) * u.G}, "start"),
        ({"start": np.nan * u.G}, "start"),
        ({"diffusivity": -1 * u.km**2 / u.s}, "diffusivity"),
        ({"depth": 0.5}, "depth is 0.5: the run has 1.0"),
    ],
)
def test_bad_input(words, message):
    with pytest.raises(ValueError, match=message):
        carried_field(run_with(0, 0), **words)


def test_one_frame_is_too_short():
    with pytest.raises(ValueError, match="longer duration"):
        carried_field(run_with(0, 0, count=1))
