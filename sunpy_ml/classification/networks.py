"""The networks that classify: the published one and a compact one of ours.

Both take a batch of images (N, 1, 256, 256) and return logits. This module knows tensors only.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["NETWORKS", "CompactClassifier", "SlicNetwork"]


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)
    )


class SlicNetwork(nn.Module):
    """Slic, the solar image classifier of Armstrong & Fletcher (2019).

    Ten convolutions and three fully connected layers. The ninth and tenth convolutions use the *same* weights
    and the same batch normalisation as the eighth, as in the code that trained the published file.

    Parameters
    ----------
    config : SlicNetwork.Config
        Number of classes; five as published: filaments, flares, prominences, quiet, sunspots.

    References
    ----------
    Armstrong & Fletcher 2019, Solar Physics 294, 80, https://doi.org/10.1007/s11207-019-1473-z

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.classification.networks import SlicNetwork
    >>> with torch.device("meta"):
    ...     network = SlicNetwork()
    >>> sum(parameter.numel() for parameter in network.parameters())
    155711685
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `SlicNetwork`."""

        n_classes: int = 5

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or self.Config()
        self.layer1 = _block(1, 64)
        self.layer2 = _block(64, 64)
        self.layer3 = _block(64, 128)
        self.layer4 = _block(128, 128)
        self.layer5 = _block(128, 256)
        self.layer6 = _block(256, 256)
        self.layer7 = _block(256, 512)
        self.layer8 = _block(512, 512)
        self.max_pool = nn.MaxPool2d(2, 2)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 8 * 8, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(4096, config.n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, n_classes) of images (N, 1, 256, 256)."""
        x = self.max_pool(self.layer2(self.layer1(x)))
        x = self.max_pool(self.layer4(self.layer3(x)))
        x = self.max_pool(self.layer6(self.layer5(x)))
        x = self.max_pool(self.layer8(self.layer7(x)))
        x = self.max_pool(self.layer8(self.layer8(x)))
        return self.classifier(x.flatten(1))


class _Residual(nn.Module):
    """Two 3 x 3 convolutions with a shortcut, which is a strided 1 x 1 convolution where the size changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and channels_in == channels_out
            else nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )
        )
        # A module and not a function: guided backpropagation hooks it.
        self.rectifier = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.rectifier(self.convolutions(x) + self.shortcut(x))


def _window(maps: Tensor) -> Tensor:
    """A Gaussian about the centre; its standard deviation is a quarter of the field along each axis."""
    along = [torch.linspace(-1, 1, side, dtype=maps.dtype, device=maps.device) for side in maps.shape[2:]]
    return torch.exp(-2 * (along[0][:, None] ** 2 + along[1] ** 2))


class CompactClassifier(nn.Module):
    """A small residual network: one head for the class, one for each feature by itself, one for other kinds of image.

    The first head gives logits of mutually exclusive classes (softmax); the second an independent logit for
    each feature (sigmoid), since one image can hold several (Armstrong & Fletcher 2019, section 5); the third, if
    there is one, a number that grows with how unlike the training the image is. All read the mean and the maximum
    over the field, so that a feature much smaller than the field still counts, and the maximum under a window that
    falls off from the centre, so that of two features the central one can win.

    Parameters
    ----------
    config : CompactClassifier.Config
        Numbers of classes and of features (which may be 0), whether there is the third head, channels of the image
        and of each stage (each halves the resolution), and dropout.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.classification.networks import CompactClassifier
    >>> CompactClassifier().eval()(torch.zeros(2, 1, 256, 256)).shape
    torch.Size([2, 9])
    """

    @dataclass(frozen=True)
    class Config:
        """Arguments of `CompactClassifier`."""

        n_classes: int = 5
        n_features: int = 4
        unfamiliarity: bool = False
        image_channels: int = 1
        channels: tuple[int, ...] = (16, 32, 64, 96)
        dropout: float = 0.2

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or self.Config()
        first, *_, last = config.channels
        self.stem = nn.Sequential(
            nn.Conv2d(config.image_channels, first, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        blocks: list[nn.Module] = []
        channels_in = first
        for stage, channels in enumerate(config.channels):
            blocks.append(_Residual(channels_in, channels, stride=1 if stage == 0 else 2))
            blocks.append(_Residual(channels, channels, stride=1))
            channels_in = channels
        self.features = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.classes = nn.Linear(3 * last, config.n_classes)
        self.present = nn.Linear(3 * last, config.n_features) if config.n_features else None
        self.unfamiliar = nn.Linear(3 * last, 1) if config.unfamiliarity else None

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images (N, C, H, W): the classes, then the features, then how unfamiliar the image is."""
        maps = self.features(self.stem(x))
        summaries = (maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3)), (maps * _window(maps)).amax(dim=(2, 3)))
        pooled = self.dropout(torch.cat(summaries, dim=1))
        heads = (self.classes, self.present, self.unfamiliar)
        return torch.cat([head(pooled) for head in heads if head is not None], dim=1)


#: The networks of this domain by the names that cards use.
NETWORKS: dict[str, type[nn.Module]] = {"slic": SlicNetwork, "compact-classifier": CompactClassifier}
