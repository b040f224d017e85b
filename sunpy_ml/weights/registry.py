"""The registry of networks: the names that cards use, and the classes behind them.

A card comes from a file that may have been downloaded, so it names a network and never an import path. Every
subpackage with a ``networks`` module offers its networks there in a dict ``NETWORKS``; other packages offer theirs by
the entry-point group ``sunpy_ml.networks``.
"""

import functools
import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sunpy_ml
from sunpy_ml.exceptions import CardError
from sunpy_ml.weights.typed import from_mapping

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_empty", "build_network"]


@functools.cache
def _networks() -> Mapping[str, Any]:
    networks: dict[str, Any] = {}
    # Files are looked for rather than modules, since some subpackages cannot be imported without their extra.
    for path in sorted(Path(sunpy_ml.__path__[0]).glob("*/networks.py")):
        networks |= importlib.import_module(f"{sunpy_ml.__name__}.{path.parent.name}.networks").NETWORKS
    for entry in entry_points(group="sunpy_ml.networks"):
        if entry.name in networks:
            raise CardError(f"network: {entry.name!r} of {entry.value!r} is the name of another network already.")
        networks[entry.name] = entry.load()
    return networks


def build_network(name: str, arguments: Mapping[str, Any]) -> "nn.Module":
    """A new network by its name in the registry, with its weights not yet loaded.

    Parameters
    ----------
    name : str
        As cards give it, such as ``"compact-classifier"``.
    arguments : mapping
        Arguments of the network's ``Config``, checked against its fields.

    Raises
    ------
    CardError
        If the name is unknown (the message lists the names there are) or an argument does not fit.

    Examples
    --------
    >>> from sunpy_ml.weights import build_network
    >>> type(build_network("compact-classifier", {"channels": [8, 8]})).__name__
    'CompactClassifier'
    """
    networks = _networks()
    if name not in networks:
        raise CardError(f"network: there is none named {name!r}; the names are {sorted(networks)}.")
    build = networks[name]
    network: nn.Module = build(from_mapping(build.Config, arguments, f"{name} arguments"))
    return network


def build_empty(name: str, arguments: Mapping[str, Any]) -> "nn.Module":
    """As `build_network`, on torch's meta device: shapes without memory, for weights that are still to come.

    Examples
    --------
    >>> from sunpy_ml.weights.registry import build_empty
    >>> build_empty("slic", {}).layer1[0].weight.device
    device(type='meta')
    """
    import torch

    with torch.device("meta"):
        return build_network(name, arguments)
