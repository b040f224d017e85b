"""The stages of a network, from its input to its head, found without knowing the network."""

from collections.abc import Iterator

from torch import nn

__all__ = ["stages"]


def stages(network: nn.Module) -> list[dict[str, nn.Module]]:
    """The parts of a network that hold parameters, in order of depth; the last one is its head.

    A part is a child of the network. A `torch.nn.Sequential` is opened where it is a chain of blocks, or of several
    linear layers. Linear layers that read the same features side by side, as the two heads of
    ``compact-classifier`` do, are one stage.

    Parameters
    ----------
    network : torch.nn.Module
        Its children must be registered in the order in which they are used.

    Returns
    -------
    list of dict
        For each stage its modules, by the names that `torch.nn.Module.get_submodule` takes.

    Raises
    ------
    ValueError
        If no part of the network holds parameters.

    Examples
    --------
    >>> from sunpy_ml.training import stages
    >>> from sunpy_ml.weights import load
    >>> [" + ".join(stage) for stage in stages(load("halpha-2"))]  # doctest: +ELLIPSIS
    ['stem', 'features.0', ..., 'features.7', 'classes + present + unfamiliar']
    """
    found: list[dict[str, nn.Module]] = []
    for name, part in _parts(network, ""):
        if found and _side_by_side(next(iter(found[-1].values())), part):
            found[-1][name] = part
        else:
            found.append({name: part})
    if not found:
        raise ValueError(f"network: {type(network).__name__} has no child modules with parameters, so no stages.")
    return found


def _parts(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if next(child.parameters(), None) is None:
            continue
        if isinstance(child, nn.Sequential) and _is_chain(child):
            yield from _parts(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _is_chain(sequence: nn.Sequential) -> bool:
    blocks = any(next(child.children(), None) is not None for child in sequence)
    return blocks or sum(isinstance(child, nn.Linear) for child in sequence) > 1


def _side_by_side(before: nn.Module, after: nn.Module) -> bool:
    # What reads as many features as the layer before it reads, and not as many as that gives, does not follow it.
    return (
        isinstance(before, nn.Linear)
        and isinstance(after, nn.Linear)
        and after.in_features == before.in_features != before.out_features
    )
