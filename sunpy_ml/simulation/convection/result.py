"""What a convection run leaves: cubes with a true World Coordinate System, and the figures of the granulation."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import QTable
from astropy.time import Time
from astropy.wcs import WCS
from ndcube import NDCube
from safetensors import safe_open
from safetensors.numpy import save_file
from sunpy.sun import constants

from sunpy_ml.simulation.convection import measures
from sunpy_ml.simulation.convection.card import ConvectionCard

__all__ = ["ConvectionRun"]

_KIND = "sunpy_ml convection run 1"
_FIELDS = {"vz": 0, "vy": 1, "vx": 2, "temperature": 3}
_INTENSITY_UNIT = u.W / u.m**2 / u.sr


@dataclass(frozen=True)
class ConvectionRun:
    """
    The solar-like surface of a convection run, frame after frame.

    Parameters
    ----------
    intensity_values : `numpy.ndarray`
        Emergent intensity at the centre of the disk in W/m2/sr, float32, of shape (time, y, x).
    surface_values : `numpy.ndarray`
        vz, vy, vx in m/s and temperature in K on the surfaces of equal optical depth, float32, of shape (time, depth,
        4, y, x).
    flux : `~astropy.units.Quantity`
        Mean emergent flux of each frame.
    seconds : `~astropy.units.Quantity`
        Time of each frame since the run began, spin-up included.
    depths : tuple of float
        The optical depths.
    pixel : `~astropy.units.Quantity`
        Size of a pixel along y and x, a length.
    epoch : `~astropy.time.Time`
        Date that the beginning of the run is given.
    card : `ConvectionCard`
        The parameters of the run.
    """

    intensity_values: np.ndarray
    surface_values: np.ndarray
    flux: u.Quantity
    seconds: u.Quantity
    depths: tuple[float, ...]
    pixel: u.Quantity
    epoch: Time
    card: ConvectionCard

    @property
    def cadence(self) -> u.Quantity:
        """Time between frames."""
        if len(self.seconds) < 2:
            raise ValueError("the run has 1 frame, and no cadence: make one with a longer duration")
        return self.seconds[1] - self.seconds[0]

    @property
    def intensity(self) -> NDCube:
        """Emergent intensity along the vertical, (time, y, x)."""
        return self.cube(self.intensity_values, _INTENSITY_UNIT, "intensity")

    def field(self, name: str, depth: float = 1.0) -> NDCube:
        """
        Return a quantity on a surface of equal optical depth.

        Parameters
        ----------
        name : {"vx", "vy", "vz", "temperature"}
            Velocity to the west, to the north, upward (toward the observer), or temperature.
        depth : float, optional
            Optical depth of the surface, one of ``depths``.

        Returns
        -------
        `~ndcube.NDCube`
            Float32, of shape (time, y, x), in m/s or K.

        Raises
        ------
        ValueError
            If the run has no such quantity or optical depth.
        """
        if name not in _FIELDS:
            raise ValueError(f"name is {name!r}: choose one of {', '.join(sorted(_FIELDS))}")
        if depth not in self.depths:
            raise ValueError(f"depth is {depth}: the run has {', '.join(str(d) for d in self.depths)}")
        values = self.surface_values[:, self.depths.index(depth), _FIELDS[name]]
        unit = u.K if name == "temperature" else u.m / u.s
        return self.cube(values, unit, f"{name} at optical depth {depth:g}")

    def cube(self, values: np.ndarray, unit: u.UnitBase, quantity: str) -> NDCube:
        """Return values of shape (time, y, x) as a cube with the geometry of the run."""
        meta = {
            "quantity": quantity,
            "telescop": "sunpy_ml simulation",
            "instrume": "convection simulation",
            "origin": "sunpy_ml.simulation.convection_run",
            "date-obs": (self.epoch + self.seconds[0]).utc.isot,
            "pixel": f"{self.pixel[1].to_value('km'):g} km",
            **({"cadence": float(self.cadence.to_value("s"))} if len(self.seconds) > 1 else {}),
        }
        return NDCube(values, wcs=self.wcs, unit=unit, meta=meta)

    @property
    def wcs(self) -> WCS:
        """
        The coordinates of the cubes: time, and helioprojective ones at the centre of the disk.

        The observer is at 1 au from the centre of the Sun, so that 1 arcsec is 722 km on its surface.
        """
        wcs = WCS(naxis=3)
        _, rows, columns = self.intensity_values.shape
        angle = (self.pixel / (u.au.to(u.m) * u.m - constants.radius)).to_value(u.one) * u.rad
        step = self.cadence.to_value("s") if len(self.seconds) > 1 else 1.0
        wcs.wcs.ctype = "HPLN-TAN", "HPLT-TAN", "TIME"
        wcs.wcs.cunit = "arcsec", "arcsec", "s"
        wcs.wcs.crpix = (columns + 1) / 2, (rows + 1) / 2, 1
        wcs.wcs.crval = 0, 0, self.seconds[0].to_value("s")
        wcs.wcs.cdelt = angle[1].to_value("arcsec"), angle[0].to_value("arcsec"), step
        wcs.wcs.timesys = "UTC"
        wcs.wcs.dateref = self.epoch.utc.isot
        wcs.wcs.mjdref = np.divmod(self.epoch.utc.mjd, 1)
        wcs.wcs.dateobs = (self.epoch + self.seconds[0]).utc.isot
        wcs.wcs.aux.dsun_obs = u.au.to(u.m)
        wcs.wcs.aux.rsun_ref = constants.radius.to_value("m")
        wcs.wcs.aux.hgln_obs = 0
        wcs.wcs.aux.hglt_obs = 0
        wcs.wcs.set()
        return wcs

    def figures(self) -> QTable:
        """
        Return what each frame measures.

        Returns
        -------
        `~astropy.table.QTable`
            Time; mean emergent flux; rms contrast of the intensity; rms of the horizontal velocity at the largest
            optical depth, as a vector, and the shares of the mean flow and of the waves as long as the box in its
            power; rms vertical velocity; correlation of intensity with upward velocity.
        """
        surface = self.depths.index(max(self.depths))
        vz, vy, vx = (self.surface_values[:, surface, place] for place in range(3))
        speed = u.m / u.s
        return QTable(
            {
                "time": self.seconds,
                "flux": self.flux,
                "contrast": 100 * measures.contrast(self.intensity_values) * u.percent,
                "horizontal": (measures.rms_speed(vx, vy) * speed).to("km/s"),
                "vertical": (np.sqrt(np.mean(np.square(vz, dtype=float), (1, 2))) * speed).to("km/s"),
                "mean_share": 100 * measures.share_of_mean(vx, vy) * u.percent,
                "largest_share": 100 * measures.share_of_largest(vx, vy) * u.percent,
                "correlation": measures.upflow_correlation(self.intensity_values, vz),
            }
        )

    def granules(self) -> tuple[u.Quantity, u.Quantity]:
        """
        Return spacing and lifetime of the granules.

        Returns
        -------
        size : `~astropy.units.Quantity`
            Wavelength of the peak of k P(k) of the intensity, see ``measures.dominant_size``.
        life : `~astropy.units.Quantity`
            Time in which the correlation of the intensity falls to 1/e, without the oscillation of the box; infinite
            if it does not within half of the run.
        """
        size = measures.dominant_size(self.intensity_values, float(self.pixel[1].to_value("Mm")))
        life = measures.correlation_time(self.intensity_values, float(self.cadence.to_value("s")))
        return size * u.Mm, (life * u.s).to("min")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the run into a safetensors file, from which `read` gives it back."""
        header = {
            "kind": _KIND,
            "epoch": self.epoch.utc.isot,
            "depths": json.dumps(self.depths),
            "card": json.dumps(asdict(self.card)),
        }
        arrays = {
            "intensity": np.ascontiguousarray(self.intensity_values),
            "surfaces": np.ascontiguousarray(self.surface_values),
            "flux": np.asarray(self.flux.to_value("W/m2"), float),
            "seconds": np.asarray(self.seconds.to_value("s"), float),
            "pixel": np.asarray(self.pixel.to_value("m"), float),
        }
        save_file(arrays, Path(path), metadata=header)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "ConvectionRun":
        """
        Return the run that a file of `write` holds.

        Raises
        ------
        ValueError
            If the file holds something else.
        """
        with safe_open(Path(path), framework="np") as file:
            header = file.metadata() or {}
            if header.get("kind") != _KIND:
                raise ValueError(f"path is {str(path)!r}, which holds no convection run: give a file of its write()")
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return cls(
            intensity_values=values["intensity"],
            surface_values=values["surfaces"],
            flux=values["flux"] * (u.W / u.m**2),
            seconds=values["seconds"] * u.s,
            depths=tuple(json.loads(header["depths"])),
            pixel=values["pixel"] * u.m,
            epoch=Time(header["epoch"]),
            card=ConvectionCard(**json.loads(header["card"])),
        )
