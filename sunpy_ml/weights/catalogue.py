"""The catalogue of weights: which there are, and which a task uses."""

import functools
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import astropy.units as u
from astropy.table import QTable

from sunpy_ml.exceptions import CardError, WeightsError
from sunpy_ml.weights.card import Card, read_card

__all__ = ["get_card", "list_weights", "resolve"]

_CARDS = Path(str(files("sunpy_ml.weights") / "cards"))


@functools.cache
def _catalogue() -> Mapping[str, Card]:
    cards: dict[str, Card] = {}
    for path in sorted(_CARDS.glob("*.toml")):
        card = read_card(path)
        if card.name in cards or card.name != path.stem:
            raise CardError(f"{path.name}: its name must be unique and that of its file, got {card.name!r}.")
        cards[card.name] = card
    return MappingProxyType(cards)


def list_weights(task: str | None = None) -> QTable:
    """The weights that can be named in ``weights=``.

    Parameters
    ----------
    task : str, optional
        Only those of this task, such as ``"classification"``.

    Returns
    -------
    astropy.table.QTable
        A row for each: name, task, whether it is the task's default, network, size, licence, DOI of its
        paper, what it was validated on and its title.

    Raises
    ------
    WeightsError
        If no weights serve ``task``.

    Examples
    --------
    >>> from sunpy_ml.weights import list_weights
    >>> list_weights("classification")["name", "default", "licence"]
    <QTable length=1>
      name   default   licence
      str8     bool     str12
    -------- ------- ------------
    halpha-1    True BSD-3-Clause
    """
    cards = [card for card in _catalogue().values() if task in (None, card.task)]
    if not cards:
        raise WeightsError(f"task: no weights serve {task!r}; the tasks are {_tasks()}.")
    return QTable(
        {
            "name": [card.name for card in cards],
            "task": [card.task for card in cards],
            "default": [card.default for card in cards],
            "network": [card.network for card in cards],
            "size": [card.file.size for card in cards] * u.byte,
            "licence": [card.licence for card in cards],
            "reference": [card.reference for card in cards],
            "validated_on": [card.validated_on for card in cards],
            "title": [card.title for card in cards],
        }
    )


def get_card(name: str) -> Card:
    """The card of the weights ``name``.

    Raises
    ------
    WeightsError
        If there are none of that name; the message lists the names there are.

    Examples
    --------
    >>> from sunpy_ml.weights import get_card
    >>> get_card("halpha-1").task
    'classification'
    """
    catalogue = _catalogue()
    if name not in catalogue:
        raise WeightsError(f"weights: there are none named {name!r}; the names are {sorted(catalogue)}.")
    return catalogue[name]


def resolve(task: str, weights: str | None = None) -> Card:
    """The card that a verb of ``task`` uses.

    Parameters
    ----------
    task : str
        Such as ``"classification"``.
    weights : str, optional
        A name; by default that of the task's default weights.

    Raises
    ------
    WeightsError
        If the name is unknown, serves another task, or the task has no default.

    Examples
    --------
    >>> from sunpy_ml.weights import resolve
    >>> resolve("classification").name
    'halpha-1'
    """
    if weights is not None and not isinstance(weights, str):
        raise WeightsError(f"weights: expected the name of weights, got {weights!r}; see list_weights().")
    if weights is not None:
        card = get_card(weights)
        if card.task != task:
            names = [other.name for other in _catalogue().values() if other.task == task]
            raise WeightsError(f"weights: {weights!r} serves {card.task!r}, not {task!r}; choose from {names}.")
        return card
    defaults = [card for card in _catalogue().values() if card.task == task and card.default]
    if len(defaults) != 1:
        raise WeightsError(f"task: {task!r} has {len(defaults)} default weights; the tasks are {_tasks()}.")
    return defaults[0]


def _tasks() -> list[str]:
    return sorted({card.task for card in _catalogue().values()})
