"""The command line: thin, and of the public functions only."""

import argparse
import glob
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sunpy_ml

if TYPE_CHECKING:
    from astropy.table import QTable

    from sunpy_ml import Classification

__all__ = ["main"]

_NETWORK_OPTIONS = ("weights", "device", "precision", "strict", "average_turns", "abstain_below")
_FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``sunpy-ml``; the exit code is 0 only if all that was asked was done."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.action(options))
    except (ImportError, OSError, ValueError) as error:  # ours, a missing extra's and the file system's are for users
        print(f"sunpy-ml: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sunpy-ml", description="Deep learning for solar physics.")
    parser.add_argument("--version", action="version", version=f"sunpy-ml {sunpy_ml.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    classify = commands.add_parser("classify", help="tell what images of the Sun show")
    classify.add_argument("paths", nargs="+", metavar="PATH", help="FITS file, folder or glob pattern")
    classify.add_argument("-o", "--output", type=Path, help="table to write: .ecsv, .fits or .csv")
    _add_network_options(classify)
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

    enhance = commands.add_parser("enhance", help="deconvolve HMI images and magnetograms, twice as finely sampled")
    enhance.add_argument("paths", nargs="+", metavar="IN.fits", help="FITS file, folder or glob pattern")
    enhance.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="FITS file to write, or folder for several"
    )
    enhance.add_argument("--kind", choices=("continuum", "magnetogram"), help="where the header does not tell")
    _add_network_options(enhance)
    enhance.add_argument("--tile", type=int, metavar="N", help="rows and columns computed at a time")
    enhance.add_argument("--uncertainty", choices=("variance", "ensemble", "none"), default="variance")
    enhance.add_argument(
        "--deviations", action="store_true", help="write the standard deviations, too: NAME.sigma.fits"
    )
    enhance.add_argument("--overwrite", action="store_true", help="replace files that are there")
    enhance.set_defaults(action=_enhance)

    demo = commands.add_parser("demo", help="classify a simulated observation, or real ones, with a quick look")
    demo.add_argument("paths", nargs="*", metavar="FILE", help="FITS files; by default a simulated H-alpha field")
    demo.add_argument("-o", "--output", type=Path, default=Path("sunpy_ml_demo.png"), help="PNG to write")
    demo.set_defaults(action=_demo)

    train = commands.add_parser("train", help="make weights by a recipe, with card and learning curves")
    train.add_argument("recipe", metavar="RECIPE", help="such as halpha or slic")
    train.add_argument("--data", type=Path, metavar="DIR", help="folder of the training data")
    train.add_argument("--out", type=Path, metavar="DIR", default=Path(), help="folder of the outcome")
    train.add_argument("--epochs", type=int, metavar="N")
    train.add_argument("--seed", type=int, default=0, metavar="S")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint in the folder")
    train.set_defaults(action=_train)

    simulate = commands.add_parser("simulate", help="write simulated observations, with what is true of them")
    simulate.add_argument("name", metavar="NAME", help="convection, flare, halpha, motion or photosphere")
    simulate.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT.fits", help="several images put their names behind it"
    )
    simulate.add_argument("--kind", metavar="KIND", help="such as filaments, of halpha, or plage, of photosphere")
    simulate.add_argument("--seed", type=int, default=0, metavar="S")
    simulate.add_argument("--shape", type=int, nargs="+", metavar="N", help="rows and columns; layers first, if it has")
    simulate.add_argument("--overwrite", action="store_true", help="replace files that are there")
    simulate.set_defaults(action=_simulate)

    weights = commands.add_parser("weights", help="the weights there are")
    actions = weights.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="a line for each").set_defaults(action=_list_weights)
    fetch = actions.add_parser("fetch", help="bring them to this machine, for one without a network to use later")
    fetch.add_argument("names", nargs="+", metavar="NAME")
    fetch.add_argument(
        "--accept-unverified", action="store_true", help="take a file without a known checksum, and record its own"
    )
    fetch.set_defaults(action=_fetch_weights)
    info = actions.add_parser("info", help="the whole card, and where the file is")
    info.add_argument("name", metavar="NAME")
    info.set_defaults(action=_tell_weights)
    verify = actions.add_parser("verify", help="hash the files again")
    verify.add_argument("names", nargs="*", metavar="NAME", help="by default all that are on this machine")
    verify.set_defaults(action=_verify_weights)
    path = actions.add_parser("path", help="where the file is, fetched if it must be")
    path.add_argument("name", metavar="NAME")
    path.set_defaults(action=_locate_weights)
    convert = actions.add_parser("convert", help="write the authors' file as safetensors, for fast and safe loading")
    convert.add_argument("name", metavar="NAME")
    convert.add_argument("output", type=Path, metavar="OUT.safetensors")
    convert.add_argument("--source", type=Path, metavar="FILE", help="the authors' file, where it need not be fetched")
    convert.set_defaults(action=_convert_weights)
    return parser


def _add_network_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", metavar="NAME", help="see 'sunpy-ml weights list'")
    parser.add_argument("--device", help="cpu, cuda, mps, ...; the best there is by default")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--strict", action="store_true", help="refuse what lies outside the network's domain")


def _classify(options: argparse.Namespace) -> int:
    from sunpy_ml import classify_maps

    if options.output is not None and options.output.suffix not in _FORMATS:
        raise ValueError(f"--output: got {str(options.output)!r}, the name must end in one of {list(_FORMATS)}.")
    paths = _expanded(options.paths)
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


def _enhance(options: argparse.Namespace) -> int:
    from sunpy_ml import enhance_files

    paths = _expanded(options.paths)
    single = options.output.name.endswith((".fits", ".fits.fz"))
    if single and len(paths) > 1:
        raise ValueError(f"--output: got {str(options.output)!r} for {len(paths)} files; name a folder.")
    names = ("kind", "weights", "device", "precision", "strict", "tile", "uncertainty", "deviations", "overwrite")
    arguments = {name: getattr(options, name) for name in names}
    if single:
        table = enhance_files(paths, options.output.parent, names=[options.output.name], **arguments)
    else:
        table = enhance_files(paths, options.output, **arguments)
    for row in table:
        if row["error"]:
            print(f"sunpy-ml: {row['source']}: {row['error']}", file=sys.stderr)
        else:
            print(f"{row['output']}: seen again by HMI it differs by {row['consrms']:.4g} (rms)")
    return 1 if any(table["error"] != "") else 0


def _expanded(patterns: Sequence[str]) -> list[str]:
    from sunpy_ml.observations import iterate_observations

    paths: list[str] = []
    for pattern in patterns:
        # A name without a match stays as it is, so that it is reported like any other file that cannot be read.
        for name in sorted(glob.glob(pattern, recursive=True)) or [pattern]:
            paths += [str(path) for path in iterate_observations(name)]
    return paths


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

    paths = _expanded(options.paths)
    if not paths:
        print("No file was named, so this is a SIMULATED H-alpha field (sunpy_ml.simulation), not an observation.")
    for number, observation in enumerate(paths or [halpha_scene("sunspots", seed=1)]):
        result = classify_map(observation)
        output = options.output if number == 0 else options.output.with_stem(f"{options.output.stem}_{number}")
        _show(result.table())
        _save(result, output)
        print(f"Quick look: {output}")
    return 0


def _train(options: argparse.Namespace) -> int:
    from sunpy_ml.training import run_recipe

    arguments = {name: getattr(options, name) for name in ("data", "out", "epochs", "seed", "resume")}
    print(run_recipe(options.recipe, **arguments))
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from sunpy_ml.simulation import write_simulation

    arguments = {name: getattr(options, name) for name in ("kind", "seed", "overwrite")}
    if options.shape is not None:
        arguments["shape"] = tuple(options.shape)
    for path in write_simulation(options.name, options.output, **arguments):
        print(path)
    return 0


def _list_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import list_weights

    table = list_weights()
    del table["title"]
    print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
    return 0


def _fetch_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import fetch

    for name in options.names:
        print(f"{name}: {fetch(name, accept_unverified=options.accept_unverified)}")
    return 0


def _tell_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import describe, file_status, get_card

    card, status = get_card(options.name), file_status(options.name)
    print(describe(card))
    print(f"on this machine: {status.path or 'no'} (checked by {status.checked_by})")
    return 0


def _verify_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import is_fetched, list_weights, verify

    for name in options.names or [name for name in list_weights()["name"] if is_fetched(name)]:
        verify(name)
        print(f"{name}: as its card says")
    return 0


def _locate_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import get_card, weights_path

    print(weights_path(get_card(options.name)))
    return 0


def _convert_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import convert_weights

    card = convert_weights(options.name, options.output, source=options.source)
    print(f"{options.output}: {card.name}, {card.file.size} bytes, SHA-256 {card.file.sha256}")
    return 0
