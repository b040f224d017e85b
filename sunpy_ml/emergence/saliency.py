"""Which pixels of which frames speak for an emergence."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from ndcube import NDCube
from torch import Tensor, nn

from sunpy_ml.emergence.answers import views
from sunpy_ml.emergence.cubes import Patch
from sunpy_ml.emergence.video import shown_frames, video
from sunpy_ml.observations.resampling import resample

if TYPE_CHECKING:
    from sunpy_ml.emergence.result import Emergence

__all__ = ["METHODS", "saliency"]

Array = npt.NDArray[Any]

METHODS = ("saliency", "integrated_gradients")
# Gauss for a step of one in a video, which has no field at one half.
_GAUSS, _NO_FIELD = 2000.0, 0.5
# Videos at a time.
_BATCH = 4


class _Score(nn.Module):
    """The mean of the logits over the members and the four views of videos, (N,)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([self.network(view).mean(dim=1) for view in views(images)]).mean(dim=0)


def saliency(result: "Emergence", method: str, *, steps: int) -> NDCube:
    """Attribute a result to the pixels of its cube; see `sunpy_ml.Emergence.saliency`."""
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, choose from {METHODS}.")
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}.")
    from sunpy_ml.explain._extra import attr
    from sunpy_ml.explain.copying import private_copy

    patch = result.patch
    score = _Score(private_copy(result.network, torch.device("cpu")))
    images = torch.from_numpy(video(patch.field, patch.seconds))[np.newaxis].requires_grad_()
    # A caller may have switched gradients off.
    with torch.inference_mode(False), torch.enable_grad():
        if method == "saliency":
            # Signed still: the size of a sum is not the sum of sizes.
            found, unit = attr.Saliency(score).attribute(images, abs=False) / _GAUSS, u.G**-1
        else:
            found = attr.IntegratedGradients(score).attribute(
                images, baselines=_NO_FIELD, n_steps=steps, internal_batch_size=_BATCH
            )
            unit = u.dimensionless_unscaled
    shown = shown_frames(patch.seconds, patch.shows)
    own = np.tensordot(_made_of(shown).T, found[0].detach().numpy(), axes=1)
    return _as_cube(np.abs(own) if method == "saliency" else own, shown, patch, unit, method, result.weights)


def _made_of(shown: Array) -> Array:
    """How much of each frame of the video, a row, is each frame that was seen, a column."""
    places = np.flatnonzero(shown >= 0)
    seen = np.eye(len(shown))[places]
    return np.stack([np.interp(np.arange(len(shown)), places, column) for column in seen.T], axis=1)


def _as_cube(found: Array, shown: Array, patch: Patch, unit: u.UnitBase, method: str, weights: str) -> NDCube:
    """From the frames and pixels of the video to those of the cube."""
    cube = patch.cube
    shape = cube.data.shape[1:]
    data = np.zeros(cube.data.shape, np.float32)
    for place in np.flatnonzero(shown >= 0):
        frame = found[place, :, ::-1] if patch.turned else found[place]
        if frame.shape != shape:
            # A spline swings beyond the values it goes through.
            frame = resample(frame, shape).clip(frame.min(), frame.max())
        data[shown[place]] = frame
    mask = ~np.isfinite(np.asarray(cube.data))
    if cube.mask is not None:
        mask |= np.asarray(cube.mask, dtype=bool)
    explained = NDCube(data, wcs=cube.wcs, unit=unit, mask=mask, meta={"method": method, "weights": weights})
    explained.extra_coords.add("time", 0, patch.times)
    return explained
