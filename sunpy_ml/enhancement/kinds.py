"""Which of the two kinds of images that HMI takes an observation is: a continuum image or a magnetogram."""

import warnings

import astropy.units as u
from sunpy.map import GenericMap

from sunpy_ml.exceptions import HeaderWarning, ObservationError
from sunpy_ml.observations import new_map, told

__all__ = ["KINDS", "observed_kind", "with_unit"]

#: The kinds, with the unit that is taken where a header has none.
KINDS = {"continuum": u.dimensionless_unscaled, "magnetogram": u.G}

# What else HMI observes, in the units of intensities or of fields.
_OTHERS = ("linedepth", "linewidth", "doppler", "inclination", "azimuth")
# Units that intensities come in: counts, with or without a time, shares of a level, and radiometric ones.
_INTENSITIES = (u.one, u.ct, u.DN, u.ph, u.electron, u.W / u.m**2, u.W / u.m**2 / u.sr, u.W / u.m**3 / u.sr)


def observed_kind(m: GenericMap, kind: str | None = None) -> str:
    """What a Map shows, by its unit, its keyword CONTENT, its measurement, or else by ``kind``.

    Parameters
    ----------
    m : sunpy.map.GenericMap
        Of any instrument.
    kind : {"continuum", "magnetogram"}, optional
        What its header does not tell.

    Returns
    -------
    str
        A key of `KINDS`.

    Raises
    ------
    ValueError
        If ``kind`` is none of the two.
    ObservationError
        If the header tells neither, tells both, or contradicts ``kind``.

    Examples
    --------
    >>> from sunpy_ml.enhancement.kinds import observed_kind
    >>> from sunpy_ml.simulation.photosphere import photosphere_scene
    >>> observed_kind(photosphere_scene("quiet", shape=(64, 64)).magnetogram)
    'magnetogram'
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}, choose from {tuple(KINDS)}.")
    _refuse_others(m)
    sources = {source: found for source, found in _told(m).items() if found}
    found = set(sources.values()) | ({kind} if kind else set())
    if len(found) == 1:
        return str(found.pop())
    if not found:
        raise ObservationError(
            "kind: the header tells neither by BUNIT nor by CONTENT whether the observation is a continuum image or a "
            "magnetogram; say kind='continuum' or kind='magnetogram'."
        )
    raise ObservationError(f"kind: got {kind!r}, but the header says {sources}; leave kind out, or mend the header.")


def _refuse_others(m: GenericMap) -> None:
    content = str(m.meta.get("content", ""))
    if any(other in content.lower().replace(" ", "") for other in _OTHERS):
        raise ObservationError(
            f"observation: its CONTENT is {content!r}, neither a continuum image nor a magnetogram; give one of those."
        )


def _told(m: GenericMap) -> dict[str, str]:
    words = {"CONTENT": str(m.meta.get("content", "")), "measurement": str(told(m, "measurement"))}
    found = {source: next((kind for kind in KINDS if kind in text.lower()), "") for source, text in words.items()}
    return found | {"BUNIT": _kind_of_unit(told(m, "unit"))}


def _kind_of_unit(unit: u.UnitBase | None) -> str:
    if unit is None:
        return ""
    if unit.is_equivalent(u.G):
        return "magnetogram"
    if any(unit.is_equivalent(known / time) for known in _INTENSITIES for time in (u.one, u.s)):
        return "continuum"
    raise ObservationError(
        f"observation: its unit is {str(unit)!r}, neither of an intensity nor of a magnetic field; give one of those."
    )


def with_unit(m: GenericMap, kind: str) -> GenericMap:
    """The Map with a unit: its own, or, with a warning, that of its kind.

    Examples
    --------
    >>> from sunpy_ml.enhancement.kinds import with_unit
    >>> from sunpy_ml.simulation.photosphere import photosphere_scene
    >>> scene = photosphere_scene("quiet", shape=(64, 64)).magnetogram
    >>> with_unit(scene, "magnetogram") is scene
    True
    """
    if told(m, "unit") is not None:
        return m
    unit = KINDS[kind]
    name = "a share of the quiet Sun's level" if unit == u.one else str(unit)
    warnings.warn(f"The header has no unit (BUNIT); as a {kind} it is taken in {name}.", HeaderWarning, stacklevel=3)
    return new_map(m, m.data, unit=unit, uncertainty=m.uncertainty)
