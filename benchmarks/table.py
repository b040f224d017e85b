"""Measure speed and memory of each verb, and write them for the page of the documentation.

Run it on a machine that does nothing else by::

    python benchmarks/table.py

It takes some minutes and writes ``docs/benchmarks.json``. ``--only`` measures a part again: ``imports``, ``calls``,
``published``, ``size``, ``files``, ``dask`` or ``parity``, or what belongs to one verb, such as ``deepvel_flow``.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm
from works import SCALED, SIDES, VERBS

from sunpy_ml import __version__

HERE = Path(__file__).parent
#: Files in a folder; Maps for the workers of dask, in two batches; workers.
COUNTS, MAPS, WORKERS = (1, 10, 100), 32, (0, 1, 2)

Plan = Iterator[tuple[str, dict[str, Any]]]


def plan(gpu: bool, repeats: int, budget: float) -> Plan:
    """The name of each measurement, and what `probe` is asked for."""
    often = {"repeats": repeats, "budget": budget}
    for module in ("sunpy_ml", "sunpy.map", "torch"):
        yield f"imports/{module}", {"what": "imports", "statement": f"import {module}"}
    for verb in VERBS:
        yield f"imports/{verb}", {"what": "imports", "statement": f"from sunpy_ml import {verb}"}
    devices = ("cpu", "cuda") if gpu else ("cpu",)
    for verb in VERBS:
        for device in devices:
            yield f"calls/{verb}/{device}", {"what": "calls", "verb": verb, "device": device, **often}
        yield f"published/{verb}", {"what": "published", "verb": verb, **often}
        if gpu:
            yield f"parity/{verb}", {"what": "parity", "verb": verb}
    for verb, device, side in product(SCALED, devices, SIDES):
        yield f"size/{verb}/{device}/{side}", {"what": "size", "verb": verb, "side": side, "device": device, **often}
    for count in COUNTS:
        yield f"files/classify_map/{count}", {"what": "files", "count": count, **often}
    for workers in WORKERS:
        yield f"dask/classify_map/{workers}", {"what": "dask", "workers": workers, "count": MAPS, **often}


def measure(asked: dict[str, Any], threads: int) -> dict[str, Any]:
    """Ask a fresh interpreter."""
    # What an observation shows does not matter here, so warnings of it do not either.
    command = [sys.executable, "-W", "ignore", str(HERE / "probe.py"), json.dumps(asked)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)}
    )
    return json.loads(done.stdout.splitlines()[-1])


def earlier(path: Path, machine: dict[str, Any], parser: argparse.ArgumentParser) -> dict[str, Any]:
    """What was measured before, which has to be of the same machine."""
    if not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["machine"] != machine:
        parser.error(
            f"--only: {path} is of another machine or other versions; measure all again, or name another --out"
        )
    return found["measured"]


def main() -> None:
    """Measure everything, or what is asked for."""
    parser = argparse.ArgumentParser(description="Measure speed and memory of each verb.")
    parser.add_argument("--only", action="append", metavar="NAME", help="a part or a verb; may be given more than once")
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "benchmarks.json", metavar="FILE")
    parser.add_argument("--repeats", type=int, default=7, help="calls of which the median is taken (default 7)")
    parser.add_argument("--budget", type=float, default=8, help="seconds after which there are fewer (default 8)")
    options = parser.parse_args()

    machine = measure({"what": "machine"}, 1)
    everything = dict(plan(machine["gpu"] is not None, options.repeats, options.budget))
    chosen = everything
    measured: dict[str, Any] = {}
    if options.only:
        known = {part for name in everything for part in name.split("/")}
        if unknown := set(options.only) - known:
            parser.error(f"--only: got {', '.join(sorted(unknown))}, choose from {', '.join(sorted(known))}")
        measured = earlier(options.out, machine, parser)
        chosen = {name: asked for name, asked in everything.items() if set(options.only) & set(name.split("/"))}
    with tqdm(chosen.items()) as bar:
        for name, asked in bar:
            bar.set_postfix_str(name)
            # Workers of one thread are compared with one thread.
            threads = 1 if asked["what"] == "dask" else machine["cores"]
            found = measure(asked, threads)
            about = {"threads": threads, "version": __version__, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
            measured[name] = {**about, **found}
            # Each at once, so that what was measured is not lost.
            ordered = {name: measured[name] for name in everything if name in measured}
            text = json.dumps({"machine": machine, "measured": ordered}, indent=1)
            options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
