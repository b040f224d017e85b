"""HDF5 files in the layouts of Keras 1, 2 and 3, written here from the state of a torch network."""

import h5py
import numpy as np
from torch import nn

KINDS = {
    nn.Conv2d: ("convolution2d", "conv2d"),
    nn.ConvTranspose2d: ("deconvolution2d", "conv2d_transpose"),
    nn.BatchNorm2d: ("batchnormalization", "batch_normalization"),
    nn.Linear: ("dense", "dense"),
}


def arrays_of(module, flattened=None):
    """The arrays of a module as Keras keeps them; ``flattened`` is (channels, height, width) before a dense layer."""
    arrays = {key: tensor.detach().numpy() for key, tensor in module.state_dict().items() if tensor.ndim}
    weight = arrays["weight"]
    if flattened:
        weight = weight.reshape(-1, *flattened).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    if weight.ndim == 2:
        return {"kernel": weight.T, "bias": arrays["bias"]}
    if weight.ndim == 4:
        # (out, in, rows, columns), or (in, out, ...) if transposed: Keras has them last, in the other order.
        return {"kernel": np.einsum("oihw->hwio", weight), "bias": arrays["bias"]}
    return {
        "gamma": weight,
        "beta": arrays["bias"],
        "moving_mean": arrays["running_mean"],
        "moving_variance": arrays["running_var"],
    }


KERAS_1 = {
    "kernel": "W",
    "bias": "b",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "running_mean",
    "moving_variance": "running_std",
}


def layers_of(network, version, flattened=None, first=1):
    """(name, {path: array}) of each layer of a network, numbered by kind as Keras of this version does."""
    made = dict.fromkeys(KINDS, first)
    layers = []
    for module in network.modules():
        if type(module) not in KINDS:
            continue
        number = made[type(module)]
        made[type(module)] += 1
        if version == 3:
            number -= 1
        base = KINDS[type(module)][version > 1]
        name = f"{base}_{number}" if number else base
        dense = isinstance(module, nn.Linear)
        arrays = arrays_of(module, flattened if dense else None)
        if dense and flattened:
            layers.append((f"flatten_{number}", {}))
            flattened = None
        layers.append((name, {path_of(name, role, version): array for role, array in arrays.items()}))
    return layers


def path_of(name, role, version):
    if version == 1:
        return f"{name}_{KERAS_1[role]}:0"
    return f"{name}/{role}" + (":0" if version == 2 else "")


def write(path, layers, *, group="", suffix=True, text=False, chunks=0):
    """Write layers to an HDF5 file.

    ``group`` holds them; without ``suffix`` the names of the arrays lose their ':0'; ``text`` makes the names str
    rather than bytes; ``chunks`` is the most names that one attribute holds.
    """
    with h5py.File(path, "w") as file:
        root = file.require_group(group) if group else file
        names = [name for name, _ in layers]
        if chunks:
            for number, start in enumerate(range(0, len(names), chunks)):
                root.attrs[f"layer_names{number}"] = np.array(names[start : start + chunks], dtype="S")
        else:
            root.attrs["layer_names"] = names if text else np.array(names, dtype="S")
        for name, arrays in layers:
            layer = root.create_group(name)
            paths = [array_path if suffix else array_path.removesuffix(":0") for array_path in arrays]
            # Keras itself writes an empty list as an array of no numbers.
            empty = np.array([])
            layer.attrs["weight_names"] = (paths if text else np.array(paths, dtype="S")) if paths else empty
            for array_path, array in zip(paths, arrays.values(), strict=True):
                layer[array_path] = array
    return path
