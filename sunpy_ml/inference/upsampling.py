"""Doubling an image and convolving it, computed on the coarse grid."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DoublingConv2d"]

#: How to pad the coarse grid by one pixel so that it is the doubled grid, padded in the mode of the key. Reflecting
#: the doubled grid repeats its outermost coarse pixel, for it holds each of them twice.
_PADDING = {"zeros": "constant", "reflect": "replicate", "replicate": "replicate", "circular": "circular"}
#: Coarse pixels computed at a time on a CPU: few enough for the answers to be in the cache when they are interleaved.
_STRIP_PIXELS = 2**13


class DoublingConv2d(nn.Module):
    """A nearest-neighbour doubling and the 3 x 3 convolution that follows it, without the doubled image.

    Of three neighbours on the doubled grid two are the same coarse pixel, so that each of the four phases of the
    answer is a 2 x 2 convolution of the coarse image: 16 products for a coarse pixel in place of 36. Their answers
    are interleaved. The result is that of the two modules to float rounding, at the edges too.

    Parameters
    ----------
    convolution : torch.nn.Conv2d
        One that `follows` accepts; it is not changed.

    References
    ----------
    Shi et al. 2016, Is the deconvolution layer the same as a convolutional layer?, https://arxiv.org/abs/1609.07009

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.inference.upsampling import DoublingConv2d
    >>> convolution = torch.nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")
    >>> DoublingConv2d(convolution)(torch.ones(1, 1, 5, 6)).shape
    torch.Size([1, 2, 10, 12])
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.padding = _PADDING[convolution.padding_mode]
        # One convolution for the even and one for the odd rows; each gives the even and the odd columns.
        rows = _coarse_taps(convolution.weight.detach(), 2)
        weights = [torch.cat(_coarse_taps(row, 3)) for row in rows]
        self.weights = nn.ParameterList(nn.Parameter(weight, requires_grad=False) for weight in weights)
        bias = convolution.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach().repeat(2), requires_grad=False)

    @staticmethod
    def follows(upsampling: nn.Module, convolution: nn.Conv2d) -> bool:
        """Whether the two modules are a doubling and a convolution that this one can stand for."""
        return (
            type(upsampling) is nn.Upsample
            and upsampling.mode in ("nearest", "nearest-exact")
            and upsampling.scale_factor in (2, (2, 2))
            and type(convolution) is nn.Conv2d
            and convolution.kernel_size == (3, 3)
            and convolution.padding in ((1, 1), "same")
            and convolution.stride == convolution.dilation == (1, 1)
            and convolution.groups == 1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Answers (N, C', 2H, 2W), in channels-last order, to images (N, C, H, W)."""
        batch, _, rows, columns = x.shape
        channels = len(self.weights[0]) // 2
        strip = max(1, _STRIP_PIXELS // (batch * columns)) if x.device.type == "cpu" else rows
        padded = F.pad(x, (1, 1, 1, 1), mode=self.padding)
        doubled = x.new_empty((batch, rows, 2, columns, 2, channels))
        for start in range(0, rows, strip):
            stop = min(start + strip, rows)
            for row, weight in enumerate(self.weights):
                answer = F.conv2d(padded[:, :, start + row : stop + row + 1], weight, self.bias)
                for column, phase in enumerate(answer.permute(0, 2, 3, 1).split(channels, dim=3)):
                    doubled[:, start:stop, row, :, column] = phase[:, :, column : column + columns]
        return doubled.view(batch, 2 * rows, 2 * columns, channels).permute(0, 3, 1, 2)


def _coarse_taps(weight: Tensor, axis: int) -> list[Tensor]:
    """Of the even and the odd pixels: the two weights on coarse pixels that three on the doubled grid amount to."""
    before, here, after = weight.unbind(axis)
    return [torch.stack((before, here + after), axis), torch.stack((before + here, after), axis)]
