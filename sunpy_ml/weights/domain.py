"""What a network was trained on, and whether an observation lies inside it."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import astropy.units as u

from sunpy_ml.exceptions import DomainError, DomainWarning

__all__ = ["Domain", "DomainReport", "Facts"]


@dataclass(frozen=True)
class Facts:
    """What the header of an observation tells; None where it is silent.

    Attributes
    ----------
    wavelength : astropy.units.Quantity or None
        Wavelength of the passband or line.
    plate_scale : astropy.units.Quantity or None
        Angle per pixel along each axis.
    field_of_view : astropy.units.Quantity or None
        Angle along each axis, x then y.
    cadence : astropy.units.Quantity or None
        Time between frames.
    unit : astropy.units.UnitBase or None
        Unit of the data.
    missing : float
        Share of the pixels that have no valid value.
    duration : astropy.units.Quantity or None
        Time from the first frame to the last.
    """

    wavelength: u.Quantity | None = None
    plate_scale: u.Quantity | None = None
    field_of_view: u.Quantity | None = None
    cadence: u.Quantity | None = None
    unit: u.UnitBase | None = None
    missing: float = 0.0
    duration: u.Quantity | None = None


@dataclass(frozen=True)
class DomainReport:
    """Whether an observation is inside, outside or not known to be inside a network's domain, and why.

    It is true only when the observation is known to be inside.

    Examples
    --------
    >>> from sunpy_ml.weights import DomainReport
    >>> bool(DomainReport("unknown", ("the header does not tell the wavelength",)))
    False
    """

    status: Literal["inside", "outside", "unknown"]
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.status == "inside"

    def __str__(self) -> str:
        return "; ".join((self.status, *self.reasons))

    def outside(self, reason: str) -> "DomainReport":
        """The report with one more reason, for which the observation is outside.

        Examples
        --------
        >>> from sunpy_ml.weights import DomainReport
        >>> print(DomainReport("inside").outside("the image is noise"))
        outside; the image is noise
        """
        return DomainReport("outside", (reason, *self.reasons))

    def enforce(self, weights: str, strict: bool) -> None:
        """Warn (or, with ``strict``, raise `~sunpy_ml.exceptions.DomainError`) unless the status is inside."""
        if self:
            return
        verdict = "lies outside" if self.status == "outside" else "is not known to lie inside"
        message = f"The observation {verdict} what {weights!r} was trained on: {'; '.join(self.reasons)}."
        if strict:
            raise DomainError(message)
        warnings.warn(message, DomainWarning, stacklevel=3)


@dataclass(frozen=True)
class Domain:
    """The ranges of a card: every field is optional, and one that is absent is not checked.

    Attributes
    ----------
    wavelength : tuple of (float, float)
        Ranges in nanometres.
    plate_scale : (float, float) or None
        Range in arcsec per pixel of the observation as it is given.
    field_of_view : (float, float) or None
        Range of each side in arcsec.
    aspect : float or None
        Largest ratio of the longer to the shorter side of the field.
    cadence : (float, float) or None
        Range in seconds.
    units : tuple of str
        Units that the data may have.
    missing : float
        Largest share of invalid pixels.
    duration : (float, float) or None
        Range, from the first frame to the last, in days.
    """

    wavelength: tuple[tuple[float, float], ...] = ()
    plate_scale: tuple[float, float] | None = None
    field_of_view: tuple[float, float] | None = None
    aspect: float | None = None
    cadence: tuple[float, float] | None = None
    units: tuple[str, ...] = ()
    missing: float = 1.0
    duration: tuple[float, float] | None = None

    def check(self, facts: Facts) -> DomainReport:
        """Compare the facts of an observation with this domain.

        Parameters
        ----------
        facts : Facts
            As the observation's header tells them.

        Returns
        -------
        DomainReport
            Outside if anything is outside; else unknown if anything that the card limits is not told.

        Examples
        --------
        >>> import astropy.units as u
        >>> from sunpy_ml.weights import Domain, Facts
        >>> domain = Domain(wavelength=((655.5, 657.0),))
        >>> print(domain.check(Facts(wavelength=1600 * u.AA)))
        outside; the wavelength is 160 nm, trained on 655.5-657 nm
        >>> print(domain.check(Facts()))
        unknown; the wavelength is not in the header, trained on 655.5-657 nm
        """
        verdicts = list(self._verdicts(facts))
        for status in ("outside", "unknown"):
            reasons = tuple(reason for found, reason in verdicts if found == status)
            if reasons:
                others = tuple(reason for found, reason in verdicts if found != status)
                return DomainReport(status, reasons + others)
        return DomainReport("inside")

    def _verdicts(self, facts: Facts) -> Iterator[tuple[Literal["outside", "unknown"], str]]:
        yield from _ranges("wavelength", facts.wavelength, self.wavelength, u.nm)
        for name, unit in (
            ("plate_scale", u.arcsec / u.pix),
            ("field_of_view", u.arcsec),
            ("cadence", u.s),
            ("duration", u.day),
        ):
            limits = getattr(self, name)
            if limits is not None:
                yield from _ranges(name.replace("_", " "), getattr(facts, name), (limits,), unit)
        if self.aspect is not None and facts.field_of_view is not None:
            ratio = float((facts.field_of_view.max() / facts.field_of_view.min()).to_value(u.one))
            if ratio > self.aspect:
                yield "outside", f"the field is {ratio:.3g} times as long as wide, trained on at most {self.aspect:g}"
        if facts.missing > self.missing:
            yield "outside", f"{facts.missing:.0%} of the pixels are invalid, at most {self.missing:.0%} should be"
        if self.units:
            wanted = " or ".join(self.units)
            if facts.unit is None:
                yield "unknown", f"the unit is not in the header, trained on {wanted}"
            elif not any(facts.unit.is_equivalent(unit) for unit in self.units):
                yield "outside", f"the unit is {facts.unit}, trained on {wanted}"


def _ranges(
    name: str, value: u.Quantity | None, ranges: tuple[tuple[float, float], ...], unit: u.UnitBase
) -> Iterator[tuple[Literal["outside", "unknown"], str]]:
    if not ranges:
        return
    trained = " or ".join(f"{low:g}-{high:g}" for low, high in ranges) + f" {unit}"
    if value is None:
        yield "unknown", f"the {name} is not in the header, trained on {trained}"
        return
    values = value.to_value(unit).ravel()
    # A header's value carries the rounding of its own decimals, so a limit holds to six digits.
    inside = any(((values >= low * (1 - 1e-6)) & (values <= high * (1 + 1e-6))).all() for low, high in ranges)
    if not inside:
        told = " x ".join(f"{v:.4g}" for v in dict.fromkeys(values.tolist()))
        yield "outside", f"the {name} is {told} {unit}, trained on {trained}"
