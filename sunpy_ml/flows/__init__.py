"""Flows: horizontal velocities at the solar surface from two images of it, and what one does with them."""

from sunpy_ml.flows.corks import advect_corks
from sunpy_ml.flows.derivatives import divergence, vorticity
from sunpy_ml.flows.energy import EnergySpectrum, kinetic_energy_spectrum
from sunpy_ml.flows.plot import plot_flow
from sunpy_ml.flows.residual import FlowResidual, flow_residual
from sunpy_ml.flows.task import lct_flow
from sunpy_ml.flows.vortices import detect_vortices

__all__ = [
    "EnergySpectrum",
    "FlowResidual",
    "advect_corks",
    "detect_vortices",
    "divergence",
    "flow_residual",
    "kinetic_energy_spectrum",
    "lct_flow",
    "plot_flow",
    "vorticity",
]
