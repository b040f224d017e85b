"""Radiation of the convection run: analytic solutions of the transfer equation."""

import math

import pytest
import torch

from sunpy_ml.simulation.convection import radiation
from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.stepping import radiative_heating

COSINE = 3**-0.5


def column(layers=120, top=1e-4, bottom=1e3):
    """Optical thickness of cells whose depth grows by a constant factor, and the depth at their centres, upward."""
    faces = torch.logspace(math.log10(bottom), math.log10(top), layers + 1, dtype=torch.float64)
    faces[-1] = 0
    thickness = (faces[:-1] - faces[1:])[:, None, None]
    return thickness, radiation.depth_at_centres(thickness)


def test_grey_atmosphere_in_equilibrium_has_one_flux():
    thickness, depth = column()
    # Two streams carry the flux 4 pi H unchanged where S = 3 H (tau + 1/sqrt(3)): Eddington's solution.
    source = 3 * (depth + COSINE)
    flux = radiation.two_stream_flux(source, thickness, COSINE)
    upper = depth[:, 0, 0] < 100
    assert torch.allclose(flux[1:][upper], torch.full_like(flux[1:][upper], 4 * math.pi), rtol=3e-3)


@pytest.mark.parametrize("cosine", [1.0, 0.5, COSINE])
def test_linear_source_function(cosine):
    thickness, depth = column()
    intensity = radiation.emergent_intensity(2 + 5 * depth, thickness, cosine)
    # Eddington and Barbier: the source function at the optical depth that is the cosine.
    assert float(intensity) == pytest.approx(2 + 5 * cosine, rel=1e-3)


def test_cells_of_great_optical_depth_diffuse():
    source = torch.linspace(50, 10, 20)[:, None, None] ** 2
    thickness = torch.full_like(source, 40.0)
    flux = radiation.two_stream_flux(source, thickness, COSINE)
    expected = 4 * math.pi / 3 * (source[:-1] - source[1:]) / 40
    assert torch.allclose(flux[2:-2], expected[1:-1], rtol=2e-2)


def test_alternating_cells_even_out():
    source = 100 + torch.tensor([1.0, -1.0]).repeat(10)[:, None, None]
    heating = radiative_heating(
        radiation.two_stream_flux(source, torch.full_like(source, 30.0), COSINE), torch.zeros(()), 1.0, 1.0
    )
    assert (heating[2:-2] * (source[2:-2] - 100) < 0).all()


def test_isothermal_slabs():
    source = torch.full((30, 1, 1), 7.0)
    opaque = radiation.emergent_intensity(source, torch.full_like(source, 3.0))
    assert float(opaque) == pytest.approx(7.0, rel=1e-5)
    inside = radiation.two_stream_flux(source, torch.full_like(source, 3.0), COSINE)
    assert float(inside[:15].abs().max()) < 1e-4
    assert float(inside[-1]) == pytest.approx(2 * math.pi * COSINE * 7, rel=1e-5)


def test_weights_of_a_step():
    thickness = torch.logspace(-6, 3, 400)
    kept, entry, leaving = radiation.step_weights(thickness)
    exact = thickness.double()
    assert torch.allclose(kept + entry + leaving, torch.ones(400), atol=1e-6)
    escaped = -torch.expm1(-exact) / exact
    wanted = torch.where(exact < 1e-3, exact / 2, 1 - escaped)
    assert torch.allclose(leaving.double(), wanted, rtol=5e-3, atol=1e-7)
    assert (entry >= 0).all()
    assert (leaving >= 0).all()


def test_heating_is_what_the_flux_leaves():
    generator = torch.Generator().manual_seed(0)
    source = 1 + torch.rand(40, 3, 3, generator=generator)
    thickness = torch.rand(40, 3, 3, generator=generator)
    flux = radiation.two_stream_flux(source, thickness, COSINE)
    heating = radiative_heating(flux, torch.zeros(()), 2.0, 1.0)
    assert torch.allclose(2 * heating.sum(0), flux[0] - flux[-1], rtol=1e-4)


def test_heating_never_overtakes_equilibrium():
    flux = torch.tensor([3.0, 1.0]).reshape(2, 1, 1)
    assert float(radiative_heating(flux, torch.tensor(0.5), 1.0, 1.0)) == pytest.approx(2.0)
    assert float(radiative_heating(flux, torch.tensor(8.0), 1.0, 1.0)) == pytest.approx(0.25)


def test_opacity_grows_as_told():
    card = ConvectionCard(opacity_floor=0, opacity_cap=1e9)
    density, temperature = torch.tensor([2e-4]), torch.tensor([6000.0])
    value = radiation.opacity(density, temperature, card)
    assert float(radiation.opacity(4 * density, temperature, card) / value) == pytest.approx(2, rel=1e-5)
    assert float(radiation.opacity(density, 1.1 * temperature, card) / value) == pytest.approx(1.1**9, rel=1e-4)
    assert float(value) == pytest.approx(card.opacity * 2e-4**0.5 * 6000.0**9, rel=1e-4)
    bounded = radiation.opacity(density, torch.tensor([1000.0, 1e6]), ConvectionCard())
    assert bounded.tolist() == pytest.approx([ConvectionCard().opacity_floor, ConvectionCard().opacity_cap])


def test_surface_of_equal_depth():
    depth = torch.logspace(3, -4, 50)[:, None, None] * torch.tensor([[1.0, 0.3], [5.0, 20.0]])
    fields = torch.stack([torch.log10(depth), 2 - 3 * torch.log10(depth)])
    for level in (1.0, 0.1, 0.01):
        found = radiation.at_depth(fields, depth, level)
        wanted = math.log10(level)
        assert torch.allclose(found[0], torch.full((2, 2), wanted), atol=1e-5)
        assert torch.allclose(found[1], torch.full((2, 2), 2 - 3 * wanted), atol=1e-4)
