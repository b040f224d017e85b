"""Networks that see how the surface moves: the verb `deepvel_flow`."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import torch
from ndcube import NDCollection
from tqdm.auto import tqdm

from sunpy_ml.flows.pairs import Pairs, image_pairs, read_sequences, sequence_facts
from sunpy_ml.flows.result import wrap_flow
from sunpy_ml.flows.rotation import surface_rotation
from sunpy_ml.flows.running import UNCERTAINTIES, FlowRunner
from sunpy_ml.flows.velocities import count_contaminated, log_tau, pair_masks, solar_deviation, solar_velocity
from sunpy_ml.inference import choose_device, choose_precision
from sunpy_ml.observations import ImageSequence
from sunpy_ml.weights import Card, network_for, resolve

__all__ = ["TASK", "deepvel_flow"]

Array = npt.NDArray[Any]

TASK = "flows"

# Seconds of work before a progress bar appears.
_PROGRESS_DELAY = 2.0


def deepvel_flow(
    observations: Any,
    *,
    weights: Any = None,
    card: Card | None = None,
    cadence: u.Quantity | None = None,
    scale: u.Quantity | None = None,
    coaligned: bool = False,
    remove_rotation: bool = False,
    average_turns: bool | None = None,
    uncertainty: str = "variance",
    device: str | torch.device | None = None,
    precision: str = "float32",
    tile: int | None = None,
    strict: bool = False,
    progress: bool = True,
) -> NDCollection:
    """Find horizontal velocities with a network that sees pairs of images.

    Parameters
    ----------
    observations : list of sunpy.map.GenericMap, sunpy.map.MapSequence or ndcube.NDCube
        Two or more co-aligned images, or a cube (time, y, x); see `~sunpy_ml.observations.image_sequence`. For a
        network that reads several quantities, a dict of such by the names that its card gives.
    weights : str, pathlib.Path or torch.nn.Module, optional
        A name from ``sunpy_ml.weights.list_weights("flows")``, the path of a file written by
        `sunpy_ml.weights.save_weights`, or a network, with its ``card``. By default the weights that are part of the
        package; ``"deepvel"`` and ``"deepvelu-stagger"``, for instance, are published ones.
    card : sunpy_ml.weights.Card, optional
        Of a network that is given as a module.
    cadence : astropy.units.Quantity, optional
        Time from image to image; by default what the headers tell.
    scale : astropy.units.Quantity, optional
        Angle or length per pixel; by default what the header tells.
    coaligned : bool
        Whether pixels show the same places although headers differ, as those of cut-outs that follow a place do.
    remove_rotation : bool
        Take away the velocity with which differential rotation carries the surface across the images, by sunpy's model;
        with ``coaligned``, what of it differs from that of the middle of the field.
    average_turns : bool, optional
        Average over the eight turns and reflections of the images, for eight times the work: the result is then turned
        exactly as they are. By default as the weights' card says.
    uncertainty : {"variance", "ensemble", "none"}
        Give the standard deviations that the network tells itself, where it tells them (the published ones do not); or
        the spread over the eight turns, of which the velocity is then the mean; or none.
    device : str or torch.device, optional
        By default the first there is of cuda, mps and cpu.
    precision : {"float32", "bfloat16"}
        What the network computes in.
    tile : int, optional
        Rows and columns that are computed at a time, 512 by default: memory grows with it. The result does not depend
        on it, but for the embedded weights, which measure spectra in each tile: theirs depends on it by less than its
        standard deviation.
    strict : bool
        Raise instead of warn where the observation is not known to lie inside the network's domain.
    progress : bool
        Show a bar when the work lasts longer than two seconds.

    Returns
    -------
    ndcube.NDCollection
        "vx" and "vy", each an `~ndcube.NDCube` (time, y, x) in km/s, towards solar west and north however images are
        turned, at the middle of the time between two images; or (time, optical depth, y, x) for a network that tells
        several. "sigma_vx" and "sigma_vy" are the standard deviations, where they are known. Masked where an image is;
        ``meta`` tells the weights, whether it is the motion of a pattern (``"apparent"``) or of the plasma, and how
        many pixels were found with the help of masked ones (``"contaminated"``).

    Raises
    ------
    sunpy_ml.exceptions.ObservationError
        If the images are not of one place, or if neither they nor a keyword tell the cadence, the scale or what
        ``remove_rotation`` needs.
    sunpy_ml.exceptions.WeightsError
        If there are no such weights for flows.
    sunpy_ml.exceptions.DomainError
        With ``strict``, if the images are not known to be of the kind that the network was trained on.
    ValueError
        If another argument cannot be.

    Warns
    -----
    sunpy_ml.exceptions.DomainWarning
        In the same case without ``strict``.

    Notes
    -----
    Every network answers with what moved in pixels of its grid: images of another plate scale than that of its card
    are resampled, and where a cadence is built into it, what it takes for a velocity is a displacement in that time.
    Velocities are those across the line of sight, at the distance of the Sun's centre.

    References
    ----------
    Asensio Ramos, Requerey & Vitas 2017, A&A 604, A11, https://doi.org/10.1051/0004-6361/201730783
    Tremblay & Attie 2020, Frontiers in Astronomy and Space Sciences 7, 25, https://doi.org/10.3389/fspas.2020.00025

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_ml import deepvel_flow
    >>> from sunpy_ml.simulation import moving_granulation
    >>> frames = moving_granulation(shape=(64, 64), velocity=[1.0, -0.5] * u.km / u.s, cadence=30 * u.s).frames
    >>> flow = deepvel_flow(frames)
    >>> flow["vx"].shape, flow["vx"].unit
    ((1, 64, 64), Unit("km / s"))
    >>> bool(abs(np.nanmean(flow["vx"].data) - 1) < 0.1), bool(abs(np.nanmean(flow["vy"].data) + 0.5) < 0.1)
    (True, True)
    """
    _check(uncertainty, tile, device, precision)
    card = resolve(TASK, weights, card)
    sequences = read_sequences(observations, card, cadence=cadence, scale=scale, coaligned=coaligned)
    pairs = image_pairs(sequences, card)
    sequence = next(iter(sequences.values()))
    report = card.domain.check(sequence_facts(sequence, pairs))
    report.enforce(card.name, strict)
    rotation = surface_rotation(sequence, followed=coaligned) if remove_rotation else None
    turned = card.input.average_turns if average_turns is None else average_turns
    run = FlowRunner(
        network_for(card, weights),
        card,
        average_turns=turned,
        uncertainty=uncertainty,
        tile=tile,
        device=device,
        precision=precision,
        progress=progress and len(pairs) == 1,
    )
    velocity, deviation = _velocities(run, pairs, sequence, progress=progress)
    mask = pair_masks(sequences)
    contaminated = count_contaminated(mask, pairs, sequence, card.input.halo)
    if rotation is not None:
        velocity = velocity - rotation[:, np.newaxis]
        mask = mask | np.isnan(rotation).any(axis=0)
    depths = log_tau(run.outputs.levels)
    if depths:
        mask = np.broadcast_to(mask[:, np.newaxis], (len(mask), *velocity.shape[2:]))
    levels: Any = slice(None) if depths else 0
    return wrap_flow(
        sequence,
        velocity[:, :, levels],
        mask,
        first=0.5 * sequence.cadence,
        spacing=sequence.cadence,
        deviation=None if deviation is None else deviation[:, :, levels],
        log_tau=depths,
        meta={
            "flow": "deepvel_flow",
            "weights": card.name,
            "checksum": card.file.sha256 or card.file.git_blob,
            "validated_on": card.validated_on,
            "domain": str(report),
            "motion": "apparent" if run.outputs.displacements else "plasma",
            "levels": tuple(filter(None, run.outputs.levels)),
            "cadence": sequence.cadence,
            "averaged": sequence.cadence,
            "pairs": 1,
            "average_turns": turned,
            "uncertainty": "none" if deviation is None else uncertainty,
            "rotation_removed": remove_rotation,
            "contaminated": contaminated,
        },
    )


def _velocities(
    run: FlowRunner, pairs: Pairs, sequence: ImageSequence, *, progress: bool
) -> tuple[Array, Array | None]:
    """Velocities of all pairs along solar x and y, and their deviations, if they are known."""
    fields, deviations = [], []
    for number in tqdm(range(len(pairs)), disable=not progress or len(pairs) == 1, delay=_PROGRESS_DELAY, leave=False):
        found = run(pairs, number)
        fields.append(solar_velocity(sequence, pairs, found.mean))
        if found.variance is not None:
            deviations.append(solar_deviation(sequence, pairs, found.variance))
    return np.stack(fields), np.stack(deviations) if deviations else None


def _check(uncertainty: str, tile: int | None, device: Any, precision: str) -> None:
    if uncertainty not in UNCERTAINTIES:
        raise ValueError(f"uncertainty: got {uncertainty!r}, choose from {UNCERTAINTIES}.")
    if tile is not None and tile < 1:
        raise ValueError(f"tile: expected at least 1 pixel, got {tile}.")
    choose_device(device), choose_precision(precision)
