"""Gas dynamics of the convection run: exact solutions, balance, conservation."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from sunpy_ml.simulation.convection.boundaries import OpenBottom, close_walls
from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.gas import conserved, face_fluxes, hllc_flux, limited_slope, primitives
from sunpy_ml.simulation.convection.stepping import Grid, Physics, remove_box_flow
from sunpy_ml.simulation.convection.stratification import initial_stratification

# Pressures far above the floor of the temperature, for densities around one.
PRESSURE = 1e10


def gas(shape, density=1.0, pressure=PRESSURE):
    primitive = torch.zeros(5, *shape)
    primitive[0] = density
    primitive[4] = pressure
    return primitive


def advance(physics, primitive, duration):
    state, passed = conserved(primitive, physics.card.gamma), 0.0
    while passed < duration * (1 - 1e-9):
        state, dt = physics.step(state, duration - passed)
        passed += dt
    return physics.primitives(state)


def exact_tube(left, right, gamma, position):
    """Density, velocity and pressure of Riemann's problem at x / t (Toro 2009, chapter 4); (density, pressure)."""

    def branch(pressure, side):
        density, own = side
        sound = math.sqrt(gamma * own / density)
        if pressure > own:
            a, b = 2 / ((gamma + 1) * density), (gamma - 1) / (gamma + 1) * own
            return (pressure - own) * math.sqrt(a / (pressure + b))
        return 2 * sound / (gamma - 1) * ((pressure / own) ** ((gamma - 1) / (2 * gamma)) - 1)

    star = brentq(lambda p: branch(p, left) + branch(p, right), right[1], left[1], rtol=1e-12)
    speed = 0.5 * (branch(star, right) - branch(star, left))
    sound = math.sqrt(gamma * left[1] / left[0])
    tail = speed - sound * (star / left[1]) ** ((gamma - 1) / (2 * gamma))
    fan = 2 / (gamma + 1) + (gamma - 1) / ((gamma + 1) * sound) * (0 - position)
    ratio, small = star / right[1], (gamma - 1) / (gamma + 1)
    behind = right[0] * (ratio + small) / (small * ratio + 1)
    shock = math.sqrt(gamma * right[1] / right[0]) * math.sqrt(
        (gamma + 1) / (2 * gamma) * ratio + (gamma - 1) / (2 * gamma)
    )
    cases = [position < -sound, position < tail, position < speed, position < shock]
    return np.select(
        cases,
        [left[0], left[0] * fan ** (2 / (gamma - 1)), left[0] * (star / left[1]) ** (1 / gamma), behind],
        right[0],
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sod_tube(axis):
    cells, gamma = 200, 1.4
    shape = [4, 4, 4]
    # Periodic: the tube and its mirror image. Between walls, the tube alone.
    shape[axis] = cells if axis == 0 else 2 * cells
    card = ConvectionCard(gravity=0, gamma=gamma)
    physics = Physics(Grid(tuple(shape), (1.0, 1.0, 1.0)), card, radiates=False)
    start = gas(shape)
    high = torch.arange(shape[axis]) < cells // 2
    if axis:
        high |= torch.arange(shape[axis]) >= 2 * cells - cells // 2
    outside = [1 if other != axis else -1 for other in range(3)]
    start[0] = torch.where(high, 1.0, 0.125).reshape(outside)
    start[4] = torch.where(high, PRESSURE, 0.1 * PRESSURE).reshape(outside)
    duration = 0.2 * cells / math.sqrt(PRESSURE)
    density = advance(physics, start, duration)[0].movedim(axis, 0)
    assert torch.allclose(density, density[:, :1, :1].expand_as(density), rtol=1e-4)
    position = (np.arange(cells) + 0.5 - cells // 2) / duration
    expected = exact_tube((1.0, PRESSURE), (0.125, 0.1 * PRESSURE), gamma, position)
    assert np.abs(density[:cells, 0, 0].numpy() - expected).mean() < 0.004


def wave(cells, axis, periods=1.0):
    """Amplitude and phase of a sound wave after some periods, relative to how it began."""
    shape = [4, 4, 4]
    shape[axis] = cells
    card = ConvectionCard(gravity=0, gamma=5 / 3, courant=0.5)
    physics = Physics(Grid(tuple(shape), (1.0, 1.0, 1.0)), card, radiates=False)
    sound = math.sqrt(card.gamma * PRESSURE)
    outside = [1 if other != axis else -1 for other in range(3)]
    phase = (2 * math.pi * (torch.arange(cells) / cells)).reshape(outside)
    start = gas(shape)
    amplitude = 2e-3
    start[0] += amplitude * torch.cos(phase)
    start[1 + axis] = amplitude * sound * torch.cos(phase)
    start[4] *= 1 + card.gamma * amplitude * torch.cos(phase)
    end = advance(physics, start, periods * cells / sound)[1 + axis].movedim(axis, 0)[:, 0, 0].double()
    turned = (end * torch.exp(-1j * phase.flatten().double())).mean() / (0.5 * amplitude * sound)
    return abs(turned), float(torch.angle(turned))


@pytest.mark.parametrize("axis", [1, 2])
def test_sound_wave_comes_back(axis):
    amplitude, phase = wave(32, axis)
    # One period later it is where it was: 0.06 radians are one per cent of the speed.
    assert abs(phase) < 0.06
    assert 0.95 < amplitude < 1.001


def test_damping_of_sound_falls_with_resolution():
    coarse, fine = 1 - wave(16, 2)[0], 1 - wave(32, 2)[0]
    assert coarse < 0.15
    assert fine < coarse / 3


@pytest.mark.parametrize("bottom", ["open", "closed"])
def test_hydrostatic_atmosphere_stays(bottom):
    card = ConvectionCard()
    height = 40e3
    atmosphere = initial_stratification(40, height, card)
    start = torch.zeros(5, 40, 4, 4)
    start[0] = torch.tensor(atmosphere.density)[:, None, None]
    start[4] = torch.tensor(atmosphere.pressure)[:, None, None]
    beyond = OpenBottom(atmosphere.below, atmosphere.entropy) if bottom == "open" else None
    physics = Physics(Grid((40, 4, 4), (height, 1e5, 1e5)), card, bottom=beyond, radiates=False)
    end = advance(physics, start, 60.0)
    # In free fall the gas would have 16 km/s.
    assert end[1:4].abs().max() < 1.0
    assert torch.allclose(end[0], start[0], rtol=1e-3)


def test_atmosphere_has_solar_numbers():
    card = ConvectionCard()
    atmosphere = initial_stratification(64, 30e3, card)
    temperature = atmosphere.pressure / atmosphere.density / card.gas_constant
    assert np.all(np.diff(atmosphere.pressure) < 0)
    assert np.interp(0, atmosphere.height, temperature) == pytest.approx(6000, rel=0.1)
    # More than twice the Sun's density: the card tells why.
    assert np.interp(0, atmosphere.height, atmosphere.density) == pytest.approx(6.2e-4, rel=0.05)
    assert temperature[-1] == pytest.approx(5772 * 0.5**0.25, rel=0.01)
    entropy = atmosphere.pressure / atmosphere.density**card.gamma
    assert entropy[:20] == pytest.approx(atmosphere.entropy, rel=0.01)


def test_atmosphere_ends_somewhere():
    with pytest.raises(ValueError, match=r"card\.top"):
        initial_stratification(64, 30e3, ConvectionCard(top=5e6))


def test_closed_box_conserves():
    card = ConvectionCard()
    height = 50e3
    atmosphere = initial_stratification(24, height, card)
    start = torch.zeros(5, 24, 8, 8)
    start[0] = torch.tensor(atmosphere.density)[:, None, None]
    start[4] = torch.tensor(atmosphere.pressure)[:, None, None]
    start[1:4] = 2e3 * torch.randn(3, 24, 8, 8, generator=torch.Generator().manual_seed(0))
    physics = Physics(Grid((24, 8, 8), (height, 1e5, 1e5)), card, radiates=False)
    begin = conserved(start, card.gamma)
    end = conserved(advance(physics, start, 20.0), card.gamma)
    level = torch.tensor(atmosphere.height)[:, None, None]

    def totals(state):
        mass, _, my, mx, energy = state.double()
        return torch.stack([mass.sum(), my.sum(), mx.sum(), (energy + card.gravity * level * mass).sum()])

    before, after = totals(begin), totals(end)
    fastest = float(begin[2:4].double().abs().sum())
    scale = torch.tensor([float(before[0]), fastest, fastest, float(before[3])], dtype=torch.float64)
    assert ((after - before).abs() / scale < 2e-6).all()
    assert not torch.allclose(begin, end, rtol=1e-2)


@pytest.mark.parametrize("bottom", [True, False])
def test_only_pressure_acts_through_walls(bottom):
    flux = torch.ones(5, 7, 4, 4)
    close_walls(flux, bottom=bottom)
    assert flux[:, -1, 0, 0].tolist() == [0, 1, 0, 0, 0]
    assert flux[:, 0, 0, 0].tolist() == ([0, 1, 0, 0, 0] if bottom else [1] * 5)
    assert (flux[:, 1:-1] == 1).all()


def test_primitives_and_back():
    card = ConvectionCard()
    primitive = gas((4, 5, 6), 3e-4, 1e4)
    primitive[1:4] = 1e3 * torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    again = primitives(conserved(primitive, card.gamma), card.gamma, card.gas_constant)
    assert torch.allclose(again, primitive, rtol=1e-4, atol=1e-2)


def test_flux_between_equal_states_is_eulers():
    rho, un, ut, us, p = state = [torch.tensor([v]) for v in (2.0, 3.0, -1.0, 0.5, 4.0)]
    gamma = 1.4
    energy = p / (gamma - 1) + 0.5 * rho * (un**2 + ut**2 + us**2)
    expected = [rho * un, rho * un * un + p, rho * un * ut, rho * un * us, (energy + p) * un]
    for flux, value in zip(hllc_flux(state, state, gamma), expected, strict=True):
        assert torch.allclose(flux, value)


def test_contact_at_rest_is_kept():
    left = [torch.tensor([v]) for v in (1.0, 0.0, 0.3, 0.0, 5.0)]
    right = [torch.tensor([v]) for v in (9.0, 0.0, -0.4, 1.0, 5.0)]
    flux = torch.cat(hllc_flux(left, right, 5 / 3))
    assert torch.equal(flux, torch.tensor([0.0, 5.0, 0.0, 0.0, 0.0]))


def test_flux_of_the_mirror_image_is_the_mirror_image():
    left = [torch.tensor([v]) for v in (1.0, 0.7, 0.3, 0.1, 5.0)]
    right = [torch.tensor([v]) for v in (2.0, -0.2, -0.4, 1.0, 3.0)]
    sign = torch.tensor([-1.0, 1.0, -1.0, -1.0, -1.0])

    def mirrored(side):
        return [side[0], -side[1], *side[2:]]

    flux = torch.cat(hllc_flux(left, right, 1.4))
    back = torch.cat(hllc_flux(mirrored(right), mirrored(left), 1.4))
    assert torch.allclose(flux, sign * back)


def test_directions_are_alike():
    primitive = gas((8, 8, 8))
    generator = torch.Generator().manual_seed(2)
    primitive[0] += 0.5 * torch.rand(8, 8, 8, generator=generator)
    primitive[1:4] = 1e4 * torch.randn(3, 8, 8, 8, generator=generator)
    along = face_fluxes(primitive, 2, 0.0, 1.4)
    turned = primitive[[0, 3, 2, 1, 4]].transpose(1, 3)
    upward = face_fluxes(turned, 0, 0.0, 1.4)[[0, 3, 2, 1, 4]].transpose(1, 3)
    assert torch.allclose(along, upward, rtol=1e-4, atol=1e-2 * float(along.abs().max()) * 1e-3)


def test_slope_is_monotone():
    a = torch.tensor([1.0, 1.0, 1.0, -1.0, 0.0])
    b = torch.tensor([1.0, 5.0, -1.0, -3.0, 2.0])
    assert torch.equal(limited_slope(a, b), torch.tensor([1.0, 2.0, 0.0, -2.0, 0.0]))


def test_box_flow_is_removed_without_heat():
    card = ConvectionCard()
    primitive = gas((4, 16, 16), 3e-4, 1e4)
    phase = torch.arange(16) * (2 * math.pi / 16)
    small = 300 * torch.cos(4 * phase)
    primitive[3] = 1000 + 500 * torch.sin(phase)[:, None] + small
    state = conserved(primitive, card.gamma)
    changed = primitives(remove_box_flow(state, 60.0, 60.0, 30.0), card.gamma, card.gas_constant)
    expected = math.exp(-1) * 1000 + math.exp(-2) * 500 * torch.sin(phase)[:, None] + small
    assert torch.allclose(changed[3], expected.expand(4, 16, 16), atol=0.5)
    assert torch.allclose(changed[4], primitive[4], rtol=1e-4)
