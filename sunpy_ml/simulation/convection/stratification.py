"""The atmosphere that a run starts from: an adiabat below, a grey atmosphere in radiative equilibrium above."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from sunpy_ml.simulation.convection.card import ConvectionCard
from sunpy_ml.simulation.convection.radiation import opacity


@dataclass(frozen=True)
class Stratification:
    """
    Density and pressure of an atmosphere in hydrostatic balance.

    Parameters
    ----------
    height : `numpy.ndarray`
        Of the middle of each cell above optical depth 1, in m, upward.
    density, pressure : `numpy.ndarray`
        In kg/m3 and Pa.
    below : tuple of float
        Pressure in the two layers of ghost cells below, the nearer one first.
    entropy : float
        Pressure over density to the power of gamma in the interior.
    """

    height: NDArray[np.float64]
    density: NDArray[np.float64]
    pressure: NDArray[np.float64]
    below: tuple[float, float]
    entropy: float


def initial_stratification(layers: int, step: float, card: ConvectionCard) -> Stratification:
    """
    Return the atmosphere that a run starts from.

    Above, the temperature is the one of Eddington's grey atmosphere, T^4 = 3/4 Teff^4 (tau + 2/3); where that exceeds
    the temperature of the interior's adiabat, it follows the adiabat.

    Parameters
    ----------
    layers : int
        Number of cells from bottom to top.
    step : float
        Height of a cell, in m.
    card : `ConvectionCard`
        The parameters.

    Returns
    -------
    `Stratification`

    Raises
    ------
    ValueError
        If the box would reach above the starting atmosphere.
    """

    def temperature(pressure: float, depth: float) -> float:
        grey = card.effective_temperature * (0.75 * (depth + 2 / 3)) ** 0.25
        interior = card.interior_temperature * (pressure / card.photosphere_pressure) ** (1 - 1 / card.gamma)
        # Far above, the adiabat is colder too, where it has no say.
        return float(min(grey, interior) if depth > 0.3 else grey)

    def slope(_: float, values: NDArray[np.float64]) -> list[float]:
        pressure, depth = np.exp(values)
        heat = temperature(pressure, depth)
        density = pressure / (card.gas_constant * heat)
        pair = torch.tensor([density, heat], dtype=torch.float64)
        absorption = float(opacity(pair[0], pair[1], card)) * density
        return [-density * card.gravity / pressure, -absorption / depth]

    def surface(_: float, values: NDArray[np.float64]) -> float:
        return float(values[1])

    # Downward from where the optical depth is 1e-5, at a pressure that makes it so with the floor of the opacity.
    thin = 1e-5
    start = np.log([thin * card.gravity / card.opacity_floor, thin])
    span = (layers + 4) * step + 2e6
    path = solve_ivp(slope, (0, -span), start, events=surface, rtol=1e-7, atol=1e-9, max_step=5e3, dense_output=True)
    zero = path.t_events[0][0]
    height = card.top + step * (np.arange(-layers - 2.0, 0.0) + 0.5)
    if height[-1] + zero > 0:
        raise ValueError(f"card.top is {card.top} m: the starting atmosphere ends {-zero:.0f} m above optical depth 1")
    pressure, depth = np.exp(path.sol(height + zero))
    heat = np.array([temperature(*pair) for pair in zip(pressure, depth, strict=True)])
    density = pressure / (card.gas_constant * heat)
    pressure = _balanced(pressure, density, step * card.gravity)
    interior = card.interior_temperature
    entropy = card.photosphere_pressure ** (1 - card.gamma) * (card.gas_constant * interior) ** card.gamma
    below = float(pressure[1]), float(pressure[0])
    return Stratification(height[2:], density[2:], pressure[2:], below, entropy)


def _balanced(pressure: NDArray[np.float64], density: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the pressure that the finite volumes hold still: differences equal to the weight of the mean density."""
    steps = 0.5 * weight * (density[1:] + density[:-1])
    return pressure[-1] + np.append(np.cumsum(steps[::-1])[::-1], 0.0)
