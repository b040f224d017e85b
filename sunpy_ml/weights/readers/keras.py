"""Reading of the HDF5 weights files of Keras 1, 2 and 3 into the modules of a torch network.

Nothing in such a file is executed: of its layers only names, shapes and numbers are read, never the model's
configuration (which can hold code). Every shape is compared with what the network needs before any number is read, so
a small file cannot grow in memory and nothing is half loaded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.readers.keras_layers import Layer, read_layers

__all__ = ["read"]

_KINDS: dict[str, tuple[type[nn.Module], ...]] = {
    "convolution": (nn.Conv1d, nn.Conv2d, nn.Conv3d),
    "transposed convolution": (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    "dense": (nn.Linear,),
    "batch normalisation": (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
}


def read(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """The state of a network from the layers of a Keras model.

    Layer k of a kind fills module k of that kind. The modules count in the order in which the network registers them,
    which has to be that in which the authors' code makes the layers.

    Raises
    ------
    WeightsError
        If the file is no such file, or has more, fewer or other layers than the network.

    Examples
    --------
    >>> import pathlib, tempfile, h5py, torch
    >>> from sunpy_ml.weights.readers.keras import read
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "dense.h5"
    ...     with h5py.File(path, "w") as file:
    ...         file.attrs["layer_names"] = ["dense"]
    ...         file.create_group("dense").attrs["weight_names"] = ["dense/kernel:0"]
    ...         file["dense/dense/kernel:0"] = [[1.0], [2.0]]
    ...     read(path, torch.nn.Linear(2, 1, bias=False))
    {'weight': tensor([[1., 2.]], dtype=torch.float64)}
    """
    try:
        # Without a lock: shared file systems of clusters often have none, and nothing is written.
        with h5py.File(path, "r", locking=False) as file:
            # A list first: every array is checked before one is read.
            return {array.key: array.read() for array in list(_arrays(read_layers(file), network))}
    except WeightsError:
        raise
    # What h5py raises for a damaged file depends on where the damage is.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"it is damaged, or no HDF5 file ({error}). Fetch or save the file again.") from error


@dataclass(frozen=True)
class _Array:
    """An array of the file whose shape is known to be right, and the tensor that it becomes."""

    key: str
    dataset: h5py.Dataset
    flattened: int

    def read(self) -> Tensor:
        values = self.dataset[()]
        if self.flattened:
            # Keras flattens an image with its channels last, torch with its channels first.
            pixels = values.reshape(-1, self.flattened, values.shape[-1])
            values = pixels.swapaxes(0, 1).reshape(values.shape)
        if values.ndim >= 2:
            # Height, width, input, output channels become output, input, height, width; of a transposed
            # convolution both have the two kinds of channels the other way round.
            values = values.transpose(values.ndim - 1, values.ndim - 2, *range(values.ndim - 2))
        return torch.from_numpy(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("=")))


def _arrays(layers: list[Layer], network: nn.Module) -> Iterator[_Array]:
    for kind, classes in _KINDS.items():
        modules = [(name, module) for name, module in network.named_modules() if isinstance(module, classes)]
        ours = _in_order_of_making([layer for layer in layers if layer.kind == kind])
        if len(ours) != len(modules):
            names = [layer.name for layer in ours]
            more = (
                f"surplus {names[len(modules) :][:3]}"
                if len(ours) > len(modules)
                else f"missing what belongs to {[name for name, _ in modules[len(ours) :][:3]]}"
            )
            raise WeightsError(f"it has {len(ours)} layers of the kind {kind}, its network {len(modules)}: {more}.")
        for layer, (name, module) in zip(ours, modules, strict=True):
            yield from _arrays_of(layer, name, module)


def _arrays_of(layer: Layer, name: str, module: nn.Module) -> Iterator[_Array]:
    # Not state_dict(), which would give the tensors of modules inside it as well.
    wanted = {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
    wanted.pop("num_batches_tracked", None)
    for role in (*wanted, *layer.arrays):
        if role not in layer.arrays or role not in wanted:
            word = "lacks" if role in wanted else "has a surplus"
            raise WeightsError(f"the layer {layer.name!r} {word} {role}, unlike {name!r} of its network.")
    for role, tensor in wanted.items():
        shape = tuple(tensor.shape)
        expected = (*shape[2:], *shape[1::-1]) if len(shape) >= 2 else shape
        if layer.arrays[role].shape != expected:
            raise WeightsError(
                f"the {role} of the layer {layer.name!r} is {layer.arrays[role].shape} instead of {expected}, which "
                f"{name!r} of its network needs."
            )
        flattened = layer.flattened if role == "weight" else 0
        yield _Array(f"{name}.{role}" if name else role, layer.arrays[role], flattened)


def _in_order_of_making(layers: list[Layer]) -> list[Layer]:
    """The layers of one kind in the order in which the authors' code made them.

    Keras lists the layers of a model by their depth in its graph, so that those of parallel branches are interleaved;
    but it numbers the layers of each kind as they are made (conv2d, conv2d_1, ... from any number on, when there were
    other models before). So the numbers tell the order, and not the list, nor the alphabet, in which 10 comes
    before 2. Where the authors gave names of their own, the list is all there is.
    """
    numbered = [re.fullmatch(r"(.*?)(?:_(\d+))?", layer.name) for layer in layers]
    if len({match[1] for match in numbered if match}) > 1:
        return layers
    numbers = [int(match[2] or 0) for match in numbered if match]
    if len(set(numbers)) != len(layers):
        return layers
    return [layer for _, layer in sorted(zip(numbers, layers, strict=True), key=lambda pair: pair[0])]
