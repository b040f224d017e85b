"""The network that deconvolves and doubles the resolution of HMI images, as published.

It takes a batch of images (N, 1, H, W) and returns (N, 1, 2H, 2W). This module knows tensors only.
"""

from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["NETWORKS", "EnhanceNetwork"]


def _convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode="reflect")


def _normalisation(channels: int) -> nn.BatchNorm2d:
    # The defaults of Keras, which the published weights were trained with; torch's eps is 1e-5.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


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


class EnhanceNetwork(nn.Module):
    """Enhance, the deconvolution and super-resolution of Díaz Baso & Asensio Ramos (2018).

    Residual blocks at the resolution of the input, then nearest-neighbour doubling and two more convolutions.
    Images are mirrored at their edges without repeating the edge pixel. The continuum and the magnetogram
    network share this architecture and differ in their weights. The modules are registered in the order in which
    the published code makes its layers, which is what its weights files are read by.

    Parameters
    ----------
    config : EnhanceNetwork.Config
        Residual blocks and channels; 5 and 64 as published.

    References
    ----------
    Díaz Baso & Asensio Ramos 2018, A&A 614, A5, https://doi.org/10.1051/0004-6361/201731344

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.enhancement.networks import EnhanceNetwork
    >>> with torch.device("meta"):
    ...     network = EnhanceNetwork()
    ...     shape = network(torch.empty(1, 1, 50, 60)).shape
    >>> shape
    torch.Size([1, 1, 100, 120])
    >>> sum(parameter.numel() for parameter in network.parameters())
    445249
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `EnhanceNetwork`."""

        depth: int = 5
        channels: int = 64

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or self.Config()
        self.first = nn.Sequential(_convolution(1, config.channels), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*(_Residual(config.channels) for _ in range(config.depth)))
        self.join = nn.Sequential(_convolution(config.channels, config.channels), _normalisation(config.channels))
        self.upscale = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            _convolution(config.channels, config.channels),
            nn.ReLU(inplace=True),
        )
        self.last = nn.Conv2d(config.channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 1, 2H, 2W) of images (N, 1, H, W), both in units of the quiet Sun or in kilogauss."""
        first = self.first(x)
        return self.last(self.upscale(first + self.join(self.blocks(first))))


#: The networks of this domain by the names that cards use.
NETWORKS: dict[str, type[nn.Module]] = {"enhance": EnhanceNetwork}
