"""Where in a large field is what? The verb `feature_map`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from ndcube import NDCollection, NDCube
from sunpy.map import GenericMap
from tqdm.auto import tqdm

from sunpy_ml.classification.task import TASK
from sunpy_ml.exceptions import ObservationError
from sunpy_ml.inference import run
from sunpy_ml.observations import as_map, celestial_wcs, cut_out, observation_facts, prepare, self_contained
from sunpy_ml.weights import Card, network_for, resolve
from sunpy_ml.weights.answers import read_answers

__all__ = ["feature_map"]

#: Windows that are prepared before the network runs on them together.
_BATCH = 32


@dataclass(frozen=True)
class _Grid:
    """Windows over an image: their size and step in pixels, rows before columns, and how many there are."""

    window: tuple[int, int]
    step: tuple[int, int]
    shape: tuple[int, int]

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        for row in range(self.shape[0]):
            for column in range(self.shape[1]):
                top, left = row * self.step[0], column * self.step[1]
                yield slice(top, top + self.window[0]), slice(left, left + self.window[1])


@u.quantity_input
def feature_map(
    m: Any,
    *,
    window: u.Quantity[u.arcsec] = 270 * u.arcsec,
    step: u.Quantity[u.arcsec] | None = None,
    weights: Any = None,
    card: Card | None = None,
    device: Any = None,
    precision: str = "float32",
    strict: bool = False,
    average_turns: bool | None = None,
    progress: bool = True,
) -> NDCollection:
    """Slide the classifier over a large field, such as a full disk.

    Each window gets an answer of its own, so that a pixel of the result tells what is seen in the window around it;
    a feature appears as broad as the window.

    Parameters
    ----------
    m : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        An image (y, x) at least as large as the window.
    window : astropy.units.Quantity
        Side of the square windows. The default is the field that the embedded weights know best.
    step : astropy.units.Quantity, optional
        From a window to the next, a quarter of the window by default.
    weights, card, device, precision
        As in `~sunpy_ml.classify_map`.
    strict : bool
        Raise instead of warn where the windows are not known to lie inside the network's domain.
    average_turns : bool, optional
        As in `~sunpy_ml.classify_map`.
    progress : bool
        Show a bar when the work lasts longer than two seconds.

    Returns
    -------
    ndcube.NDCollection
        An `~ndcube.NDCube` (y, x) of probability for each class, by the name of the class, and one for each feature by
        itself, by ``has_`` and the name of the feature; with weights that tell, ``unfamiliarity``, from 0 to 1; all on
        the coarse grid of the windows' centres, with its WCS. Masked where a window holds nothing to classify.

    Raises
    ------
    sunpy_ml.exceptions.ObservationError
        If ``m`` cannot be read or is smaller than a window, or window or step is less than a pixel.
    sunpy_ml.exceptions.DomainError
        With ``strict``, if the windows are not known to be of the kind that the network was trained on.

    See Also
    --------
    detect_features : the features as a table.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml import feature_map
    >>> from sunpy_ml.simulation import halpha_scene
    >>> disk = halpha_scene("quiet", shape=(128, 256), scale=3 * u.arcsec / u.pix)
    >>> maps = feature_map(disk, step=100 * u.arcsec)
    >>> maps["quiet"].data.shape
    (2, 6)
    """
    observation = as_map(m)
    card = resolve(TASK, weights, card)
    grid = _grid(observation, window, window / 4 if step is None else step)
    first = cut_out(observation, *next(iter(grid)))
    card.domain.check(observation_facts(self_contained(first))).enforce(card.name, strict)
    options = {
        "device": device,
        "precision": precision,
        "average_turns": card.input.average_turns if average_turns is None else average_turns,
    }
    logits = _classified(observation, grid, card, network_for(card, weights), options, progress)
    return _collection(observation, grid, logits, card)


def _grid(m: GenericMap, window: u.Quantity, step: u.Quantity) -> _Grid:
    scale = observation_facts(self_contained(m)).plate_scale
    if scale is None:
        raise ObservationError("observation: its header tells no plate scale; set CDELT1 and CDELT2.")
    size, stride = ((length / scale).to_value(u.pix)[::-1].round().astype(int) for length in (window, step))
    if size.min() < 2 or (size > m.data.shape).any():
        raise ObservationError(
            f"window: {window} is {size[1]} x {size[0]} pixels, the image has {m.data.shape[1]} x {m.data.shape[0]}; "
            "choose a window between two pixels and the whole image."
        )
    if stride.min() < 1:
        raise ObservationError(f"step: {step} is less than a pixel of {scale}; take a larger one.")
    shape = (np.array(m.data.shape) - size) // stride + 1
    return _Grid(tuple(size.tolist()), tuple(stride.tolist()), tuple(shape.tolist()))


def _classified(
    m: GenericMap, grid: _Grid, card: Card, network: Any, options: dict[str, Any], progress: bool
) -> npt.NDArray[Any]:
    """The network's answer to each window, NaN where there is nothing to classify."""
    windows = list(grid)
    told = card.output.unfamiliar_above is not None
    answers = np.full((len(windows), len(card.output.classes) + len(card.output.features) + told), np.nan)
    with tqdm(total=len(windows), disable=not progress, delay=2.0, unit="window", leave=False) as bar:
        for start in range(0, len(windows), _BATCH):
            prepared = {}
            for index, (rows, columns) in enumerate(windows[start : start + _BATCH], start=start):
                try:
                    prepared[index] = prepare(cut_out(m, rows, columns), card).data
                except ObservationError:
                    # A window of empty sky has no contrast; it stays without an answer, and is masked.
                    continue
            if prepared:
                batch = np.stack(list(prepared.values()))
                answers[list(prepared)] = run(network, batch, progress=False, **options)
            bar.update(min(_BATCH, len(windows) - start))
    return answers.reshape(*grid.shape, -1)


def _collection(m: GenericMap, grid: _Grid, logits: npt.NDArray[Any], card: Card) -> NDCollection:
    answers = read_answers(logits, card)
    present = [f"has_{name}" for name in card.output.features]
    planes = dict(zip(card.output.classes, np.moveaxis(answers.probabilities, -1, 0), strict=True))
    planes |= dict(zip(present, np.moveaxis(answers.features, -1, 0), strict=True))
    if answers.unfamiliarity is not None:
        planes["unfamiliarity"] = answers.unfamiliarity
    mask = np.isnan(logits).any(axis=-1)
    wcs = _coarse_wcs(m, grid)
    cubes = [
        (name, NDCube(plane, wcs=wcs, mask=mask, unit=u.one, meta={"weights": card.name, "quantity": name}))
        for name, plane in planes.items()
    ]
    return NDCollection(cubes, aligned_axes="all")


def _coarse_wcs(m: GenericMap, grid: _Grid) -> Any:
    """The WCS of the windows' centres."""
    wcs = celestial_wcs(self_contained(m)).deepcopy()
    step = np.array(grid.step[::-1], dtype=float)
    # The edge of the first coarse pixel lies half a step before the centre of the first window.
    edge = (np.array(grid.window[::-1]) - step) / 2
    wcs.wcs.crpix = (wcs.wcs.crpix - 0.5 - edge) / step + 0.5
    if wcs.wcs.has_cd():
        wcs.wcs.cd = wcs.wcs.cd * step
    else:
        wcs.wcs.pc = wcs.wcs.pc * step / step[:, np.newaxis]
        wcs.wcs.cdelt = wcs.wcs.cdelt * step
    wcs.array_shape = grid.shape
    wcs.wcs.set()
    return wcs
