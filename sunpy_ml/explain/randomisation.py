"""Does relevance depend on what the network learned? The sanity check of Adebayo et al. (2018)."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import nn

from sunpy_ml.explain.asking import ask
from sunpy_ml.explain.methods import attribute, checked_options
from sunpy_ml.weights import Card

__all__ = ["randomisation_check"]

Array = npt.NDArray[Any]


def randomisation_check(
    m: Any,
    method: str = "gradcam",
    *,
    n: int = 3,
    seed: int = 0,
    layers: Sequence[str] | None = None,
    target: str | None = None,
    weights: Any = None,
    card: Card | None = None,
    device: Any = None,
    **options: Any,
) -> Array:
    """How much of the relevance is left when all that the network learned is replaced by random numbers.

    A method that explains a network must give another answer for another network. One whose answer stays the same
    shows the image, and not why the network said what it said.

    Parameters
    ----------
    m : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        An observation, which is not changed.
    method, target, weights, card, device
        As in `~sunpy_ml.explain.explain_map`. Without a ``target``, the class that the trained network predicts.
    n : int
        Number of random networks.
    seed : int
        The same gives the same.
    layers : sequence of str, optional
        Names of the modules of the network of which the weights are replaced, those within them included; by default
        all.
    **options
        Those of the method.

    Returns
    -------
    numpy.ndarray
        float64, (n,): Spearman's rank correlation, over the pixels of the network's grid, of the size of the relevance
        by the trained network and by each random one. Near 0 is a pass, near 1 a failure. A random network that gives
        no relevance at all counts as 0; where the trained one gives none it is NaN.

    Raises
    ------
    ValueError
        If ``n`` is less than one or there is no such module, and as in `~sunpy_ml.explain.explain_map`.

    References
    ----------
    Adebayo et al. 2018, NeurIPS, https://arxiv.org/abs/1810.03292

    Examples
    --------
    >>> from sunpy_ml.explain import randomisation_check
    >>> from sunpy_ml.simulation import halpha_scene
    >>> bool(randomisation_check(halpha_scene("sunspots", seed=1), "saliency").mean() < 0.5)
    True
    """
    if n < 1:
        raise ValueError(f"n: expected at least 1 random network, got {n}.")
    checked = checked_options(method, **options)
    question = ask(m, target, weights, card, device)
    chosen = _chosen(question.network, layers)

    def relevance(network: nn.Module) -> Array:
        averaged = question.card.input.average_turns
        return attribute(network, question.image, question.index, method, checked, average_turns=averaged)

    trained = relevance(question.network)
    randoms = (_randomised(question.network, chosen, seed + number) for number in range(n))
    return np.array([_correlation(trained, relevance(random)) for random in randoms])


def _chosen(network: nn.Module, layers: Sequence[str] | None) -> list[str]:
    """The names of the modules that are to be randomised, one by one."""
    names = [name for name, _ in network.named_modules()]
    for layer in layers or ():
        if layer not in names:
            raise ValueError(f"layers: the network has no module {layer!r}; choose from {names[1:]}.")
    return [
        name
        for name in names
        if layers is None or any(name == layer or name.startswith(f"{layer}.") for layer in layers)
    ]


def _randomised(network: nn.Module, names: Sequence[str], seed: int) -> nn.Module:
    """A copy of which some modules are as if they had never been trained."""
    device = next(network.parameters()).device
    fresh = copy.deepcopy(network).cpu()
    # Initialisers draw from torch's global numbers, which are the caller's.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.random.manual_seed(seed)
        for module in (fresh.get_submodule(name) for name in names):
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
                continue
            for parameter in module.parameters(recurse=False):  # of a layer that does not know how it begins
                parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].view_as(parameter))
    return fresh.to(device)


def _correlation(trained: Array, random: Array) -> float:
    first, second = (rankdata(np.abs(relevance)) for relevance in (trained, random))
    if not np.ptp(first):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(second) else 0.0
