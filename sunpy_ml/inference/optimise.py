"""A network made ready to run: folded, moved and cast once, and kept for the next call."""

import copy
import threading
import weakref

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sunpy_ml.inference.upsampling import DoublingConv2d

__all__ = ["fold", "fold_batch_norm", "ready"]

_Versions = dict[tuple[torch.device, torch.dtype], tuple[tuple[tuple[int, int], ...], nn.Module]]
_ready: "weakref.WeakKeyDictionary[nn.Module, _Versions]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy of a network in which each batch normalisation is part of the convolution before it.

    Only pairs that follow each other in an `torch.nn.Sequential` are folded. The answer is the same to float
    rounding.

    Parameters
    ----------
    network : torch.nn.Module
        In any mode; not changed. The copy is in evaluation mode and shares the memory of what is not folded.

    Examples
    --------
    >>> from torch import nn
    >>> from sunpy_ml.inference import fold_batch_norm
    >>> fold_batch_norm(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval())
    Sequential(
      (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
    )
    """
    # New tensors on the same memory: moving the copy to a device must not move the original.
    memory: dict[int, torch.Tensor] = {id(buffer): buffer.detach() for buffer in network.buffers()}
    for parameter in network.parameters():
        memory[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    folded = copy.deepcopy(network, memory).eval()
    for sequence, index in _neighbours(folded):
        first, second = sequence[index], sequence[index + 1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            sequence[index], sequence[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return folded


def fold(network: nn.Module) -> nn.Module:
    """A copy of a network that gives the same answer to float rounding with less work.

    Batch normalisations become part of the convolutions before them, as in `fold_batch_norm`; a nearest-neighbour
    doubling and the 3 x 3 convolution after it in an `torch.nn.Sequential` are computed on the coarse grid.

    Parameters
    ----------
    network : torch.nn.Module
        In any mode; not changed. The copy is in evaluation mode and shares the memory of what is not folded.

    Examples
    --------
    >>> from torch import nn
    >>> from sunpy_ml.inference import fold
    >>> [type(module).__name__ for module in fold(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3, 1, 1)))]
    ['DoublingConv2d', 'Identity']
    """
    folded = fold_batch_norm(network)
    for sequence, index in _neighbours(folded):
        first, second = sequence[index], sequence[index + 1]
        if isinstance(second, nn.Conv2d) and DoublingConv2d.follows(first, second):
            sequence[index], sequence[index + 1] = DoublingConv2d(second), nn.Identity()
    return folded


def _neighbours(network: nn.Module) -> list[tuple[nn.Sequential, int]]:
    """Each place in each sequence of a network that has another after it."""
    sequences = [module for module in network.modules() if isinstance(module, nn.Sequential)]
    return [(sequence, index) for sequence in sequences for index in range(len(sequence) - 1)]


def ready(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The network folded, in channels-last order, on a device and in a precision; made once and remembered.

    It is made again if the weights have changed since.
    """
    # Every change in place, an optimiser's step or load_state_dict, raises a tensor's version.
    tensors = (*network.parameters(), *network.buffers())
    state = tuple((tensor.data_ptr(), tensor._version) for tensor in tensors if not tensor.is_inference())
    with _lock:
        versions = _ready.setdefault(network, {})
        made = versions.get((device, dtype))
        if made is None or made[0] != state:
            folded = fold(network).to(device, dtype)
            folded = folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            made = versions[device, dtype] = state, folded
        return made[1]
