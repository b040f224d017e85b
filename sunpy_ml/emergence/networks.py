"""Networks that tell whether magnetic flux emerges in a video of a patch: as published, and the embedded ensemble.

They take videos (N, 225, 90, 90) in 0..1, 0.5 without field, and give logits (N, members). ``held`` gives the logits of
each video as it would be if time stood still from a frame on, for every frame. This module knows tensors only.
"""

import copy
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["NETWORKS", "EmergenceEnsemble", "EmergenceNetwork", "binned", "flux_blocks", "held_bins"]

# Videos that are held at a time.
_CHUNK = 25


class EmergenceNetwork(nn.Module):
    """The network of Chatterjee, Muñoz-Jaramillo & Lamb (2022): frames are channels of one image.

    Convolution, swish and batch normalisation, in this order, twice in each of four stages; then a convolution over all
    that is left, and three dense layers. The modules are registered in the order in which the published code makes its
    layers.

    Parameters
    ----------
    config : EmergenceNetwork.Config
        Frames of the videos, and what is dropped in the training; 225 and 0.5 as published.

    References
    ----------
    Chatterjee, Muñoz-Jaramillo & Lamb 2022, Nature Astronomy 6, 796, https://doi.org/10.1038/s41550-022-01701-3

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.emergence.networks import EmergenceNetwork
    >>> with torch.device("meta"):
    ...     network = EmergenceNetwork()
    ...     shape = network(torch.empty(2, 225, 90, 90)).shape
    >>> shape
    torch.Size([2, 1])
    >>> sum(parameter.numel() for parameter in network.parameters())
    2288737
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `EmergenceNetwork`."""

        frames: int = 225
        dropout: float = 0.5

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or self.Config()
        self.first = nn.Conv2d(config.frames, 32, 3, padding=1)
        units: list[nn.Module] = [*_after(32), nn.Conv2d(32, 32, 3, padding=1), *_after(32), nn.MaxPool2d(2)]
        for width, channels in ((32, 64), (64, 128), (128, 256)):
            units += [nn.Conv2d(width, channels, 3), *_after(channels)]
            units += [nn.Conv2d(channels, channels, 3), *_after(channels), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*units, nn.Conv2d(256, 512, 2), nn.SiLU(), nn.Flatten())
        self.head = nn.Sequential(
            nn.Linear(512, 512),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(512, 512),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            nn.Linear(512, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1) of videos (N, 225, 90, 90)."""
        return self.head(self.features(self.first(x)))

    def held(self, x: Tensor) -> Tensor:
        """Logits (N, 225, 1) of videos of which the frames after each one are replaced by it."""
        kernels = self.first.weight.transpose(0, 1)
        # What a frame meets where it stands for all that come after it.
        later = kernels.flip(0).cumsum(0).flip(0) - kernels
        before = self.first(torch.zeros_like(x[:, :, :1, :1]))[:, None]
        logits = []
        for start in range(0, x.shape[1], _CHUNK):
            frames, chunk = x[:, start : start + _CHUNK], slice(start, start + _CHUNK)
            own, repeated = (_each(frames, part[chunk]) for part in (kernels, later))
            own = own.cumsum(1) + before
            answers = self.head(self.features((own + repeated).flatten(0, 1)))
            logits.append(answers.unflatten(0, frames.shape[:2]))
            before = own[:, -1:]
        return torch.cat(logits, dim=1)


def _after(channels: int) -> tuple[nn.Module, nn.Module]:
    # The defaults of Keras, which the published weights were trained with; torch's eps is 1e-5.
    return nn.SiLU(), nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _each(frames: Tensor, kernels: Tensor) -> Tensor:
    """Convolve each frame (N, frames, H, W) with its own kernels (frames, channels, 3, 3)."""
    answer = functional.conv2d(frames, kernels.flatten(0, 1)[:, None], padding=1, groups=len(kernels))
    return answer.unflatten(1, kernels.shape[:2])


class _Member(nn.Module):
    """One network of the ensemble: of each bin the places, of each place the course over time, of all the strongest.

    Time stands still before the first bin and after the last one.
    """

    def __init__(self, bins: int, width: int, channels: int, evidence: int, dropout: float) -> None:
        super().__init__()
        self.places = nn.Conv2d(3, width, 3, stride=2)
        self.onset = nn.Conv2d(width, channels, (7, 1), stride=(2, 1))
        # The frame number tells how far from the limb a patch is, roughly.
        self.when = nn.Parameter(torch.zeros(channels, (bins - 1) // 2 + 1, 1))
        self.course = nn.ModuleList(nn.Conv2d(channels, channels, (5, 1), dilation=(d, 1)) for d in (1, 2))
        self.evidence = nn.Sequential(nn.Dropout(dropout), nn.Conv2d(channels, evidence, 1))
        self.head = nn.Sequential(nn.Linear(2 * evidence, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N,) of bins (N, bins, 2, rows, columns) in kilogauss."""
        return self.answer(self.encode(x.flatten(0, 1)).unflatten(0, x.shape[:2]))

    def encode(self, x: Tensor) -> Tensor:
        """What there is at each place (N, places, width) of single bins (N, 2, rows, columns)."""
        # A root has no slope at 0, which beyond the limb would leave nothing to explain an answer by.
        unsigned = torch.cat([x, x.sum(1, keepdim=True)], dim=1).clamp(min=1e-12).sqrt()
        # Near 0 where there is only noise, and some units where there are regions.
        return self.places(10 * unsigned - 0.7).relu().flatten(2).transpose(1, 2).contiguous()

    def answer(self, features: Tensor) -> Tensor:
        """Logits (N,) of features (N, bins, places, width)."""
        x = features.permute(0, 3, 1, 2)
        x = (self.onset(_still(x, 3)) + self.when).relu()
        for convolution, reach in zip(self.course, (2, 4), strict=True):
            x = x + convolution(_still(x, reach)).relu()
        evidence = self.evidence(x).permute(0, 2, 3, 1).flatten(1, 2)
        return self.head(torch.cat([evidence.amax(1), functional.softplus(evidence).mean(1)], dim=1))[:, 0]


def _still(x: Tensor, reach: int) -> Tensor:
    return functional.pad(x, (0, 0, reach, reach), mode="replicate")


class EmergenceEnsemble(nn.Module):
    """Small networks that differ in what they were trained on; the answer is their mean probability.

    The flux of either polarity in blocks of pixels, and its mean over some frames, is fixed. What is learned is of
    single bins first, and over time then, so that a video that stands still needs little more than one that does not.
    `of_pixels` tells how large pixels are, by which a region has the same flux at any scale.

    Parameters
    ----------
    config : EmergenceEnsemble.Config
        Members; frames of the videos and of a bin; pixels of a block on each side; channels of a bin, of the course
        over time and of the evidence; what is dropped in the training; and the usual size of a pixel, in arcsec.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.emergence.networks import EmergenceEnsemble
    >>> network = EmergenceEnsemble().eval()
    >>> video = torch.rand(1, 225, 90, 90)
    >>> with torch.no_grad():
    ...     network(video).shape, network.held(video).shape
    (torch.Size([1, 10]), torch.Size([1, 225, 10]))
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `EmergenceEnsemble`."""

        members: int = 10
        frames: int = 225
        bin: int = 5
        block: int = 6
        width: int = 16
        channels: int = 24
        evidence: int = 16
        dropout: float = 0.1
        pixel: float = 2.7

        def area(self, pixel: float) -> float:
            """Of a pixel of so many arcsec, over that of a usual one."""
            return (pixel / self.pixel) ** 2

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config = config or self.Config()
        self._area = 1.0
        if config.frames % config.bin:
            raise ValueError(f"bin: {config.frames} frames are no whole number of bins of {config.bin}.")
        sizes = (config.frames // config.bin, config.width, config.channels, config.evidence, config.dropout)
        self.members = nn.ModuleList(_Member(*sizes) for _ in range(config.members))
        # What the logits are divided by, so that the mean probability is right as often as it says.
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))

    def of_pixels(self, pixel: float) -> Self:
        """The ensemble, with the same parameters, for videos with pixels of so many arcsec at the centre of the disk.

        Without it they are taken to be of the usual size.
        """
        sized = copy.copy(self)
        sized._area = self.config.area(pixel)
        return sized

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, members) of videos (N, 225, 90, 90)."""
        return self.of_blocks(self._area * flux_blocks(x, self.config.block))

    def held(self, x: Tensor) -> Tensor:
        """Logits (N, 225, members) of videos of which the frames after each one are replaced by it."""
        return torch.stack([self.held_of_blocks(self._area * blocks) for blocks in flux_blocks(x, self.config.block)])

    def of_blocks(self, blocks: Tensor) -> Tensor:
        """Logits (N, members) of what `flux_blocks` makes of videos, times the area of a pixel over the usual one."""
        bins = binned(blocks, self.config.bin)
        return torch.stack([member(bins) for member in self.members], dim=1) / self.temperature

    def held_of_blocks(self, blocks: Tensor) -> Tensor:
        """Logits (225, members), as `held`, of what `flux_blocks` makes of one video."""
        answers = [self._held(cast(_Member, member), blocks) for member in self.members]
        return torch.stack(answers, dim=1) / self.temperature

    def _held(self, member: _Member, blocks: Tensor) -> Tensor:
        frames, size = len(blocks), self.config.bin
        moving = member.encode(binned(blocks[None], size)[0])
        begun, still = member.encode(held_bins(blocks, size).flatten(0, 1)).unflatten(0, (frames, 2)).unbind(1)
        bins = torch.arange(frames // size, device=blocks.device)[:, None, None]
        answers = []
        for index in torch.arange(frames, device=blocks.device).split(_CHUNK):
            now = (index // size)[:, None, None, None]
            later = torch.where(bins == now, begun[index, None], still[index, None])
            answers.append(member.answer(torch.where(bins < now, moving, later)))
        return torch.cat(answers)


def flux_blocks(x: Tensor, block: int) -> Tensor:
    """The mean positive and negative field in blocks of pixels, in kilogauss, once noise is smoothed.

    Parameters
    ----------
    x : torch.Tensor
        (N, frames, rows, columns), videos in 0..1, 0.5 without field.
    block : int
        Pixels of a block on each side.

    Returns
    -------
    torch.Tensor
        (N, frames, 2, rows / block, columns / block).
    """
    field = (2 * x - 1).flatten(0, 1)[:, None]
    weights = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    field = functional.pad(field, (1, 1, 1, 1), mode="replicate")
    field = functional.conv2d(functional.conv2d(field, weights.view(1, 1, 3, 1)), weights.view(1, 1, 1, 3))
    signs = functional.avg_pool2d(torch.cat([field.clamp(min=0), (-field).clamp(min=0)], dim=1), block)
    return signs.unflatten(0, x.shape[:2])


def binned(blocks: Tensor, frames: int) -> Tensor:
    """The means over so many frames each, (N, bins, ...), of (N, frames, ...)."""
    return blocks.unflatten(1, (-1, frames)).mean(2)


def held_bins(blocks: Tensor, frames: int) -> Tensor:
    """The bin of each frame, and those after it, of a video that stands still from that frame on.

    Parameters
    ----------
    blocks : torch.Tensor
        (frames, ...).
    frames : int
        Of a bin.

    Returns
    -------
    torch.Tensor
        (frames, 2, ...).
    """
    sums = blocks.unflatten(0, (-1, frames)).cumsum(1).flatten(0, 1)
    left = torch.arange(frames - 1, -1, -1, device=blocks.device).repeat(len(blocks) // frames)
    begun = (sums + left.view(-1, *[1] * (blocks.ndim - 1)) * blocks) / frames
    return torch.stack([begun, blocks], dim=1)


#: The networks of this domain by the names that cards use.
NETWORKS: dict[str, type[nn.Module]] = {"emergence-ensemble": EmergenceEnsemble, "emergence-vgg": EmergenceNetwork}
