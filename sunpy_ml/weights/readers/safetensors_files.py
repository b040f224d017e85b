"""Reading of safetensors files, which hold nothing but tensors."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sunpy_ml.exceptions import WeightsError

__all__ = ["read"]


def read(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """All tensors of the file, mapped rather than copied into memory.

    Raises
    ------
    WeightsError
        If it is not a safetensors file, or is damaged.

    Examples
    --------
    >>> import pathlib, tempfile, torch
    >>> from safetensors.torch import save_file
    >>> from sunpy_ml.weights.readers.safetensors_files import read
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "mine.safetensors"
    ...     save_file({"bias": torch.ones(2)}, path)
    ...     read(path, torch.nn.Linear(2, 2))
    {'bias': tensor([1., 1.])}
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a mapping)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{error}. Fetch or save the file again.") from error
