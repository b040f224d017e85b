"""Where each pixel of an image looks: at the solar surface, or above the limb."""

from dataclasses import dataclass

import numpy as np

from sunpy_ml.simulation.drawing import Floats

__all__ = ["View", "look_at"]

# Axes of the observer: Tx (solar west), Ty (north), and from the observer to the centre of the Sun.
_TOWARD_OBSERVER = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True, eq=False)
class View:
    """
    The geometry of one gnomonic (TAN) image of a spherical Sun; lengths in Mm, angles in radians.

    Rows run from south to north and columns from east to west. Surface coordinates are azimuthal
    equidistant about the middle of the part of the disk in view: lengths are true there.

    Parameters
    ----------
    scale : float
        Angle of a pixel.
    distance, radius : float
        Distance from the observer to the centre of the Sun, and the solar radius.
    sky_axes : numpy.ndarray
        Rightward, upward and forward unit vectors of the image, one in each row.
    surface_axes : numpy.ndarray
        Westward, northward and outward unit vectors where the surface coordinates begin.
    on_disk : numpy.ndarray
        True where the line of sight meets the Sun.
    mu : numpy.ndarray
        Cosine of the heliocentric angle, 0 off the disk.
    height : numpy.ndarray
        Height of the line of sight above the limb, negative on the disk.
    x, y : numpy.ndarray
        Surface coordinates; without meaning off the disk.
    """

    scale: float
    distance: float
    radius: float
    sky_axes: Floats
    surface_axes: Floats
    on_disk: np.ndarray
    mu: Floats
    height: Floats
    x: Floats
    y: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        rows, columns = self.mu.shape
        return rows, columns

    @property
    def pixel(self) -> float:
        """Length of a pixel at the Sun."""
        return self.distance * self.scale

    @property
    def spread(self) -> float:
        """Half the side of a square as large as the part of the disk in view."""
        return 0.5 * self.pixel * float(np.sqrt(self.on_disk.sum()))

    def surface_to_pixel(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return the column and the row of points of the surface; NaN behind the limb."""
        arc = np.hypot(x, y) / self.radius
        # np.sinc is sin(pi t) / (pi t), finite at the origin.
        stretch = np.sinc(arc / np.pi) / self.radius
        normal = (
            (stretch * x)[..., None] * self.surface_axes[0]
            + (stretch * y)[..., None] * self.surface_axes[1]
            + np.cos(arc)[..., None] * self.surface_axes[2]
        )
        column, row = self._to_pixel(self.radius * normal - self.distance * _TOWARD_OBSERVER)
        hidden = normal @ _TOWARD_OBSERVER < self.radius / self.distance
        return np.where(hidden, np.nan, column), np.where(hidden, np.nan, row)

    def limb_to_pixel(self, angle: Floats, height: Floats) -> tuple[Floats, Floats]:
        """Return the column and the row of points above the limb; ``angle`` runs from solar west to north."""
        sine = (self.radius + height) / self.distance
        direction = [sine * np.cos(angle), sine * np.sin(angle), np.sqrt(1 - sine**2)]
        return self._to_pixel(np.stack(direction, axis=-1))

    def limb_angles(self) -> Floats:
        """Return the angles, from solar west to north, of the pixels on the limb, in order along it."""
        west, north, _ = self._sight(*_pixel_offsets(self.shape))
        limb = np.abs(self.height) < self.pixel
        angle = np.arctan2(north, west)[limb]
        # Angles are counted from the middle of the image, lest the order break at due east.
        middle = np.arctan2(self.sky_axes[2, 1], self.sky_axes[2, 0])
        return middle + np.sort((angle - middle + np.pi) % (2 * np.pi) - np.pi)

    def foreshorten(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return surface directions as they look in the image."""
        west, north, _ = self._sight(*_pixel_offsets(self.shape))
        away = np.maximum(np.hypot(west, north), 1e-9)
        west, north = (west / away).astype(np.float32), (north / away).astype(np.float32)
        lost = (1 - self.mu) * (x * west + y * north)
        return x - lost * west, y - lost * north

    def _sight(self, columns: Floats, rows: Floats) -> list[Floats]:
        # In the gnomonic projection the line of sight is linear in the pixel, but for its length.
        right, up, ahead = self.sky_axes
        return [ahead[i] + self.scale * (columns * right[i] + rows * up[i]) for i in range(3)]

    def _to_pixel(self, position: Floats) -> tuple[Floats, Floats]:
        right, up, ahead = self.sky_axes
        depth = self.scale * (position @ ahead)
        rows, columns = self.shape
        return position @ right / depth + (columns - 1) / 2, position @ up / depth + (rows - 1) / 2


def look_at(
    center: tuple[float, float], *, shape: tuple[int, int], scale: float, distance: float, radius: float
) -> View:
    """
    Look at the Sun.

    Parameters
    ----------
    center : tuple of float
        Helioprojective Tx and Ty of the middle of the image, in radians.
    shape : tuple of int
        Rows and columns.
    scale : float
        Angle of a pixel, in radians.
    distance, radius : float
        Distance from the observer to the centre of the Sun, and the solar radius, in Mm.

    Returns
    -------
    View
        What each pixel sees.
    """
    tx, ty = center
    right = np.array([np.cos(tx), 0.0, -np.sin(tx)])
    up = np.array([-np.sin(ty) * np.sin(tx), np.cos(ty), -np.sin(ty) * np.cos(tx)])
    ahead = np.array([np.cos(ty) * np.sin(tx), np.sin(ty), np.cos(ty) * np.cos(tx)])
    xi, eta = (scale * offset for offset in _pixel_offsets(shape))
    sight = [ahead[i] + xi * right[i] + eta * up[i] for i in range(3)]
    length = np.sqrt(1.0 + xi**2 + eta**2)
    impact = distance * np.hypot(sight[0], sight[1]) / length
    on_disk = impact <= radius
    mu = np.sqrt(np.clip(1.0 - (impact / radius) ** 2, 0.0, None))

    travelled = (distance * sight[2] / length - radius * mu) / length
    normal = [travelled * sight[i] / radius for i in range(3)]
    normal[2] = normal[2] - distance / radius
    axes = _surface_axes(normal[0][on_disk], normal[1][on_disk])
    west, north, outward = (sum(normal[i] * axis[i] for i in range(3)) for axis in axes)
    sine = np.maximum(np.hypot(west, north), 1e-12)
    stretch = radius * np.arctan2(sine, outward) / sine
    return View(
        scale=scale,
        distance=distance,
        radius=radius,
        sky_axes=np.stack([right, up, ahead]),
        surface_axes=axes,
        on_disk=on_disk,
        mu=mu.astype(np.float32),
        height=(impact - radius).astype(np.float32),
        x=(stretch * west).astype(np.float32),
        y=(stretch * north).astype(np.float32),
    )


def _pixel_offsets(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    rows, columns = shape
    return np.arange(columns)[None, :] - (columns - 1) / 2, np.arange(rows)[:, None] - (rows - 1) / 2


def _surface_axes(west: Floats, north: Floats) -> Floats:
    """Turn the axes at the middle of the disk to the middle of the points given."""
    middle = (float(west.mean()), float(north.mean())) if west.size else (0.0, 0.0)
    outward = np.array([*middle, -np.sqrt(1.0 - middle[0] ** 2 - middle[1] ** 2)])
    halfway = (_TOWARD_OBSERVER + outward) / (1.0 - outward[2])
    axes = [axis - (axis @ outward) * halfway for axis in np.eye(2, 3)]
    return np.stack([*axes, outward])
