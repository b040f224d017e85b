"""Readers of weights files: safetensors, the HDF5 of Keras and the pickles of torch, which are never executed."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.readers.checking import check_state, fit_state

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["check_state", "fit_state", "read_state"]

#: The module of each format, by the name that a card gives; they are imported when one is read.
_READERS = {"safetensors": "safetensors_files", "keras": "keras", "torch": "torch_files"}


def read_state(path: str | Path, format: str, network: "nn.Module") -> "dict[str, Tensor]":
    """The state of a network from a weights file, complete and checked, or an error and nothing.

    No code of the file is run, whatever it holds. The network is not changed; hand the state to
    ``network.load_state_dict(state, assign=True)``. Tensors of safetensors files and of torch's zip files are mapped
    from the file, so that no second copy is in memory; replace such a file, but never write into it, while its
    weights are in use.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    format : str
        ``safetensors``, ``keras`` (HDF5 of Keras 1, 2 or 3) or ``torch`` (``torch.save`` of any version).
    network : torch.nn.Module
        It says which tensors of which shapes there must be; it may lie on the meta device.

    Returns
    -------
    dict of str to torch.Tensor
        All tensors of ``network.state_dict()`` in its order, in its dtypes, on the CPU. Floating-point numbers of
        another precision are converted, and counters of batches that old files lack are 0.

    Raises
    ------
    WeightsError
        If the file cannot be read, holds anything but weights, or does not fit the network in the names, shapes or
        kinds of its tensors, or holds a value that is not finite. The message names the file, the tensor and the
        problem.

    Examples
    --------
    >>> import pathlib, tempfile, torch
    >>> from sunpy_ml.weights.readers import read_state
    >>> network = torch.nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "old.pth"
    ...     torch.save({"epoch": 3, "state_dict": {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}}, path)
    ...     state = read_state(path, "torch", network)
    >>> list(state)
    ['weight', 'bias']
    """
    if format not in _READERS:
        raise WeightsError(f"format: got {format!r}, choose from {sorted(_READERS)}.")
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"path: there is no file {str(path)!r}.")
    read: Callable[[Path, nn.Module], dict[str, Tensor]] = import_module(f"{__name__}.{_READERS[format]}").read
    try:
        state = read(path, network)
    except WeightsError as error:
        raise WeightsError(f"{str(path)!r} cannot be read as {format}: {error}") from error
    return fit_state(network.state_dict(), state, f"in {str(path)!r}")
