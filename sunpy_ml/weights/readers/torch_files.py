"""Reading of the files of ``torch.save``: zip archives, and the plain pickles from before torch 1.6.

They are pickles, which can name any function to be called, so they are read with ``weights_only=True``: names beyond
tensors and plain containers are refused unless they are on the list below.
"""

import re
import threading
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sunpy_ml.exceptions import WeightsError

__all__ = ["read"]

#: Keys under which training scripts keep the state beside their own records (epoch, losses, optimiser).
WRAPPERS = ("state_dict", "model_state_dict", "model")

_CONVERT = (
    "Convert it where it was made: load it there with the authors' code, then save the tensors alone, with "
    "torch.save(model.state_dict(), path) or safetensors.torch.save_file(model.state_dict(), path)"
)

_ZIP = b"PK\x03\x04"
#: The number 0x1950a86a20f9469cfc6c, which torch writes first, as a pickle holds it.
_LEGACY = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

# The numbers in the records beside a state are often numpy's. The function that makes a numpy scalar of its bytes is
# in another module since numpy 2; files name either.
_SCALAR = np.float64(0).__reduce__()[0]
_ALLOWED: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *sorted({type(np.dtype(code)) for code in "?bhilqBHILQefd"}, key=lambda kind: kind.__name__),
]
# torch keeps one list of what is allowed for the whole process.
_lock = threading.Lock()


def read(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """The tensors of the state that the file holds, on the CPU; those of a zip are mapped rather than copied.

    Raises
    ------
    WeightsError
        If the file is damaged, holds more than tensors, plain containers and numbers, or no state.

    Examples
    --------
    >>> import pathlib, tempfile, torch
    >>> from sunpy_ml.weights.readers.torch_files import read
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "old.pth"
    ...     torch.save({"epoch": 3, "model": {"module.bias": torch.ones(2)}}, path)
    ...     read(path, torch.nn.Linear(2, 2))
    {'bias': tensor([1., 1.])}
    """
    with path.open("rb") as stream:
        head = stream.read(32)
    if head.startswith(_ZIP):
        _check_zip(path)
    elif _LEGACY not in head:
        raise WeightsError(f"it was not written by torch.save. {_CONVERT}.")
    state = _state(_load(path, mapped=head.startswith(_ZIP)))
    expected = network.state_dict().keys()
    # What is wrapped for several processors has this before every name.
    while all(name.startswith("module.") and name not in expected for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state


def _check_zip(path: Path) -> None:
    """Refuse what could grow while it is read: torch stores its records without compression."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise WeightsError(f"it is a damaged archive: {error}. Fetch or save the file again.") from error
    packed = [record.filename for record in records if record.compress_type != zipfile.ZIP_STORED]
    total = sum(record.file_size for record in records)
    if packed or total > path.stat().st_size:
        raise WeightsError(
            f"its {len(records)} records would grow to {total} bytes from a file of {path.stat().st_size} bytes, "
            f"which torch.save never writes{f' ({packed[0]!r} is compressed)' if packed else ''}. Do not use it."
        )
    if any(record.filename.endswith("constants.pkl") for record in records):
        raise WeightsError(f"it is a TorchScript program, not a state. {_CONVERT}.")


def _load(path: Path, mapped: bool) -> Any:
    with _lock:
        # What the caller allowed already stays allowed afterwards.
        ours = [name for name in _ALLOWED if name not in torch.serialization.get_safe_globals()]
        try:
            with torch.serialization.safe_globals(ours):
                return _unpickled(path, mapped)
        # A hostile or damaged pickle can make torch fail in any way, and all of them mean the same to the caller.
        except Exception as error:
            name = re.search(r"GLOBAL (\S+)", str(error))
            if name:
                found = f"it holds {name[1]}, which is code and not weights, as in a whole pickled model"
            else:
                reason = str(error).rpartition("WeightsUnpickler error: ")[2].strip().partition("\n")[0]
                found = f"it is damaged, or holds more than tensors ({type(error).__name__}: {reason})"
            # Without torch's own message, which advises to run the code.
            raise WeightsError(f"{found}. {_CONVERT}.") from None


def _unpickled(path: Path, mapped: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except ValueError:
        # Python 2 wrote the bytes of numbers as text, which is not always UTF-8; in latin1 every byte is a character.
        with warnings.catch_warnings():
            # It is done, but torch says that it is not.
            warnings.filterwarnings("ignore", message="pickle_load_args only works")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped, encoding="latin1")


def _state(content: Any) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        wrapped = [key for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        if not wrapped:
            break
        content = content[wrapped[0]]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"it holds {type(content).__name__} instead of a dict of tensors. {_CONVERT}.")
    for name, value in content.items():
        if not isinstance(name, str):
            raise WeightsError(f"the name {name!r} of a tensor is no text. {_CONVERT}.")
        if type(value) not in (Tensor, nn.Parameter):
            raise WeightsError(f"{name!r} is {type(value).__name__} instead of a tensor. {_CONVERT}.")
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise WeightsError(f"{name!r} is no plain tensor in memory. {_CONVERT}.")
    return {name: tensor.detach() for name, tensor in content.items()}
