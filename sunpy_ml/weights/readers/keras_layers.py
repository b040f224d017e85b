"""The layers with weights in an HDF5 file of Keras: their names, kinds and arrays, none of which is read here."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import h5py
import numpy as np

from sunpy_ml.exceptions import WeightsError

__all__ = ["Layer", "read_layers"]

#: More names than any network has layers: a list is counted before it is read.
_MOST_NAMES = 10_000

#: Filters that are part of HDF5 itself; others would make it look for a plugin to run.
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}

#: The names of Keras 2 and 3, and those of Keras 1, by the names of torch. What Keras 1 called a standard deviation
#: was passed on, and kept, as the variance.
_ROLES = {
    "weight": ("kernel", "W", "gamma"),
    "bias": ("bias", "b", "beta"),
    "running_mean": ("moving_mean", "running_mean"),
    "running_var": ("moving_variance", "running_std"),
}
_BY_ORDER = {
    1: ("weight",),
    2: ("weight", "bias"),
    4: ("weight", "bias", "running_mean", "running_var"),
}


@dataclass(frozen=True)
class Layer:
    """One layer with weights.

    Attributes
    ----------
    name : str
        As in the file.
    kind : str
        ``convolution``, ``transposed convolution``, ``dense`` or ``batch normalisation``.
    arrays : mapping of str to h5py.Dataset
        By their names in torch: ``weight``, ``bias``, ``running_mean``, ``running_var``.
    flattened : int
        Channels of the image that was flattened to make the input of a dense layer; 0 where none was.
    """

    name: str
    kind: str
    arrays: Mapping[str, h5py.Dataset]
    flattened: int = 0


def read_layers(file: h5py.File) -> list[Layer]:
    """The layers with weights, in the order of the file.

    Parameters
    ----------
    file : h5py.File
        What ``model.save`` or ``model.save_weights`` of Keras 1 or 2, or those of Keras 3 with the ending ``.h5``,
        wrote: the layers lie at its root or in a group ``model_weights``.

    Raises
    ------
    WeightsError
        If the file is no such file, has a layer of a kind that is not known, or leads to other files.

    Examples
    --------
    >>> import h5py
    >>> from sunpy_ml.weights.readers.keras_layers import read_layers
    >>> with h5py.File("any", "w", driver="core", backing_store=False) as file:
    ...     file.attrs["layer_names"] = [b"dense_1"]
    ...     file.create_group("dense_1").attrs["weight_names"] = [b"dense_1_W:0"]
    ...     array = file["dense_1"].create_dataset("dense_1_W:0", data=[[1.0, 2.0]])
    ...     read_layers(file)[0].kind
    'dense'
    """
    root: h5py.Group = file
    if not _has_names(root, "layer_names") and "model_weights" in file:
        root = _member(file, "model_weights")
    if not isinstance(root, h5py.Group) or not _has_names(root, "layer_names"):
        raise WeightsError(
            "it has no 'layer_names', so it is not a weights file of Keras in HDF5. A '.keras' or '.weights.h5' file "
            "of Keras 3 becomes one with keras.models.load_model(path).save('name.h5')."
        )
    if _theano(root) or _theano(file):
        raise WeightsError("it was written with Theano, whose convolutions are flipped. Save it with TensorFlow.")
    return list(_layers(root))


def _layers(root: h5py.Group) -> Iterator[Layer]:
    channels = 0
    since_convolution: list[str] = []
    for name in _names(root, "layer_names"):
        since_convolution.append(name)
        group = _member(root, name)
        paths = _names(group, "weight_names")
        if not paths:
            continue
        arrays = {_role(name, path, index, len(paths)): _array(group, path) for index, path in enumerate(paths)}
        if len(arrays) != len(paths):
            raise WeightsError(f"the layer {name!r} has two arrays of one meaning among {paths}.")
        kind = _kind(name, arrays)
        flattened = 0
        if kind == "dense" and channels:
            flattened = _flattened(name, arrays["weight"], channels, since_convolution)
            channels = 0
        elif kind.endswith("convolution"):
            channels = arrays["weight"].shape[-2 if kind.startswith("transposed") else -1]
            since_convolution = []
        yield Layer(name, kind, arrays, flattened)


def _kind(name: str, arrays: Mapping[str, h5py.Dataset]) -> str:
    if "running_mean" in arrays:
        return "batch normalisation"
    dimensions = len(arrays["weight"].shape) if "weight" in arrays else 0
    if dimensions == 2:
        return "dense"
    if 3 <= dimensions <= 5:
        # Both have kernels of as many dimensions, so that the name alone tells them apart.
        transposed = "transpose" in name.lower() or "deconv" in name.lower()
        return "transposed convolution" if transposed else "convolution"
    raise WeightsError(
        f"the layer {name!r} is neither a convolution, a dense layer nor a batch normalisation: its arrays are "
        f"{ {role: array.shape for role, array in arrays.items()} }."
    )


def _flattened(name: str, kernel: h5py.Dataset, channels: int, between: list[str]) -> int:
    """The channels that a dense layer's input has to be reordered by: Keras flattens them last, torch first."""
    features = kernel.shape[0]
    if any(other.startswith("flatten") for other in between):
        if features % channels:
            raise WeightsError(f"the layer {name!r} reads {features} values, no multiple of the {channels} channels.")
        return channels
    if features != channels and not any(other.startswith(("global", "concat")) for other in between):
        raise WeightsError(
            f"the layer {name!r} reads {features} values made of {channels} channels by none of the layers "
            f"{between[:-1]}: their order cannot be told. Convert it where it was made."
        )
    return 0


def _role(layer: str, path: str, index: int, count: int) -> str:
    # Such as 'conv2d_1/kernel:0', 'conv2d_1/kernel', 'convolution2d_1_W:0' or, of a second model, 'kernel_1:0'.
    last = re.sub(r":\d+$", "", path.rpartition("/")[2])
    for role, names in _ROLES.items():
        if re.fullmatch(rf"(?:{re.escape(layer)}(?:_\d+)?_)?(?:{'|'.join(names)})(?:_\d+)?", last):
            return role
    if re.fullmatch(r"param_\d+", last) and count in _BY_ORDER:
        return _BY_ORDER[count][index]
    raise WeightsError(f"the layer {layer!r} has an array {path!r} of a kind that is not known.")


def _array(group: h5py.Group, path: str) -> h5py.Dataset:
    # A name may have lost, or kept, the ':0' that TensorFlow adds.
    bare = path.removesuffix(":0")
    found = next((_member(group, name) for name in (path, bare, f"{bare}:0") if name in group), None)
    if not isinstance(found, h5py.Dataset):
        raise WeightsError(f"{group.name} lacks the array {path!r}.")
    if found.external or found.is_virtual:
        raise WeightsError(f"{found.name} lies in another file.")
    if found.dtype.kind != "f" or found.dtype.itemsize > 8 or not found.shape:
        raise WeightsError(f"{found.name} is {found.dtype} of shape {found.shape}, not an array of real numbers.")
    plan = found.id.get_create_plist()
    if {plan.get_filter(index)[0] for index in range(plan.get_nfilters())} - _FILTERS:
        raise WeightsError(f"{found.name} is stored with a filter that is not part of HDF5.")
    if found.chunks and math.prod(found.chunks) > math.prod(found.shape):
        raise WeightsError(f"{found.name} is stored in chunks of {found.chunks}, larger than itself.")
    return found


def _member(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """What lies at a path below a group, without following a link to anywhere else."""
    for part in path.split("/"):
        if not isinstance(group, h5py.Group) or part in ("", ".", "..") or part not in group.keys():  # noqa: SIM118
            raise WeightsError(f"{group.name} lacks {path!r}.")
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise WeightsError(f"{path!r} in {group.name} is a link, which may lead to another file.")
        group = group[part]
    return group


def _has_names(group: h5py.Group, key: str) -> bool:
    return key in group.attrs or f"{key}0" in group.attrs


def _names(group: h5py.Group | h5py.Dataset, key: str) -> list[str]:
    """A list of names in an attribute, or, where it is too long for one, in attributes numbered from 0."""
    if key in group.attrs:
        return _strings(group, key)
    names: list[str] = []
    number = 0
    while f"{key}{number}" in group.attrs:
        names += _strings(group, f"{key}{number}")
        number += 1
    return names


def _strings(group: h5py.Group | h5py.Dataset, key: str) -> list[str]:
    attribute = group.attrs.get_id(key)
    count = math.prod(attribute.shape or (0,)) if attribute.shape != () else 1
    if count > _MOST_NAMES:
        raise WeightsError(f"{key!r} of {group.name} has {count} names, more than {_MOST_NAMES}.")
    if not count:
        # Keras writes an empty list as one of numbers.
        return []
    if attribute.dtype.kind not in "SO":
        raise WeightsError(f"{key!r} of {group.name} holds {attribute.dtype} instead of names.")
    values = np.atleast_1d(group.attrs[key]).ravel()
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def _theano(group: h5py.Group) -> bool:
    return "backend" in group.attrs and _strings(group, "backend") == ["theano"]
