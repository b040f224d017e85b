"""What a network must be better than: interpolation, and deconvolution without learning."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from skimage.restoration import richardson_lucy
from torch.nn import functional

from sunpy_ml.enhancement.networks import DeconvolutionNetwork
from sunpy_ml.enhancement.pairs import Pair
from sunpy_ml.enhancement.wiener import RadialWiener
from sunpy_ml.optics import HMI, IDEAL_28CM, observe

__all__ = ["ITERATIONS", "best_iterations", "interpolated", "lucy", "wiener_answer"]

Array = npt.NDArray[Any]

#: Numbers of Richardson-Lucy iterations that are tried.
ITERATIONS = (10, 20, 40, 80)
# Half the side of the point spread function, in pixels of 0.252 arcsec; 4 % of the light falls farther than 8 arcsec.
_REACH = 32


def interpolated(image: Array, method: str) -> Array:
    """An image (H, W) on (2H, 2W) pixels of the same field, by ``"bicubic"`` or ``"lanczos"`` interpolation.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.enhancement.baselines import interpolated
    >>> interpolated(np.ones((4, 5), np.float32), "bicubic").shape
    (8, 10)
    """
    resampling = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}[method]
    rows, columns = image.shape
    return np.asarray(Image.fromarray(image).resize((2 * columns, 2 * rows), resampling))


def lucy(image: Array, iterations: int) -> Array:
    """Bicubic interpolation, then Richardson-Lucy deconvolution of a positive image with HMI's point spread function.

    The pixel of HMI is part of that. What is not resolved by the ideal telescope of 28 cm is not asked for.
    """
    point = torch.zeros(1, 2 * _REACH + 1, 2 * _REACH + 1)
    point[0, _REACH, _REACH] = 1
    fine = IDEAL_28CM.pixel
    spread = observe(point, HMI, scale=fine, pixel=fine, source=IDEAL_28CM, padding="level")[0].numpy()
    spread = np.maximum(spread, 0)
    doubled = np.pad(interpolated(image, "bicubic"), _REACH, mode="symmetric")
    level = float(doubled.max())
    sharp = richardson_lucy(doubled / level, spread / spread.sum(), num_iter=iterations, clip=False) * level
    return np.asarray(sharp[_REACH:-_REACH, _REACH:-_REACH], dtype=np.float32)


def best_iterations(pairs: Sequence[Pair], noise: float, seed: int = 0) -> int:
    """The number among `ITERATIONS` of least error on pairs."""
    rng = np.random.default_rng(seed)
    noisy = [pair.seen + rng.normal(0, noise, pair.seen.shape).astype(np.float32) for pair in pairs]

    def error(number: int) -> float:
        answers = (lucy(image, number) for image in noisy)
        return sum(float(np.mean((answer - pair.target) ** 2)) for answer, pair in zip(answers, pairs, strict=True))

    return min(ITERATIONS, key=error)


def wiener_answer(wiener: RadialWiener, image: Array, level: float) -> Array:
    """What the linear filter alone gives."""
    radius = image.shape[0] // 2
    linear = DeconvolutionNetwork(DeconvolutionNetwork.Config(radius=radius, depth=0, channels=1)).linear
    linear.kernels.data = torch.from_numpy(wiener.kernels(radius))
    with torch.inference_mode():
        phases = linear(torch.from_numpy(image - np.float32(level))[None, None])
    return functional.pixel_shuffle(phases, 2)[0, 0].numpy() + np.float32(level)
