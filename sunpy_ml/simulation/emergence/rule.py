"""Which emergences can be observed."""

from sunpy_ml.simulation.emergence.view import View

__all__ = ["FARTHEST", "FIRST", "LAST", "observable", "observable_days"]

# Degrees from the central meridian; days after the first frame (30 frames of MDI); days before the last good one.
FARTHEST, FIRST, LAST = 60.0, 2.0, 1.0


def observable_days(view: View, x: float, last: float) -> tuple[float, float]:
    """Return between which days the emergence of a bipole, x Mm to the west of the middle, can be observed."""
    place = view.first_longitude + view.offset(x)
    return max(FIRST, (-FARTHEST - place) / view.rate), min(last - LAST, (FARTHEST - place) / view.rate)


def observable(view: View, x: float, last: float, tenth: float) -> bool:
    """Return whether an emergence can be observed of which the flux reaches 10 % at a day."""
    first, final = observable_days(view, x, last)
    return bool(first <= tenth <= final)
