"""``sunpy-ml emergence``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_ml.cli.common import Subcommands, add_network_options

if TYPE_CHECKING:
    from ndcube import NDCube

__all__ = ["add_commands"]

_FORMATS = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}


def add_commands(commands: Subcommands) -> None:
    """Add ``emergence``."""
    emergence = commands.add_parser("emergence", help="tell whether and when magnetic flux emerges in a patch")
    emergence.add_argument(
        "path", type=Path, metavar="CUBE.asdf|FOLDER", help="a cube, or FITS magnetograms of the full disk"
    )
    emergence.add_argument(
        "--centre",
        type=float,
        nargs=2,
        metavar=("LON", "LAT"),
        help="of a folder: Stonyhurst coordinates of the middle of the patch at --time, in degrees",
    )
    emergence.add_argument("--time", metavar="T", help="of a folder: such as 2014-10-24T12:00")
    emergence.add_argument("--scale", type=float, default=0.12, metavar="DEG", help="of a folder: degrees per pixel")
    emergence.add_argument("-o", "--output", type=Path, help="table to write: .ecsv or .csv")
    emergence.add_argument("--hmi-as-mdi", action="store_true", help="make of HMI's field what MDI would have told")
    emergence.add_argument("--plot", type=Path, metavar="PNG", help="write the figure")
    add_network_options(emergence, precision=False)
    emergence.set_defaults(action=_emergence)


def _emergence(options: argparse.Namespace) -> int:
    from sunpy_ml import detect_emergence

    if options.output is not None and options.output.suffix not in _FORMATS:
        raise ValueError(f"--output: got {str(options.output)!r}, the name must end in one of {list(_FORMATS)}.")
    names = ("weights", "device", "strict", "hmi_as_mdi")
    result = detect_emergence(_cube(options), **{name: getattr(options, name) for name in names})
    table = result.table()
    if options.output is not None:
        table.write(options.output, format=_FORMATS[options.output.suffix], overwrite=True)
    else:
        for name in ("probability", "spread"):
            table[name].info.format = ".3f"
        print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
    if options.plot is not None:
        result.plot().savefig(options.plot, dpi=100)
    return 0


def _cube(options: argparse.Namespace) -> "NDCube | Path":
    path: Path = options.path
    placed = [name for name in ("centre", "time") if getattr(options, name) is not None]
    if not path.is_dir():
        if placed:
            raise ValueError(f"--{placed[0]}: it belongs to a folder; {str(path)!r} is none.")
        return path
    if len(placed) < 2:
        raise ValueError("--centre, --time: a folder needs both, which tell the place that is followed.")
    return _patch(path, options)


def _patch(folder: Path, options: argparse.Namespace) -> Any:
    import astropy.units as u
    from astropy.coordinates import SkyCoord
    from sunpy.coordinates import HeliographicStonyhurst
    from sunpy.time import parse_time

    from sunpy_ml.emergence import patch_cube

    longitude, latitude = options.centre
    frame = HeliographicStonyhurst(obstime=parse_time(options.time))
    centre = SkyCoord(longitude * u.deg, latitude * u.deg, frame=frame)
    return patch_cube(folder, centre, scale=options.scale * u.deg / u.pix)
