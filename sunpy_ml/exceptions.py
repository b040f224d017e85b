"""Exceptions and warnings of sunpy_ml, all of sunpy's families."""

from sunpy.util.exceptions import SunpyUserWarning

__all__ = ["CardError", "DomainError", "DomainWarning", "HeaderWarning", "ObservationError", "WeightsError"]


class ObservationError(ValueError):
    """An observation cannot be used as it is; the message names the cure."""


class WeightsError(ValueError):
    """Weights cannot be found, verified or loaded."""


class CardError(WeightsError):
    """A weights card is incomplete or contradicts itself."""


class DomainError(ValueError):
    """With ``strict=True``: the observation lies outside what the network was trained on, or may do."""


class DomainWarning(SunpyUserWarning):
    """The observation lies outside what the network was trained on, or its header does not tell."""


class HeaderWarning(SunpyUserWarning):
    """The header of an observation lacks something, which is taken as the message says."""
