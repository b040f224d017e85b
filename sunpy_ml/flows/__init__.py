"""Flows: horizontal velocities at the solar surface from two images of it, and what one does with them."""

from sunpy_ml.flows.corks import advect_corks
from sunpy_ml.flows.derivatives import divergence, vorticity
from sunpy_ml.flows.energy import EnergySpectrum, kinetic_energy_spectrum
from sunpy_ml.flows.plot import plot_flow
from sunpy_ml.flows.residual import FlowResidual, flow_residual
from sunpy_ml.flows.response import shift_response
from sunpy_ml.flows.task import deepvel_flow, lct_flow
from sunpy_ml.flows.vortices import detect_vortices
from sunpy_ml.flows.writing import check_flow_path, read_flow_file, write_flow

__all__ = [
    "EnergySpectrum",
    "FlowResidual",
    "advect_corks",
    "check_flow_path",
    "deepvel_flow",
    "detect_vortices",
    "divergence",
    "flow_residual",
    "kinetic_energy_spectrum",
    "lct_flow",
    "plot_flow",
    "read_flow_file",
    "shift_response",
    "vorticity",
    "write_flow",
]
