"""What the channels of a network for flows are, as its card names them."""

import re
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple

import astropy.units as u

from sunpy_ml.exceptions import CardError
from sunpy_ml.weights import Card

__all__ = ["OutputChannels", "Plane", "input_planes", "output_channels"]

_IMAGE = re.compile(r"(?P<quantity>\w+)\(t(?P<later> \+ cadence)?\)")
_COMPONENT = re.compile(r"(?P<sigma>sigma_)?(?P<kind>[vd])(?P<axis>[xy])(\((?P<level>[^()]+)\))?")
_DISPLACEMENT = "pix"


class Plane(NamedTuple):
    """One channel of the input.

    Parameters
    ----------
    kind : {"image", "pixel", "cadence"}
        An image, or a plane of one number: the size of a pixel in km, or the seconds between the images.
    quantity : str
        What the image shows, such as ``intensity``; empty where the network reads one kind of images, of any quantity.
    frame : int
        0 for the earlier and 1 for the later of the two images.
    """

    kind: Literal["image", "pixel", "cadence"]
    quantity: str = ""
    frame: int = 0


@dataclass(frozen=True)
class OutputChannels:
    """Where in the output what is.

    Attributes
    ----------
    levels : tuple of str
        Where in the atmosphere the velocities are, such as ``tau=0.1``; one empty name where that is not said.
    components : tuple of (int, int)
        For each level, the channels of the components along columns, then rows.
    deviations : tuple of (int, int)
        The same of the standard deviations; empty where the network tells none.
    displacements : bool
        Whether they are displacements in pixels rather than velocities.
    """

    levels: tuple[str, ...]
    components: tuple[tuple[int, int], ...]
    deviations: tuple[tuple[int, int], ...]
    displacements: bool


def input_planes(card: Card) -> list[Plane]:
    """What the channels of the input are.

    Raises
    ------
    CardError
        If one of them cannot be understood.

    Examples
    --------
    >>> from sunpy_ml.flows.channels import input_planes
    >>> from sunpy_ml.weights import get_card
    >>> [(plane.quantity, plane.frame) for plane in input_planes(get_card("deepvel-2017"))]
    [('intensity', 0), ('intensity', 1)]
    """
    named = {"first": Plane("image"), "second": Plane("image", frame=1), "pixel": Plane("pixel")}
    named["cadence"] = Plane("cadence")
    planes = []
    for name in card.input.channels:
        found = _IMAGE.fullmatch(name)
        if found is None and name not in named:
            raise CardError(f"input.channels: {name!r} is neither an image such as 'vz(t)' nor one of {list(named)}.")
        planes.append(named[name] if found is None else Plane("image", found["quantity"], int(bool(found["later"]))))
    return planes


def output_channels(card: Card) -> OutputChannels:
    """What the channels of the output are; those of other names are passed over.

    Raises
    ------
    CardError
        If a component is missing, or if velocities and displacements are mixed.

    Examples
    --------
    >>> from sunpy_ml.flows.channels import output_channels
    >>> from sunpy_ml.weights import get_card
    >>> output_channels(get_card("deepvel-2017")).levels
    ('tau=1', 'tau=0.1', 'tau=0.01')
    """
    found: dict[tuple[bool, str, str], int] = {}
    units = card.output.units or ("",) * len(card.output.channels)
    kinds = set()
    for number, name in enumerate(card.output.channels):
        match = _COMPONENT.fullmatch(name)
        if match is not None:
            found[bool(match["sigma"]), match["level"] or "", match["axis"]] = number
            kinds.add((match["kind"], _kind(units[number])))
    levels = tuple(dict.fromkeys(level for sigma, level, _ in found if not sigma))
    axes = ("x", "y") if card.output.x_axis == "columns" else ("y", "x")
    if not levels or kinds not in ({("d", "d")}, {("v", "v")}):
        raise CardError(
            f"output.channels: expected vx and vy with units of a velocity, or dx and dy in {_DISPLACEMENT}, got "
            f"{card.output.channels} in {card.output.units}."
        )
    missing = [key for key in product({sigma for sigma, _, _ in found}, levels, axes) if key not in found]
    if missing:
        raise CardError(f"output.channels: components are missing in {card.output.channels}.")
    pairs = {
        sigma: tuple((found[sigma, level, axes[0]], found[sigma, level, axes[1]]) for level in levels)
        for sigma, _, _ in found
    }
    return OutputChannels(levels, pairs[False], pairs.get(True, ()), ("d", "d") in kinds)


def _kind(unit: str) -> str:
    """Of which components a unit is: "d", "v" or none."""
    if unit == _DISPLACEMENT:
        return "d"
    return "v" if u.Unit(unit, parse_strict="silent").is_equivalent(u.km / u.s) else ""
