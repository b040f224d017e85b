"""Loading: from a card to a network that holds its verified weights."""

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.catalogue import get_card
from sunpy_ml.weights.fetching import fetch
from sunpy_ml.weights.fetching.checksums import check, sha256
from sunpy_ml.weights.fetching.folders import key
from sunpy_ml.weights.readers import read_state
from sunpy_ml.weights.registry import build_empty

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load", "network_for", "weights_path"]

_loaded: dict[str, "nn.Module"] = {}
_lock = threading.Lock()


def weights_path(card: Card) -> Path:
    """Where the file of a card lies on this machine; one that only its authors have is fetched.

    Raises
    ------
    WeightsError
        If it is not there, or cannot be fetched.
    """
    if not card.file.path:
        return fetch(card)
    path = Path(card.file.path)
    if not path.is_file():
        raise WeightsError(f"The weights {card.name!r} should be at {path}; install their package again.")
    return path


def load(card: Card | str, *, path: str | Path | None = None) -> "nn.Module":
    """The network of a card with its weights, in evaluation mode, on the CPU, without gradients.

    The file is verified by its SHA-256 and loaded once per process; every caller gets the same module, so
    copy it before you change it.

    Parameters
    ----------
    card : Card or str
        A card, or its name.
    path : str or pathlib.Path, optional
        A copy of the card's file, where it is not to be fetched. It is verified as far as the card knows how.

    Raises
    ------
    WeightsError
        If the file is missing, differs from the card's checksum, or does not fit the network.

    Examples
    --------
    >>> from sunpy_ml.weights import load
    >>> load("halpha-2").training
    False
    """
    card = get_card(card) if isinstance(card, str) else card
    if path is not None:
        card = _lying_at(Path(path), card)
    with _lock:
        if key(card) not in _loaded:
            _loaded[key(card)] = _load(card)
        return _loaded[key(card)]


def _lying_at(path: Path, card: Card) -> Card:
    if not path.is_file():
        raise WeightsError(f"path: there is no file {str(path)!r}.")
    try:
        digest = check(path, card.file)
    except WeightsError as error:
        raise WeightsError(f"path: {str(path)!r} does not hold the weights {card.name!r}: {error}.") from error
    return replace(card, file=replace(card.file, path=str(path), sha256=digest))


def network_for(card: Card, weights: Any = None) -> "nn.Module":
    """The network of a card that `resolve` found: the module that ``weights`` is, or what `load` gives.

    Examples
    --------
    >>> from sunpy_ml.weights import load, network_for, resolve
    >>> network_for(resolve("classification")) is load("halpha-2")
    True
    """
    torch = sys.modules.get("torch")
    return weights if torch is not None and isinstance(weights, torch.nn.Module) else load(card)


def _load(card: Card) -> "nn.Module":
    path = weights_path(card)
    # In chunks, and the reader maps the file: at no time are there two copies of it in memory.
    if card.file.sha256 and (found := sha256(path)) != card.file.sha256:
        raise WeightsError(f"{path} is damaged: its SHA-256 is {found}, its card says {card.file.sha256}.")
    network = build_empty(card.network, card.network_arguments)
    network.load_state_dict(read_state(path, card.file.format, network), assign=True)
    return network.eval().requires_grad_(False)
