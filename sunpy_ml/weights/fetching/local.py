"""What is on this machine: the search for a card's verified file, without any network.

A file is hashed when it is fetched, and its record then keeps its size and time of modification. While both stay as
they are the file is taken for the same; else, and where there is no record, it is hashed once per process. So a call
costs less than a millisecond instead of the seconds that hundreds of megabytes take. `verify` always hashes.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import Card, FileSource
from sunpy_ml.weights.catalogue import get_card
from sunpy_ml.weights.fetching.checksums import check
from sunpy_ml.weights.fetching.folders import (
    RECORD,
    Record,
    cache_folder,
    file_names,
    hand_folder,
    key,
    read_record,
    record_of,
    write_record,
)

__all__ = ["FileStatus", "Found", "cached_path", "file_status", "find", "is_fetched", "recorded", "verify"]

_hashed: dict[tuple[Path | int | str, ...], str] = {}
_hashing = threading.Lock()


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    path : pathlib.Path or None
        The verified file.
    sha256 : str
        Its checksum, or the one that it should have as far as that is known.
    unaccepted : pathlib.Path or None
        A file of which no checksum is known, and which nobody has accepted yet.
    problems : tuple of str
        Files that have the right name and the wrong content.
    """

    path: Path | None = None
    sha256: str = ""
    unaccepted: Path | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileStatus:
    """What this machine knows of a card's file.

    Attributes
    ----------
    path : pathlib.Path or None
        The verified file, if it is here.
    sha256 : str
        The checksum of the card, or the one recorded when the file was fetched; empty if neither is known.
    checked_by : str
        ``SHA-256`` or ``git blob id``, as the card gives; ``recorded SHA-256`` once a file without either was accepted;
        ``unverified`` before that.
    problems : tuple of str
        Files that have the right name and the wrong content.
    """

    path: Path | None
    sha256: str
    checked_by: str
    problems: tuple[str, ...] = ()


def find(card: Card) -> Found:
    """Search ``SUNPY_ML_WEIGHTS_DIR`` and then the folder of fetched files for a card's file.

    Raises
    ------
    WeightsError
        If ``SUNPY_ML_WEIGHTS_DIR`` names no folder.
    """
    source = card.file
    known = source.sha256 or recorded(card)[1]
    problems = []
    for path in _candidates(card, known):
        if not path.is_file():
            continue
        if not known and not source.git_blob:
            return Found(unaccepted=path)
        try:
            return Found(path, _verified(path, source, known))
        except WeightsError as error:
            problems.append(f"{path}: {error}")
    return Found(sha256=known, problems=tuple(problems))


def recorded(card: Card) -> tuple[Path | None, str]:
    """The folder with the record of a card whose SHA-256 had to be found out, and the SHA-256."""
    for base in (cache_folder(), hand_folder()):
        folder = None if base is None else base / key(card)
        record = None if folder is None else read_record(folder)
        if record is not None:
            return folder, record.sha256
    return None, ""


def _candidates(card: Card, known: str) -> Iterator[Path]:
    names = file_names(card)
    keys = dict.fromkeys(name for name in (known, key(card)) if name)
    by_hand = hand_folder()
    folders = [] if by_hand is None else [by_hand / name for name in (*keys, card.name)]
    for folder in (*folders, *(cache_folder() / name for name in keys)):
        record = read_record(folder)
        # Where two cards share a file, it has the name that the first of them gave it.
        yield from (folder / name for name in dict.fromkeys((*([record.file] if record else []), *names)))
        if by_hand is not None and folder == folders[-1]:
            yield from (by_hand / name for name in names)


def _verified(path: Path, source: FileSource, known: str) -> str:
    record = read_record(path.parent)
    if record is not None and known and record.sha256 == known and record.fits(path):
        return known
    # One thread hashes; those that wait for the same file find the answer here.
    with _hashing:
        stat = path.stat()
        wanted = (source.size, source.sha256, source.git_blob, known)
        entry = (path, stat.st_size, stat.st_mtime_ns, *wanted)
        if entry not in _hashed:
            _hashed[entry] = check(path, source, known)
        return _hashed[entry]


def cached_path(card: Card | str) -> Path | None:
    """The verified file of a card on this machine, or None; nothing is downloaded.

    Parameters
    ----------
    card : Card or str
        A card, or its name.

    Raises
    ------
    WeightsError
        If there is no card of that name, or ``SUNPY_ML_WEIGHTS_DIR`` names no folder.

    Examples
    --------
    >>> from sunpy_ml.weights import cached_path
    >>> cached_path("halpha-2").name
    'halpha-2.safetensors'
    """
    return file_status(card).path


def is_fetched(card: Card | str) -> bool:
    """Whether the verified file of a card is on this machine.

    Parameters
    ----------
    card : Card or str
        A card, or its name.

    Raises
    ------
    WeightsError
        If there is no card of that name, or ``SUNPY_ML_WEIGHTS_DIR`` names no folder.

    Examples
    --------
    >>> from sunpy_ml.weights import is_fetched
    >>> is_fetched("halpha-2")
    True
    """
    return cached_path(card) is not None


def file_status(card: Card | str) -> FileStatus:
    """What this machine knows of the file of a card; nothing is downloaded.

    Parameters
    ----------
    card : Card or str
        A card, or its name.

    Raises
    ------
    WeightsError
        If there is no card of that name, or ``SUNPY_ML_WEIGHTS_DIR`` names no folder.

    Examples
    --------
    >>> from sunpy_ml.weights import file_status
    >>> file_status("halpha-2").checked_by
    'SHA-256'
    """
    card = get_card(card) if isinstance(card, str) else card
    source = card.file
    if source.path:
        here = Path(source.path)
        found = Found(here if here.is_file() else None, source.sha256)
    else:
        found = find(card)
    if source.sha256 or source.git_blob:
        checked_by = "SHA-256" if source.sha256 else "git blob id"
    else:
        checked_by = "recorded SHA-256" if found.sha256 else "unverified"
    return FileStatus(found.path, found.sha256, checked_by, found.problems)


def verify(card: Card | str) -> None:
    """Hash the file of a card on this machine, whatever was recorded of it before.

    Parameters
    ----------
    card : Card or str
        A card, or its name.

    Raises
    ------
    WeightsError
        If the file is not here or is not what the card says. A damaged file that `fetch` got is then replaced by the
        next `fetch`.

    Examples
    --------
    >>> from sunpy_ml.weights import verify
    >>> verify("halpha-2")
    """
    card = get_card(card) if isinstance(card, str) else card
    status = file_status(card)
    path = status.path
    if path is None:
        raise WeightsError(" ".join((f"The weights {card.name!r} are not on this machine.", *status.problems)))
    record = None if card.file.path else read_record(path.parent)
    try:
        found = check(path, card.file, status.sha256)
    except WeightsError as error:
        with _hashing:
            _hashed.clear()
        if _is_ours(path):
            (path.parent / RECORD).unlink(missing_ok=True)
        raise WeightsError(f"The weights {card.name!r} are damaged: {path}: {error}.") from error
    if _is_ours(path) and path.parent.name == found:
        _renew(path, found, record)


def _is_ours(path: Path) -> bool:
    return cache_folder() in path.parents


def _renew(path: Path, sha256: str, record: Record | None) -> None:
    if record is None or not record.fits(path):
        write_record(path.parent, record_of(path, sha256, record.url if record else ""))
