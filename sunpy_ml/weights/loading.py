"""Loading: from a card to a network that holds its verified weights."""

import hashlib
import threading
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.catalogue import get_card
from sunpy_ml.weights.registry import build_network

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["load", "weights_path"]

_EMBEDDED = Path(str(files("sunpy_ml.weights") / "embedded"))
_loaded: dict[str, "nn.Module"] = {}
_lock = threading.Lock()


def weights_path(card: Card) -> Path:
    """Where the file of a card lies on this machine.

    Raises
    ------
    WeightsError
        If it is not there.
    """
    path = _EMBEDDED / card.file.embedded
    if not path.is_file():
        raise WeightsError(f"The weights {card.name!r} should be at {path}; install sunpy_ml again.")
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


def _load(card: Card) -> "nn.Module":
    import torch
    from safetensors.torch import load as read_safetensors

    path = weights_path(card)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card.file.sha256:
        raise WeightsError(f"{path} is damaged: its SHA-256 is {found}, its card says {card.file.sha256}.")
    state = read_safetensors(content)
    with torch.device("meta"):
        network = build_network(card.network, card.network_arguments)
    _check_state(card, network.state_dict(), state)
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _check_state(card: Card, expected: dict[str, "Tensor"], state: dict[str, "Tensor"]) -> None:
    problems = [f"missing {name}" for name in sorted(expected.keys() - state.keys())]
    problems += [f"surplus {name}" for name in sorted(state.keys() - expected.keys())]
    for name in sorted(expected.keys() & state.keys()):
        if expected[name].shape != state[name].shape:
            problems.append(f"{name} is {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}")
        elif state[name].is_floating_point() and not state[name].isfinite().all():
            problems.append(f"{name} is not finite")
    if problems:
        raise WeightsError(f"The weights {card.name!r} do not fit the network {card.network!r}: {problems[:5]}.")
