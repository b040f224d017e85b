"""Classification of many observations: in batches, in order, with memory that does not grow with their number."""

import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from astropy.table import QTable
from tqdm.auto import tqdm

from sunpy_ml.classification.result import Classification, check_confidence
from sunpy_ml.classification.table import Row, as_table
from sunpy_ml.classification.task import TASK
from sunpy_ml.exceptions import DomainError, DomainWarning
from sunpy_ml.inference import choose_device, choose_precision, run
from sunpy_ml.observations import iterate_observations, prepare, source_name
from sunpy_ml.weights import Card, network_for, resolve

__all__ = ["classify_maps"]

#: Observations that are prepared before the network runs on them together.
BATCH_SIZE = 16
#: Batches that a dask client works on at a time, for each of its threads.
BATCHES_PER_THREAD = 4


def classify_maps(
    maps_or_paths: Any,
    *,
    weights: Any = None,
    card: Card | None = None,
    device: Any = None,
    precision: str = "float32",
    strict: bool = False,
    average_turns: bool | None = None,
    abstain_below: float = 0.0,
    batch_size: int | None = None,
    client: Any = None,
    progress: bool = True,
) -> QTable:
    """Classify many observations.

    Parameters
    ----------
    maps_or_paths : iterable, str or pathlib.Path
        Maps, NDCubes and paths of FITS files, in any mixture and number (a generator is read as it goes), or a
        folder, whose FITS files are read in the order of their names.
    weights, card, device, precision
        As in `~sunpy_ml.classify_map`.
    strict : bool
        Treat an observation that is not known to lie inside the network's domain as one that cannot be read.
    average_turns, abstain_below
        As in `~sunpy_ml.classify_map`.
    batch_size : int, optional
        Observations that the network sees together, 16 by default. Memory grows with it, and with nothing else.
    client : distributed.Client, optional
        Spread the work over the client's workers. Each loads the weights once. Workers must see the same files.
    progress : bool
        Show a bar when the work lasts longer than two seconds.

    Returns
    -------
    astropy.table.QTable
        A row for each observation, in the order given: source, date (`~astropy.time.Time`), instrument,
        wavelength, centre and observer (`~astropy.coordinates.SkyCoord`), size, label, ``p_`` and the name of
        each class, ``has_`` and the name of each feature, unfamiliarity, entropy, in_domain with reasons, weights,
        error. An observation that cannot be read is a row with an error and no label.

    Raises
    ------
    sunpy_ml.exceptions.ObservationError
        If there is no observation at all, or ``maps_or_paths`` is of another type.
    sunpy_ml.exceptions.WeightsError
        If there are no such weights.
    ValueError
        If the device, the precision or the batch size cannot be used, or ``abstain_below`` is no probability.

    Warns
    -----
    sunpy_ml.exceptions.DomainWarning
        Once, with the number of observations that are not known to lie inside the network's domain.

    Examples
    --------
    >>> from sunpy_ml import classify_maps
    >>> from sunpy_ml.simulation import halpha_scene
    >>> table = classify_maps(halpha_scene(kind, seed=2) for kind in ("sunspots", "prominences"))
    >>> table["label"].tolist()
    ['sunspots', 'prominences']
    """
    found = resolve(TASK, weights, card)
    choose_device(device), choose_precision(precision)
    check_confidence(abstain_below)
    batch_size = BATCH_SIZE if batch_size is None else batch_size
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}.")
    batches = _batched(iterate_observations(maps_or_paths), batch_size)
    options = {
        "weights": weights,
        "card": card,
        "device": device,
        "precision": precision,
        "strict": strict,
        "average_turns": average_turns,
        "abstain_below": abstain_below,
    }
    done = _locally(batches, options) if client is None else _distributed(batches, options, client)
    total = len(maps_or_paths) if isinstance(maps_or_paths, (list, tuple)) else None
    rows: list[Row] = []
    with tqdm(total=total, disable=not progress, delay=2.0, unit="map", leave=False) as bar:
        for part in done:
            rows += part
            bar.update(len(part))
    _warn_of_domain(rows, found)
    return as_table(rows, found)


def _batched(observations: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(observations)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _locally(batches: Iterable[list[Any]], options: dict[str, Any]) -> Iterator[list[Row]]:
    return (_classify_batch(batch, **options) for batch in batches)


def _distributed(batches: Iterator[list[Any]], options: dict[str, Any], client: Any) -> Iterator[list[Row]]:
    """Batches in flight are bounded, and their rows come back in the order in which they were sent."""
    limit = BATCHES_PER_THREAD * max(1, sum(client.nthreads().values()))
    pending: list[Any] = []
    for batch in batches:
        pending.append(client.submit(_classify_batch, batch, **options, pure=False))
        if len(pending) >= limit:
            yield pending.pop(0).result()
    for future in pending:
        yield future.result()


def _classify_batch(
    batch: list[Any],
    weights: Any,
    card: Card | None,
    device: Any,
    precision: str,
    strict: bool,
    average_turns: bool | None,
    abstain_below: float,
) -> list[Row]:
    # What travels to a worker is what the caller named, and the worker finds and loads that for itself.
    card = resolve(TASK, weights, card)
    rows: list[Row | None] = []
    images, waiting = [], []
    for observation in batch:
        try:
            prepared = prepare(observation, card)
            report = card.domain.check(prepared.facts)
            if strict:
                report.enforce(card.name, strict)
        except Exception as error:
            # Whatever is wrong with one file of thousands must not cost the others.
            rows.append(_refused(source_name(observation), error))
            continue
        images.append(prepared.data)
        waiting.append((len(rows), report, prepared.base, source_name(observation)))
        rows.append(None)
    if images:
        logits = run(
            network_for(card, weights),
            np.stack(images),
            device=device,
            precision=precision,
            average_turns=card.input.average_turns if average_turns is None else average_turns,
            progress=False,
        )
        for (index, report, base, source), answer in zip(waiting, logits, strict=True):
            result = Classification.from_logits(answer, report, card, base, source, abstain_below)
            try:
                if strict:
                    result.in_domain.enforce(card.name, strict)
            except DomainError as error:
                rows[index] = _refused(source, error)
            else:
                rows[index] = result.row()
    return [row for row in rows if row is not None]


def _refused(source: str, error: Exception) -> Row:
    return Row(source=source, error=f"{type(error).__name__}: {error}")


def _warn_of_domain(rows: list[Row], card: Card) -> None:
    doubtful = [row for row in rows if row.in_domain not in ("inside", "")]
    if doubtful:
        first = doubtful[0]
        warnings.warn(
            f"{len(doubtful)} of {len(rows)} observations are not known to lie inside what {card.name!r} was "
            f"trained on; the columns in_domain and reasons tell which and why. The first is {first.source!r}: "
            f"{first.reasons}.",
            DomainWarning,
            stacklevel=3,
        )
