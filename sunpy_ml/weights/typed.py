"""Reading of plain mappings (TOML tables, JSON objects) into frozen dataclasses with typed fields."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from sunpy_ml.exceptions import CardError

__all__ = ["from_mapping"]

T = TypeVar("T")


def from_mapping(kind: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass ``kind`` from ``mapping``, every field checked against its annotation.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are str, int, float, bool, tuples or mappings of these, optional ones, or
        other such dataclasses.
    mapping : mapping
        The values by field name.
    where : str
        What is being read, for messages.

    Raises
    ------
    CardError
        If a field is missing, unknown or of another type.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from sunpy_ml.weights.typed import from_mapping
    >>> @dataclass(frozen=True)
    ... class Arguments:
    ...     channels: tuple[int, ...] = (16, 32)
    >>> from_mapping(Arguments, {"channels": [8, 16, 32]}, "example")
    Arguments(channels=(8, 16, 32))
    """
    if not isinstance(mapping, Mapping):
        raise CardError(f"{where}: expected a table of values, got {mapping!r}.")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(mapping) - set(fields))
    if unknown:
        raise CardError(f"{where}: unknown field(s) {unknown}; the fields are {sorted(fields)}.")
    missing = [
        name
        for name, field in fields.items()
        if name not in mapping and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise CardError(f"{where}: the field(s) {missing} are missing.")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in mapping.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_optional(arguments, value, where)
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise CardError(f"{where}: expected a table, got {value!r}.")
        return {str(key): _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise CardError(f"{where}: expected {hint.__name__}, got {value!r}.")
    return value


def _convert_optional(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in choices:
        return None
    (hint,) = (choice for choice in choices if choice is not type(None))
    return _convert(hint, value, where)


def _convert_tuple(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise CardError(f"{where}: expected a list, got {value!r}.")
    if len(hints) == 2 and hints[1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        raise CardError(f"{where}: expected {len(hints)} values, got {list(value)!r}.")
    return tuple(_convert(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(hints, value, strict=True)))
