"""How many wrong labels `~sunpy_ml.emergence.relabel` finds: a trial on simulated patches with planted ones.

It needs the extra ``train``, and no data. Run it by::

    from sunpy_ml.emergence.relabelling_trial import relabelling_trial
    relabelling_trial("DIR")
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from astropy.table import Table, vstack
from sunpy import log
from torch import Tensor

from sunpy_ml.emergence.learning import MemberTraining
from sunpy_ml.emergence.material import make_chunk
from sunpy_ml.emergence.networks import EmergenceEnsemble, binned
from sunpy_ml.emergence.patch_files import Patches, read_chunks
from sunpy_ml.emergence.relabelling import relabel
from sunpy_ml.emergence.video import CADENCE
from sunpy_ml.training import wilson_interval

__all__ = ["WAYS", "circumstances", "planted", "relabelling_trial", "trial_log"]

Booleans = npt.NDArray[np.bool_]

#: How labels are made wrong, and the name of the table of record.
WAYS = {"at random": "random", "as a catalogue errs": "catalogue"}
# Share of the labels that are wrong, and of the looks by which a person is misled.
_WRONG, _MISLED = 0.2, 0.02
# The rule of the labels, in days after the first and before the last frame, and degrees from the central meridian.
_FIRST, _LAST, _FARTHEST = 2.0, 1.0, 60.0
# As far as published times err, in days; degrees from the central meridian that are near the limb, and where regions
# come into view; flux that is weak, in Mx; and the share of the places that are called old regions.
_ERROR, _LIMB, _ENTERS, _WEAK, _OLD = 2.4, 45.0, -75.0, 1e21, 1 / 3
# Degrees that a place rotates in a day, as seen from the Earth.
_ROTATION = 13.2
_MONTHS = 3


def relabelling_trial(
    out: str | Path, *, files: int = 30, rounds: int = 3, shown: float = 0.5, epochs: int = 6, seed: int = 0
) -> Table:
    """Plant wrong labels, at random and as a catalogue errs, relabel, and count.

    A person is simulated who is told the truth of a patch that is shown, but is misled by two patches in a hundred.

    Parameters
    ----------
    out : str or pathlib.Path
        Folder. The patches are those of ``sunpy-ml train emergence``, in ``patches``, simulated where they are not
        there. The tables of record are written to it after each round, and an interrupted trial goes on from them.
    files : int
        Of simulated patches.
    rounds : int
        Of relabelling; as many rows are shown in each.
    shown : float
        Share of the rows that are shown in all rounds together.
    epochs, seed : int
        Of the training, and of all chance.

    Returns
    -------
    astropy.table.Table
        The log, see `trial_log`; also written as ``log.ecsv``.
    """
    out = Path(out)
    (out / "patches").mkdir(parents=True, exist_ok=True)
    bins, patches = _material([make_chunk("training", number, out / "patches") for number in range(files)])
    truth = patches.facts["kind"] == "emerging"
    most = int(shown * len(truth) / rounds)
    logs = []
    for way, name in WAYS.items():
        record = out / f"{name}.ecsv"
        if record.is_file():
            table = Table.read(record)
        else:
            label = planted(way, patches, seed=seed)
            # Patches of one seed differ in the event only, and are of the same month.
            blocks = (patches.facts["month"] - 1) // _MONTHS
            table = Table({"label": label, "block": blocks, "seed": patches.facts["seed"], "truth": truth})
        for number in range(table.meta.get("round", 0) + 1, rounds + 1):
            train = MemberTraining(bins, epochs=epochs, seed=1000 * seed + number)
            table = relabel(table, train, doubt=1.0, most=most)
            shown_now = table["shown"] == number
            table["label"][shown_now] = _looked(truth, np.random.default_rng([seed, number]))[shown_now]
            table.write(record, overwrite=True)
            log.info(f"labels wrong {way}, round {number}: {trial_log(table)[-1]}")
        logs.append(trial_log(table, way))
    told = vstack(logs)
    told.write(out / "log.ecsv", overwrite=True)
    return told


def trial_log(table: Table, way: str = "") -> Table:
    """Count in a table of record, which has a column ``truth``, what each round has corrected and spoiled.

    Parameters
    ----------
    table : astropy.table.Table
        From `~sunpy_ml.emergence.relabel`, looked through.
    way : str
        How the labels were made wrong.

    Returns
    -------
    astropy.table.Table
        For each round and all before it, in percent: the rows that were ``shown``; the wrong labels that are
        ``corrected``, with the 95 % interval from ``low`` to ``high``; the right ones that are ``spoiled``; and the
        wrong labels that the same person would have corrected in as many rows of a ``random`` choice.
    """
    truth, crude = np.asarray(table["truth"]), np.asarray(table["crude"])
    wrong = crude != truth
    rng = np.random.default_rng(len(table))
    chance, looked = rng.permutation(len(table)), _looked(truth, rng)
    rows = []
    for number in range(1, table.meta["round"] + 1):
        seen = (table["shown"] > 0) & (table["shown"] <= number)
        right = np.where(seen, table["label"], crude) == truth
        corrected = int((wrong & right).sum())
        low, high = wilson_interval(corrected, int(wrong.sum()))
        shares = {
            "shown": seen.mean(),
            "corrected": corrected / wrong.sum(),
            "low": low,
            "high": high,
            "spoiled": (~wrong & ~right).sum() / (~wrong).sum(),
            "random": (wrong & (chance < seen.sum()) & (looked == truth)).sum() / wrong.sum(),
        }
        percent = {name: round(100 * float(share), 1) for name, share in shares.items()}
        rows.append({"wrong": way, "round": number, **percent})
    return Table(rows)


def planted(way: str, patches: Patches, *, seed: int = 0) -> Booleans:
    """Labels of which a fifth is wrong.

    Parameters
    ----------
    way : {"at random", "as a catalogue errs"}
        Any label may be wrong, or those of the patches with `circumstances` that mislead, the more the more of them
        there are.
    patches : Patches
        With the truth.
    seed : int
        Of the choice.
    """
    if way not in WAYS:
        raise ValueError(f"way: got {way!r}, choose from {tuple(WAYS)}.")
    labels = patches.facts["kind"] == "emerging"
    chances = np.ones(len(labels)) if way == "at random" else circumstances(patches).sum(axis=1).astype(float)
    rng = np.random.default_rng([seed, len(labels)])
    wrong = rng.choice(len(labels), round(_WRONG * len(labels)), replace=False, p=chances / chances.sum())
    labels[wrong] ^= True
    return labels


def circumstances(patches: Patches) -> Booleans:
    """What misleads a catalogue of emergences, for each patch, (N, 4).

    In this order: the flux reaches 10 % within 2.4 days of the limits within which that counts as an emergence, so
    that an error of the time crosses them; the region has less than 1e21 Mx; it emerges more than 45 degrees from the
    central meridian, or comes into view over the limb; and the patch is among the third with most flux beforehand.
    """
    facts = patches.facts
    found = np.zeros((len(facts["seed"]), 4), dtype=bool)
    before = np.empty(len(found))
    for pair in patches.pairs():
        new = pair[0]
        tenth, place = facts["tenth"][new], facts["longitude"][new]
        before[list(pair)] = _before(patches, new)
        last = _days(patches)[np.isfinite(facts["curve"][new])][-1]
        first = max(_FIRST, tenth + (-_FARTHEST - place) / _ROTATION)
        final = min(last - _LAST, tenth + (_FARTHEST - place) / _ROTATION)
        for index in pair:
            if facts["kind"][index] == "quiet":
                continue
            own = facts["tenth"][index]
            found[index, 0] = min(abs(own - first), abs(own - final)) < _ERROR
            found[index, 1] = facts["flux"][index] < _WEAK
            found[index, 2] = abs(place) > _LIMB if index == new else place - _ROTATION * tenth < _ENTERS
    found[:, 3] = before > np.quantile(before, 1 - _OLD)
    return found


def _before(patches: Patches, index: int) -> float:
    """Mean unsigned vertical field above the noise that a patch has before the emergence, in gauss."""
    curve, cosines = (patches.facts[name][index] for name in ("curve", "cosines"))
    early = (_days(patches) < patches.facts["tenth"][index]) & np.isfinite(curve)
    if not (seen := early & (cosines > np.cos(np.deg2rad(_FARTHEST + 10)))).any():
        return 0.0
    return float(np.median(curve[seen] / cosines[seen])) / patches.facts["scale"][index] ** 2


def _days(patches: Patches) -> npt.NDArray[np.float64]:
    return np.asarray(np.arange(patches.facts["curve"].shape[1]) * CADENCE / 86400)


def _looked(truth: Booleans, rng: np.random.Generator) -> Booleans:
    """What a person tells of patches."""
    return truth ^ (rng.uniform(size=len(truth)) < _MISLED)


def _material(paths: list[Path]) -> tuple[Tensor, Patches]:
    """What the fixed first stage makes of the patches, and what is known of them."""
    config = EmergenceEnsemble.Config()
    bins: list[Tensor] = []
    facts: list[dict[str, npt.NDArray[np.generic]]] = []
    for path in paths:
        patches = read_chunks([path], config.block)
        bins.append(binned(patches.blocks.float(), config.bin).half())
        facts.append(dict(patches.facts))
    joined = {name: np.concatenate([each[name] for each in facts]) for name in facts[0]}
    return torch.cat(bins), Patches(torch.empty(0), joined)
