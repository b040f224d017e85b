"""The plate scale that a simulation is asked for."""

import astropy.units as u
import numpy as np

__all__ = ["pixel_angle"]


def pixel_angle(scale: u.Quantity) -> u.Quantity:
    """Return the angle of a pixel, after checking that it is one positive number."""
    if not scale.isscalar or not 0 < scale.value < np.inf:
        raise ValueError(f"scale is {scale}: give one positive plate scale, such as 0.5 * u.arcsec / u.pix")
    return scale * u.pix
