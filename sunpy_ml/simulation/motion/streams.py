"""Random numbers that depend neither on the size of a batch nor on the device."""

import operator
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["Streams", "exponential_between", "normal", "spawn", "start", "uniform"]

# One generator for each sample of a batch, on the CPU.
Streams: TypeAlias = list[torch.Generator]


def start(seed: int | torch.Generator, count: int) -> Streams:
    """Return a stream for each of ``count`` samples; the first ones are the same whatever the count."""
    if isinstance(seed, torch.Generator):
        parent = seed
    else:
        try:
            parent = torch.Generator().manual_seed(operator.index(seed))
        except TypeError as error:
            raise TypeError(f"seed is {seed!r}: give a whole number or a torch.Generator") from error
    return [_child(parent) for _ in range(count)]


def spawn(streams: Streams, parts: int) -> list[Streams]:
    """Return streams of their own for each of the parts of a sample, so that one leaves the others alone."""
    drawn = [[_child(stream) for _ in range(parts)] for stream in streams]
    return [[sample[part] for sample in drawn] for part in range(parts)]


def uniform(streams: Streams, low: float = 0.0, high: float = 1.0, *, shape: tuple[int, ...] = ()) -> Tensor:
    """Draw numbers between ``low`` and ``high`` for each sample: (N, *shape), float32, on the CPU."""
    return torch.stack([torch.rand(shape, generator=stream) for stream in streams]) * (high - low) + low


def exponential_between(streams: Streams, low: float, high: float) -> Tensor:
    """Draw one positive number for each sample, of which the logarithm is uniform."""
    return low * (high / low) ** uniform(streams)


def normal(streams: Streams, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Draw numbers of mean 0 and variance 1 for each sample, on the device and in the precision of ``like``."""
    drawn = torch.stack([torch.randn(shape, generator=stream) for stream in streams])
    return drawn.to(device=like.device, dtype=like.dtype)


def _child(parent: torch.Generator) -> torch.Generator:
    seed = torch.randint(2**62, (), generator=parent, device=parent.device)
    return torch.Generator().manual_seed(int(seed))
