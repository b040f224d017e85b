"""The networks that deconvolve HMI images and double their resolution: as published, and the embedded one.

They take a batch of images (N, 1, H, W) and return (N, C, 2H, 2W). This module knows tensors only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["NETWORKS", "DeconvolutionNetwork", "EnhanceNetwork"]


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


def _mirrored(x: Tensor, margin: int) -> Tensor:
    """Images with ``margin`` more pixels on each side, mirrored at the edge, however small they are."""
    for axis in (-2, -1):
        length = x.shape[axis]
        places = torch.arange(-margin, length + margin, device=x.device) % (2 * length)
        x = x.index_select(axis, torch.minimum(places, 2 * length - 1 - places))
    return x


class _LinearStage(nn.Module):
    """The best linear answer: a filter as broad as the wings of the point spread function, for each of four phases.

    It is a convolution, done by Fourier transforms, since its kernels are large. They leave a uniform image as it is.
    """

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius
        side = 2 * radius + 1
        self.kernels = nn.Parameter(torch.zeros(4, side, side))
        with torch.no_grad():
            self.kernels[:, radius, radius] = 1

    def forward(self, x: Tensor) -> Tensor:
        """The four phases (N, 4, H, W) of images (N, 1, H, W)."""
        side = self.kernels.shape[-1]
        kernels = self.kernels + (1 - self.kernels.sum(dim=(-2, -1), keepdim=True)) / side**2
        wide = _mirrored(x, self.radius)
        shape, dtype = wide.shape[-2:], wide.dtype
        if not self.training and x.device.type != "mps":
            # Rounding in a transform depends on all of the image, and so on the tile; a network in use is exact.
            wide, kernels = wide.double(), kernels.double()
        # Cross-correlation, as convolution layers have it, so the kernels' transform is conjugated. Once it wraps
        # around at most ``side - 1`` pixels are spoilt, which are cut off.
        spectrum = torch.fft.rfft2(wide) * torch.fft.rfft2(kernels, s=shape).conj()
        return torch.fft.irfft2(spectrum, s=shape)[..., : x.shape[-2], : x.shape[-1]].to(dtype)


def _silent(convolution: nn.Conv2d) -> nn.Conv2d:
    """A convolution that gives zero, whatever it sees, until it is trained."""
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


class _ValidResidual(nn.Module):
    """Two convolutions without padding, added to the middle of their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, channels, 3),
            nn.ReLU(inplace=True),
            # A new block changes nothing, so that a deep network starts as easily as a shallow one.
            _silent(nn.Conv2d(channels, channels, 3)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x[..., 2:-2, 2:-2] + self.convolutions(x)


class DeconvolutionNetwork(nn.Module):
    """A linear filter and what convolutions know better, for deconvolution on a grid twice as fine.

    The linear filter reaches as far as the wings of a point spread function matter; residual blocks, at the resolution
    of the input, see the image and what the filter made of it, add what is not linear, and tell how uncertain the
    answer is. The four phases of the finer
    grid are channels until the end. Images are mirrored at their edges.

    Parameters
    ----------
    config : DeconvolutionNetwork.Config
        ``radius`` of the linear filter in pixels; residual blocks and channels; the ``level`` of the images
        (1 for intensities over that of the quiet Sun), which a uniform image keeps through the filter; their
        ``contrast`` about it, roughly, so that the convolutions work on numbers near 1; whether the answer to the
        negative image must be the negative answer (``odd``).

    References
    ----------
    The task and the training pairs are those of Díaz Baso & Asensio Ramos 2018, A&A 614, A5,
    https://doi.org/10.1051/0004-6361/201731344

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.enhancement.networks import DeconvolutionNetwork
    >>> network = DeconvolutionNetwork(DeconvolutionNetwork.Config(odd=True)).eval()
    >>> image = torch.rand(1, 1, 40, 50)
    >>> answer = network(image)
    >>> answer.shape
    torch.Size([1, 2, 80, 100])
    >>> torch.equal(network(-image)[:, :1], -answer[:, :1])
    True
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `DeconvolutionNetwork`."""

        radius: int = 24
        depth: int = 4
        channels: int = 40
        level: float = 0.0
        contrast: float = 1.0
        odd: bool = False

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config = config or self.Config()
        width = config.channels
        self.linear = _LinearStage(config.radius)
        self.features = nn.Sequential(
            nn.Conv2d(5, width, 3),
            nn.ReLU(inplace=True),
            *(_ValidResidual(width) for _ in range(config.depth)),
            nn.ReLU(inplace=True),
        )
        self.correction = _silent(nn.Conv2d(width, 4, 3))
        self.spread = nn.Sequential(nn.Conv2d(width, width, 3), nn.ReLU(inplace=True), nn.Conv2d(width, 4, 1))
        # What the deviations are multiplied by, once they have been compared with errors.
        self.spread_factor: Tensor
        self.register_buffer("spread_factor", torch.ones(()))
        last = self.spread[-1]
        if isinstance(last, nn.Conv2d) and last.bias is not None:
            # A fifth of the contrast, about the size of the errors to come.
            nn.init.constant_(last.bias, -1.5)

    @property
    def reach(self) -> int:
        """How far, in pixels of the input, a pixel of the answer depends on it."""
        return self.config.radius + self._margin

    @property
    def _margin(self) -> int:
        return 2 * self.config.depth + 2

    def forward(self, x: Tensor) -> Tensor:
        """Answer and its standard deviation (N, 2, 2H, 2W) for images (N, 1, H, W), in the unit of the images."""
        wide = _mirrored(x - self.config.level, self._margin)
        phases = self.linear(wide)
        correction, spread = self._nonlinear(wide, phases)
        if self.config.odd:
            opposite, other = self._nonlinear(-wide, -phases)
            correction, spread = (correction - opposite) / 2, (spread + other) / 2
        inner = slice(self._margin, -self._margin)
        answer = functional.pixel_shuffle(phases[..., inner, inner] + correction, 2) + self.config.level
        return torch.cat([answer, functional.pixel_shuffle(spread, 2)], dim=1)

    def _nonlinear(self, image: Tensor, phases: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(torch.cat([image, phases - image], dim=1) / self.config.contrast)
        # How uncertain the answer is must not change what it is.
        spread = functional.softplus(self.spread(features.detach()))
        return self.config.contrast * self.correction(features), self.config.contrast * self.spread_factor * spread


#: The networks of this domain by the names that cards use.
NETWORKS: dict[str, type[nn.Module]] = {"deconvolution": DeconvolutionNetwork, "enhance": EnhanceNetwork}
