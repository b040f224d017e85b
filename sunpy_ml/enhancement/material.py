"""The two tasks that networks are trained for, and their pairs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sunpy_ml.enhancement.pairs import Pair, make_pairs
from sunpy_ml.enhancement.sources import Source, continuum_sources, magnetogram_sources

__all__ = ["CONTINUUM", "MAGNETOGRAM", "Problem"]

# Sides of the pairs to train on and to test on, in pixels of HMI, and how many are made for each group of sources.
_SIDE, _TEST_SIDE = 112, 72
_PAIRS, _TEST_PAIRS = 120, 24


@dataclass(frozen=True)
class Problem:
    """What a network is to learn.

    Attributes
    ----------
    name : str
        Of the weights.
    sources : callable
        From the data folder and ``"train"`` or ``"test"`` to the sources.
    shares : mapping of str to float
        Of the groups of sources in a batch.
    noise : float
        Standard deviation of the usual noise.
    level, contrast, odd
        As of `~sunpy_ml.enhancement.networks.DeconvolutionNetwork.Config`.
    error : float
        That is typical of the answer.
    tests : mapping of float to str
        Standard deviations of the noise that the network is scored at, and how the card calls them.
    """

    name: str
    sources: Callable[[Path, str], list[Source]]
    shares: Mapping[str, float]
    noise: float
    level: float
    contrast: float
    odd: bool
    error: float
    tests: Mapping[float, str]

    def training_pairs(self, data: Path, seed: int) -> list[Pair]:
        """As many pairs of each group, of all its sources in turn."""
        return self._pairs(data, "train", _SIDE, _PAIRS, seed, scales=0.2)

    def test_pairs(self, data: Path, seed: int) -> list[Pair]:
        """Pairs of other sources, at the scale and contrast of the Sun."""
        return self._pairs(data, "test", _TEST_SIDE, _TEST_PAIRS, seed + 1, scales=0.0)

    def chances(self, pairs: list[Pair]) -> np.ndarray:
        """How often each pair is drawn."""
        groups = [pair.group for pair in pairs]
        chances = np.array([self.shares[group] / groups.count(group) for group in groups])
        return chances / chances.sum()

    def _pairs(self, data: Path, part: str, side: int, number: int, seed: int, *, scales: float) -> list[Pair]:
        sources = self.sources(data, part)
        pairs = []
        for group in dict.fromkeys(source.group for source in sources):
            own = [source for source in sources if source.group == group]
            each = -(-number // len(own))
            # A look is dear and a piece of it is cheap, but pieces of one look share its scale and contrast.
            looks = max(1, each // 10)
            pairs += make_pairs(own, size=side, looks=looks, places=-(-each // looks), seed=seed, scales=scales)
        return pairs


CONTINUUM = Problem(
    name="hmi-continuum-1",
    sources=continuum_sources,
    shares={"MHD": 0.35, "IMaX": 0.15, "SOT": 0.15, "drawn scenes": 0.2, "templates": 0.15},
    noise=1e-3,
    level=1.0,
    contrast=0.1,
    odd=False,
    error=0.02,
    tests={1e-3: "0.1 %", 3e-3: "0.3 %"},
)
MAGNETOGRAM = Problem(
    name="hmi-magnetogram-1",
    sources=magnetogram_sources,
    shares={"GST": 0.5, "templates": 0.25, "drawn scenes": 0.25},
    noise=1e-2,
    level=0.0,
    contrast=0.3,
    odd=True,
    error=0.05,
    tests={1e-2: "10 G", 2e-2: "20 G"},
)
