"""Own weights: a safetensors file that carries its card in its header."""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import Card, FileSource
from sunpy_ml.weights.readers import check_state
from sunpy_ml.weights.registry import build_empty
from sunpy_ml.weights.typed import from_mapping

if TYPE_CHECKING:
    from torch import nn

__all__ = ["read_weights_card", "save_weights"]

_HEADER = "sunpy_ml_card"


def save_weights(network: "nn.Module", path: str | Path, card: Card) -> Card:
    """Write a network's weights, with their card, to a file that ``weights=path`` of every verb takes.

    Parameters
    ----------
    network : torch.nn.Module
        Of the kind and with the arguments that the card names.
    path : str or pathlib.Path
        Ends in ``.safetensors``. A file that is there is replaced, in one step.
    card : Card
        What the weights are. Its ``file`` is left out: a file cannot hold its own checksum.

    Returns
    -------
    Card
        The card with the ``file`` that was written.

    Raises
    ------
    WeightsError
        If the path has another ending, or the weights do not fit the network that the card names.

    Examples
    --------
    >>> import dataclasses, pathlib, tempfile
    >>> from sunpy_ml.weights import get_card, load, save_weights
    >>> card = dataclasses.replace(get_card("halpha-2"), name="mine-1", version="1", default=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = save_weights(load("halpha-2"), pathlib.Path(folder) / "mine-1.safetensors", card)
    >>> saved.name, len(saved.file.sha256)
    ('mine-1', 64)
    """
    from safetensors.torch import save_file

    path = Path(path)
    if path.suffix != ".safetensors":
        raise WeightsError(f"path: got {str(path)!r}, the name must end in '.safetensors'.")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    check_state(build_empty(card.network, card.network_arguments).state_dict(), state, f"{card.name!r}")
    content = {name: value for name, value in asdict(card).items() if name != "file"}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        save_file(state, unfinished, metadata={_HEADER: json.dumps(content)})
        os.replace(unfinished, path)
    return read_weights_card(path)


def read_weights_card(path: str | Path) -> Card:
    """The card in the header of a file that `save_weights` wrote; its weights are not read into memory.

    Parameters
    ----------
    path : str or pathlib.Path
        Of a ``.safetensors`` file.

    Raises
    ------
    WeightsError
        If there is no such file, or it is not safetensors or holds no card.

    Examples
    --------
    >>> from sunpy_ml.weights import read_weights_card
    >>> read_weights_card("nowhere.safetensors")
    Traceback (most recent call last):
    ...
    sunpy_ml.exceptions.WeightsError: weights: there is no file 'nowhere.safetensors'.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"weights: there is no file {str(path)!r}.")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
    except SafetensorError as error:
        raise WeightsError(f"weights: {str(path)!r} is not a safetensors file: {error}.") from error
    if _HEADER not in header:
        raise WeightsError(f"weights: {str(path)!r} holds no card; write it with sunpy_ml.weights.save_weights.")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    source = FileSource(format="safetensors", size=path.stat().st_size, sha256=digest, path=str(path.resolve()))
    try:
        content = json.loads(header[_HEADER])
    except json.JSONDecodeError as error:
        raise WeightsError(f"weights: the card in {str(path)!r} is damaged: {error}.") from error
    return replace(from_mapping(Card, {**content, "file": {**asdict(source)}}, path.name), default=False)
