"""The dask path: an image-to-image network over a lazy array, block by block."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from sunpy_ml.inference.run import run_tiled

__all__ = ["run_lazy"]

Array = npt.NDArray[Any]


def run_lazy(
    load: Callable[[], nn.Module],
    image: Any,
    *,
    halo: int,
    factor: int = 1,
    channels: int | None = None,
    multiple: int = 1,
    device: str | torch.device | None = None,
    precision: str = "float32",
) -> Any:
    """The answer of an image-to-image network to a dask array, itself a dask array.

    Each block is computed when it is asked for, with a halo of its neighbours' pixels and none beyond the true
    edges of the image, so that the answer is that of one call.

    Parameters
    ----------
    load : callable
        Gives the network, which takes (1, 1, H, W) and gives (1, C, factor H, factor W). It is called where a
        block is computed, so that the graph that travels to the workers holds no weights.
    image : dask.array.Array
        float32, (H, W); where ``multiple`` is not 1 its chunks must begin at multiples of it.
    halo : int
        At least the receptive radius.
    factor : int
        How much finer the answer is.
    channels : int, optional
        How many channels the answer has; None takes the first and gives it no axis of channels.
    multiple, device, precision
        As in `run_tiled`.

    Returns
    -------
    dask.array.Array
        float32, (factor H, factor W), or (channels, factor H, factor W) in one chunk along the channels. Computing
        it raises ValueError if the network gives another factor or number of channels.

    Examples
    --------
    >>> import dask.array as da, torch
    >>> from sunpy_ml.inference import run_lazy
    >>> lazy = run_lazy(torch.nn.Identity, da.ones((60, 80), chunks=32, dtype="f4"), halo=0)
    >>> lazy.shape, float(lazy.mean().compute())
    ((60, 80), 1.0)
    """
    import dask.array as da

    halo = -(-halo // multiple) * multiple
    # An image that is shorter than the halo is one block along that axis.
    depth = {axis: min(halo, length) for axis, length in enumerate(image.shape)}
    if halo:
        # A halo reaches into the next block and no farther.
        chunks = (da.overlap.ensure_minimum_chunksize(depth[axis], along) for axis, along in enumerate(image.chunks))
        image = image.rechunk(tuple(chunks))
    sizes = tuple(tuple(factor * size for size in along) for along in image.chunks)
    overlapping = da.overlap.overlap(image, depth=depth, boundary="none") if halo else image
    return da.map_blocks(
        _predict_block,
        overlapping,
        chunks=sizes if channels is None else ((channels,), *sizes),
        new_axis=None if channels is None else 0,
        dtype=np.float32,
        meta=np.empty((0,) * (2 if channels is None else 3), np.float32),
        load=load,
        factor=factor,
        channels=channels,
        halo=halo,
        options={"multiple": multiple, "device": device, "precision": precision},
    )


def _predict_block(
    block: Array,
    *,
    load: Callable[[], nn.Module],
    factor: int,
    channels: int | None,
    halo: int,
    options: dict[str, Any],
    block_info: Any = None,
) -> Array:
    answer = run_tiled(load(), block, tile=max(block.shape), progress=False, **options)
    expected = (len(answer) if channels is None else channels, *(factor * length for length in block.shape))
    if answer.shape != expected:
        raise ValueError(
            f"factor, channels: got {factor} and {channels}, but the network's answer to a block of {block.shape} "
            f"has the shape {answer.shape}; give what it has."
        )
    # With boundary="none" a halo is there only where the block has a neighbour.
    margin = factor * halo
    inner = tuple(
        slice(margin if place else 0, length - margin if place < number - 1 else length)
        for place, number, length in zip(
            block_info[0]["chunk-location"], block_info[0]["num-chunks"], answer.shape[1:], strict=True
        )
    )
    return answer[(0 if channels is None else slice(None), *inner)]
