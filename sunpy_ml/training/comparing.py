"""Whether transfer helps, measured: the same training from the transferred and from a fresh start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from astropy.table import QTable
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from sunpy_ml.training.transferring import Weights, parameter_groups, trained_network, transfer
from sunpy_ml.weights import Card

__all__ = ["TransferReport", "transfer_report"]

Array = npt.NDArray[Any]
Data = tuple[Tensor, Tensor]

_RESAMPLES = 4000


@dataclass(frozen=True)
class TransferReport:
    """What `transfer_report` measured.

    Attributes
    ----------
    source : str
        Name of the weights that were transferred.
    seeds : tuple of int
        One pair of trainings for each.
    transferred, fresh : numpy.ndarray
        Accuracy on the test data for each seed.
    interval : tuple of float
        95 % interval of the mean difference over seeds (Student's t of the paired differences): what another draw
        of starts and batches would change.
    test_interval : tuple of float
        95 % interval of the same mean over groups of test cases (bootstrap): what other test data would change.
    n_train, n_test, n_groups : int
        Numbers of training cases, test cases, and groups of test cases.
    """

    source: str
    seeds: tuple[int, ...]
    transferred: Array
    fresh: Array
    interval: tuple[float, float]
    test_interval: tuple[float, float]
    n_train: int
    n_test: int
    n_groups: int

    @property
    def difference(self) -> float:
        """Mean accuracy from the transferred start minus that from the fresh one; negative transfer is below 0."""
        return float(np.mean(self.transferred - self.fresh))

    @property
    def spread(self) -> float:
        """Standard deviation of the difference over the seeds."""
        return float(np.std(self.transferred - self.fresh, ddof=1))

    @property
    def better(self) -> str:
        """``"transferred"`` or ``"fresh"`` where both intervals agree, ``"undecided"`` where one of them holds 0."""
        if min(self.interval[0], self.test_interval[0]) > 0:
            return "transferred"
        if max(self.interval[1], self.test_interval[1]) < 0:
            return "fresh"
        return "undecided"

    def table(self) -> QTable:
        """One row for each seed: the accuracies of both and their difference."""
        return QTable(
            {
                "seed": list(self.seeds),
                "transferred": self.transferred,
                "fresh": self.fresh,
                "difference": self.transferred - self.fresh,
            }
        )

    def __str__(self) -> str:
        (low, high), (test_low, test_high) = self.interval, self.test_interval
        return (
            f"{self.source}: {self.better}. Accuracy {self.transferred.mean():.3f} from the transferred start, "
            f"{self.fresh.mean():.3f} from a fresh one; difference {self.difference:+.3f}, 95 % interval {low:+.3f} to "
            f"{high:+.3f} over {len(self.seeds)} seeds, {test_low:+.3f} to {test_high:+.3f} over {self.n_groups} "
            f"groups of {self.n_test} test cases; {self.n_train} training cases."
        )


def transfer_report(
    weights: Weights,
    train: Data,
    test: Data,
    *,
    card: Card | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    steps: int = 60,
    batch: int = 16,
    learning_rate: float = 1e-3,
    factor: float = 1.0,
    depth: int | str | None = None,
    freeze: int | str = 0,
    groups: Sequence[Any] | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
) -> TransferReport:
    """Train the same head from transferred features and from a fresh start, and say which is better, by how much.

    Transfer can harm as well as help. Both networks have the same shape, the same start of the head, the same batches
    in the same order and the same number of steps of AdamW; only the start of the features differs, and what
    ``factor`` and ``freeze`` do with them, which is part of what is measured.

    Parameters
    ----------
    weights : str, pathlib.Path, Card or torch.nn.Module
        The trained classifier: a name, the path of a ``.safetensors`` file that holds its card, a card, or a network.
    train, test : tuple of torch.Tensor
        Images (N, 1, H, W), float32, as the card of the weights normalises them, and classes (N,), int64 from 0.
        Split them by date (`sunpy_ml.training.split_by_date`), or both starts look better than they are.
    card : Card, optional
        Of a network that is given as a module, and only then.
    seeds : sequence of int, optional
        One pair of trainings for each; two at least.
    steps, batch : int, optional
        The budget: number of steps, and images in each.
    learning_rate : float, optional
        Of the head, and of all of the fresh network.
    factor, depth, freeze : optional
        Of the transferred network: see `sunpy_ml.training.parameter_groups` and `sunpy_ml.training.transfer`.
    groups : sequence, optional
        For each test case what it shares with others, such as its date or its image: cases of one group are not
        independent. By default each case by itself.
    loss : callable, optional
        Of the logits (N, n_classes) and the classes.

    Returns
    -------
    TransferReport

    Raises
    ------
    ValueError
        If the data do not fit together, there are fewer than two seeds or groups, or the depths cannot be.

    Examples
    --------
    >>> import torch
    >>> from sunpy_ml.training import transfer_report
    >>> images = torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> data = images, torch.arange(8) % 2
    >>> report = transfer_report("halpha-2", data, data, seeds=(0, 1), steps=1, batch=4)
    >>> report.table().colnames
    ['seed', 'transferred', 'fresh', 'difference']
    """
    _check(train, "train")
    _check(test, "test")
    names = np.arange(len(test[1])) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(names) != len(test[1]):
        raise ValueError(f"groups: got {len(names)} for {len(test[1])} test cases; give one for each.")
    if len(seeds) < 2 or names.max() < 1:
        raise ValueError(f"seeds, groups: got {len(seeds)} and {names.max() + 1}; an interval needs two at least.")
    card, network = trained_network(weights, card)
    n_classes = int(torch.cat([train[1], test[1]]).max()) + 1
    correct: dict[bool, list[Array]] = {True: [], False: []}
    for seed in seeds:
        for transferred in correct:
            # The caller's random state is as it was, afterwards.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                options = {"depth": depth, "freeze": freeze} if transferred else {"depth": 0}
                new = transfer(network, n_classes, card=card, **options)
                rates = parameter_groups(new, learning_rate, factor=factor if transferred else 1.0)
                torch.manual_seed(seed)
                _train(new, rates, train, steps, batch, n_classes, loss)
            correct[transferred].append(_correct(new, test, batch, n_classes))
    ours, theirs = np.array(correct[True]), np.array(correct[False])
    accuracies = ours.mean(axis=1), theirs.mean(axis=1)
    return TransferReport(
        card.name,
        tuple(seeds),
        *accuracies,
        interval=_over_seeds(accuracies[0] - accuracies[1]),
        test_interval=_over_groups((ours.astype(float) - theirs).mean(axis=0), names),
        n_train=len(train[1]),
        n_test=len(test[1]),
        n_groups=int(names.max()) + 1,
    )


def _check(data: Data, name: str) -> None:
    images, classes = data
    if images.ndim != 4 or classes.shape != images.shape[:1] or not len(images):
        shapes = f"{tuple(images.shape)} and {tuple(classes.shape)}"
        raise ValueError(f"{name}: expected images (N, C, H, W) and classes (N,), got {shapes}.")


def _train(
    network: nn.Module,
    rates: list[dict[str, Any]],
    data: Data,
    steps: int,
    batch: int,
    n_classes: int,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    images, classes = data
    optimiser = torch.optim.AdamW(rates)
    cycle = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    order = torch.cat([torch.randperm(len(images)) for _ in range(-(-steps * batch // len(images)))])
    for step in range(steps):
        chosen = order[step * batch : (step + 1) * batch]
        optimiser.zero_grad()
        loss(network(images[chosen])[:, :n_classes], classes[chosen]).backward()
        optimiser.step()
        cycle.step()


def _correct(network: nn.Module, data: Data, batch: int, n_classes: int) -> Array:
    network.eval()
    with torch.inference_mode():
        # Further heads, such as that of the features of an image, come after the classes.
        answers = [network(images)[:, :n_classes].argmax(dim=1) for images in data[0].split(max(batch, 64))]
    return (torch.cat(answers) == data[1]).numpy()


def _over_seeds(differences: Array) -> tuple[float, float]:
    margin = stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    return float(differences.mean() - margin), float(differences.mean() + margin)


def _over_groups(differences: Array, groups: Array) -> tuple[float, float]:
    """Bootstrap of whole groups; a group weighs by its number of cases."""
    sums, sizes = np.bincount(groups, differences), np.bincount(groups)
    drawn = np.random.default_rng(0).integers(len(sums), size=(_RESAMPLES, len(sums)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)
