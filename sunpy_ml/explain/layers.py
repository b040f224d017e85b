"""The layer that Grad-CAM looks at."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["choose_layer"]


def choose_layer(network: nn.Module, image: Tensor, name: str | None = None) -> str:
    """The name of the layer whose maps Grad-CAM weighs.

    By default the last features: of the modules that hold the convolution which runs last, the outermost whose
    output still is a stack of maps of the same size. Of a layer that runs several times the last time counts.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    image : torch.Tensor
        (1, C, H, W).
    name : str, optional
        Of a module, as `torch.nn.Module.named_modules` gives it, that is taken instead.

    Raises
    ------
    ValueError
        If there is no such module, or its output is not a stack of maps, or there is no convolution.
    """
    shapes: dict[str, tuple[int, ...]] = {}  # of the last output, in the order in which the modules ran last

    def note(key: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            shapes.pop(key, None)
            shapes[key] = tuple(output.shape) if isinstance(output, Tensor) else ()

        return hook

    modules = {key: module for key, module in network.named_modules() if key}
    hooks = [module.register_forward_hook(note(key)) for key, module in modules.items()]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    maps = [key for key, shape in shapes.items() if len(shape) == 4 and min(shape[2:]) > 1]
    if name is not None:
        if name not in maps:
            raise ValueError(f"layer: {name!r} is no module that gives maps; choose from {sorted(maps)}.")
        return name
    convolutions = [key for key in maps if isinstance(modules[key], nn.Conv2d)]
    if not convolutions:
        raise ValueError(f"layer: the network has no convolution to look at; choose from {sorted(maps)}.")
    last = convolutions[-1]
    holders = [key for key in maps if last.startswith(f"{key}.") and shapes[key][2:] == shapes[last][2:]]
    return min([*holders, last], key=len)
