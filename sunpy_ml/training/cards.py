"""The measured part of a card: written by the run that measured it, so that no figure is copied by hand."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["MARKER", "complete_card"]

#: The line of a card that parts what people write from what a recipe writes.
MARKER = "# What follows is written by the recipe."


def complete_card(card: Path, weights: Path, scores: Mapping[str, Any], out: Path) -> None:
    """Write a card for new weights: the hand-written part of an existing card, then file and scores.

    Parameters
    ----------
    card : pathlib.Path
        TOML file with the line ``# What follows is written by the recipe.``; what follows it is replaced.
    weights : pathlib.Path
        The ``.safetensors`` file.
    scores : mapping
        ``metrics`` (see `sunpy_ml.training.proportion_score`) and, for a classifier, ``confusion`` (data, classes and
        counts).
    out : pathlib.Path
        The card to write.

    Raises
    ------
    ValueError
        If the card has no such line.
    """
    text = card.read_text(encoding="utf-8")
    if text.count(MARKER) != 1:
        raise ValueError(f"card: {str(card)!r} must hold the line {MARKER!r} once, after what is written by hand.")
    content = weights.read_bytes()
    file = {
        "format": "safetensors",
        "embedded": weights.name,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    parts = [text[: text.index(MARKER)] + MARKER, _table("[file]", file)]
    for name in ("metrics", "confusion"):
        parts += [_table(f"[[{name}]]", entry) for entry in scores.get(name, ())]
    out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _table(head: str, values: Mapping[str, Any]) -> str:
    # Strings, numbers and lists of them are written in JSON as they are in TOML.
    return "\n".join([head, *(f"{name} = {json.dumps(value)}" for name, value in values.items())])
