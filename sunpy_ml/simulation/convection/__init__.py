"""Granulation: three-dimensional compressible convection with radiation, seen from above."""

from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.magnetogram import carried_field
from sunpy_ml.simulation.convection.result import ConvectionRun
from sunpy_ml.simulation.convection.run import convection_run

__all__ = ["ConvectionCard", "ConvectionRun", "carried_field", "convection_run"]
