"""One measurement, in a process of its own.

``python benchmarks/probe.py '{"what": "imports", "statement": "import sunpy_ml"}'`` prints it as JSON. Times are in
seconds, memory is in MiB.
"""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

#: Before a larger size is measured, so that what is loaded and compiled once counts for none.
SMALL = 64


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import torch

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "sunpy")},
    }


def imports(statement: str, repeats: int = 3) -> dict[str, Any]:
    """Seconds that a statement takes in an interpreter that has just started."""
    script = f"from time import perf_counter as now; start = now(); {statement}; print(now() - start)"
    command = [sys.executable, "-c", script]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(repeats)]
    return {"seconds": [float(run.stdout) for run in runs]}


def calls(verb: str, repeats: int, budget: float, device: str = "cpu") -> dict[str, Any]:
    """The first call, which loads the weights, and later ones."""
    work = import_module(f"works.{verb}")
    seen = work.observation(work.SIDE)
    call = partial(work.call, seen, device)
    before = forget_peak()
    found = {"first": seconds(call), **repeated(call, repeats, budget)}
    return {"shape": seen.data.shape, **found, "before": before, "peak": peak()}


def published(verb: str, repeats: int, budget: float) -> dict[str, Any]:
    """The published architecture, as its authors ran it, warmed up as the verb is."""
    work = import_module(f"works.{verb}")
    call = work.published(work.SIDE)
    before = forget_peak()
    seconds(call)
    found = repeated(call, repeats, budget)
    return {"what": work.PUBLISHED, "share": work.SHARE, **found, "before": before, "peak": peak()}


def size(verb: str, side: int, repeats: int, budget: float, device: str = "cpu") -> dict[str, Any]:
    """Calls with an image of that many pixels along its edges."""
    work = import_module(f"works.{verb}")
    work.call(work.observation(SMALL), device)
    seen = work.observation(side)
    before = forget_peak()
    found = repeated(partial(work.call, seen, device), repeats, budget)
    return {"shape": seen.data.shape, **found, "before": before, "peak": peak()}


def files(count: int, repeats: int, budget: float) -> dict[str, Any]:
    """A folder of that many files through `sunpy_ml.classify_maps`, reading included."""
    from works import classify_map as work

    from sunpy_ml import classify_maps

    with TemporaryDirectory() as folder:
        first, *others = (Path(folder) / f"{number:04}.fits" for number in range(count))
        work.observation(work.SIDE).save(first)
        for other in others:
            shutil.copy(first, other)
        classify_maps([first], device="cpu", progress=False)
        before = forget_peak()
        found = repeated(partial(classify_maps, folder, device="cpu", progress=False), repeats, budget)
    return {"count": count, **found, "before": before, "peak": peak()}


def dask(workers: int, count: int, repeats: int, budget: float) -> dict[str, Any]:
    """That many Maps through `sunpy_ml.classify_maps` and workers of one thread each, or none; the largest memory."""
    from distributed import Client, LocalCluster
    from works import classify_map as work

    from sunpy_ml import classify_maps

    maps = [work.observation(work.SIDE)] * count
    with ExitStack() as stack:
        client = None
        if workers:
            # Processes, although each has one thread: that is how a cluster is.
            local = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
            client = stack.enter_context(Client(stack.enter_context(local)))
        call = partial(classify_maps, maps, client=client, device="cpu", progress=False)
        found = {"first": seconds(call), **repeated(call, repeats, budget)}
        largest = max(client.run(peak).values()) if client else peak()
    return {"workers": workers, "count": count, **found, "peak": largest}


def parity(verb: str, device: str = "cuda") -> dict[str, Any]:
    """The largest difference between the answers of a processor and a GPU, over the largest value."""
    import numpy as np

    work = import_module(f"works.{verb}")
    here, there = (work.call(work.observation(work.SIDE), name) for name in ("cpu", device))
    return {"difference": float(np.nanmax(np.abs(here - there)) / np.nanmax(np.abs(here)))}


def seconds(call: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = perf_counter()
    call()
    return perf_counter() - start


def repeated(call: Callable[[], Any], repeats: int, budget: float) -> dict[str, list[float]]:
    """Times of calls: as many as asked for, or fewer when they take long."""
    later: list[float] = []
    while not later or (len(later) < repeats and sum(later) < budget):
        later.append(seconds(call))
    return {"later": later}


def forget_peak() -> float | None:
    """Let the peak start from here, where the system can; what the process has."""
    if sys.platform != "linux":
        return None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return status("VmRSS")


def peak() -> float:
    """The largest resident memory since `forget_peak`, or since the process started."""
    if sys.platform == "linux":
        return status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def status(name: str) -> float:
    """What Linux tells of this process."""
    return int(Path("/proc/self/status").read_text(encoding="ascii").split(f"{name}:")[1].split()[0]) / 2**10


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(globals()[asked.pop("what")](**asked)))  # noqa: T201
