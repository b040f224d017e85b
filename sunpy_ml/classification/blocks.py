"""Blocks of dates for cross-validation: each is tested by a network that saw nothing within three days of it."""

from collections.abc import Sequence

import numpy as np

from sunpy_ml.classification.patches import Patch

__all__ = ["BLOCKS", "outside", "within"]

#: First and last days of each block. Those of 2010 hold SDO's images alone, those of 2011 March to June GONG's.
BLOCKS: dict[str, tuple[tuple[str, str], ...]] = {
    "A": (("2011-01-01", "2011-03-03"),),
    "B": (("2011-03-04", "2011-04-15"), ("2010-09-01", "2010-09-30")),
    "C": (("2011-04-16", "2011-05-21"), ("2010-10-01", "2010-10-31")),
    "D": (("2011-05-22", "2011-06-30"), ("2010-11-01", "2010-12-31")),
}

_GAP = np.timedelta64(3, "D")


def within(patches: Sequence[Patch], block: str) -> list[Patch]:
    """The patches of a block."""
    return [patch for patch in patches if any(first <= patch.date <= last for first, last in BLOCKS[block])]


def outside(patches: Sequence[Patch], block: str | None) -> list[Patch]:
    """The patches at least three days from every date within the block; all of them if there is no block."""
    if block is None:
        return list(patches)
    days = np.array(sorted({patch.date for patch in within(patches, block)}), dtype="datetime64[D]")
    return [patch for patch in patches if (abs(days - np.datetime64(patch.date)) >= _GAP).all()]
