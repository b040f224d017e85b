"""``sunpy-ml enhance``."""

import argparse
import sys
from pathlib import Path

from sunpy_ml.cli.common import Subcommands, add_network_options, expanded

__all__ = ["add_commands"]


def add_commands(commands: Subcommands) -> None:
    """Add ``enhance``."""
    enhance = commands.add_parser("enhance", help="deconvolve HMI images and magnetograms, twice as finely sampled")
    enhance.add_argument("paths", nargs="+", metavar="IN.fits", help="FITS file, folder or glob pattern")
    enhance.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="FITS file to write, or folder for several"
    )
    enhance.add_argument("--kind", choices=("continuum", "magnetogram"), help="where the header does not tell")
    add_network_options(enhance)
    enhance.add_argument("--tile", type=int, metavar="N", help="rows and columns computed at a time")
    enhance.add_argument("--uncertainty", choices=("variance", "ensemble", "none"), default="variance")
    enhance.add_argument(
        "--deviations", action="store_true", help="write the standard deviations, too: NAME.sigma.fits"
    )
    enhance.add_argument("--overwrite", action="store_true", help="replace files that are there")
    enhance.set_defaults(action=_enhance)


def _enhance(options: argparse.Namespace) -> int:
    from sunpy_ml import enhance_files

    paths = expanded(options.paths)
    single = _is_file(options.output, len(paths))
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


def _is_file(output: Path, count: int) -> bool:
    """Whether the name is that of a file to write, and not of a folder."""
    from sunpy_ml.observations import FITS_ENDINGS

    if output.is_dir():
        return False
    if output.name.lower().endswith(FITS_ENDINGS):
        if count > 1:
            raise ValueError(f"--output: got {str(output)!r} for {count} files; name a folder.")
        return True
    if output.suffix and count == 1:
        raise ValueError(
            f"--output: got {str(output)!r}; a file must end in {', '.join(FITS_ENDINGS)}, and a folder with a dot in "
            "its name must be there already."
        )
    return False
