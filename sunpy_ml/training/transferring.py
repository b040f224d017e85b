"""Transfer: a new network that starts from the features of a trained one."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.training.depth import stages
from sunpy_ml.weights import Card, build_network, get_card, load, read_weights_card

__all__ = ["Weights", "parameter_groups", "trained_network", "transfer"]

#: What names trained weights.
Weights = str | Path | Card | nn.Module

RULES = ("mean", "sum")


def trained_network(weights: Weights, card: Card | None = None) -> tuple[Card, nn.Module]:
    """The card and the network of trained weights, whatever their task; every caller gets the same network.

    Parameters
    ----------
    weights : str, pathlib.Path, Card or torch.nn.Module
        A name from `sunpy_ml.weights.list_weights`, the path of a ``.safetensors`` file that holds its card, a card,
        or a network, with its ``card``.
    card : Card, optional
        Of a network that is given as a module, and only then.

    Raises
    ------
    WeightsError
        If there are no such weights, the file holds no card, a module comes without a card, or a card without one.

    Examples
    --------
    >>> from sunpy_ml.training.transferring import trained_network
    >>> card, network = trained_network("halpha-2")
    >>> card.network
    'compact-classifier'
    """
    if isinstance(weights, nn.Module):
        if card is None:
            raise WeightsError("card: a network that is given as a module needs its card.")
        return card, weights
    if card is not None:
        raise WeightsError("card: it belongs to a network that is given as a module; named weights have their own.")
    if isinstance(weights, Card):
        found = weights
    elif isinstance(weights, Path) or weights.endswith(".safetensors"):
        found = read_weights_card(Path(weights))
    else:
        found = get_card(weights)
    return found, load(found)


def transfer(
    weights: Weights,
    n_classes: int | None = None,
    *,
    card: Card | None = None,
    head: nn.Module | None = None,
    depth: int | str | None = None,
    freeze: int | str = 0,
    channels: int | None = None,
    channel_rule: str = "mean",
    arguments: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A network for another task, initialised from the features of a trained one.

    The features of an early stage (edges, limb, texture) are common to many tasks, those of a late one belong to
    the task they were learned for (Yosinski et al. 2014). Whether they help is a question for
    `sunpy_ml.training.transfer_report`.

    Parameters
    ----------
    weights : str, pathlib.Path, Card or torch.nn.Module
        The trained weights: a name, the path of a ``.safetensors`` file that holds its card, a card, or a network.
    n_classes : int, optional
        Classes of the new network, which is of the same kind. Its head is new even where the number is the old one.
    card : Card, optional
        Of a network that is given as a module, and only then.
    head : torch.nn.Module, optional
        Instead of ``n_classes``: what takes the place of the head. It reads the features, (N, features) in float32.
    depth : int or str, optional
        How many stages are taken over, counted from the input, or the name of the last one (see
        `sunpy_ml.training.stages`). The others start anew. By default all but the head.
    freeze : int or str, optional
        How many of these stages are held, or the name of the last one. Their parameters need no gradient, and they
        stay in evaluation mode: their batch normalisation keeps its statistics and dropout is off, also after
        ``network.train()``.
    channels : int, optional
        Channels of the new network's input, when they are not those of the trained one. This replaces the first
        convolution, so no card can describe such a network: save its state with `torch.save`.
    channel_rule : {"mean", "sum"}, optional
        How the kernels of the first convolution are spread over the new channels. ``"mean"`` suits channels that look
        alike: one image in all of them is answered as the trained network answers it. ``"sum"`` suits channels that
        each show something of their own: an image in one of them, with zeros in the others, is answered so.
    arguments : mapping, optional
        Further arguments of the network's ``Config`` that change, such as ``{"n_features": 1}``.

    Returns
    -------
    torch.nn.Module
        In training mode, on the CPU, independent of the trained network. New parts are drawn from torch's global
        generator: call `torch.manual_seed` first for a repeatable start.

    Raises
    ------
    WeightsError
        If there are no such weights, or the network does not take ``n_classes`` or ``arguments``.
    ValueError
        If not exactly one of ``n_classes`` and ``head`` is given, a depth does not exist, more stages are to be
        held than are taken over, or the channels or their rule cannot be.

    References
    ----------
    Yosinski et al. 2014, Advances in Neural Information Processing Systems 27, https://doi.org/10.48550/arXiv.1411.1792

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.training import transfer
    >>> network = transfer("halpha-2", 2, freeze="features.3", arguments={"n_features": 1, "unfamiliarity": False})
    >>> network(torch.zeros(4, 1, 256, 256)).shape
    torch.Size([4, 3])
    >>> network.stem[0].weight.requires_grad, network.classes.weight.requires_grad
    (False, True)
    """
    if (n_classes is None) == (head is None):
        raise ValueError(f"n_classes, head: got {n_classes!r} and {head!r}; give exactly one of them.")
    card, trained = trained_network(weights, card)
    changed = {**(arguments or {}), **({} if n_classes is None else {"n_classes": n_classes})}
    network = build_network(card.network, {**card.network_arguments, **changed})
    parts = stages(network)
    taken = _count("depth", len(parts) - 1 if depth is None else depth, parts)
    held = _count("freeze", freeze, parts)
    if held > taken:
        raise ValueError(f"freeze: {held} stages are to be held but only {taken} are taken over; raise depth.")
    for stage in parts[:taken]:
        for name, part in stage.items():
            _take_over(name, part, trained.get_submodule(name))
    if channels is not None:
        _widen(network, channels, channel_rule)
    for stage in stages(network)[:held]:
        for part in stage.values():
            part.requires_grad_(requires_grad=False)
            part.register_forward_pre_hook(_stay_in_evaluation)
    if head is not None:
        _replace_head(network, head, parts[-1])
    return network.train()


def parameter_groups(network: nn.Module, learning_rate: float, *, factor: float = 0.5) -> list[dict[str, Any]]:
    """Parameters in groups for an optimiser, with learning rates that fall from the head to the input.

    What lies deep below the head is more general and should be changed less (Howard & Ruder 2018).

    Parameters
    ----------
    network : torch.nn.Module
        As `transfer` gives it, or any other with `sunpy_ml.training.stages`. Its frozen parameters are left out.
    learning_rate : float
        Of the head.
    factor : float, optional
        The rate of each stage over that of the next one; 1 for equal rates.

    Returns
    -------
    list of dict
        From the input to the head, with the keys ``params``, ``lr`` and ``name``, for any `torch.optim.Optimizer`.

    Raises
    ------
    ValueError
        If ``factor`` is not in 0 to 1, 0 excluded, or nothing is left to train.

    References
    ----------
    Howard & Ruder 2018, Proceedings of ACL 2018, 328, https://doi.org/10.18653/v1/P18-1031

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.training import parameter_groups, transfer
    >>> network = transfer("halpha-2", 2, freeze="features.6")
    >>> groups = parameter_groups(network, 1e-3, factor=0.5)
    >>> [(group["name"], group["lr"]) for group in groups]
    [('features.7', 0.0005), ('classes + present + unfamiliar', 0.001)]
    >>> optimiser = torch.optim.AdamW(groups)
    """
    if not 0 < factor <= 1:
        raise ValueError(f"factor: got {factor}, it must be above 0 and at most 1; give 1 for equal rates.")
    groups: list[dict[str, Any]] = []
    grouped: set[int] = set()
    parts = stages(network)
    for index, stage in enumerate(parts):
        own = [value for part in stage.values() for value in part.parameters() if value.requires_grad]
        own = [value for value in own if id(value) not in grouped]
        grouped |= {id(value) for value in own}
        if own:
            rate = learning_rate * factor ** (len(parts) - 1 - index)
            groups.append({"params": own, "lr": rate, "name": " + ".join(stage)})
    # Parameters that a network holds outside its children belong to no stage; they learn as slowly as the first one.
    loose = [value for value in network.parameters() if value.requires_grad and id(value) not in grouped]
    if loose:
        groups.insert(0, {"params": loose, "lr": learning_rate * factor ** (len(parts) - 1), "name": "loose"})
    if not groups:
        raise ValueError("network: all its parameters are frozen, so there is nothing to train; freeze fewer stages.")
    return groups


def _count(argument: str, value: int | str, parts: list[dict[str, nn.Module]]) -> int:
    """How many stages a depth means; the head is never among them."""
    names = [" + ".join(stage) for stage in parts[:-1]]
    if isinstance(value, str) and value in names:
        return names.index(value) + 1
    if isinstance(value, int) and 0 <= value <= len(names):
        return value
    raise ValueError(f"{argument}: got {value!r}; give a number from 0 to {len(names)} or one of {names}.")


def _take_over(name: str, new: nn.Module, trained: nn.Module) -> None:
    try:
        new.load_state_dict(trained.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"arguments: they change the shape of the stage {name!r}, so it cannot be taken over; set depth before it."
        ) from error


def _stay_in_evaluation(module: nn.Module, _: Any) -> None:
    module.eval()


def _widen(network: nn.Module, channels: int, rule: str) -> None:
    """Put a first convolution for another number of channels in the place of the one there is."""
    if rule not in RULES:
        raise ValueError(f"channel_rule: got {rule!r}; choose from {RULES}.")
    if channels < 1:
        raise ValueError(f"channels: got {channels}; a network needs one channel at least.")
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    old = network.get_submodule(names[0]) if names else None
    if not isinstance(old, nn.Conv2d) or old.groups != 1:
        raise ValueError(f"channels: {type(network).__name__} does not begin with a convolution over all channels.")
    new = copy.deepcopy(old)
    new.in_channels = channels
    new.weight = nn.Parameter(_spread(old.weight.detach(), channels, rule))
    parent, _, own = names[0].rpartition(".")
    setattr(network.get_submodule(parent), own, new)


def _spread(kernels: Tensor, channels: int, rule: str) -> Tensor:
    old = kernels.shape[1]
    mean = kernels.mean(dim=1, keepdim=True)
    return (mean * (old / channels if rule == "mean" else old)).repeat(1, channels, 1, 1)


class _NoOutput(nn.Module):
    """Takes the place of a head that is not wanted any more."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.empty_like(x[:, :0])


def _replace_head(network: nn.Module, head: nn.Module, old: Mapping[str, nn.Module]) -> None:
    replacements = [head, *(_NoOutput() for _ in range(len(old) - 1))]
    for name, module in zip(old, replacements, strict=True):
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, module)
