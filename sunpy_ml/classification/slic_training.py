"""One training of Slic, as its paper says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset

from sunpy_ml.training import NetworkTraining, fit
from sunpy_ml.weights import build_network

__all__ = ["MOMENTUM", "Setting", "he_initialise", "train_at"]

MOMENTUM = 0.9


def he_initialise(network: nn.Module) -> None:
    """Draw the weights of convolutions and linear layers as He et al. (2015) do, and set their biases to zero.

    References
    ----------
    He et al. 2015, Delving Deep into Rectifiers, https://doi.org/10.1109/ICCV.2015.123
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@dataclass(frozen=True)
class Setting:
    """What the trainings at all learning rates have in common.

    Attributes
    ----------
    network, network_arguments
        A name in the registry of networks, and the arguments of its ``Config``.
    classes : tuple of str
        In the order of the network's outputs.
    initialisation : {"he", "default"}
        As the paper says, or as the authors' code did.
    training, validation : torch.utils.data.Subset
        Images with their labels.
    batch, epochs, workers, seed : int
        Images at a time, passes, processes that read images, and the seed of weights and order.
    """

    network: str
    network_arguments: Mapping[str, Any]
    classes: tuple[str, ...]
    initialisation: str
    training: Subset[Any]
    validation: Subset[Any]
    batch: int
    epochs: int
    workers: int
    seed: int


def _cross_entropy(output: Tensor, batch: Mapping[str, Any]) -> Tensor:
    return functional.cross_entropy(output, batch["label"])


def _accuracy(output: Tensor, batch: Mapping[str, Any]) -> Tensor:
    return (output.argmax(dim=1) == batch["label"]).float().mean()


def train_at(
    learning_rate: float, setting: Setting, out: Path, *, resume: bool, options: Mapping[str, Any]
) -> nn.Module:
    """The network of the best epoch at one learning rate; ``options`` go to `sunpy_ml.training.fit`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setting.seed)
        network = build_network(setting.network, setting.network_arguments)
        if setting.initialisation == "he":
            he_initialise(network)
        module = NetworkTraining(
            network,
            _cross_entropy,
            optimiser=lambda net: torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=MOMENTUM, nesterov=True),
            scores={"accuracy": _accuracy},
        )
        loader: dict[str, Any] = {"batch_size": setting.batch, "num_workers": setting.workers}
        loader["persistent_workers"] = setting.workers > 0
        order = torch.Generator().manual_seed(setting.seed)
        return fit(
            module,
            DataLoader(setting.training, shuffle=True, generator=order, **loader),
            epochs=setting.epochs,
            out=out,
            validation=DataLoader(setting.validation, **loader),
            resume=resume and (out / "checkpoints" / "last.ckpt").is_file(),
            **options,
        )
