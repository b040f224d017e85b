"""Telescopes: what each does to an image, with the sources of its parameters."""

import math
from dataclasses import dataclass

import astropy.units as u
import torch
from astropy.table import QTable

from sunpy_ml.optics.airy import airy_psf, annular_mtf, check_obscuration, cutoff
from sunpy_ml.optics.transfer import Transfer, per_arcsec
from sunpy_ml.optics.wachter import WACHTER, WACHTER_MODIFIED

__all__ = [
    "GST_NIRIS",
    "HINODE_SOT",
    "HMI",
    "HMI_WACHTER",
    "IDEAL_28CM",
    "MDI",
    "SUNRISE_IMAX",
    "TELESCOPES",
    "Telescope",
    "telescope_table",
]

_FORMS = {"wachter": WACHTER, "wachter-modified": WACHTER_MODIFIED}


@dataclass(frozen=True, eq=False)
class Telescope:
    """
    A telescope with its detector.

    Another wavelength or pixel of the same telescope is `dataclasses.replace` away.

    Parameters
    ----------
    name : str
        For tables and histories.
    aperture : `~astropy.units.Quantity`
        Diameter of the entrance pupil.
    wavelength : `~astropy.units.Quantity`
        Of the light.
    pixel : `~astropy.units.Quantity`
        Plate scale, an angle per pixel.
    obscuration : float
        Diameter of the central obscuration over that of the aperture.
    psf : {"airy", "wachter", "wachter-modified"}
        Shape of the point spread function: ideal, or one of the two forms of HMI's (see `WachterForm`).
    source, doi : str
        Where the parameters come from.
    remarks : str
        What is uncertain.

    Raises
    ------
    ValueError
        If a value cannot be.
    TypeError
        If a quantity has no unit.
    astropy.units.UnitsError
        If it has the wrong one.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import astropy.units as u
    >>> from sunpy_ml.optics import HINODE_SOT
    >>> replace(HINODE_SOT, wavelength=630.2 * u.nm).cutoff
    <Quantity 3.84650651 1 / arcsec>
    """

    name: str
    aperture: u.Quantity
    wavelength: u.Quantity
    pixel: u.Quantity
    obscuration: float = 0.0
    psf: str = "airy"
    source: str = ""
    doi: str = ""
    remarks: str = ""

    def __post_init__(self) -> None:
        for field, unit in (("aperture", u.m), ("wavelength", u.nm), ("pixel", u.arcsec / u.pix)):
            value = getattr(self, field)
            if not isinstance(value, u.Quantity):
                raise TypeError(f"{field}: expected a Quantity with a unit such as {unit}, got {value!r}.")
            if not value.isscalar or not 0 < value.to_value(unit) < math.inf:
                raise ValueError(f"{field}: expected one positive value, got {value}.")
        check_obscuration(self.obscuration)
        if self.psf not in ("airy", *_FORMS):
            raise ValueError(f"psf: got {self.psf!r}, choose from {('airy', *_FORMS)}.")

    @property
    def cutoff(self) -> u.Quantity:
        """The highest spatial frequency that the aperture passes."""
        return cutoff(self.aperture, self.wavelength) / u.arcsec

    def transfer(self) -> Transfer:
        """The optics, without the pixel, as a function of the frequencies along y and x in cycles per arcsec."""
        if self.psf == "airy":
            limit, obscuration = cutoff(self.aperture, self.wavelength), self.obscuration
            return lambda fy, fx: annular_mtf(torch.hypot(*torch.broadcast_tensors(fy, fx)) / limit, obscuration)
        form, unit = _FORMS[self.psf], self._unit()
        return lambda fy, fx: form.mtf(2 * math.pi * unit * torch.hypot(*torch.broadcast_tensors(fy, fx)))

    @u.quantity_input
    def mtf(self, frequency: u.Quantity[1 / u.arcsec]) -> torch.Tensor:
        """Modulation transfer of the optics, without the pixel, as float64."""
        radial = per_arcsec(frequency)
        return self.transfer()(radial, torch.zeros_like(radial))

    @u.quantity_input
    def point_spread(self, angle: u.Quantity[u.arcsec]) -> torch.Tensor:
        """Point spread function of the optics, without the pixel, per square arcsec, as float64; its integral is 1."""
        if self.psf == "airy":
            return airy_psf(angle, aperture=self.aperture, wavelength=self.wavelength, obscuration=self.obscuration)
        unit = self._unit()
        distance = torch.as_tensor(angle.to_value(u.arcsec), dtype=torch.float64) / unit
        return _FORMS[self.psf].profile(distance) / unit**2

    def _unit(self) -> float:
        return 1 / (math.pi * cutoff(self.aperture, self.wavelength))


HMI = Telescope(
    name="SDO/HMI",
    aperture=14 * u.cm,
    wavelength=617.33 * u.nm,
    pixel=0.504 * u.arcsec / u.pix,
    psf="wachter-modified",
    source="Wachter et al. 2012, with the widths of Díaz Baso & Asensio Ramos 2018",
    doi="10.1007/s11207-011-9709-6, 10.1051/0004-6361/201731344",
    remarks="others measured other wings: Yeo et al. 2014, Norton et al. 2025",
)
HMI_WACHTER = Telescope(
    name="SDO/HMI (Wachter et al. 2012)",
    aperture=14 * u.cm,
    wavelength=617.33 * u.nm,
    pixel=0.504 * u.arcsec / u.pix,
    psf="wachter",
    source="Wachter et al. 2012",
    doi="10.1007/s11207-011-9709-6",
)
IDEAL_28CM = Telescope(
    name="ideal 28 cm telescope",
    aperture=28 * u.cm,
    wavelength=617.33 * u.nm,
    pixel=0.252 * u.arcsec / u.pix,
    source="twice HMI's aperture and sampling: the aim of Díaz Baso & Asensio Ramos 2018",
    doi="10.1051/0004-6361/201731344",
)
HINODE_SOT = Telescope(
    name="Hinode/SOT",
    aperture=50 * u.cm,
    wavelength=557.6 * u.nm,
    pixel=0.16 * u.arcsec / u.pix,
    obscuration=0.344,
    source="Tsuneta et al. 2008; Suematsu et al. 2008",
    doi="10.1007/s11207-008-9174-z, 10.1007/s11207-008-9129-4",
    remarks="without spider and stray light (Wedemeyer-Böhm 2008, Strehl ratio about 0.8); pixels summed 2 x 2",
)
SUNRISE_IMAX = Telescope(
    name="SUNRISE/IMaX",
    aperture=1 * u.m,
    wavelength=525.02 * u.nm,
    pixel=0.055 * u.arcsec / u.pix,
    obscuration=0.324,
    source="Barthol et al. 2011; Martínez Pillet et al. 2011",
    doi="10.1007/s11207-010-9662-9, 10.1007/s11207-010-9644-y",
    remarks="ideal: images that were not restored are blurred by aberrations and jitter as well; obscuration uncertain",
)
GST_NIRIS = Telescope(
    name="GST/NIRIS",
    aperture=1.6 * u.m,
    wavelength=1564.85 * u.nm,
    pixel=0.083 * u.arcsec / u.pix,
    source="Cao et al. 2010 (off-axis, so without obscuration); Cao et al. 2012, ASP Conf. 463, 291",
    doi="10.1002/asna.201011390",
    remarks="ideal: what the atmosphere leaves after adaptive optics is not in it",
)
MDI = Telescope(
    name="SOHO/MDI full disk",
    aperture=12.5 * u.cm,
    wavelength=676.78 * u.nm,
    pixel=1.98 * u.arcsec / u.pix,
    source="Scherrer et al. 1995",
    doi="10.1007/BF00733429",
    remarks="ideal: the full-disk images were taken slightly out of focus, and their pixels dominate",
)

#: All the telescopes there are.
TELESCOPES = (HMI, HMI_WACHTER, IDEAL_28CM, HINODE_SOT, SUNRISE_IMAX, GST_NIRIS, MDI)


def telescope_table() -> QTable:
    """The parameters of all the telescopes, with their sources.

    Returns
    -------
    `~astropy.table.QTable`
        A row for each.

    Examples
    --------
    >>> from sunpy_ml.optics import telescope_table
    >>> table = telescope_table()
    >>> table["cutoff"][table["name"] == "SDO/HMI"]
    <Quantity [1.09947541] 1 / arcsec>
    """
    columns = ("name", "aperture", "wavelength", "pixel", "obscuration", "psf", "cutoff", "source", "doi", "remarks")
    units = {"aperture": u.cm, "wavelength": u.nm, "pixel": u.arcsec / u.pix, "cutoff": 1 / u.arcsec}
    rows = {name: [getattr(telescope, name) for telescope in TELESCOPES] for name in columns}
    return QTable({name: u.Quantity(rows[name], units[name]) if name in units else rows[name] for name in columns})
