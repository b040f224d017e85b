"""Checks of what is given."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["checked_images", "checked_shape", "per_sample"]


def per_sample(name: str, value: float | np.ndarray, place: Tensor, *, positive: bool = False) -> Tensor:
    """Return one number for each sample, on the device and in the precision of ``place``, after checking them."""
    numbers = np.asarray(value, dtype=float)
    if numbers.shape not in ((), tuple(place.shape)):
        raise ValueError(f"{name} has the shape {numbers.shape}: give one, or one for each of {len(place)} samples")
    if not np.isfinite(numbers).all() or (numbers < 0).any() or (positive and (numbers == 0).any()):
        raise ValueError(f"{name} is {value}: give finite numbers {'above' if positive else 'from'} 0")
    return place.new_zeros(place.shape) + torch.as_tensor(numbers, dtype=place.dtype, device=place.device)


def checked_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns."""
    if len(shape) != 2 or min(shape) < 8:
        raise ValueError(f"shape is {shape}: give rows and columns, at least 8 of each")
    return int(shape[0]), int(shape[1])


def checked_images(images: Tensor) -> Tensor:
    """Return a batch of images."""
    if images.ndim != 3 or min(images.shape[1:]) < 8 or not images.is_floating_point():
        raise ValueError(
            f"images has the shape {tuple(images.shape)} and the type {images.dtype}: give (N, H, W), real, of at "
            "least 8 by 8 pixels"
        )
    return images
