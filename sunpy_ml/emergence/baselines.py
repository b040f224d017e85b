"""What is simpler than a network: a logistic regression on scalars of the flux curve, and its steepest rise."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d
from scipy.optimize import minimize
from scipy.special import expit

from sunpy_ml.emergence.video import CADENCE

__all__ = ["SCALARS", "Regression", "fit_regression", "scalars", "steepest_day"]

Array = npt.NDArray[Any]

#: What the regression knows of a patch.
SCALARS = ("first", "last", "largest", "steepest", "noise", "missing", "mean mu")
# Nearer to the limb than this, flux over mu is no longer reliable; about as far as emergences count.
_LEAST_MU = 0.5
# Frames over which the curve is smoothed: a day.
_SMOOTHED = 15
# Of the squared coefficients, for standardised scalars.
_PENALTY = 1e-2


def steepest_day(curve: Array, cosines: Array) -> tuple[float, float]:
    """When the unsigned flux rises most steeply, in days, and by how much in a day.

    Parameters
    ----------
    curve, cosines : numpy.ndarray
        Unsigned flux along the line of sight, NaN where it is missing, and the cosine of its angle to the vertical.
    """
    smooth = uniform_filter1d(_vertical(curve, cosines), _SMOOTHED)
    rise = np.gradient(smooth) * 86400 / CADENCE
    return float(rise.argmax() * CADENCE / 86400), float(rise.max())


def scalars(curve: Array, cosines: Array, noise: float, missing: float, mu: float) -> Array:
    """The `SCALARS` of a patch; fluxes as logarithms of what a hundred times the faintest has."""
    flux = _vertical(curve, cosines)
    _, steepest = steepest_day(curve, cosines)
    fluxes = np.array([flux[0], flux[-1], flux.max(), max(steepest, 0)])
    return np.array([*np.log10(fluxes + 1e20), noise, missing, mu])


def _vertical(curve: Array, cosines: Array) -> Array:
    """The flux over mu where that is known, and interpolated elsewhere."""
    known = np.isfinite(curve) & (cosines > _LEAST_MU)
    frames = np.arange(len(curve))
    return np.interp(frames, frames[known], curve[known] / cosines[known])


class Regression(NamedTuple):
    """A logistic regression: means and deviations of the scalars, coefficients, and the constant."""

    mean: Array
    deviation: Array
    coefficients: Array
    constant: float

    def __call__(self, values: Array) -> Array:
        """Probabilities (N,) for scalars (N, scalars)."""
        return expit((values - self.mean) / self.deviation @ self.coefficients + self.constant)


def fit_regression(values: Array, truth: Array) -> Regression:
    """Fit a logistic regression.

    Parameters
    ----------
    values : numpy.ndarray
        (N, scalars).
    truth : numpy.ndarray
        (N,), 0 or 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_ml.emergence.baselines import fit_regression
    >>> values = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fit_regression(values, np.array([0, 0, 1, 1]))(values).round()
    array([0., 0., 1., 1.])
    """
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    known, sign = (values - mean) / deviation, 2 * truth - 1

    def surprise(weights: Array) -> tuple[float, Array]:
        margin = sign * (known @ weights[:-1] + weights[-1])
        slope = -sign * expit(-margin) / len(sign)
        penalty = _PENALTY * np.append(weights[:-1], 0)
        value = np.logaddexp(0, -margin).mean() + 0.5 * penalty @ weights
        return value, np.append(known.T @ slope, slope.sum()) + penalty

    weights = minimize(surprise, np.zeros(values.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return Regression(mean, deviation, weights[:-1], float(weights[-1]))
