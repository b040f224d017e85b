"""How does the surface move? The verbs `deepvel_flow` and `lct_flow`."""

from sunpy_ml.flows.deepvel import deepvel_flow
from sunpy_ml.flows.lct import lct_flow

__all__ = ["deepvel_flow", "lct_flow"]
