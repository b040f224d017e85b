"""The parameters of the H-alpha scenes, each with its source."""

from astropy.table import QTable

from sunpy_ml.simulation.halpha import active_regions, chromosphere, filaments, flares, prominences, scene

__all__ = ["halpha_parameters"]

_MODELLING = "modelling choice"
_RIEUTORD = "network along the borders of supergranules of 30 Mm, Rieutord & Rincon 2010, doi:10.12942/lrsp-2010-2"
_TSIROPOULA = "mottles and fibrils 1 Mm wide, some Mm long, Tsiropoula et al. 2012, doi:10.1007/s11214-012-9920-2"
_SOLANKI = "umbra of 0.40 to 0.45 of the spot's radius, Solanki 2003, doi:10.1007/s00159-003-0018-4"


def halpha_parameters() -> QTable:
    """
    List the parameters of `~sunpy_ml.simulation.halpha.halpha_scene` and its flares, with source and certainty.

    They are of pictures, not of the physics of the chromosphere: most are chosen so that scenes look right beside
    full-disk H-alpha images.

    Returns
    -------
    `~astropy.table.QTable`
        The columns ``parameter``, ``low`` and ``high`` (equal where the value is one), ``unit``, ``source`` and
        ``certainty``: high, medium or low.

    Examples
    --------
    >>> from sunpy_ml.simulation.halpha import halpha_parameters
    >>> table = halpha_parameters()
    >>> row = table[table["parameter"] == "umbral radius"][0]
    >>> float(row["low"]), float(row["high"]), str(row["certainty"])
    (0.4, 0.45, 'high')
    """
    rows = [
        ("network cell", *_one(chromosphere._CELL_SIZE), "Mm", f"correlation length; {_RIEUTORD}", "medium"),
        ("fibril width", *_one(chromosphere._FIBRIL_WIDTH), "Mm", f"correlation length; {_TSIROPOULA}", "medium"),
        ("fibril length", *_one(chromosphere._FIBRIL_LENGTH), "Mm", f"correlation length; {_TSIROPOULA}", "medium"),
        ("canopy height", *_one(chromosphere._CANOPY), "Mm", _MODELLING, "low"),
        ("spicule scale height", *_one(chromosphere._SPICULE_HEIGHT), "Mm", _MODELLING, "low"),
        ("limb intensity", *_one(chromosphere._LIMB), "", f"{_MODELLING}, after full-disk images", "medium"),
        ("umbral radius", *active_regions._UMBRAL_RADIUS, "", _SOLANKI, "high"),
        ("filament threads", *_one(filaments._THREADS), "", _MODELLING, "low"),
        ("filament thread width", *_one(filaments._THREAD_WIDTH), "Mm", f"sigma; {_MODELLING}", "low"),
        ("filament channel width", *_one(filaments._CHANNEL_WIDTH), "Mm", f"sigma; {_MODELLING}", "low"),
        ("prominence thread width", *_one(prominences._THREAD_WIDTH), "Mm", f"sigma; {_MODELLING}", "low"),
        ("prominence haze width", *_one(prominences._HAZE_WIDTH), "Mm", f"sigma; {_MODELLING}", "low"),
        ("flare strands", *_one(flares._STRANDS), "", _MODELLING, "low"),
        ("flare loop width", *_one(flares._LOOP_WIDTH), "Mm", f"sigma; {_MODELLING}", "low"),
        ("flare halo width", *_one(flares._HALO), "Mm", f"sigma; {_MODELLING}", "low"),
        ("seeing", *scene._SEEING, "arcsec", f"full width at half maximum; {_MODELLING}", "medium"),
        ("noise", *scene._NOISE, "", f"of the quiet Sun; {_MODELLING}", "low"),
    ]
    return QTable(rows=rows, names=("parameter", "low", "high", "unit", "source", "certainty"))


def _one(value: float) -> tuple[float, float]:
    return float(value), float(value)
