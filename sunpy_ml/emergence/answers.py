"""What a network says of a video: with its frames all there, and with those after each frame replaced by it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from sunpy_ml.emergence.video import held_start
from sunpy_ml.inference import choose_device
from sunpy_ml.inference.optimise import ready

__all__ = ["Answers", "ask", "views"]

Array = npt.NDArray[Any]

# Videos at a time, of a network that must be shown each one.
_BATCH = 15


class Answers(NamedTuple):
    """Probabilities, each the mean over the four views of a video.

    Parameters
    ----------
    members : numpy.ndarray
        float64, (members,): that flux emerges in the video.
    curves : numpy.ndarray
        float64, (frames, members): that it does in the video of which the first frames are replaced by the one after
        them, and all frames after this one by it.
    """

    members: Array
    curves: Array


def views(images: Tensor) -> list[Tensor]:
    """A video, with its polarity reversed, with its latitudes reversed, and with both, (..., latitude, longitude).

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.emergence.answers import views
    >>> [view[:, 0].tolist() for view in views(torch.tensor([[0.0], [0.25]]))]
    [[0.0, 0.25], [1.0, 0.75], [0.25, 0.0], [0.75, 1.0]]
    """
    turned = images.flip(-2)
    return [images, 1 - images, turned, 1 - turned]


def ask(network: nn.Module, images: Array, *, device: Any = None, progress: bool = True) -> Answers:
    """Ask a network for all that is wanted of one video.

    Parameters
    ----------
    network : torch.nn.Module
        From videos (N, frames, latitude, longitude) to logits (N, members); not changed. Where it has a method
        ``held``, from videos to the logits (N, frames, members) of those that end at each frame, this is used.
    images : numpy.ndarray
        float32, (frames, latitude, longitude), from `~sunpy_ml.emergence.video.video`.
    device : str or torch.device, optional
        By default the first there is of cuda, mps and cpu.
    progress : bool
        Show a bar when the work lasts longer than two seconds.

    Returns
    -------
    Answers
    """
    chosen = choose_device(device)
    runnable = ready(network, chosen, torch.float32)
    whole, late = (torch.from_numpy(each)[np.newaxis].to(chosen) for each in (images, held_start(images)))
    with torch.inference_mode():
        # One view at a time, which bounds the memory.
        members = [runnable(view).sigmoid() for view in views(whole)]
        shown = tqdm(views(late), disable=not progress, delay=2.0, unit="view", leave=False)
        curves = [_held(runnable, view)[0].sigmoid() for view in shown]
    return Answers(_mean(members)[0], _mean(curves))


def _mean(parts: list[Tensor]) -> Array:
    return np.mean([part.double().cpu().numpy() for part in parts], axis=0)


def _held(network: nn.Module, images: Tensor) -> Tensor:
    if callable(held := getattr(network, "held", None)):
        logits: Tensor = held(images)
        return logits
    return torch.cat([network(batch) for batch in _endings(images)])[np.newaxis]


def _endings(images: Tensor) -> Iterator[Tensor]:
    """The videos that end at each frame, in batches."""
    count = images.shape[1]
    number = torch.arange(count, device=images.device)
    for first in range(0, count, _BATCH):
        last = number[first : first + _BATCH, np.newaxis]
        yield images[0, torch.minimum(number, last)]
