"""From what a caller asks to what a method of attribution needs: a network, an image and an output."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sunpy.map import GenericMap
from torch import Tensor, nn

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.explain.copying import private_copy
from sunpy_ml.inference import choose_device, run
from sunpy_ml.observations import Prepared, as_map, prepare
from sunpy_ml.weights import Card, DomainReport, get_card, network_for, read_weights_card, resolve
from sunpy_ml.weights.answers import judge, read_answers

__all__ = ["DEFAULT_TASK", "Question", "ask", "targets"]

#: The task whose default weights are explained when none are named.
DEFAULT_TASK = "classification"


@dataclass(frozen=True)
class Question:
    """A network, an image, and the output that is to be explained.

    Attributes
    ----------
    given : sunpy.map.GenericMap
        The observation.
    prepared : Prepared
        The observation as the network reads it.
    card : Card
        Of the weights.
    network : torch.nn.Module
        A private copy in evaluation mode.
    image : torch.Tensor
        float32, (1, 1, H, W).
    target : str
        One of `targets`.
    index : int
        Of that output of the network.
    report : DomainReport
        Whether header and image lie inside what the network was trained on.
    """

    given: GenericMap
    prepared: Prepared
    card: Card
    network: nn.Module
    image: Tensor
    target: str
    index: int
    report: DomainReport


def ask(m: Any, target: str | None, weights: Any, card: Card | None, device: Any) -> Question:
    """Find the weights, prepare the observation and choose the output; see `~sunpy_ml.explain.explain_map`."""
    card = _resolved(weights, card)
    names = targets(card)
    if target is not None and target not in names:
        raise ValueError(f"target: got {target!r}, choose from {names}, or None for the predicted class.")
    given = as_map(m)
    prepared = prepare(given, card)
    chosen = choose_device(device)
    network = network_for(card, weights)
    image = torch.from_numpy(np.array(prepared.data, np.float32))[None, None]
    logits = run(network, image.numpy(), device=chosen, average_turns=card.input.average_turns, progress=False)[0]
    told = read_answers(logits, card).unfamiliarity
    report = judge(card.domain.check(prepared.facts), None if told is None else float(told), card)
    if target is None:
        target = names[int(logits[: len(card.output.classes)].argmax())]
    own = private_copy(network, chosen)
    return Question(given, prepared, card, own, image.to(chosen), target, names.index(target), report)


def targets(card: Card) -> tuple[str, ...]:
    """What can be asked of a network, in the order of its outputs: classes, then features as ``has_<feature>``.

    Examples
    --------
    >>> from sunpy_ml.explain import targets
    >>> from sunpy_ml.weights import get_card
    >>> targets(get_card("halpha-2"))  # doctest: +ELLIPSIS
    ('filaments', ..., 'sunspots', 'has_filaments', ..., 'has_sunspots')
    """
    return (*card.output.classes, *(f"has_{name}" for name in card.output.features))


def _resolved(weights: Any, card: Card | None) -> Card:
    task = DEFAULT_TASK if card is None else card.task
    if isinstance(weights, Path) or (isinstance(weights, str) and weights.endswith(".safetensors")):
        task = read_weights_card(weights).task
    elif isinstance(weights, str):
        task = get_card(weights).task
    found = resolve(task, weights, card)
    if not found.output.classes:
        raise WeightsError(f"weights: {found.name!r} gives no classes; only a classifier can be explained.")
    return found
