"""Whether a state fits a network, found out before any of it is used."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sunpy_ml.exceptions import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_state", "fit_state"]

#: Values that are looked at together; the work space stays small beside weights of hundreds of megabytes.
_BLOCK = 2**20


def check_state(expected: "Mapping[str, Tensor]", state: "Mapping[str, Tensor]", name: str) -> None:
    """Make sure that a state fits a network, before any of it is used.

    Parameters
    ----------
    expected : mapping of str to torch.Tensor
        The state of the network that is to hold it; its values do not matter (it may be on the meta device).
    state : mapping of str to torch.Tensor
        The state.
    name : str
        What it is called in the message.

    Raises
    ------
    WeightsError
        If a tensor is missing, surplus, of another shape, of another kind (integers for floating-point numbers) or
        holds a value that is not finite.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.weights.readers import check_state
    >>> check_state({"bias": torch.zeros(2)}, {"bias": torch.zeros(3)}, "'mine-1'")
    Traceback (most recent call last):
    ...
    sunpy_ml.exceptions.WeightsError: The weights 'mine-1' do not fit their network: bias is (3,) instead of (2,).
    """
    problems = [f"missing {key}" for key in expected if key not in state]
    problems += [f"surplus {key}" for key in state if key not in expected]
    for key in (key for key in expected if key in state):
        problem = _problem(expected[key], state[key])
        if problem:
            problems.append(f"{key} is {problem}")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise WeightsError(f"The weights {name} do not fit their network: {'; '.join(problems[:5])}{more}.")


def fit_state(expected: "Mapping[str, Tensor]", state: "Mapping[str, Tensor]", name: str) -> "dict[str, Tensor]":
    """A state as a network takes it: complete, in its order and in its dtypes.

    Parameters
    ----------
    expected, state, name
        As for `check_state`.

    Returns
    -------
    dict of str to torch.Tensor
        What is missing of the counters of batches (``num_batches_tracked``, which files older than torch 0.4.1 lack)
        is 0. Tensors that are contiguous and have the right dtype are those that were given.

    Raises
    ------
    WeightsError
        As from `check_state`; also if a number is too large for the dtype of the network.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.weights.readers import fit_state
    >>> fit_state({"bias": torch.zeros(2)}, {"bias": torch.ones(2, dtype=torch.float64)}, "'mine-1'")
    {'bias': tensor([1., 1.])}
    """
    import torch

    fitted = {}
    for key, like in expected.items():
        if key in state:
            same_kind = _kind(state[key]) == _kind(like) and state[key].shape == like.shape
            fitted[key] = state[key].detach().to(like.dtype).contiguous() if same_kind else state[key]
        elif key.rpartition(".")[2] == "num_batches_tracked":
            # Only the momentum of training reads it, and only where the momentum is None.
            fitted[key] = torch.zeros(like.shape, dtype=like.dtype)
    check_state(expected, {**state, **fitted}, name)
    return fitted


def _problem(expected: "Tensor", found: "Tensor") -> str:
    if expected.shape != found.shape:
        return f"{tuple(found.shape)} instead of {tuple(expected.shape)}"
    if _kind(expected) != _kind(found):
        return f"{found.dtype} instead of {expected.dtype}"
    if found.is_floating_point() and not all(block.isfinite().all() for block in found.flatten().split(_BLOCK)):
        return "not finite"
    return ""


def _kind(tensor: "Tensor") -> str:
    if tensor.is_floating_point():
        return "floating point"
    return "complex" if tensor.is_complex() else "boolean" if str(tensor.dtype) == "torch.bool" else "integer"
