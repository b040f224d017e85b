"""Running a network over batches of images, or over one image in tiles."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from tqdm.auto import tqdm

from sunpy_ml.inference.devices import choose_device, choose_precision
from sunpy_ml.inference.optimise import ready
from sunpy_ml.inference.tiles import plan_tiles
from sunpy_ml.inference.turns import turns

__all__ = ["run", "run_tiled"]

Array = npt.NDArray[Any]

#: Pixels of one batch: 16 images of 256 x 256, which is where a CPU's throughput levels off.
BATCH_PIXELS = 2**20
#: Seconds of work before a progress bar appears.
PROGRESS_DELAY = 2.0


def run(
    network: nn.Module,
    images: Array,
    *,
    device: str | torch.device | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
    average_turns: bool = False,
    progress: bool = True,
) -> Array:
    """A network's answers to a stack of images.

    Parameters
    ----------
    network : torch.nn.Module
        Takes (N, C, H, W); it is not changed.
    images : numpy.ndarray
        float32, (N, C, H, W) or (N, H, W) for one channel.
    device : str, torch.device or None
        None takes the best there is.
    precision : {"float32", "bfloat16"}
        What the network computes in; the answers are float32.
    batch_size : int, optional
        Images at a time; by default as many as keep memory small.
    average_turns : bool
        Give the mean of the answers to the eight turns and reflections of each image, which must be square and whose
        answer must be numbers without a place. It then depends on the orientation no more than rounding does, for
        eight times the work.
    progress : bool
        Show a bar when the work lasts longer than two seconds.

    Returns
    -------
    numpy.ndarray
        float32, the first axis that of ``images``.

    Raises
    ------
    ValueError
        If the shape, the device, the precision or the batch size cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.inference import run
    >>> from sunpy_ml.weights import load
    >>> run(load("halpha-2"), np.zeros((2, 256, 256), np.float32)).shape
    (2, 10)
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, np.newaxis]
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(f"images: expected (N, C, H, W) or (N, H, W), got the shape {images.shape}.")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}.")
    batch_size = batch_size or max(1, BATCH_PIXELS // (images.shape[2] * images.shape[3]))
    predict = _predictor(network, device, precision)
    views = turns if average_turns else _as_given
    starts = range(0, len(images), batch_size)
    return np.concatenate(
        [
            np.mean([predict(view) for view in views(images[i : i + batch_size])], axis=0)
            for i in _shown(starts, progress)
        ]
    )


def _as_given(images: Array) -> list[Array]:
    return [images]


def run_tiled(
    network: nn.Module,
    image: Array,
    *,
    tile: int = 512,
    halo: int = 0,
    multiple: int = 1,
    device: str | torch.device | None = None,
    precision: str = "float32",
    progress: bool = True,
) -> Array:
    """The answer of an image-to-image network, computed in tiles, so that memory is bounded by the tile.

    Parameters
    ----------
    network : torch.nn.Module
        Takes (1, C, H, W) and gives (1, C', kH, kW) with a whole k; it is not changed.
    image : numpy.ndarray
        float32, (C, H, W) or (H, W). Its sides must be multiples of ``multiple``.
    tile, halo, multiple : int
        As in `plan_tiles`; a ``halo`` of at least the receptive radius makes the answer that of one call.
    device, precision, progress
        As in `run`.

    Returns
    -------
    numpy.ndarray
        float32, (C', kH, kW).

    Raises
    ------
    ValueError
        If the shape, the device or the precision cannot be used.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sunpy_ml.inference import run_tiled
    >>> run_tiled(torch.nn.Upsample(scale_factor=2), np.ones((30, 40), np.float32), tile=16).shape
    (1, 60, 80)
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[np.newaxis]
    if image.ndim != 3 or 0 in image.shape or image.shape[1] % multiple or image.shape[2] % multiple:
        raise ValueError(
            f"image: expected (C, H, W) or (H, W) with sides that are multiples of {multiple}, "
            f"got the shape {image.shape}."
        )
    predict = _predictor(network, device, precision)
    result = np.empty((0, 0, 0), np.float32)
    for part in _shown(plan_tiles(image.shape[1:], tile, halo, multiple), progress):
        window = image[(slice(None), *part.read)]
        answer = predict(window[np.newaxis])[0]
        factor = answer.shape[1] // window.shape[1]
        if not result.size:  # only the first answer tells how many channels there are, and how fine
            result = np.empty((len(answer), image.shape[1] * factor, image.shape[2] * factor), np.float32)
        inner, keep = (_magnified(where, factor) for where in (part.inner, part.keep))
        result[(slice(None), *keep)] = answer[(slice(None), *inner)]
    return result


def _magnified(window: tuple[slice, slice], factor: int) -> tuple[slice, slice]:
    rows, columns = (slice(cut.start * factor, cut.stop * factor) for cut in window)
    return rows, columns


def _predictor(network: nn.Module, device: str | torch.device | None, precision: str) -> Any:
    dtype = choose_precision(precision)
    chosen = choose_device(device)
    runnable = ready(network, chosen, torch.float32)
    # Convolutions alone lose precision: what a network does beside them, such as transforms and sums, may need it.
    rounded = torch.autocast(chosen.type, dtype, enabled=dtype != torch.float32)

    def predict(batch: Array) -> Array:
        # A copy where the memory is not ours to lend: torch cannot take read-only or big-endian arrays.
        tensor = torch.from_numpy(np.require(batch, np.float32, ["C", "W"]))
        with torch.inference_mode(), rounded:
            tensor = tensor.to(chosen).contiguous(memory_format=torch.channels_last)
            return runnable(tensor).float().cpu().numpy()

    return predict


def _shown(work: Any, progress: bool) -> Iterator[Any]:
    return iter(tqdm(work, disable=not progress or len(work) < 2, delay=PROGRESS_DELAY, leave=False))
