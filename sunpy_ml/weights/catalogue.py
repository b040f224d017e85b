"""The catalogue of weights: which there are, and which a task uses."""

import functools
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import astropy.units as u
from astropy.table import QTable

from sunpy_ml.exceptions import CardError, WeightsError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.card_file import read_card
from sunpy_ml.weights.saving import read_weights_card

if TYPE_CHECKING:
    from torch import nn

__all__ = ["get_card", "list_weights", "resolve"]


def _packages() -> Iterator[str]:
    """The packages with a folder ``cards``: ours, and those that others name by the entry-point group."""
    yield "sunpy_ml.weights"
    for entry in entry_points(group="sunpy_ml.cards"):
        yield entry.value


@functools.cache
def _catalogue() -> Mapping[str, Card]:
    cards: dict[str, Card] = {}
    for path in (path for package in _packages() for path in sorted(Path(str(files(package))).glob("cards/*.toml"))):
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
    <QTable length=2>
       name    default   licence
      str10      bool     str12
    ---------- ------- ------------
      halpha-2    True BSD-3-Clause
    slic-1.1.1   False          MIT
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

    Parameters
    ----------
    name : str
        With its version, such as ``"halpha-2"``, which always means the same weights; or without, such as
        ``"halpha"``, which means the newest version there is.

    Raises
    ------
    WeightsError
        If there are none of that name; the message lists the names there are.

    Examples
    --------
    >>> from sunpy_ml.weights import get_card
    >>> get_card("halpha-2").task
    'classification'
    """
    catalogue = _catalogue()
    if name in catalogue:
        return catalogue[name]
    versions = [card for card in catalogue.values() if card.name == f"{name}-{card.version}"]
    if not versions:
        raise WeightsError(f"weights: there are none named {name!r}; the names are {sorted(catalogue)}.")
    return max(versions, key=lambda card: [int(number) for number in re.findall(r"\d+", card.version)])


def resolve(
    task: str, weights: "str | Path | nn.Module | None" = None, card: Card | None = None, *, observable: str = ""
) -> Card:
    """The card of the weights that a verb of ``task`` was asked to use.

    Parameters
    ----------
    task : str
        Such as ``"classification"``.
    weights : str, pathlib.Path or torch.nn.Module, optional
        A name from `list_weights`; the path of a ``.safetensors`` file written by `save_weights`; or a network,
        with its ``card``. By default the task's default weights.
    card : Card, optional
        Of a network that is given as a module, and only then.
    observable : str, optional
        What the observation shows, in a task that has weights for each kind: ``"continuum"`` or ``"magnetogram"``.

    Raises
    ------
    WeightsError
        If the name is unknown, the weights serve another task or observable, the file holds no card, a module comes
        without a card, or a card without a module.

    Examples
    --------
    >>> from sunpy_ml.weights import resolve
    >>> resolve("classification").name
    'halpha-2'
    """
    if weights is None and card is None:
        return _default(task, observable)
    found = _card_of(weights, card)
    if (found.task, found.observable) != (task, observable):
        names = [other.name for other in _catalogue().values() if (other.task, other.observable) == (task, observable)]
        serves, wanted = (
            " of a ".join(filter(None, what)) for what in ((found.task, found.observable), (task, observable))
        )
        raise WeightsError(f"weights: {found.name!r} serves {serves!r}, not {wanted!r}; choose from {names}.")
    return found


def _card_of(weights: Any, card: Card | None) -> Card:
    # Whoever holds a module has imported torch; nobody else should wait for that here.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(weights, torch.nn.Module):
        if card is None:
            raise WeightsError("card: a network that is given as a module needs its card.")
        return card
    if card is not None:
        raise WeightsError("card: it belongs to a network that is given as a module; named weights have their own.")
    if isinstance(weights, Path) or (isinstance(weights, str) and weights.endswith(".safetensors")):
        return read_weights_card(Path(weights))
    if isinstance(weights, str):
        return get_card(weights)
    raise WeightsError(f"weights: expected a name, the path of a .safetensors file or a module, got {weights!r}.")


def _default(task: str, observable: str) -> Card:
    defaults = [
        card for card in _catalogue().values() if (card.task, card.observable) == (task, observable) and card.default
    ]
    if len(defaults) != 1:
        what = f"{task!r} of a {observable}" if observable else f"{task!r}"
        raise WeightsError(f"task: {what} has {len(defaults)} default weights; the tasks are {_tasks()}.")
    return defaults[0]


def _tasks() -> list[str]:
    return sorted({card.task for card in _catalogue().values()})
