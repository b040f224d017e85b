"""Classify and enhance many small Maps in one process, and tell whether its memory stays flat.

Run it by::

    python benchmarks/soak.py [--maps 2000] [--limit 10]

It prints one line of a table, and exits with 1 where memory grows by more than the limit.
"""

import argparse
import gc
import resource
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.time import Time, TimeDelta
from sunpy.map import GenericMap, Map

from sunpy_ml import classify_map, enhance_hmi
from sunpy_ml.exceptions import DomainWarning

START = Time("2014-10-24T12:00:00")
# Rows and columns in turn, since what is kept for each shape must not be kept for ever.
SHAPES = [(24, 32), (32, 32), (32, 48), (40, 24)]
HEADER = {
    "ctype1": "HPLN-TAN",
    "ctype2": "HPLT-TAN",
    "cunit1": "arcsec",
    "cunit2": "arcsec",
    "cdelt1": 0.504,
    "cdelt2": 0.504,
    "crval2": -200.0,
    "bunit": "DN / s",
    "wavelnth": 6173.0,
    "waveunit": "Angstrom",
    "telescop": "SDO/HMI",
    "hgln_obs": 0.0,
    "hglt_obs": 5.0,
    "rsun_ref": 6.96e8,
}
# Samples of the memory, and the share of them before which caches fill.
SAMPLES, WARM_UP = 80, 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=2000, help="how many (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=10.0, help="MiB per 1,000 maps (default: %(default)s)")
    options = parser.parse_args()
    if options.maps < SAMPLES:
        parser.error(f"--maps: expected at least {SAMPLES}, got {options.maps}")
    warnings.simplefilter("ignore", DomainWarning)
    counts, memory = np.array(list(sampled(options.maps))).T
    warm = counts > WARM_UP * options.maps
    slope = np.polyfit(counts[warm] / 1000, memory[warm], 1)[0]
    sys.stdout.write(f"{'maps':>8}{'start, MiB':>14}{'end, MiB':>14}{'slope, MiB per 1,000 maps':>28}\n")
    sys.stdout.write(f"{options.maps:8d}{memory[warm][0]:14.1f}{memory[-1]:14.1f}{slope:28.2f}\n")
    sys.exit(f"memory grows by more than {options.limit:g} MiB per 1,000 maps" if slope > options.limit else 0)


def sampled(maps: int) -> list[tuple[int, float]]:
    """How many maps have been seen, and the memory that is then in use, from time to time."""
    random, found = np.random.default_rng(0), []
    for number in range(1, maps + 1):
        m = small_map(number, random)
        # One turn: how often the network is asked does not matter here.
        classify_map(m, average_turns=False).table()
        enhance_hmi(m, progress=False)
        if number % max(1, maps // SAMPLES) == 0:
            gc.collect()
            found.append((number, resident()))
    return found


def small_map(number: int, random: np.random.Generator) -> GenericMap:
    """A continuum image of HMI, no two of which have the same header."""
    rows, columns = SHAPES[number % len(SHAPES)]
    own = {
        "crpix1": (columns + 1) / 2,
        "crpix2": (rows + 1) / 2,
        "crval1": 0.1 * number,
        "crota2": 180 + 0.001 * number,
        "date-obs": (START + TimeDelta(number * 720.0, format="sec")).isot,
        "dsun_obs": 1.49e11 + number,
    }
    return Map(random.normal(50000, 2000, (rows, columns)).astype(np.float32), HEADER | own)


def resident() -> float:
    """Resident memory in MiB: now where the system tells it, else the most there was."""
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        return int(statistics.read_text().split()[1]) * resource.getpagesize() / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
