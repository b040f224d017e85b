"""What there is on this machine, for reports of what went wrong."""

import os
import platform
from collections.abc import Iterator

import torch
from sunpy.util.sysinfo import find_dependencies

from sunpy_ml.inference import choose_device
from sunpy_ml.version import version
from sunpy_ml.weights import file_status, list_weights
from sunpy_ml.weights.fetching.folders import cache_folder, hand_folder

__all__ = ["system_info"]

# Each by itself: of "all", sunpy loses the package dask, which is called as its extra is.
_EXTRAS = ["asdf", "dask", "explain", "flows", "train"]


def system_info() -> str:
    """Versions, devices and weights, in lines to be put into a report.

    Examples
    --------
    >>> from sunpy_ml import system_info
    >>> print(system_info().splitlines()[0])
    sunpy_ml ...
    """
    return "\n".join([*_versions(), "", *_devices(), "", *_weights()])


def _versions() -> Iterator[str]:
    yield f"sunpy_ml {version}, Python {platform.python_version()}, {platform.platform()}"
    for title, groups in (("Required", ["required"]), ("Extras", _EXTRAS)):
        missing, installed = find_dependencies("sunpy_ml", groups)
        yield f"{title}: " + ", ".join(f"{name} {found}" for name, found in sorted(installed.items()))
        if missing:
            yield f"Not installed: {', '.join(sorted(missing))}"


def _devices() -> Iterator[str]:
    yield f"Device that is used: {choose_device()}"
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        yield f"cuda:{number}: {device.name}, {device.total_memory / 2**30:.0f} GiB"
    yield f"Processors: {os.cpu_count()}; threads of torch: {torch.get_num_threads()}"


def _weights() -> Iterator[str]:
    yield f"Weights are fetched to {cache_folder()}, and looked for in {hand_folder() or 'no other folder'}"
    found = {name: file_status(name) for name in list_weights()["name"].tolist()}
    here = [f"{name} ({status.checked_by})" for name, status in found.items() if status.path]
    yield f"Weights on this machine: {', '.join(here)}"
    yield f"To be fetched: {', '.join(name for name, status in found.items() if not status.path)}"
    for name, status in found.items():
        for problem in status.problems:
            yield f"Problem with {name}: {problem}"
