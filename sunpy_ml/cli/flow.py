"""``sunpy-ml flow``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_ml.cli.common import Subcommands, add_network_options, expanded

if TYPE_CHECKING:
    from ndcube import NDCollection

__all__ = ["add_commands"]

# Of each method alone, besides those of both.
_OPTIONS = {
    "deepvel": ("weights", "precision", "strict", "tile", "uncertainty", "average_turns", "remove_rotation"),
    "lct": ("window", "average"),
}
_BOTH = ("cadence", "scale", "coaligned", "device")


def add_commands(commands: Subcommands) -> None:
    """Add ``flow``."""
    flow = commands.add_parser("flow", help="find horizontal velocities in two or more images of one place")
    flow.add_argument("paths", nargs="+", metavar="IN.fits", help="FITS files in order of time, or a glob pattern")
    flow.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="file to write: .asdf or .fits")
    flow.add_argument("--method", choices=tuple(_OPTIONS), default="deepvel", help="a network, or local correlation")
    flow.add_argument("--cadence", type=_quantity, help="time between images, such as '30 s', if headers do not tell")
    flow.add_argument("--scale", type=_quantity, help="of pixels, such as '0.1 arcsec/pix', if headers do not tell")
    flow.add_argument("--coaligned", action="store_true", help="pixels show the same places though headers differ")
    flow.add_argument("--window", type=_quantity, help="of lct: full width at half maximum, such as '1.5 Mm'")
    flow.add_argument("--average", type=_time, help="of lct: such as '30 min', or 'all'")
    add_network_options(flow)
    flow.add_argument("--tile", type=int, metavar="N", help="rows and columns computed at a time")
    flow.add_argument("--uncertainty", choices=("variance", "ensemble", "none"))
    flow.add_argument("--average-turns", action=argparse.BooleanOptionalAction, help="average over turned images")
    flow.add_argument("--remove-rotation", action="store_true", help="take the rotation of the Sun away")
    flow.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    flow.set_defaults(action=_flow, precision=None)


def _quantity(words: str) -> Any:
    from astropy.units import Quantity

    try:
        return Quantity(words)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"expected a number with its unit, got {words!r}") from error


def _time(words: str) -> Any:
    return words if words == "all" else _quantity(words)


def _flow(options: argparse.Namespace) -> int:
    from sunpy_ml import deepvel_flow, lct_flow
    from sunpy_ml.flows import check_flow_path, write_flow

    # Before the work rather than after it.
    check_flow_path(options.output, overwrite=options.overwrite)
    other = "lct" if options.method == "deepvel" else "deepvel"
    for name in _OPTIONS[other]:
        if getattr(options, name) not in (None, False):
            raise ValueError(f"--{name.replace('_', '-')}: it belongs to --method {other}.")
    given = {name: getattr(options, name) for name in (*_BOTH, *_OPTIONS[options.method])}
    given = {name: value for name, value in given.items() if value is not None}
    flow = (deepvel_flow if options.method == "deepvel" else lct_flow)(expanded(options.paths), **given)
    write_flow(flow, options.output, overwrite=options.overwrite)
    print(f"{options.output}: {_summary(flow)}")
    return 0


def _summary(flow: "NDCollection") -> str:
    import numpy as np

    velocity = np.stack([flow[name].data for name in ("vx", "vy")])
    rms = np.sqrt(2 * np.nanmean(np.square(velocity))) if np.isfinite(velocity).any() else np.nan
    shape = " x ".join(map(str, velocity.shape[1:]))
    return f"{shape} vectors, {rms:.3g} km/s (rms), {np.isnan(velocity[0]).mean():.1%} masked"
