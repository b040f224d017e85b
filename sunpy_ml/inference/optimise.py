"""A network made ready to run: folded, moved and cast once, and kept for the next call."""

import copy
import threading
import weakref

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_batch_norm", "ready"]

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
    for module in folded.modules():
        if isinstance(module, nn.Sequential):
            for index in range(len(module) - 1):
                first, second = module[index], module[index + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[index], module[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return folded


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
            folded = fold_batch_norm(network).to(device, dtype)
            folded = folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            made = versions[device, dtype] = state, folded
        return made[1]
