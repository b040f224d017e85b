"""The format in which Slic's authors publish their images: one array of grey levels in a ``.npz`` file."""

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from sunpy_ml.observations.normalisation import normaliser_of
from sunpy_ml.observations.resampling import resample
from sunpy_ml.training.datasets import Sample
from sunpy_ml.weights import Card

__all__ = ["NpzDataset", "read_npz", "write_npz"]

Array = npt.NDArray[Any]

SIDE = 256
_MEMBER = "data.npy"
#: Bytes of a zip file's local header before the name, and where in it the lengths of name and extra field are.
_LOCAL_HEADER, _LENGTHS = 30, 26


def write_npz(path: str | Path, images: Array, labels: Sequence[int] | Array) -> None:
    """Write images in the format of ``solar_train_data.npz`` and ``solar_test_data.npz``.

    Parameters
    ----------
    path : str or pathlib.Path
        Ends in ``.npz``.
    images : numpy.ndarray
        uint8, (N, 256, 256), grey levels as the card ``slic-1.1.1`` prepares them.
    labels : sequence of int
        Index of each image's class, from 0 to 255.

    Raises
    ------
    ValueError
        If the path, a shape, the dtype or a label does not fit the format.

    References
    ----------
    Armstrong & Fletcher 2019, Solar Physics 294, 80, https://doi.org/10.1007/s11207-019-1473-z

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from sunpy_ml.training import read_npz, write_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "two.npz"
    ...     write_npz(path, np.zeros((2, 256, 256), np.uint8), [3, 4])
    ...     images, labels = read_npz(path)
    >>> images.shape, labels
    ((2, 256, 256), array([3, 4]))
    """
    labels = np.asarray(labels)
    if Path(path).suffix != ".npz":
        raise ValueError(f"path: got {str(path)!r}, the name must end in '.npz'.")
    if images.dtype != np.uint8 or images.shape != (len(labels), SIDE, SIDE):
        raise ValueError(
            f"images: expected uint8 of the shape ({len(labels)}, {SIDE}, {SIDE}) for {len(labels)} labels, "
            f"got {images.dtype} of the shape {images.shape}."
        )
    if len(labels) and not (0 <= labels.min() <= labels.max() <= 255):
        raise ValueError(f"labels: expected 0 to 255, got {labels.min()} to {labels.max()}.")
    rows = np.concatenate([labels.astype(np.uint8)[:, np.newaxis], images.reshape(len(labels), -1)], axis=1)
    # Not compressed, so that workers can map the file instead of each holding a copy.
    np.savez(path, data=rows)


def read_npz(path: str | Path) -> tuple[Array, npt.NDArray[np.int64]]:
    """The images (N, 256, 256), uint8, and labels (N,), int64, of a file in the authors' format.

    Images are mapped, not read, where the file is not compressed.

    Raises
    ------
    ValueError
        If it is not such a file. Pickled objects are refused.
    """
    path = Path(path)
    try:
        rows = _rows(path)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"path: {str(path)!r} cannot be read as npz with an array 'data': {error}.") from error
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != 1 + SIDE * SIDE:
        raise ValueError(
            f"path: 'data' in {str(path)!r} must be uint8 of the shape (N, {1 + SIDE * SIDE}), "
            f"but is {rows.dtype} of the shape {rows.shape}."
        )
    return rows[:, 1:].reshape(-1, SIDE, SIDE), np.array(rows[:, 0], dtype=np.int64)


def _rows(path: Path) -> Array:
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(_MEMBER)
    if member.compress_type != zipfile.ZIP_STORED:
        with np.load(path, allow_pickle=False) as content:
            return np.asarray(content["data"])
    with path.open("rb") as file:
        file.seek(member.header_offset + _LENGTHS)
        file.seek(member.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", file.read(4))))
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = read_header[version](file)
        if dtype.hasobject:
            raise ValueError("it holds pickled objects, which are never loaded")
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


class NpzDataset(Dataset[Sample]):
    """The images of a file in the authors' format, without dates or wavelengths, which it does not hold.

    Parameters
    ----------
    path : str or pathlib.Path
        Of the file.
    card : sunpy_ml.weights.Card
        How images are normalised. For ``minmax-uint8``, as Slic was trained, the grey levels are taken as they are;
        any other normaliser is measured on them.
    classes : sequence of str
        Of the labels 0, 1, and so on; by default those of the card.

    Raises
    ------
    ValueError
        If it is not such a file, or a label has no class.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from sunpy_ml.training import NpzDataset, write_npz
    >>> from sunpy_ml.weights import get_card
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "one.npz"
    ...     write_npz(path, np.full((1, 256, 256), 7, np.uint8), [3])
    ...     sample = NpzDataset(path, get_card("slic-1.1.1"))[0]
    >>> sample["image"].max(), sample["label"]
    (tensor(7.), tensor(3))
    """

    def __init__(self, path: str | Path, card: Card, classes: Sequence[str] | None = None) -> None:
        self.path, self.card = Path(path), card
        self.classes = card.output.classes if classes is None else tuple(classes)
        images, self.labels = read_npz(self.path)
        if len(self.labels) and self.labels.max() >= len(self.classes):
            raise ValueError(
                f"classes: there are {len(self.classes)}, but {str(path)!r} has label {self.labels.max()}."
            )
        # What had to be uncompressed is kept, once per process; a mapped file is opened anew for each sample.
        self._images = None if isinstance(images, np.memmap) else images

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_images": None}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        images = self._images
        if images is None:
            images = _rows(self.path)[:, 1:].reshape(-1, SIDE, SIDE)
            self._images = None if isinstance(images, np.memmap) else images
        return {
            "image": torch.from_numpy(self._normalised(np.array(images[index], dtype=np.float32)))[None],
            "label": torch.tensor(self.labels[index]),
            "date": "",
            "waveband": "unknown",
        }

    def _normalised(self, image: Array) -> Array:
        rules = self.card.input
        if rules.shape and tuple(rules.shape) != image.shape:
            image = resample(image, (rules.shape[0], rules.shape[1]))
        if rules.normaliser == "minmax-uint8":
            return image
        return normaliser_of(rules)(image.ravel(), rules.constants).apply(image)
