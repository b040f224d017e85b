"""``sunpy-ml weights``, with its own commands."""

import argparse
from pathlib import Path

from sunpy_ml.cli.common import Subcommands

__all__ = ["add_commands"]


def add_commands(commands: Subcommands) -> None:
    """Add ``weights``."""
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
    cite = actions.add_parser("cite", help="what to cite, for BibTeX")
    cite.add_argument("name", metavar="NAME")
    cite.set_defaults(action=_cite_weights)
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


def _list_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import list_weights

    table = list_weights()
    del table["title"]
    print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
    return 0


def _fetch_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import companion_path, fetch, get_card

    for name in options.names:
        print(f"{name}: {fetch(name, accept_unverified=options.accept_unverified)}")
        companion = companion_path(get_card(name))
        if companion is not None:
            print(f"{name}: {companion}")
    return 0


def _tell_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import describe, file_status, get_card

    card, status = get_card(options.name), file_status(options.name)
    print(describe(card))
    print(f"on this machine: {status.path or 'no'} (checked by {status.checked_by})")
    return 0


def _cite_weights(options: argparse.Namespace) -> int:
    from sunpy_ml.weights import cite

    print(cite(options.name))
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
