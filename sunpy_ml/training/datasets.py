"""Data sets of labelled observations, read one by one as they are asked for.

Each is a `torch.utils.data.Dataset` that holds names and labels only. Files are opened, and closed again, where a
sample is made, so a data set can be sent to any number of worker processes, and memory does not grow with its length.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy import units as u
from astropy.table import QTable
from sunpy.map import GenericMap
from torch.utils.data import Dataset

from sunpy_ml.exceptions import ObservationError
from sunpy_ml.observations import (
    as_map,
    iterate_observations,
    observation_facts,
    observation_time,
    prepare,
    quiet_headers,
    self_contained,
)
from sunpy_ml.weights import Card, Facts

__all__ = ["FolderDataset", "LabelledObservations", "PatchDataset", "Sample"]

#: ``image`` (1, H, W) float32 as the network reads it, ``label`` int64, ``date`` (ISO, empty where the header has
#: none), ``waveband`` (such as ``"656.3 nm"``, or ``"unknown"``), and ``features`` float32 where they are labelled.
Sample = dict[str, Any]


class LabelledObservations(Dataset[Sample]):
    """Observations with a label each, prepared as a card says.

    Parameters
    ----------
    labels : sequence of str
        Of each observation.
    card : sunpy_ml.weights.Card
        Of the weights that will read, or be made of, these observations.
    classes : sequence of str
        A label is an index into these.

    Attributes
    ----------
    labels : numpy.ndarray
        int64, index of each observation's class.
    classes : tuple of str
    card : Card
    """

    def __init__(self, labels: Sequence[str], card: Card, classes: Sequence[str]) -> None:
        unknown = sorted(set(labels) - set(classes))
        if unknown:
            raise ValueError(f"classes: the labels {unknown} are not among {list(classes)}; add or leave them out.")
        if not len(labels):
            raise ValueError("labels: expected at least one observation, got none.")
        self.classes = tuple(classes)
        self.labels = np.array([self.classes.index(label) for label in labels], dtype=np.int64)
        self.card = card

    def __len__(self) -> int:
        return len(self.labels)

    def observation(self, index: int) -> GenericMap:
        """The observation as a Map, read anew."""
        raise NotImplementedError

    def source(self, index: int) -> str:
        """Where the observation comes from."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> Sample:
        m = self.observation(index)
        prepared = prepare(m, self.card)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(prepared.data))[None],
            "label": torch.tensor(self.labels[index]),
            "date": _date(m),
            "waveband": waveband(prepared.facts),
        }

    def describe(self) -> QTable:
        """What the headers tell: source, label, date, waveband, instrument, plate scale and field of view of each.

        Unknown dates are empty strings, and unknown wavelengths NaN. Every file is opened once.
        """
        rows: list[dict[str, Any]] = []
        for index, m in enumerate(self._observations()):
            facts = observation_facts(self_contained(m))
            with quiet_headers():
                instrument = str(m.instrument)
            rows.append(
                {
                    "source": self.source(index),
                    "label": self.classes[self.labels[index]],
                    "date": _date(m),
                    "waveband": waveband(facts),
                    "instrument": instrument,
                    "wavelength": np.nan * u.nm if facts.wavelength is None else facts.wavelength.to(u.nm),
                    "plate_scale": facts.plate_scale,
                    "field_of_view": facts.field_of_view,
                }
            )
        return QTable(rows)

    def _observations(self) -> Iterator[GenericMap]:
        for index in range(len(self)):
            yield self.observation(index)


def waveband(facts: Facts) -> str:
    """The wavelength in nanometres, to four digits, or ``"unknown"``."""
    return "unknown" if facts.wavelength is None else f"{facts.wavelength.to_value(u.nm):.4g} nm"


def _date(m: GenericMap) -> str:
    time = observation_time(m)
    return "" if time is None else str(time.isot)


class FolderDataset(LabelledObservations):
    """A folder of FITS files per class, the layout that Slic was trained from: ``DIR/<class>/<file>.fits``.

    Parameters
    ----------
    folder : str or pathlib.Path
        Its folders are the classes; files, compressed or not, may lie any depth below them.
    card : sunpy_ml.weights.Card
        How observations are prepared.
    classes : sequence of str, optional
        In the order of the network's output; by default the folders in alphabetical order, as the authors had it.

    Attributes
    ----------
    paths : tuple of pathlib.Path
        Sorted within each class.

    Raises
    ------
    ValueError
        If there is no such folder, it has no folders in it, or one of them is not among ``classes``.
    sunpy_ml.exceptions.ObservationError
        If the folder of a class holds no FITS file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.simulation import halpha_scene
    >>> from sunpy_ml.training import FolderDataset
    >>> from sunpy_ml.weights import get_card
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for kind in ("quiet", "sunspots"):
    ...         (pathlib.Path(folder) / kind).mkdir()
    ...         halpha_scene(kind).save(pathlib.Path(folder) / kind / "first.fits")
    ...     dataset = FolderDataset(folder, get_card("halpha-2"))
    ...     sample = dataset[1]
    >>> dataset.classes, sample["image"].shape, sample["waveband"]
    (('quiet', 'sunspots'), torch.Size([1, 256, 256]), '656.3 nm')
    """

    def __init__(self, folder: str | Path, card: Card, classes: Sequence[str] | None = None) -> None:
        folder = Path(folder)
        found = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        if not found:
            raise ValueError(f"folder: {str(folder)!r} must hold a folder of FITS files for each class; there is none.")
        files = [(path, name) for name in found for path in iterate_observations(folder / name)]
        self.paths = tuple(path for path, _ in files)
        super().__init__([name for _, name in files], card, found if classes is None else classes)

    def observation(self, index: int) -> GenericMap:
        """The file as a Map."""
        return as_map(self.paths[index])

    def source(self, index: int) -> str:
        """The path."""
        return str(self.paths[index])


class PatchDataset(LabelledObservations):
    """Labelled boxes, cut from full-disk (or other large) images as they are asked for.

    Parameters
    ----------
    table : astropy.table.Table, str or pathlib.Path
        A row for each patch, or an ECSV file of them. Columns: ``image``, a path; ``x`` and ``y``, the column and row,
        counted from 0, of the box's first pixel in the array as it is read; ``size`` (or ``width`` and ``height``),
        in pixels; ``label``; and, for each feature that an image may show beside others, ``has_<feature>`` with 1
        (seen), 0 (not seen) or NaN (not known). Other columns are left alone.
    card : sunpy_ml.weights.Card
        How patches are prepared.
    classes : sequence of str, optional
        In the order of the network's output; by default the labels in alphabetical order.
    folder : str or pathlib.Path, optional
        What paths are relative to; by default the folder of the ECSV file, or the current one.

    Attributes
    ----------
    features : tuple of str
        Those that are labelled, in the order of ``sample["features"]``.

    Raises
    ------
    ValueError
        If a column is missing or a label is not among ``classes``.
    sunpy_ml.exceptions.ObservationError
        When a sample is made, if its box reaches beyond its image.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from astropy.table import QTable
    >>> from sunpy_ml.simulation import halpha_scene
    >>> from sunpy_ml.training import PatchDataset
    >>> from sunpy_ml.weights import get_card
    >>> table = QTable({"image": ["disk.fits"], "x": [20], "y": [40], "size": [100], "label": ["quiet"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     halpha_scene("quiet").save(pathlib.Path(folder) / "disk.fits")
    ...     dataset = PatchDataset(table, get_card("halpha-2"), folder=folder)
    ...     m = dataset.observation(0)
    >>> m.data.shape
    (100, 100)
    """

    def __init__(
        self,
        table: Any,
        card: Card,
        classes: Sequence[str] | None = None,
        *,
        folder: str | Path | None = None,
    ) -> None:
        if isinstance(table, (str, Path)):
            folder = Path(table).parent if folder is None else folder
            table = QTable.read(table, format="ascii.ecsv")
        sides = ("size", "size") if "size" in table.colnames else ("width", "height")
        missing = [name for name in ("image", "x", "y", *sides, "label") if name not in table.colnames]
        if missing:
            raise ValueError(f"table: it lacks the columns {missing}; it has {table.colnames}.")
        labels = [str(label) for label in table["label"]]
        super().__init__(labels, card, sorted(set(labels)) if classes is None else classes)
        self._paths = [str(Path(folder or ".") / str(image)) for image in table["image"]]
        corners = [np.asarray(u.Quantity(table[name], u.pix).value, dtype=int) for name in ("x", "y", *sides)]
        self._boxes = np.stack(corners, axis=1)
        names = [name for name in table.colnames if name.startswith("has_")]
        self.features = tuple(name.removeprefix("has_") for name in names)
        self._present = (
            np.stack([np.ma.filled(table[name].astype("f4"), np.nan) for name in names], 1) if names else None
        )

    def observation(self, index: int) -> GenericMap:
        """The patch as a Map."""
        return self._cut(as_map(self._paths[index]), index)

    def source(self, index: int) -> str:
        """The path of the image, and the box."""
        x, y, width, height = self._boxes[index]
        return f"{self._paths[index]}[{y}:{y + height}, {x}:{x + width}]"

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        if self._present is not None:
            sample["features"] = torch.tensor(self._present[index])
        return sample

    def _observations(self) -> Iterator[GenericMap]:
        path = None
        for index in range(len(self)):
            # Patches of one image mostly follow each other, and a full disk takes long to read.
            if self._paths[index] != path:
                path = self._paths[index]
                m = as_map(path)
            yield self._cut(m, index)

    def _cut(self, m: GenericMap, index: int) -> GenericMap:
        x, y, width, height = (int(number) for number in self._boxes[index])
        rows, columns = m.data.shape
        if min(x, y) < 0 or min(width, height) < 1 or x + width > columns or y + height > rows:
            raise ObservationError(
                f"table: the box of row {index}, (x, y, width, height) = {(x, y, width, height)}, reaches beyond its "
                f"image of {columns} by {rows} pixels; mend or leave out the row."
            )
        corner, far = u.Quantity([x, y], u.pix), u.Quantity([x + width - 1, y + height - 1], u.pix)
        with quiet_headers():
            return m.submap(corner, top_right=far)
