"""What is known of emerging flux: ranges from which the patches are drawn, each with its source."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from astropy.table import QTable

__all__ = ["PARAMETERS", "Parameter", "draw", "emergence_parameters", "value"]

_CHOICE = "modelling choice"
_NETWORK = "Rieutord & Rincon 2010, doi:10.12942/lrsp-2010-2"
_PARNELL = "Parnell et al. 2009, doi:10.1088/0004-637X/698/1/75"
_HAGENAAR = "Hagenaar 2001, doi:10.1086/321448; Hagenaar et al. 2003, doi:10.1086/345792"
_KOMM = "Komm, Howard & Harvey 1993, Sol. Phys. 145, 1"
_MERIDIONAL = "Komm, Howard & Harvey 1993, Sol. Phys. 147, 207"
_WANG = "Wang & Sheeley 1989, Sol. Phys. 124, 81"
_SCHUNKER = "Schunker et al. 2016, doi:10.1051/0004-6361/201628388"
_REVIEW = "van Driel-Gesztelyi & Green 2015, doi:10.1007/lrsp-2015-1"
_NOISE = "Liu et al. 2012, doi:10.1007/s11207-012-9976-x"
_SATURATION = "Liu, Norton & Scherrer 2007, Sol. Phys. 241, 185"


class Parameter(NamedTuple):
    """A range, equal ends for one value; drawn evenly in the logarithm where ``log``."""

    low: float
    high: float
    unit: str
    source: str
    certainty: str
    log: bool = False


PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "quiet_field": Parameter(3, 5, "G", f"mean unsigned, at MDI's resolution; {_CHOICE} after its maps", "medium"),
        "feature_flux": Parameter(1e18, 1e20, "Mx", f"{_PARNELL}; fainter ones do not show", "medium"),
        "feature_slope": Parameter(1.85, 1.85, "", _PARNELL, "high"),
        "feature_life": Parameter(
            0.6, 0.6, "d", f"of 3e18 Mx, with the root of the flux; replacement: {_HAGENAAR}", "low"
        ),
        "cell": Parameter(25, 35, "Mm", _NETWORK, "high"),
        "diffusion": Parameter(200, 400, "km2 / s", f"random walk; {_WANG} and later work give 200 to 600", "medium"),
        "diffusion_in_regions": Parameter(70, 150, "km2 / s", f"less where field is strong; {_CHOICE}", "low"),
        "rotation_b": Parameter(-2.00, -2.00, "deg / d", _KOMM, "high"),
        "rotation_c": Parameter(-2.09, -2.09, "deg / d", _KOMM, "high"),
        "meridional_2": Parameter(12.9, 12.9, "m / s", _MERIDIONAL, "high"),
        "meridional_4": Parameter(1.4, 1.4, "m / s", _MERIDIONAL, "high"),
        "latitude": Parameter(5, 35, "deg", _REVIEW, "high"),
        "flux": Parameter(
            4e20, 1e22, "Mx", f"unsigned, both polarities; pores to large regions: {_REVIEW}", "medium", True
        ),
        "rise": Parameter(1, 4, "d", _REVIEW, "medium"),
        "decay": Parameter(10, 40, "d", f"e-fold; {_REVIEW}", "low", True),
        "separation": Parameter(30, 50, "Mm", f"of 1e21 Mx, with the flux to 0.3; {_REVIEW}", "medium"),
        "fast_part": Parameter(0.2, 0.4, "", f"of the separation, within hours: {_SCHUNKER}", "low"),
        "fast_time": Parameter(2, 5, "h", f"e-fold; {_SCHUNKER}", "low"),
        "slow_time": Parameter(1, 2, "d", f"e-fold; {_SCHUNKER}", "medium"),
        "leading_part": Parameter(0.55, 0.68, "", f"of the separation; 121 against 70 m/s in {_SCHUNKER}", "high"),
        "leading_radius": Parameter(0.07, 0.12, "", f"over the separation; compact: {_REVIEW}", "low"),
        "following_ratio": Parameter(1.2, 2.0, "", f"radius over the leading one; {_REVIEW}", "low"),
        "imbalance": Parameter(0, 0.08, "", f"of the flux of both polarities; {_REVIEW}", "low"),
        "joy_slope": Parameter(0.48, 0.48, "", _WANG, "high"),
        "joy_offset": Parameter(0.03, 0.03, "", _WANG, "high"),
        "tilt_scatter": Parameter(15, 40, "deg", f"large to small regions; {_REVIEW}", "medium"),
        "against_hale": Parameter(
            0.084, 0.084, "", "McClintock et al. 2014, doi:10.1088/0004-637X/797/2/130", "medium"
        ),
        "against_hale_ephemeral": Parameter(0.4, 0.4, "", _HAGENAAR, "medium"),
        "second_bipole": Parameter(0.3, 0.3, "", f"probability of one that follows within two days; {_CHOICE}", "low"),
        "old_flux": Parameter(
            1e21, 2e22, "Mx", f"of regions that are old at the first frame; large ones last: {_REVIEW}", "low", True
        ),
        "old_regions": Parameter(3.0, 3.0, "", f"mean number in a patch; {_CHOICE}", "low"),
        "old_age": Parameter(3, 25, "d", f"at the first frame; {_CHOICE}", "low"),
        "ephemerals": Parameter(6, 6, "", f"mean number of large ones in 15 d; {_CHOICE}", "low"),
        "ephemeral_flux": Parameter(2e19, 1e20, "Mx", f"the largest: {_HAGENAAR}", "medium", True),
        "ephemeral_rise": Parameter(0.05, 0.2, "d", _HAGENAAR, "low"),
        "ephemeral_life": Parameter(0.3, 1.5, "d", f"e-fold; {_HAGENAAR}", "low"),
        "noise_mdi_1min": Parameter(26.4, 26.4, "G", _NOISE, "high"),
        "noise_mdi_5min": Parameter(16.2, 16.2, "G", _NOISE, "high"),
        "noise_hmi_45s": Parameter(10.2, 10.2, "G", _NOISE, "high"),
        "noise_hmi_720s": Parameter(6.3, 6.3, "G", _NOISE, "high"),
        "mdi_over_hmi": Parameter(1.40, 1.40, "", _NOISE, "high"),
        "noise_at_limb": Parameter(1.2, 1.8, "", f"over that at the centre of the disk; {_CHOICE}", "low"),
        "saturation": Parameter(1700, 2200, "G", f"of MDI; {_SATURATION}", "low"),
        "blur": Parameter(1.3, 1.8, "Mm", f"sigma of features and telescope; {_CHOICE}", "low"),
        "first_longitude": Parameter(-105, -65, "deg", f"from the central meridian; {_CHOICE}", "low"),
        "lost": Parameter(0, 0.15, "", f"of the frames, at random; {_CHOICE}", "low"),
        "gaps": Parameter(2, 2, "", f"mean number; {_CHOICE}", "low"),
        "gap": Parameter(0.2, 1.0, "d", _CHOICE, "low"),
        "tail": Parameter(0, 2, "d", f"without frames at the end; {_CHOICE}", "low"),
        "bad": Parameter(0.01, 0.01, "", f"of the frames; {_CHOICE}", "low"),
    }
)


def emergence_parameters() -> QTable:
    """
    List the parameters of `~sunpy_ml.simulation.emergence.emergence_patch`, with source and certainty.

    Returns
    -------
    `~astropy.table.QTable`
        The columns ``parameter``, ``low`` and ``high`` (equal where the value is one), ``unit``, ``source`` and
        ``certainty``: high, medium or low.

    Examples
    --------
    >>> from sunpy_ml.simulation.emergence import emergence_parameters
    >>> table = emergence_parameters()
    >>> row = table[table["parameter"] == "rise"][0]
    >>> float(row["low"]), float(row["high"]), str(row["unit"])
    (1.0, 4.0, 'd')
    """
    rows = [(name, float(p.low), float(p.high), p.unit, p.source, p.certainty) for name, p in PARAMETERS.items()]
    return QTable(rows=rows, names=("parameter", "low", "high", "unit", "source", "certainty"))


def value(name: str) -> float:
    """Return a parameter that has one value."""
    return PARAMETERS[name].low


def draw(rng: np.random.Generator, name: str) -> float:
    """Draw a value of a parameter, in its own unit."""
    low, high, *_, log = PARAMETERS[name]
    return float(np.exp(rng.uniform(np.log(low), np.log(high))) if log else rng.uniform(low, high))
