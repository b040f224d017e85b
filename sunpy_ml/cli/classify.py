"""``sunpy-ml classify`` and ``sunpy-ml demo``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_ml.cli.common import Subcommands, add_network_options, expanded

if TYPE_CHECKING:
    from astropy.table import QTable

    from sunpy_ml import Classification

__all__ = ["add_commands"]

_NETWORK_OPTIONS = ("weights", "device", "precision", "strict", "average_turns", "abstain_below")
_FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits"}


def add_commands(commands: Subcommands) -> None:
    """Add ``classify`` and ``demo``."""
    classify = commands.add_parser("classify", help="tell what images of the Sun show")
    classify.add_argument("paths", nargs="+", metavar="PATH", help="FITS file, folder or glob pattern")
    classify.add_argument("-o", "--output", type=Path, help="table to write: .ecsv, .fits or .csv")
    add_network_options(classify)
    classify.add_argument(
        "--average-turns",
        action=argparse.BooleanOptionalAction,
        help="average over the eight turns and reflections; by default as the weights' card says",
    )
    classify.add_argument(
        "--abstain-below", type=float, default=0.0, metavar="P", help="least probability of a label; else undecided"
    )
    classify.add_argument("--plot", type=Path, metavar="DIR", help="write a quick-look PNG of each file")
    classify.set_defaults(action=_classify)

    demo = commands.add_parser("demo", help="classify a simulated observation, or real ones, with a quick look")
    demo.add_argument("paths", nargs="*", metavar="FILE", help="FITS files; by default a simulated H-alpha field")
    demo.add_argument("-o", "--output", type=Path, default=Path("sunpy_ml_demo.png"), help="PNG to write")
    demo.set_defaults(action=_demo)


def _classify(options: argparse.Namespace) -> int:
    from sunpy_ml import classify_maps

    if options.output is not None and options.output.suffix not in _FORMATS:
        raise ValueError(f"--output: got {str(options.output)!r}, the name must end in one of {list(_FORMATS)}.")
    paths = expanded(options.paths)
    network = {name: getattr(options, name) for name in _NETWORK_OPTIONS}
    table = classify_maps(paths, **network)
    if options.plot is not None:
        _plot_each(table, paths, options.plot, network)
    if options.output is None:
        _show(table)
    else:
        _write(table, options.output)
    failed = table[table["error"] != ""]
    for row in failed:
        print(f"sunpy-ml: {row['source']}: {row['error']}", file=sys.stderr)
    return 1 if len(failed) else 0


def _plot_each(table: "QTable", paths: Sequence[str], folder: Path, network: dict[str, Any]) -> None:
    from sunpy_ml import classify_map

    folder.mkdir(parents=True, exist_ok=True)
    for number, (path, error) in enumerate(zip(paths, table["error"], strict=True)):
        if not error:
            # Files of one name may come from several folders, so the row number keeps their pictures apart.
            _save(classify_map(path, **network), folder / f"{number:05d}_{Path(path).name}.png")


def _save(result: "Classification", path: Path) -> None:
    from matplotlib import pyplot as plt

    figure = result.plot()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _show(table: "QTable") -> None:
    probabilities = [name for name in table.colnames if name.startswith("p_")]
    shown = table["source", "date", "label", *probabilities, "in_domain", "error"]
    for name in probabilities:
        shown[name].info.format = ".3f"
    print("\n".join(shown.pformat(max_lines=-1, max_width=-1)))


def _write(table: "QTable", path: Path) -> None:
    if path.suffix == ".csv":
        # Plain text has no coordinates and no column of pairs, so each number gets a column of its own.
        table["centre_x"], table["centre_y"] = table["centre"].Tx, table["centre"].Ty
        table["observer_lon"], table["observer_lat"] = table["observer"].lon, table["observer"].lat
        table["observer_radius"] = table["observer"].radius
        table["size_x"], table["size_y"] = table["size"].T
        table["date"] = table["date"].isot
        table.remove_columns(["centre", "observer", "size"])
    table.write(path, format=_FORMATS[path.suffix], overwrite=True)


def _demo(options: argparse.Namespace) -> int:
    from sunpy_ml import classify_map
    from sunpy_ml.simulation import halpha_scene

    paths = expanded(options.paths)
    if not paths:
        print("No file was named, so this is a SIMULATED H-alpha field (sunpy_ml.simulation), not an observation.")
    for number, observation in enumerate(paths or [halpha_scene("sunspots", seed=1)]):
        result = classify_map(observation)
        output = options.output if number == 0 else options.output.with_stem(f"{options.output.stem}_{number}")
        _show(result.table())
        _save(result, output)
        print(f"Quick look: {output}")
    return 0
