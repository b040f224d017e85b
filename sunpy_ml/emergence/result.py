"""The result of a search for emerging flux: whether, when, and how sure."""

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import QTable
from astropy.time import Time, TimeDelta
from ndcube import NDCube
from torch import nn

from sunpy_ml.emergence.answers import Answers
from sunpy_ml.emergence.cubes import Patch
from sunpy_ml.emergence.timing import steepest_rise
from sunpy_ml.emergence.video import CADENCE, UNSEEN, shown_frames
from sunpy_ml.weights import Card, DomainReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["THRESHOLD", "Emergence"]

#: The probability from which flux is said to emerge.
THRESHOLD = 0.5
# After the last frame that shows anything, less than this many days are too few to tell an emergence.
_LAST_DAYS = 1.0


@dataclass(frozen=True)
class Emergence:
    """Whether magnetic flux emerges in a patch, and when.

    Attributes
    ----------
    probability : float
        That a region emerges: the mean over the members of the ensemble.
    members : numpy.ndarray
        That of each.
    time : astropy.time.Time or None
        When it emerges; None where none does, or where that is not from two days after the first frame to a day before
        the last one that shows anything.
    interval : astropy.time.Time or None
        The 5th and the 95th percentile of the times that the members tell. How far the times are from the true ones is
        on the card.
    times : astropy.time.Time
        Of the frames of the video that the network was shown.
    curves : numpy.ndarray
        (frames, members): the probability that each member gives when it sees the video up to each of these times.
    in_domain : DomainReport
        Whether the cube is like those that the network was trained on, with reasons.
    card : Card
        Of the weights.
    windows : tuple of Emergence
        Of a cube that is longer than a video, the results for all its windows, of which this is the most probable
        one; else empty.

    Examples
    --------
    >>> from sunpy_ml import detect_emergence
    >>> from sunpy_ml.simulation.emergence import emergence_patch
    >>> found = detect_emergence(emergence_patch("emerging", seed=2036))
    >>> found.emerged, found.notice
    (True, 'validated on simulations only')
    """

    probability: float
    members: npt.NDArray[np.float64] = field(repr=False)
    time: Time | None
    interval: Time | None
    times: Time = field(repr=False)
    curves: npt.NDArray[np.float64] = field(repr=False)
    in_domain: DomainReport
    card: Card = field(repr=False)
    patch: Patch = field(repr=False)
    network: nn.Module = field(repr=False)
    windows: tuple["Emergence", ...] = field(default=(), repr=False)

    @classmethod
    def from_answers(
        cls, answers: Answers, report: DomainReport, card: Card, patch: Patch, network: nn.Module
    ) -> "Emergence":
        """Build a result from what a network says of a patch."""
        probability = float(answers.members.mean())
        seconds = _video_seconds(patch)
        time, interval = None, None
        if probability >= THRESHOLD:
            time, interval = _times_found(answers, seconds, patch, card.output.time_bias)
        return cls(
            probability=probability,
            members=answers.members,
            time=time,
            interval=interval,
            times=patch.times[0] + TimeDelta(seconds, format="sec"),
            curves=answers.curves,
            in_domain=report,
            card=card,
            patch=patch,
            network=network,
        )

    @property
    def emerged(self) -> bool:
        """Whether a region emerges: whether the probability is at least one half."""
        return self.probability >= THRESHOLD

    @property
    def spread(self) -> float:
        """The standard deviation of the probabilities of the members."""
        return float(self.members.std())

    @property
    def curve(self) -> npt.NDArray[np.float64]:
        """The probability up to each of the times: the mean over the members."""
        return np.asarray(self.curves.mean(axis=1))

    @property
    def cube(self) -> NDCube:
        """What was given, or the window of it that the result is of."""
        return self.patch.cube

    @property
    def weights(self) -> str:
        """The name of the weights."""
        return self.card.name

    @property
    def sha256(self) -> str:
        """The checksum of the weights; empty for a network that was given as a module."""
        return self.card.file.sha256

    @property
    def notice(self) -> str:
        """What must be said with every result, or nothing."""
        return "validated on simulations only" if self.card.validated_on == "simulation" else ""

    def saliency(self, method: str = "saliency", *, steps: int = 32) -> NDCube:
        """Tell which pixels of which frames speak for an emergence.

        Parameters
        ----------
        method : {"saliency", "integrated_gradients"}
            The size of the gradient of the score with respect to the field, in 1/G, not negative; or the share of each
            pixel in the difference between the score and that of a patch without field, which is signed.
        steps : int
            Of the integral.

        Returns
        -------
        ndcube.NDCube
            float32, of the shape and with the WCS, the times and the mask of `cube`.

        Raises
        ------
        ImportError
            If captum is not installed, which comes with the extra ``explain``.
        ValueError
            If there is no such method.

        Notes
        -----
        The score is the mean over members and views of the logit of the whole video. What it says of frames that are
        interpolated or repeated there counts for those that they are made of; a frame that is not in the video, since a
        later one has its place, has zeros. Where the pixels of the cube are not those of the video, means are kept, and
        sums are not.

        References
        ----------
        Simonyan et al. 2014, https://arxiv.org/abs/1312.6034; Sundararajan et al. 2017,
        https://arxiv.org/abs/1703.01365
        """
        from sunpy_ml.emergence.saliency import saliency

        return saliency(self, method, steps=steps)

    def table(self) -> QTable:
        """The result as a table of one row, or of one for each window.

        Returns
        -------
        astropy.table.QTable
            ``start`` and ``end`` of the frames, ``probability``, ``spread``, ``emerged``, ``time``, ``earliest`` and
            ``latest`` (masked where there are none), ``in_domain`` with ``reasons``, ``weights``, ``sha256`` and
            ``notice``.
        """
        rows = self.windows or (self,)
        found = [row.time is not None for row in rows]
        return QTable(
            {
                "start": Time([row.patch.times[0] for row in rows]),
                "end": Time([row.patch.times[-1] for row in rows]),
                "probability": [row.probability for row in rows],
                "spread": [row.spread for row in rows],
                "emerged": [row.emerged for row in rows],
                "time": _masked([row.time or row.times[0] for row in rows], found),
                "earliest": _masked([row.times[0] if row.interval is None else row.interval[0] for row in rows], found),
                "latest": _masked([row.times[0] if row.interval is None else row.interval[1] for row in rows], found),
                "in_domain": [row.in_domain.status for row in rows],
                "reasons": ["; ".join(row.in_domain.reasons) for row in rows],
                "weights": [self.weights] * len(rows),
                "sha256": [self.sha256] * len(rows),
                "notice": [self.notice] * len(rows),
            }
        )

    def plot(self, figure: "Figure | None" = None, *, saliency: str | None = None) -> "Figure":
        """Draw the probability over time, with the time of the emergence, and frames before, at and after it.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            An empty one to draw on; by default a new one.
        saliency : {"saliency", "integrated_gradients"}, optional
            Draw it over the frames.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from sunpy_ml.emergence.plot import plot_emergence

        return plot_emergence(self, figure, saliency)

    def _repr_html_(self) -> str:
        when = "no time" if self.time is None else f"{self.time.isot[:16]} UTC"
        return (
            f"<p><b>{'emergence' if self.emerged else 'no emergence'}</b>, {when}</p>"
            f"<p>probability {self.probability:.3f}, spread {self.spread:.3f} over {len(self.members)} members "
            f"({escape(self.weights)}{'; ' if self.notice else ''}{self.notice})</p>"
            f"<p>domain: {escape(str(self.in_domain))}</p>"
        )


def _masked(times: list[Time], known: list[bool]) -> Time:
    column = Time(times)
    if not all(known):
        column[~np.array(known)] = np.ma.masked
    return column


def _video_seconds(patch: Patch) -> npt.NDArray[np.float64]:
    """When the frames of the video were seen: true times, and between and after them such as go on from there."""
    shown = shown_frames(patch.seconds, patch.shows)
    frames = np.arange(len(shown))
    there = shown >= 0
    seconds = np.interp(frames, frames[there], patch.seconds[shown[there]])
    for beyond, end in ((frames < frames[there][0], 0), (frames > frames[there][-1], -1)):
        seconds[beyond] += CADENCE * (frames[beyond] - frames[there][end])
    return seconds


def _times_found(
    answers: Answers, seconds: npt.NDArray[np.float64], patch: Patch, bias: float
) -> tuple[Time | None, Time | None]:
    timing = steepest_rise(answers.curves)
    frames = np.arange(len(seconds))
    found = np.interp([timing.frame, *timing.interval], frames, seconds) - bias * u.day.to(u.s)
    last = patch.seconds[patch.shows][-1] - _LAST_DAYS * u.day.to(u.s)
    if not UNSEEN * CADENCE <= found[0] <= last:
        return None, None
    times = patch.times[0] + TimeDelta(found, format="sec")
    return times[0], times[1:]
