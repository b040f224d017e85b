"""A copy of a network on which gradients can be taken and hooks set, while the network itself stays as it is."""

import copy

import torch
from torch import Tensor, nn

__all__ = ["private_copy"]


def private_copy(network: nn.Module, device: torch.device) -> nn.Module:
    """A copy in evaluation mode and float32 on ``device``, which shares the memory of the weights where it can.

    Parameters
    ----------
    network : torch.nn.Module
        Not changed: neither its weights nor its mode, its hooks or what of it needs gradients.
    device : torch.device
        Where the copy computes.

    Returns
    -------
    torch.nn.Module
        Its parameters need no gradient, and its `torch.nn.ReLU` do not work in place, which cannot be done to an image
        whose gradient is wanted.
    """
    # New tensors on the same memory: moving the copy to a device must not move the original.
    memory: dict[int, Tensor] = {id(buffer): _shared(buffer) for buffer in network.buffers()}
    for parameter in network.parameters():
        memory[id(parameter)] = nn.Parameter(_shared(parameter), requires_grad=False)
    copied = copy.deepcopy(network, memory).eval()
    for module in copied.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return copied.to(device, torch.float32)


def _shared(tensor: Tensor) -> Tensor:
    # What was made in inference mode cannot take part in a gradient.
    return tensor.detach().clone() if tensor.is_inference() else tensor.detach()
