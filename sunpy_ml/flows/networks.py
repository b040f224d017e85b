"""The networks that see horizontal velocities in pairs of images: those published, and that of the package.

The published ones take a batch (N, n_inputs, H, W) and return (N, n_outputs, H, W): velocities normalised to [0, 1]
between the extremes of the training data. This module knows tensors only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sunpy_ml.flows.shift_network import ShiftNetwork

__all__ = ["NETWORKS", "DeepVelNetwork", "DeepVelUNetwork", "ShiftNetwork"]


def _normalisation(channels: int) -> nn.BatchNorm2d:
    # The defaults of Keras, which the published weights were trained with; torch's eps is 1e-5.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class _Residual(nn.Module):
    """Two convolutions added to their input; nothing follows the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            _convolution(channels, channels),
            _normalisation(channels),
            nn.ReLU(inplace=True),
            _convolution(channels, channels),
            _normalisation(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convolutions(x)


class DeepVelNetwork(nn.Module):
    """DeepVel of Asensio Ramos, Requerey & Vitas (2017), and its variants for other simulations.

    A chain of residual blocks at full resolution, padded with zeros. The released network has 21 blocks (the paper
    speaks of 20); it sees 44 pixels far. The modules are registered in the order in which the published code
    makes its layers, which is what its weights files are read by.

    Parameters
    ----------
    config : DeepVelNetwork.Config
        Input and output channels, residual blocks and channels. As published: 2 images, 21 blocks of 64 channels,
        and 6 outputs (two components at three optical depths), or 2 in the variants for one depth.

    References
    ----------
    Asensio Ramos, Requerey & Vitas 2017, A&A 604, A11, https://doi.org/10.1051/0004-6361/201730783
    Tremblay et al. 2021, J. Space Weather Space Clim. 11, 9, https://doi.org/10.1051/swsc/2020073

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.flows.networks import DeepVelNetwork
    >>> with torch.device("meta"):
    ...     network = DeepVelNetwork()
    ...     shape = network(torch.empty(1, 2, 50, 60)).shape
    >>> shape
    torch.Size([1, 6, 50, 60])
    >>> sum(parameter.numel() for parameter in network.parameters())
    1595014
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `DeepVelNetwork`."""

        n_inputs: int = 2
        n_outputs: int = 6
        depth: int = 21
        channels: int = 64

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or self.Config()
        self.first = nn.Sequential(_convolution(config.n_inputs, config.channels), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*(_Residual(config.channels) for _ in range(config.depth)))
        self.join = nn.Sequential(_convolution(config.channels, config.channels), _normalisation(config.channels))
        self.last = nn.Conv2d(config.channels, config.n_outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised velocities (N, n_outputs, H, W) of image pairs (N, n_inputs, H, W), the earlier first."""
        first = self.first(x)
        return self.last(first + self.join(self.blocks(first)))


def _stage(channels_in: int, channels_out: int, dropout: float = 0.0) -> nn.Sequential:
    layers = [_convolution(channels_in, channels_out), _normalisation(channels_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Dropout(dropout)) if dropout else nn.Sequential(*layers)


def _down(channels: int) -> nn.Sequential:
    # TensorFlow pads a strided convolution of an even size at the right and the bottom only; the padding of torch,
    # which is symmetric, would shift the features by a pixel and give flows that look plausible and are wrong.
    return nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(channels, channels, 3, stride=2),
        _normalisation(channels),
        nn.ReLU(inplace=True),
    )


def _up(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"), _convolution(channels_in, channels_out), nn.ReLU(inplace=True)
    )


class DeepVelUNetwork(nn.Module):
    """DeepVelU of Tremblay & Attie (2020): a U-shaped network with three levels.

    Each level halves the resolution, so height and width must be multiples of 8. The modules are registered in the
    order in which the published code makes its layers, which is what its weights files are read by.

    Parameters
    ----------
    config : DeepVelUNetwork.Config
        Input and output channels, channels of the first level and dropout while training. As published: 2, 4 or 6
        inputs, 2 or 6 outputs, 64 channels and a dropout of one half.

    References
    ----------
    Tremblay & Attie 2020, Frontiers in Astronomy and Space Sciences 7, 25,
    https://doi.org/10.3389/fspas.2020.00025

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.flows.networks import DeepVelUNetwork
    >>> with torch.device("meta"):
    ...     network = DeepVelUNetwork()
    ...     shape = network(torch.empty(1, 2, 48, 64)).shape
    >>> shape
    torch.Size([1, 6, 48, 64])
    >>> sum(parameter.numel() for parameter in network.parameters())
    2956358
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `DeepVelUNetwork`."""

        n_inputs: int = 2
        n_outputs: int = 6
        channels: int = 64
        dropout: float = 0.5

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or self.Config()
        n, dropout = config.channels, config.dropout
        self.level1 = _stage(config.n_inputs, n, dropout)
        self.down1 = _down(n)
        self.level2 = _stage(n, 2 * n, dropout)
        self.down2 = _down(2 * n)
        # The third level does not double the channels, unlike the others.
        self.level3 = _stage(2 * n, 2 * n, dropout)
        self.down3 = _down(2 * n)
        self.bottom = nn.Sequential(_stage(2 * n, 4 * n), _stage(4 * n, 4 * n, dropout))
        self.up3 = _up(4 * n, 2 * n)
        self.merge3 = nn.Sequential(_stage(4 * n, 2 * n), _stage(2 * n, 2 * n, dropout))
        self.up2 = _up(2 * n, 2 * n)
        self.merge2 = nn.Sequential(_stage(4 * n, 2 * n), _stage(2 * n, 2 * n, dropout))
        self.up1 = _up(2 * n, n)
        self.merge1 = nn.Sequential(_stage(2 * n, n), _stage(n, n, dropout))
        self.last = nn.Conv2d(n, config.n_outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised velocities (N, n_outputs, H, W) of image pairs (N, n_inputs, H, W), the earlier first.

        Raises
        ------
        ValueError
            If height or width is no multiple of 8.
        """
        if x.shape[-2] % 8 or x.shape[-1] % 8:
            raise ValueError(
                f"x: height and width must be multiples of 8, got {tuple(x.shape[-2:])}; crop or pad them."
            )
        level1 = self.level1(x)
        level2 = self.level2(self.down1(level1))
        level3 = self.level3(self.down2(level2))
        up = self.up3(self.bottom(self.down3(level3)))
        up = self.up2(self.merge3(torch.cat([level3, up], dim=1)))
        up = self.up1(self.merge2(torch.cat([level2, up], dim=1)))
        return self.last(self.merge1(torch.cat([level1, up], dim=1)))


#: The networks of this domain by the names that cards use.
NETWORKS: dict[str, type[nn.Module]] = {
    "deepvel": DeepVelNetwork,
    "deepvelu": DeepVelUNetwork,
    "shift-network": ShiftNetwork,
}
