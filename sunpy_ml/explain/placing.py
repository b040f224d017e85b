"""Where in the image the cells of a layer's maps lie, and the maps drawn there."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

__all__ = ["cell_centres", "spread_cells"]

Array = npt.NDArray[Any]

#: The kinds of modules that leave everything where it is.
_POINTWISE = tuple(f"torch.nn.modules.{kind}" for kind in ("activation", "batchnorm", "dropout", "normalization"))


def cell_centres(network: nn.Module, layer: str, shape: tuple[int, int, int]) -> tuple[Array, Array]:
    """Where the cells of a layer's maps lie, in pixels of the network's image, the centre of the first being 0.

    Strided convolutions on fields with an even number of pixels look off-centre: a cell of the 8 x 8 maps of
    `~sunpy_ml.classification.networks.CompactClassifier` lies at pixel 32 i + 1, and not at 32 i + 15.5 as if the
    maps were the image made small. So the coordinates themselves are sent through a copy of the network in which
    each convolution passes on what lies at its middle, and each pooling the mean.

    Parameters
    ----------
    network : torch.nn.Module
        Not changed.
    layer : str
        Its name; of a layer that runs several times the last time counts.
    shape : tuple of int
        Channels, rows and columns of the image.

    Returns
    -------
    rows, columns : numpy.ndarray
        float64, evenly spaced.
    """
    plumbing = _plumbing(network)
    seen: list[Tensor] = []
    plumbing.get_submodule(layer).register_forward_hook(lambda module, inputs, output: seen.append(output))
    channels, height, width = shape
    # Counted from one: nothing is negative, so that a rectifier in a forward method lets it pass.
    y, x = torch.meshgrid(torch.arange(1.0, height + 1), torch.arange(1.0, width + 1), indexing="ij")
    with torch.no_grad():
        plumbing(torch.stack([torch.ones_like(x), y, x])[:, None].repeat(1, channels, 1, 1))
    # A sum of two branches doubles the coordinates, and doubles the ones as well.
    one, y, x = seen[-1].double().mean(dim=1)
    return _even((y / one).mean(dim=1).numpy() - 1, height), _even((x / one).mean(dim=0).numpy() - 1, width)


def _plumbing(network: nn.Module) -> nn.Module:
    plumbing = copy.deepcopy(network).cpu()
    for parent in list(plumbing.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.Conv2d):
                _pass_the_middle(module)
            elif isinstance(module, nn.MaxPool2d):
                options = (module.kernel_size, module.stride, module.padding, module.ceil_mode)
                setattr(parent, name, nn.AvgPool2d(*options, count_include_pad=False))
            elif type(module).__module__ in _POINTWISE:
                setattr(parent, name, nn.Identity())
    return plumbing


def _pass_the_middle(convolution: nn.Conv2d) -> None:
    weight = torch.zeros_like(convolution.weight)
    rows, columns = (slice((n - 1) // 2, n // 2 + 1) for n in weight.shape[2:])
    weight[:, :, rows, columns] = 1.0
    convolution.weight = nn.Parameter(weight / weight[0].sum(), requires_grad=False)
    convolution.bias = None


def _even(centres: Array, size: int) -> Array:
    """The evenly spaced positions that most cells agree on; at the edges some see less than a whole field."""
    cells = np.arange(len(centres))
    step = float(np.median(np.diff(centres)))
    positions = float(np.median(centres - step * cells)) + step * cells
    # Layers that mix the whole field have no positions: then the maps are the image made small.
    return positions if np.isfinite(step) and step > 0 else (cells + 0.5) * size / len(cells) - 0.5


def spread_cells(cells: Array, centres: tuple[Array, Array], shape: tuple[int, int]) -> Array:
    """Maps of a layer as an image of ``shape``, bilinear between the centres of cells and constant beyond them.

    Parameters
    ----------
    cells : numpy.ndarray
        (h, w), at least 2 x 2.
    centres : tuple of numpy.ndarray
        From `cell_centres`.
    shape : tuple of int
        Rows and columns of the network's image.
    """
    where = [
        (np.arange(size) - positions[0]) / (positions[1] - positions[0])
        for size, positions in zip(shape, centres, strict=True)
    ]
    return map_coordinates(cells, np.meshgrid(*where, indexing="ij"), order=1, mode="nearest")
