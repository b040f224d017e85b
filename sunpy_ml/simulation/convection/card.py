"""The parameters of the convection run, each with its source."""

from dataclasses import dataclass

__all__ = ["ConvectionCard"]


@dataclass(frozen=True)
class ConvectionCard:
    """
    Free parameters of the simulated convection, with source and certainty. SI units.

    Parameters
    ----------
    gravity : float
        Acceleration at the solar surface, m/s2. Textbook value: certain.
    gamma : float
        Ratio of specific heats. A monatomic gas has 5/3; where hydrogen ionises, below the surface, the Sun has 1.2
        to 1.3 (textbooks; medium certainty). The lower one stands in for ionisation, which stores most of the heat that
        granules carry: with 5/3 the same flux takes flows that are too fast, and granules that live too short.
    molecular_weight : float
        Mean mass of a particle, in atomic mass units: neutral gas of solar composition. Certain at the surface, half as
        large in the ionised interior.
    effective_temperature : float
        In K; with the Stefan-Boltzmann constant it gives the solar flux of 6.3e7 W/m2. Textbook value: certain.
    opacity : float
        Opacity at a density of 1 kg/m3 and a temperature of 1 K, m2/kg; it grows as rho^0.5 T^9. The fit to H-minus
        of Hansen & Kawaler, Stellar Interiors (recalled; 3000 to 6000 K) has 7.9e-34 (2.5e-31 in CGS units), good to
        a factor of two. Lowered five times, so that the surface lies in denser gas (6e-4 instead of 2-3e-4 kg/m3),
        which carries the solar flux at solar speeds without the help of ionisation: tuned.
    opacity_cap, opacity_floor : float
        Bounds of the opacity in m2/kg. The fit explodes above 10,000 K, where the layers are opaque anyhow; below
        4000 K molecules and metals take over. Modelling choices.
    stream_cosine : float
        Cosine of the angle between the two streams and the vertical: 1/sqrt(3), Gauss's point for the mean intensity.
    photosphere_pressure : float
        Pressure in Pa at which ``interior_temperature`` holds, that of solar optical depth 1: about 1.2e4 Pa in
        standard models. Good to 10 per cent; only names the point.
    interior_temperature : float
        Temperature in K that the gas of the interior would have if it rose to ``photosphere_pressure`` without
        exchanging heat: the entropy at the bottom. Tuned, so that the emergent flux is the solar one within some per
        cent; it says nothing about the Sun.
    top : float
        Height of the upper wall above optical depth 1 of the starting atmosphere, in m. A modelling choice: the
        optical depth is a few thousandths there.
    top_sponge, sponge_time : float
        Depth (m) of the layers below the upper wall that absorb vertical motion, and how fast at the wall (s). A
        modelling choice, to keep shocks from reflecting.
    mean_flow_time : float
        How fast (s) the mean horizontal flow of each layer is taken away. In a box without neighbours, it would grow
        without limit. A modelling choice.
    shear_time : float
        How fast (s) the horizontal flow with the wavelength of the box is taken away in each layer. The same
        reason. A modelling choice.
    bottom_drag_time : float
        How fast (s) horizontal motion is taken away in the lowest layers (a fifth of the box). A modelling choice.
    courant : float
        Time step over the longest stable one.
    perturbation : float
        Relative rms of the random disturbance of temperature that starts convection. Forgotten after ten minutes.
    """

    gravity: float = 274.0
    gamma: float = 1.3
    molecular_weight: float = 1.3
    effective_temperature: float = 5772.0
    opacity: float = 1.5e-34
    opacity_cap: float = 20.0
    opacity_floor: float = 2e-3
    stream_cosine: float = 3**-0.5
    photosphere_pressure: float = 1.2e4
    interior_temperature: float = 7200.0
    top: float = 5.0e5
    top_sponge: float = 1.5e5
    sponge_time: float = 20.0
    mean_flow_time: float = 300.0
    shear_time: float = 300.0
    bottom_drag_time: float = 600.0
    courant: float = 0.8
    perturbation: float = 0.02

    @property
    def gas_constant(self) -> float:
        """Pressure over density and temperature, in J/(kg K)."""
        return 8314.46 / self.molecular_weight

    @property
    def heat_capacity(self) -> float:
        """Specific heat at constant volume, in J/(kg K)."""
        return self.gas_constant / (self.gamma - 1)
