"""The methods of attribution: from a network, an image and a target to relevance on the network's own grid.

captum does the attribution; what is ours is where the maps of Grad-CAM lie, and the flat baseline.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sunpy_ml.explain._extra import attr
from sunpy_ml.explain.layers import choose_layer
from sunpy_ml.explain.placing import cell_centres, spread_cells
from sunpy_ml.inference import fold_batch_norm, turn_back, turns
from sunpy_ml.observations import quiet_headers

__all__ = ["METHODS", "Method", "attribute", "checked_options"]

Array = npt.NDArray[Any]
Options = Mapping[str, Any]

#: Images at a time, for the methods that look at many versions of one.
_BATCH = 8


@dataclass(frozen=True)
class Method:
    """A method of attribution.

    Attributes
    ----------
    compute : callable
        From a network in evaluation mode, an image (1, C, H, W), the index of the target and the options to
        relevance (H, W).
    options : tuple of str
        Those it knows.
    signed : bool
        Whether relevance can be negative, for what speaks against the target. Where not, relevance is the size of what
        was computed.
    """

    compute: Callable[[nn.Module, Tensor, int, Options], Array]
    options: tuple[str, ...] = ()
    signed: bool = True


def attribute(
    network: nn.Module, image: Tensor, index: int, method: str, options: Options, *, average_turns: bool = False
) -> Array:
    """Relevance of each pixel for one output of a network.

    Parameters
    ----------
    network : torch.nn.Module
        A private copy, which hooks may be set on.
    image : torch.Tensor
        (1, C, H, W).
    index : int
        Of the output.
    method : str
        A key of `METHODS`.
    options : mapping
        From `checked_options`.
    average_turns : bool
        Whether the answer is the mean of those to the eight turns and reflections of the image. The relevance is then
        the mean of theirs, each turned back.

    Returns
    -------
    numpy.ndarray
        float64, (H, W).

    Raises
    ------
    ValueError
        If ``average_turns`` is set and the image is not square.
    """

    def compute(view: Array) -> Array:
        own = torch.from_numpy(view.copy()).to(image.device).requires_grad_()
        return METHODS[method].compute(network, own, index, options)

    given = image.detach().cpu().numpy()
    # A caller may have switched gradients off.
    with torch.inference_mode(False), torch.enable_grad():
        if average_turns:
            relevance = np.mean(turn_back([compute(view) for view in turns(given)]), axis=0)
        else:
            relevance = compute(given)
    return relevance if METHODS[method].signed else np.abs(relevance)


def checked_options(method: str, **options: Any) -> Options:
    """The options that were given, once it is known that the method knows them.

    Raises
    ------
    ValueError
        If there is no such method, it does not know an option, or the option's value cannot be.
    """
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, choose from {tuple(METHODS)}.")
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name not in METHODS[method].options:
            knowing = tuple(key for key, other in METHODS.items() if name in other.options)
            raise ValueError(f"{name}: {method!r} does not use it; it belongs to {knowing}.")
        if name in ("window", "steps") and value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}.")
    return given


def _grad_cam(network: nn.Module, image: Tensor, index: int, options: Options) -> Array:
    layer = choose_layer(network, image, options.get("layer"))
    cells = attr.LayerGradCam(network, network.get_submodule(layer)).attribute(image, index, relu_attributions=True)
    _, channels, height, width = image.shape
    centres = cell_centres(network, layer, (channels, height, width))
    return spread_cells(_image(cells), centres, (height, width))


def _guided_backprop(network: nn.Module, image: Tensor, index: int, options: Options) -> Array:
    _check_rectifiers(network, image)
    # captum always warns of its hooks, which only our copy gets. quiet_headers restores the filters of warnings, which
    # belong to the whole process, and keeps other threads from them meanwhile.
    with quiet_headers():
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
        return _image(attr.GuidedBackprop(network).attribute(image, index))


def _guided_grad_cam(network: nn.Module, image: Tensor, index: int, options: Options) -> Array:
    # captum's own GuidedGradCam would stretch the maps over the image, which is not where they lie.
    return _guided_backprop(network, image, index, {}) * _grad_cam(network, image, index, options)


def _saliency(network: nn.Module, image: Tensor, index: int, options: Options) -> Array:
    # Signed still: the size of a mean is not the mean of sizes.
    return _image(attr.Saliency(network).attribute(image, index, abs=False))


def _integrated_gradients(network: nn.Module, image: Tensor, index: int, options: Options) -> Array:
    relevance = attr.IntegratedGradients(network).attribute(
        image,
        baselines=_baseline(image, options),
        target=index,
        n_steps=options.get("steps", 32),
        internal_batch_size=_BATCH,
    )
    return _image(relevance)


def _occlusion(network: nn.Module, image: Tensor, index: int, options: Options) -> Array:
    _, channels, *shape = image.shape
    window = options.get("window", max(1, min(shape) // 8))
    if window > min(shape):
        raise ValueError(f"window: expected at most {min(shape)}, a side of the network's image, got {window}.")
    # It needs no gradients, so it can have the faster form of the network.
    fast = fold_batch_norm(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.no_grad():
        relevance = attr.Occlusion(fast).attribute(
            image,
            sliding_window_shapes=(channels, window, window),
            strides=(channels, max(1, window // 2), max(1, window // 2)),
            baselines=_baseline(image, options),
            target=index,
            perturbations_per_eval=_BATCH,
        )
    return _image(relevance)


def _baseline(image: Tensor, options: Options) -> float:
    # Not zero, which is dark: a dark patch looks like a spot or a filament.
    return float(options.get("baseline", image.detach().median()))


def _image(relevance: Tensor) -> Array:
    return relevance.detach().double().sum(dim=1)[0].cpu().numpy()


class _CountRectifiers(TorchFunctionMode):
    """Counts the calls of relu, wherever they are made."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += getattr(func, "__name__", "") in ("relu", "relu_")
        return func(*args, **(kwargs or {}))


def _check_rectifiers(network: nn.Module, image: Tensor) -> None:
    """Guided backpropagation changes the gradient of `torch.nn.ReLU` alone; functions cannot be hooked."""
    known: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: known.append(module))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    try:
        with torch.no_grad(), _CountRectifiers() as rectifiers:
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    if not known or rectifiers.calls > len(known):
        raise ValueError(
            f"method: guided backpropagation needs every rectifier to be a torch.nn.ReLU; of this network {len(known)} "
            f"are and {rectifiers.calls - len(known)} are functions. Use another method, or change the network."
        )


#: The methods by name.
METHODS: dict[str, Method] = {
    "gradcam": Method(_grad_cam, ("layer",), signed=False),
    "guided_backprop": Method(_guided_backprop),
    "guided_gradcam": Method(_guided_grad_cam, ("layer",)),
    "occlusion": Method(_occlusion, ("window", "baseline")),
    "saliency": Method(_saliency, signed=False),
    "integrated_gradients": Method(_integrated_gradients, ("steps", "baseline")),
}
