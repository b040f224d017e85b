"""Conversion of the authors' files to safetensors, once, so that later loads are fast and safe."""

from pathlib import Path

from sunpy_ml.weights.card import Card
from sunpy_ml.weights.catalogue import get_card
from sunpy_ml.weights.loading import weights_path
from sunpy_ml.weights.readers import read_state
from sunpy_ml.weights.registry import build_empty
from sunpy_ml.weights.saving import save_weights

__all__ = ["convert_weights"]


def convert_weights(card: Card | str, path: str | Path, *, source: str | Path | None = None) -> Card:
    """Write weights in any format that is read as a ``.safetensors`` file with its card.

    Parameters
    ----------
    card : Card or str
        A card, or its name.
    path : str or pathlib.Path
        The file to write, ending in ``.safetensors``.
    source : str or pathlib.Path, optional
        The file to read, in the card's format. By default the card's own, which is fetched if it must be.

    Returns
    -------
    Card
        The card with the ``file`` that was written.

    Raises
    ------
    WeightsError
        If the file cannot be found, read or written, or does not fit the network.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.weights import convert_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     convert_weights("halpha-2", pathlib.Path(folder) / "copy.safetensors").name
    'halpha-2'
    """
    card = get_card(card) if isinstance(card, str) else card
    found = weights_path(card) if source is None else Path(source)
    network = build_empty(card.network, card.network_arguments)
    network.load_state_dict(read_state(found, card.file.format, network), assign=True)
    return save_weights(network, path, card)
