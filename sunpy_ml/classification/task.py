"""What is on this image? The verbs `classify_map` and `classify_maps`."""

from typing import Any

import numpy as np

from sunpy_ml.classification.result import Classification, check_confidence
from sunpy_ml.inference import run
from sunpy_ml.observations import prepare, source_name
from sunpy_ml.weights import Card, network_for, resolve

__all__ = ["TASK", "classify_map"]

TASK = "classification"


def classify_map(
    m: Any,
    *,
    weights: Any = None,
    card: Card | None = None,
    device: Any = None,
    precision: str = "float32",
    strict: bool = False,
    average_turns: bool | None = None,
    abstain_below: float = 0.0,
) -> Classification:
    """Tell which large-scale feature an image of the Sun shows.

    The whole field of view gets one label, so give it a field that the network knows (see its card's domain):
    an active region, a filament, a stretch of limb, rather than a full disk.

    Parameters
    ----------
    m : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        An image (y, x) of any real dtype, as a Map, a celestial NDCube or the path of a FITS file. It is not
        changed.
    weights : str, pathlib.Path or torch.nn.Module, optional
        A name from `sunpy_ml.weights.list_weights`, the path of a file written by `sunpy_ml.weights.save_weights`,
        or a network, with its ``card``. By default the weights that are part of the package.
    card : sunpy_ml.weights.Card, optional
        Of a network that is given as a module.
    device : str or torch.device, optional
        By default the first there is of cuda, mps and cpu.
    precision : {"float32", "bfloat16"}
        What the network computes in.
    strict : bool
        Raise instead of warn where the observation is not known to lie inside the network's domain.
    average_turns : bool, optional
        Whether the answer is the mean of those to the eight turns and reflections of the image, which takes eight times
        as long. By default as the card says, for which its figures hold.
    abstain_below : float
        Probability of the most probable class below which the label is ``"undecided"``. The card tells how often that
        happens and how right the others are.

    Returns
    -------
    Classification
        Label, probabilities of the classes, independent probabilities of the features, unfamiliarity, entropy,
        domain report and card, with ``table()`` and ``plot()``.

    Raises
    ------
    sunpy_ml.exceptions.ObservationError
        If ``m`` cannot be read, is not an image, or has no valid pixel or no contrast.
    sunpy_ml.exceptions.WeightsError
        If there are no such weights.
    sunpy_ml.exceptions.DomainError
        With ``strict``, if the observation is not known to be of the kind that the network was trained on.
    ValueError
        If the device or the precision cannot be used, or ``abstain_below`` is no probability.

    Warns
    -----
    sunpy_ml.exceptions.DomainWarning
        In the same case without ``strict``.

    See Also
    --------
    classify_maps : many observations, as a table.

    References
    ----------
    Armstrong & Fletcher 2019, Solar Physics 294, 80, https://doi.org/10.1007/s11207-019-1473-z

    Examples
    --------
    >>> from sunpy_ml import classify_map
    >>> from sunpy_ml.simulation import halpha_scene
    >>> result = classify_map(halpha_scene("prominences", seed=2))
    >>> result.label
    'prominences'
    >>> result.features["sunspots"] < 0.5
    True
    """
    check_confidence(abstain_below)
    card = resolve(TASK, weights, card)
    prepared = prepare(m, card)
    report = card.domain.check(prepared.facts)
    logits = run(
        network_for(card, weights),
        prepared.data[np.newaxis],
        device=device,
        precision=precision,
        average_turns=card.input.average_turns if average_turns is None else average_turns,
    )
    result = Classification.from_logits(logits[0], report, card, prepared.base, source_name(m), abstain_below)
    result.in_domain.enforce(card.name, strict)
    return result
