"""Wrong labels found by networks that have not seen them: the function `relabel`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from ndcube import NDCube

__all__ = ["Scorer", "Training", "relabel"]

#: From rows of the table to the probability that flux emerges in each.
Scorer = Callable[[npt.NDArray[np.int_]], npt.NDArray[np.float64]]
#: From rows and their labels to what has learned them.
Training = Callable[[npt.NDArray[np.int_], npt.NDArray[np.bool_]], Scorer]


def relabel(
    table: Table,
    train: Training,
    *,
    doubt: float = 0.5,
    most: int | None = None,
    cubes: Callable[[int], NDCube] | None = None,
    pictures: str | Path | None = None,
) -> Table:
    """Find patches whose labels are to be looked at by a person, since networks do not believe them.

    Labels are learned on all blocks of patches but one, and compared with what has been learned on that one, for each
    block in turn. Whoever looks at the rows whose ``shown`` is the number of the round corrects ``label`` where it is
    wrong, and gives the table to the next round, which learns from the corrected labels and shows no row again. It is
    over when no row is shown.

    Parameters
    ----------
    table : astropy.table.Table
        A row for each patch, with ``label`` (bool, whether flux emerges) and ``block`` (such as the month, so that
        patches of which one would tell of another are in the same); at least two blocks. Other columns are kept. Or
        the corrected table of the round before. It is not changed.
    train : callable
        From the numbers of rows and their labels to a callable that gives the probability of an emergence for the
        numbers of rows. `~sunpy_ml.emergence.learning.MemberTraining` is one.
    doubt : float
        Rows are shown of whose label the probability is less than this: 0.5 shows disagreements, and more shows more.
    most : int, optional
        How many rows are shown at most, those of the least probable labels first.
    cubes : callable, optional
        From the number of a row to its cube, for pictures.
    pictures : str or pathlib.Path, optional
        Folder to write a quick look of each row to that is shown: ``round1_00042.png``.

    Returns
    -------
    astropy.table.Table
        With ``crude`` (the label at first), ``probability`` (of an emergence, by what has not seen the row),
        ``shown`` (the number of the round in which the row is or was shown, 0 for none) and the number of the round in
        ``meta["round"]``: the table is the record.

    Raises
    ------
    ValueError
        If a column is missing, there are less than two blocks or one label only, ``doubt`` or a probability is none, or
        ``most`` is less than 1.

    References
    ----------
    Chatterjee, Muñoz-Jaramillo & Lamb 2022, Nature Astronomy 6, 796, https://doi.org/10.1038/s41550-022-01701-3

    Examples
    --------
    Of patches whose flux grows, one is labelled as if it did not:

    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from sunpy_ml.emergence import relabel
    >>> growth = np.array([9, 1, 8, 2, 7, 9])
    >>> table = Table({"label": growth > 5, "block": [0, 0, 1, 1, 2, 2]})
    >>> table["label"][4] = False
    >>> def train(rows, labels):
    ...     threshold = (growth[rows][labels].mean() + growth[rows][~labels].mean()) / 2
    ...     return lambda asked: (growth[asked] > threshold).astype(float)
    >>> table = relabel(table, train)
    >>> np.flatnonzero(table["shown"] == table.meta["round"])
    array([4])
    >>> table["label"][4] = True
    >>> table = relabel(table, train)
    >>> bool((table["shown"] == table.meta["round"]).any())
    False
    """
    if (cubes is None) != (pictures is None):
        raise ValueError("pictures: they need both a folder and cubes=, which gives what they show.")
    if most is not None and most < 1:
        raise ValueError(f"most: expected 1 row or more, got {most}.")
    labels, blocks = _checked(table, doubt)
    probability = np.empty(len(table))
    for block in np.unique(blocks):
        own = blocks == block
        scorer = train(np.flatnonzero(~own), labels[~own])
        probability[own] = scorer(np.flatnonzero(own))
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("train: what it gives must tell probabilities between 0 and 1.")
    new = table.copy()
    number = int(table.meta.get("round", 0)) + 1
    if number == 1:
        new["crude"], new["shown"] = labels, np.zeros(len(new), dtype=int)
    new["probability"] = probability
    believed = np.where(labels, probability, 1 - probability)
    doubted = np.flatnonzero((believed < doubt) & (new["shown"] == 0))
    new["shown"][doubted[np.argsort(believed[doubted], kind="stable")][:most]] = number
    new.meta["round"] = number
    if cubes is not None and pictures is not None:
        _draw(new, cubes, Path(pictures))
    return new


def _checked(table: Table, doubt: float) -> tuple[npt.NDArray[np.bool_], Any]:
    for name in ("label", "block"):
        if name not in table.colnames:
            raise ValueError(f"table: it has no column {name!r}; its columns are {table.colnames}.")
    if not 0 < doubt <= 1:
        raise ValueError(f"doubt: expected a probability above 0, at most 1, got {doubt}.")
    labels, blocks = np.asarray(table["label"]), np.asarray(table["block"])
    if labels.dtype != bool:
        raise ValueError(f"table: the column 'label' must hold True and False, got {labels.dtype}.")
    for block in np.unique(blocks):
        if len(np.unique(labels[blocks != block])) < 2:
            raise ValueError(f"table: without the block {block!r} there are not both labels left to be learned.")
    return labels, blocks


def _draw(table: Table, cubes: Callable[[int], NDCube], folder: Path) -> None:
    from sunpy_ml.emergence.quicklook import quick_look

    folder.mkdir(parents=True, exist_ok=True)
    number = table.meta["round"]
    for row in np.flatnonzero(table["shown"] == number).tolist():
        told = "emergence" if table["label"][row] else "no emergence"
        title = f"row {row}: labelled {told}, probability of an emergence {table['probability'][row]:.2f}"
        quick_look(cubes(row), folder / f"round{number}_{row:05d}.png", title)
