"""One table of labelled patches out of several, with each patch once."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import QTable, Table, vstack

__all__ = ["BOX", "distinct", "merge_label_tables"]

#: The columns of a box: column and row of its first pixel, from 0, and its size in pixels.
BOX = ("x", "y", "width", "height")

_NEEDED = ("image", "date", *BOX, "label")


def merge_label_tables(*tables: Table, overlap: float = 0.5) -> QTable:
    """One table of labelled patches from several, without the boxes that are in more than one.

    Parameters
    ----------
    *tables : astropy.table.Table
        As `label_table` gives them; further columns are kept, and masked where a table lacks them.
    overlap : float, optional
        Of boxes in one image with one label whose intersection over union is at least this, only the one
        nearest in time is kept, and of those equally near the first.

    Raises
    ------
    ValueError
        If there is no table, one lacks a column, or ``overlap`` is not in 0 to 1, 0 excluded.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> from astropy.time import Time
    >>> from sunpy_ml.training import merge_label_tables
    >>> row = {"image": ["a"], "x": [0], "y": [0], "width": [9], "height": [9], "label": ["quiet"]}
    >>> table = QTable({"date": Time(["2014-10-25"]), **row})
    >>> len(merge_label_tables(table, table))
    1
    """
    if not tables or not 0 < overlap <= 1:
        raise ValueError(f"tables, overlap: got {len(tables)} and {overlap}; give one table, and a share above 0.")
    for number, table in enumerate(tables):
        if missing := [name for name in _NEEDED if name not in table.colnames]:
            raise ValueError(f"tables: number {number} lacks the columns {missing}; it has {table.colnames}.")
    return distinct(vstack([QTable(table) for table in tables], metadata_conflicts="silent"), overlap)


def distinct(table: QTable, overlap: float) -> QTable:
    """The table without boxes that repeat another one of the same image and label."""
    boxes = np.stack([np.asarray(table[name], dtype=float) for name in BOX], axis=1)
    gaps = (
        np.abs(np.asarray(u.Quantity(table["time_gap"]).value))
        if "time_gap" in table.colnames
        else np.zeros(len(table))
    )
    names = [(str(image), str(label)) for image, label in zip(table["image"], table["label"], strict=True)]
    kept: dict[tuple[str, str], list[int]] = {}
    for index in np.argsort(gaps, kind="stable"):
        others = kept.setdefault(names[index], [])
        if not others or _overlaps(boxes[index], boxes[others]).max() < overlap:
            others.append(int(index))
    return table[sorted(index for indices in kept.values() for index in indices)]


def _overlaps(box: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Intersection over union of one box with each of several; a row is column, row, width, height."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    return common / (box[2:].prod() + others[:, 2:].prod(axis=1) - common)
