"""Choice of device and precision."""

import torch

__all__ = ["PRECISIONS", "choose_device", "choose_precision"]

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The device that a network runs on.

    Parameters
    ----------
    device : str, torch.device or None
        None takes the first there is of cuda, mps and cpu.

    Raises
    ------
    ValueError
        If torch does not know the device, or this machine does not have it.

    Examples
    --------
    >>> from sunpy_ml.inference import choose_device
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device: {device!r} cannot be used on this machine ({str(error).splitlines()[0]}); "
            "choose 'cpu', or None for the best there is."
        ) from error
    return chosen


def choose_precision(precision: str) -> torch.dtype:
    """The dtype that a network computes in.

    Raises
    ------
    ValueError
        If ``precision`` is neither ``"float32"`` nor ``"bfloat16"``.

    Examples
    --------
    >>> from sunpy_ml.inference import choose_precision
    >>> choose_precision("bfloat16")
    torch.bfloat16
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision: got {precision!r}, choose from {tuple(PRECISIONS)}.")
    return PRECISIONS[precision]
