"""The perceptual loss: images are alike where a trained classifier sees the same in them."""

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from sunpy_ml.training.depth import stages
from sunpy_ml.training.transferring import Weights, trained_network
from sunpy_ml.weights import Card

__all__ = ["PerceptualLoss"]


class PerceptualLoss(nn.Module):
    r"""The distance of two images in the feature maps of a frozen classifier.

    For each layer :math:`l` with feature maps :math:`\phi_l` of :math:`C_l` channels on :math:`H_l \times W_l` pixels
    it is :math:`\sum (\phi_l(x) - \phi_l(y))^2 / (C_l H_l W_l)`, the mean over the batch; the loss is the mean over
    the layers, so that neither their number nor their sizes set its scale (Johnson et al. 2016, equation 2).

    The classifier is a private copy, cut after the last layer that is asked for. It stays in evaluation mode and
    without gradients, also after ``loss.train()``, so that training never changes its batch statistics.

    Parameters
    ----------
    weights : str, pathlib.Path, Card or torch.nn.Module
        The classifier: a name, the path of a ``.safetensors`` file that holds its card, a card, or a network.
    layers : sequence of str, optional
        Names of its modules, as `torch.nn.Module.get_submodule` takes them, or ``None`` for every stage below the
        head (see `sunpy_ml.training.stages`). A module that the network uses more than once, as Slic its ``layer8``,
        counts once for each use.
    card : Card, optional
        Of a network that is given as a module, and only then.

    Raises
    ------
    WeightsError
        If there are no such weights.
    ValueError
        If a layer is not in the network, is in its head, or none is named.

    Notes
    -----
    The images must be on the scale that the classifier was trained on: as its card normalises them. Both are used
    as they are given.

    References
    ----------
    Johnson et al. 2016, Computer Vision - ECCV 2016, 694, https://doi.org/10.1007/978-3-319-46475-6_43

    Armstrong & Fletcher 2021, Monthly Notices of the Royal Astronomical Society 501, 2647,
    https://doi.org/10.1093/mnras/staa3742

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.training import PerceptualLoss
    >>> loss = PerceptualLoss("halpha-2", layers=["stem", "features.3"])
    >>> image = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> loss(image, image).item()
    0.0
    >>> bool(loss(image, image.flip(-1)) > 0)
    True
    """

    def __init__(self, weights: Weights, layers: Sequence[str] | None = None, *, card: Card | None = None) -> None:
        super().__init__()
        _, network = trained_network(weights, card)
        parts = stages(network)
        names = [name for stage in parts[:-1] for name in stage]
        self.layers = tuple(names if layers is None else layers)
        last = max((_stage_of(layer, network, names) for layer in self.layers), default=-1)
        if last < 0:
            raise ValueError(f"layers: got none; name one at least, such as one of {names}.")
        # What lies deeper is not needed. Left out of the copy, it costs no memory, and Slic takes images of any size.
        deeper = names[last + 1 :] + list(parts[-1])
        self.classifier = copy.deepcopy(network, {id(network.get_submodule(name)): nn.Identity() for name in deeper})
        self.classifier.requires_grad_(requires_grad=False)
        for module in self.classifier.modules():
            # A rectifier that works in place would overwrite the feature maps of the layer before it.
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]
        self.train()

    def train(self, mode: bool = True) -> "PerceptualLoss":
        """Set the mode of the loss itself; the classifier stays in evaluation mode."""
        super().train(mode)
        self.classifier.eval()
        return self

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar, of images (N, C, H, W) against targets of the same shape; differentiable in both."""
        if image.shape != target.shape:
            raise ValueError(
                f"target: its shape is {tuple(target.shape)}, that of image {tuple(image.shape)}; match them."
            )
        pairs = list(zip(self.feature_maps(image), self.feature_maps(target), strict=True))
        return sum(((ours - theirs).square().mean() for ours, theirs in pairs), image.new_zeros(())) / len(pairs)

    def feature_maps(self, image: Tensor) -> list[Tensor]:
        """The feature maps of images (N, C, H, W), in the order in which the network makes them."""
        found: list[Tensor] = []
        hooks = [
            self.classifier.get_submodule(layer).register_forward_hook(lambda _, __, output: found.append(output))
            for layer in self.layers
        ]
        try:
            self.classifier(image)
        finally:
            for hook in hooks:
                hook.remove()
        return found


def _stage_of(layer: str, network: nn.Module, names: list[str]) -> int:
    """The stage below the head that a layer belongs to; for a chain of stages the last of them."""
    modules = dict(network.named_modules())
    found = [
        index for index, name in enumerate(names) if f"{layer}.".startswith(f"{name}.") or name.startswith(f"{layer}.")
    ]
    if not layer or layer not in modules or not found:
        raise ValueError(f"layers: got {layer!r}; give names of modules below the head, such as {names}.")
    return found[-1]
