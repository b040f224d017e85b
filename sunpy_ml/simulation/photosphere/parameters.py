"""What is known of the photosphere: ranges from which the scenes are drawn, each with its source."""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import QTable

__all__ = ["PhotosphereParameters"]

_STEIN = "Nordlund, Stein & Asplund 2009, doi:10.12942/lrsp-2009-2"
_SOLANKI = "Solanki 2003, doi:10.1007/s00159-003-0018-4"
_BORRERO = "Borrero & Ichimoto 2011, doi:10.12942/lrsp-2011-4"
_JURCAK = "Jurčák et al. 2018, doi:10.1051/0004-6361/201732528"
_MATHEW = "Mathew et al. 2007, doi:10.1051/0004-6361:20066356"
_DOTS = "Riethmüller et al. 2008, doi:10.1051/0004-6361:200810701"
_FILAMENTS = "Scharmer et al. 2002, doi:10.1038/nature01173"
_STANDARD = "Tiwari et al. 2013, doi:10.1051/0004-6361/201321391"
_BRIDGE = "Lagg et al. 2014, doi:10.1051/0004-6361/201424071"
_POINTS = "Riethmüller et al. 2010, doi:10.1088/2041-8205/723/2/L169"
_BUEHLER = "Buehler et al. 2019, doi:10.1051/0004-6361/201833585"
_LITES = "Lites et al. 2008, doi:10.1086/522922"
_QUIET = "Bellot Rubio & Orozco Suárez 2019, doi:10.1007/s41116-018-0017-1"
_CELLS = "Rieutord & Rincon 2010, doi:10.12942/lrsp-2010-2"
_SNAPSHOT = "0.163 in an MHD snapshot with pixels of 48 km"
_CHOICE = "modelling choice"
_ONE = u.dimensionless_unscaled


def _between(low: float, high: float, unit: u.UnitBase) -> Callable[[], u.Quantity]:
    return lambda: (low, high) * unit


def _known(source: str, certainty: str, ceiling: float = np.inf) -> dict[str, Any]:
    return {"source": source, "certainty": certainty, "ceiling": ceiling}


@dataclass(frozen=True, eq=False)
class PhotosphereParameters:
    """
    The card of `~sunpy_ml.simulation.photosphere.photosphere_scene`: from what to what each of its quantities is drawn.

    Each parameter is a lower and an upper end, between which every scene, spot or filament draws its own value
    with equal probability; equal ends fix it. The method ``table`` tells the source of each default and how sure it is.

    Parameters
    ----------
    granule_spacing : `~astropy.units.Quantity`
        Square root of the area that one granule takes.
    granulation_contrast : `~astropy.units.Quantity`
        rms of the continuum of the quiet Sun over its mean, as seen without a telescope at 48 km.
    spot_radius : `~astropy.units.Quantity`
        Outer radius of the penumbra of the largest spot, drawn in its logarithm.
    umbral_radius : `~astropy.units.Quantity`
        Radius of the umbra over that of the spot: the umbra takes the square of it.
    umbral_intensity : `~astropy.units.Quantity`
        Continuum of the umbral core over that of the quiet Sun; large spots take the lower end.
    umbral_field : `~astropy.units.Quantity`
        Field in the umbral core; the darker the core, the stronger.
    boundary_field : `~astropy.units.Quantity`
        Vertical field where the umbra ends.
    edge_field : `~astropy.units.Quantity`
        Field strength at the outer end of the penumbra.
    edge_inclination : `~astropy.units.Quantity`
        Angle between this field and the vertical.
    filament_width, filament_length : `~astropy.units.Quantity`
        Size of penumbral filaments.
    penumbral_intensity : `~astropy.units.Quantity`
        Mean continuum of the penumbra, from its inner to its outer end.
    penumbral_contrast : `~astropy.units.Quantity`
        rms of the penumbral filaments over their mean.
    umbral_dot_size : `~astropy.units.Quantity`
        Full width at half maximum of umbral dots.
    bridge_width : `~astropy.units.Quantity`
        Width of light bridges.
    pore_radius : `~astropy.units.Quantity`
        Radius of pores.
    pore_intensity : `~astropy.units.Quantity`
        Continuum in the middle of pores; large pores take the lower end.
    pore_field : `~astropy.units.Quantity`
        Field in the middle of pores.
    tube_field : `~astropy.units.Quantity`
        Field within the flux concentrations of plage and network.
    point_intensity : `~astropy.units.Quantity`
        Continuum of flux concentrations narrower than 0.3 Mm; wider ones are darker.
    plage_filling : `~astropy.units.Quantity`
        Share of the area of plage that flux concentrations take.
    network_field : `~astropy.units.Quantity`
        Mean unsigned field that the network contributes, in enhanced network.
    quiet_network_field : `~astropy.units.Quantity`
        The same, in the quiet Sun.
    internetwork_field : `~astropy.units.Quantity`
        Mean unsigned line-of-sight field of the internetwork, at 0.1 arcsec.
    supergranule_spacing : `~astropy.units.Quantity`
        Square root of the area of one cell of the network.

    Raises
    ------
    ValueError
        If a parameter is not two finite numbers in rising order, none below zero; or above 1 where it is a share of an
        area or radius, or above 90 degrees where it is an inclination.
    TypeError
        If a parameter has no unit.
    astropy.units.UnitConversionError
        If a parameter has another kind of unit.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_ml.simulation.photosphere import PhotosphereParameters
    >>> card = PhotosphereParameters(spot_radius=(8, 8) * u.Mm)
    >>> card.umbral_field
    <Quantity [2300., 3400.] G>
    >>> print(card.table()["parameter", "low", "high", "unit"][2])
     parameter  low high unit
    ----------- --- ---- ----
    spot_radius 8.0  8.0   Mm
    """

    granule_spacing: u.Quantity = field(default_factory=_between(1.25, 1.45, u.Mm), metadata=_known(_STEIN, "high"))
    granulation_contrast: u.Quantity = field(
        default_factory=_between(0.155, 0.17, _ONE), metadata=_known(_SNAPSHOT, "high")
    )
    spot_radius: u.Quantity = field(default_factory=_between(5, 14, u.Mm), metadata=_known(_SOLANKI, "high"))
    umbral_radius: u.Quantity = field(
        default_factory=_between(0.40, 0.48, _ONE), metadata=_known(_SOLANKI, "high", 0.9)
    )
    umbral_intensity: u.Quantity = field(
        default_factory=_between(0.06, 0.17, _ONE), metadata=_known(_MATHEW, "medium", 0.4)
    )
    umbral_field: u.Quantity = field(default_factory=_between(2300, 3400, u.G), metadata=_known(_SOLANKI, "high"))
    boundary_field: u.Quantity = field(default_factory=_between(1750, 1950, u.G), metadata=_known(_JURCAK, "high"))
    edge_field: u.Quantity = field(default_factory=_between(550, 850, u.G), metadata=_known(_BORRERO, "medium"))
    edge_inclination: u.Quantity = field(
        default_factory=_between(75, 83, u.deg), metadata=_known(_BORRERO, "medium", 90)
    )
    filament_width: u.Quantity = field(
        default_factory=_between(0.10, 0.16, u.Mm), metadata=_known(_FILAMENTS, "medium")
    )
    filament_length: u.Quantity = field(default_factory=_between(3.0, 5.0, u.Mm), metadata=_known(_STANDARD, "medium"))
    penumbral_intensity: u.Quantity = field(
        default_factory=_between(0.68, 0.84, _ONE), metadata=_known(_SOLANKI, "medium")
    )
    penumbral_contrast: u.Quantity = field(default_factory=_between(0.12, 0.17, _ONE), metadata=_known(_CHOICE, "low"))
    umbral_dot_size: u.Quantity = field(default_factory=_between(0.15, 0.30, u.Mm), metadata=_known(_DOTS, "medium"))
    bridge_width: u.Quantity = field(default_factory=_between(0.4, 1.4, u.Mm), metadata=_known(_BRIDGE, "low"))
    pore_radius: u.Quantity = field(default_factory=_between(0.8, 2.4, u.Mm), metadata=_known(_SOLANKI, "medium"))
    pore_intensity: u.Quantity = field(
        default_factory=_between(0.20, 0.50, _ONE), metadata=_known(_SOLANKI, "medium", 0.7)
    )
    pore_field: u.Quantity = field(default_factory=_between(1700, 2300, u.G), metadata=_known(_SOLANKI, "medium"))
    tube_field: u.Quantity = field(default_factory=_between(1300, 1700, u.G), metadata=_known(_BUEHLER, "high"))
    point_intensity: u.Quantity = field(default_factory=_between(1.03, 1.18, _ONE), metadata=_known(_POINTS, "medium"))
    plage_filling: u.Quantity = field(default_factory=_between(0.08, 0.22, _ONE), metadata=_known(_CHOICE, "low", 0.4))
    network_field: u.Quantity = field(default_factory=_between(15, 35, u.G), metadata=_known(_CHOICE, "low"))
    quiet_network_field: u.Quantity = field(default_factory=_between(2.5, 5, u.G), metadata=_known(_QUIET, "medium"))
    internetwork_field: u.Quantity = field(default_factory=_between(8, 12, u.G), metadata=_known(_LITES, "medium"))
    supergranule_spacing: u.Quantity = field(default_factory=_between(25, 35, u.Mm), metadata=_known(_CELLS, "high"))

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, _checked(each, getattr(self, each.name)))

    def table(self) -> QTable:
        """
        List the parameters.

        Returns
        -------
        `~astropy.table.QTable`
            The columns ``parameter``, ``low``, ``high``, ``unit``, ``source`` of the default and its
            ``certainty``: high, medium or low.
        """
        rows = [
            (
                each.name,
                *getattr(self, each.name).value.tolist(),
                getattr(self, each.name).unit.to_string(),
                each.metadata["source"],
                each.metadata["certainty"],
            )
            for each in fields(self)
        ]
        return QTable(rows=rows, names=("parameter", "low", "high", "unit", "source", "certainty"))

    def ends(self, name: str) -> tuple[float, float]:
        """Return both ends of a parameter, in its own unit: Mm, G, degrees or none."""
        low, high = getattr(self, name).value
        return float(low), float(high)

    def draw(self, rng: np.random.Generator, name: str) -> float:
        """Draw one value of a parameter, in its own unit."""
        return float(rng.uniform(*self.ends(name)))


def _checked(parameter: Field[Any], value: Any) -> u.Quantity:
    name, ceiling = parameter.name, parameter.metadata["ceiling"]
    unit = parameter.default_factory().unit  # type: ignore[operator]
    if not isinstance(value, u.Quantity):
        raise TypeError(f"{name} is {value!r}: give two ends with a unit, such as (1, 2) * u.{unit or 'one'}")
    ends = value.to(unit).copy()
    good = ends.shape == (2,) and np.isfinite(ends.value).all() and 0 <= ends.value[0] <= ends.value[-1]
    if not good or ends.value[1] > ceiling:
        most = "" if np.isinf(ceiling) else f", at most {ceiling:g}"
        raise ValueError(f"{name} is {value}: give a lower and an upper end, in this order, from 0 on{most}")
    ends.flags.writeable = False
    return ends
