"""Cards as files."""

import tomllib
from dataclasses import replace
from pathlib import Path

from sunpy_ml.exceptions import CardError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.typed import from_mapping

__all__ = ["read_card"]


def read_card(path: Path) -> Card:
    """Read and check a card.

    Parameters
    ----------
    path : pathlib.Path
        A TOML file in a folder ``cards``; embedded weights lie in the folder ``embedded`` beside that.

    Raises
    ------
    CardError
        If it is not TOML, or a field is missing, unknown or of the wrong type.
    """
    try:
        mapping = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{path} is not a card: {error}.") from error
    card = from_mapping(Card, mapping, path.name)
    if card.file.path:
        raise CardError(f"{path.name}.file.path: a card cannot know where its file lies on this machine.")
    if not card.file.embedded:
        return card
    embedded = path.parent.parent / "embedded" / Path(card.file.embedded).name
    return replace(card, file=replace(card.file, path=str(embedded)))
