"""A card in words."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sunpy_ml.weights.card import Card

__all__ = ["describe"]


def describe(card: Card) -> str:
    """Everything that a card says, as indented lines; what it leaves open is left out.

    Parameters
    ----------
    card : Card
        Any card.

    Examples
    --------
    >>> from sunpy_ml.weights import describe, get_card
    >>> print(describe(get_card("halpha-2")).splitlines()[0])
    name: halpha-2
    """
    return "\n".join(_lines(asdict(card), ""))


def _lines(values: dict[str, Any], indent: str) -> Iterator[str]:
    for name, value in values.items():
        if value in (None, "", (), {}):
            continue
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        elif name == "metrics":
            yield f"{indent}{name}:"
            yield from (f"{indent}  {_metric(metric)}" for metric in value)
        elif name == "confusion":
            for matrix in value:
                yield from _matrix(matrix, indent)
        elif isinstance(value, tuple) and any(isinstance(item, str) and " " in item for item in value):
            yield f"{indent}{name}:"
            yield from (f"{indent}  - {item}" for item in value)
        elif isinstance(value, tuple):
            yield f"{indent}{name}: {', '.join(_plain(item) for item in value)}"
        else:
            yield f"{indent}{name}: {_plain(value)}"


def _plain(value: Any) -> str:
    return " to ".join(f"{end:g}" for end in value) if isinstance(value, tuple) else str(value)


def _metric(metric: dict[str, Any]) -> str:
    interval = f" ({metric['interval'][0]:.3f} to {metric['interval'][1]:.3f})" if metric["interval"] else ""
    return f"{metric['name']}: {metric['value']:.3f}{interval}, n = {metric['n']}, {metric['data']}"


def _matrix(matrix: dict[str, Any], indent: str) -> Iterator[str]:
    width = 2 + max(len(name) for name in matrix["classes"])
    yield f"{indent}confusion matrix, {matrix['data']} (a row for each true class, a column for each predicted one):"
    yield indent + " " * (width + 2) + "".join(f"{name:>{width}}" for name in matrix["classes"])
    for name, counts in zip(matrix["classes"], matrix["counts"], strict=True):
        yield f"{indent}  {name:{width}}" + "".join(f"{count:>{width}}" for count in counts)
