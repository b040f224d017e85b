"""Loading: from a card to a network that holds its verified weights."""

import hashlib
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.catalogue import get_card
from sunpy_ml.weights.registry import build_empty

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["check_state", "load", "network_for", "weights_path"]

_loaded: dict[str, "nn.Module"] = {}
_lock = threading.Lock()


def weights_path(card: Card) -> Path:
    """Where the file of a card lies on this machine.

    Raises
    ------
    WeightsError
        If it is not there.
    """
    path = Path(card.file.path)
    if not path.is_file():
        raise WeightsError(f"The weights {card.name!r} should be at {path}; install their package again.")
    return path


def load(card: Card | str) -> "nn.Module":
    """The network of a card with its weights, in evaluation mode, on the CPU, without gradients.

    The file is verified by its SHA-256 and loaded once per process; every caller gets the same module, so
    copy it before you change it.

    Parameters
    ----------
    card : Card or str
        A card, or its name.

    Raises
    ------
    WeightsError
        If the file is missing, differs from the card's checksum, or does not fit the network.

    Examples
    --------
    >>> from sunpy_ml.weights import load
    >>> load("halpha-1").training
    False
    """
    card = get_card(card) if isinstance(card, str) else card
    with _lock:
        if card.file.sha256 not in _loaded:
            _loaded[card.file.sha256] = _load(card)
        return _loaded[card.file.sha256]


def network_for(card: Card, weights: Any = None) -> "nn.Module":
    """The network of a card that `resolve` found: the module that ``weights`` is, or what `load` gives.

    Examples
    --------
    >>> from sunpy_ml.weights import load, network_for, resolve
    >>> network_for(resolve("classification")) is load("halpha-1")
    True
    """
    torch = sys.modules.get("torch")
    return weights if torch is not None and isinstance(weights, torch.nn.Module) else load(card)


def _load(card: Card) -> "nn.Module":
    from safetensors.torch import load as read_safetensors

    path = weights_path(card)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card.file.sha256:
        raise WeightsError(f"{path} is damaged: its SHA-256 is {found}, its card says {card.file.sha256}.")
    state = read_safetensors(content)
    network = build_empty(card.network, card.network_arguments)
    check_state(network.state_dict(), state, f"{card.name!r}")
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def check_state(expected: Mapping[str, "Tensor"], state: Mapping[str, "Tensor"], name: str) -> None:
    """Make sure that a state fits a network, in names, shapes and finite values, before any of it is used."""
    problems = [f"missing {key}" for key in sorted(expected.keys() - state.keys())]
    problems += [f"surplus {key}" for key in sorted(state.keys() - expected.keys())]
    for key in sorted(expected.keys() & state.keys()):
        if expected[key].shape != state[key].shape:
            problems.append(f"{key} is {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}")
        elif state[key].is_floating_point() and not state[key].isfinite().all():
            problems.append(f"{key} is not finite")
    if problems:
        raise WeightsError(f"The weights {name} do not fit their network: {problems[:5]}.")
