"""Fetching from the authors: one mirror after the other, once for all threads and processes."""

import os
from pathlib import Path

from filelock import FileLock
from sunpy import log

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.catalogue import get_card
from sunpy_ml.weights.fetching.checksums import check, check_format
from sunpy_ml.weights.fetching.folders import (
    RECORD,
    UNFINISHED,
    VARIABLE,
    cache_folder,
    file_names,
    key,
    record_of,
    write_record,
)
from sunpy_ml.weights.fetching.local import Found, file_status, find, recorded

__all__ = ["fetch"]


def fetch(card: Card | str, *, accept_unverified: bool = False, progress: bool = True) -> Path:
    """The verified file of a card on this machine, downloaded if it must be.

    It is searched for in the folder that the environment variable ``SUNPY_ML_WEIGHTS_DIR`` names, then among the files
    fetched before, and then downloaded from each of the card's addresses until one gives it. However many threads
    and processes ask for it together, one downloads and the others wait.

    Parameters
    ----------
    card : Card or str
        A card, or its name.
    accept_unverified : bool
        Whether to take a file of which the card knows no checksum as it comes. Its SHA-256 is then recorded, and
        other content later is an error.
    progress : bool
        Whether to show, on a terminal, the progress of a large download.

    Returns
    -------
    pathlib.Path
        The file. Its name and folder may change with the version of sunpy_ml.

    Raises
    ------
    WeightsError
        If there is no card of that name; no address gives the file, in which case the message says what each gave and
        how to do without; the card knows no checksum and ``accept_unverified`` is not set; or the folder cannot
        be written.

    Examples
    --------
    >>> from sunpy_ml.weights import fetch
    >>> fetch("halpha-2").name
    'halpha-2.safetensors'
    """
    card = get_card(card) if isinstance(card, str) else card
    if card.file.path:
        return _present(card)
    found = find(card)
    if found.path is not None:
        return found.path
    if not (card.file.sha256 or card.file.git_blob or found.sha256 or accept_unverified):
        raise WeightsError(_refusal(card, found))
    folder = cache_folder() / key(card)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            return _fetch(card, folder, progress)
    except (OSError, NotImplementedError) as error:
        cure = f"Sunpy's configuration sets it, as remote_data_manager_dir; {VARIABLE} may name a folder to read from"
        raise WeightsError(f"The weights {card.name!r} cannot be kept in {folder}: {error}. {cure}.") from error


def _present(card: Card) -> Path:
    path = file_status(card).path
    if path is None:
        raise WeightsError(f"The weights {card.name!r} should be at {card.file.path}, and are not.")
    return path


def _fetch(card: Card, folder: Path, progress: bool) -> Path:
    """Under the lock of ``folder``."""
    # Another thread or process may have fetched it while this one waited.
    found = find(card)
    if found.path is not None:
        return found.path
    # Whoever writes here holds the lock, so these were left by one that was killed.
    for unfinished in folder.glob(f".*{UNFINISHED}"):
        unfinished.unlink(missing_ok=True)
    if found.unaccepted is not None:
        return _accept(card, folder, found.unaccepted)
    for problem in found.problems:
        log.warning(f"These are not the weights {card.name!r}, which are fetched instead: {problem}")
    return _download(card, folder, found, progress)


def _accept(card: Card, folder: Path, path: Path) -> Path:
    """Record a file without checksums that someone copied here by hand."""
    try:
        check_format(path, card.file)
        digest = check(path, card.file)
    except WeightsError as error:
        raise WeightsError(f"These are not the weights {card.name!r}: {path}: {error}.") from error
    write_record(folder, record_of(path, digest, ""))
    return path


def _download(card: Card, folder: Path, found: Found, progress: bool) -> Path:
    # They import sunpy.data, which takes a quarter of a second and makes two databases.
    from sunpy.data.data_manager.downloader import DownloaderError

    from sunpy_ml.weights.fetching.downloader import Downloader
    from sunpy_ml.weights.fetching.manager import obtain

    def wanted(path: Path) -> str:
        if not (card.file.sha256 or card.file.git_blob):
            check_format(path, card.file)
        return check(path, card.file, found.sha256)

    path = folder / file_names(card)[0]
    downloader = Downloader(wanted, card.file.size, progress)
    failures = []
    for url in card.file.urls:
        log.info(f"Fetching the weights {card.name!r} ({_size(card)}) from {url}")
        try:
            digest = obtain(url, path, downloader, card.file.sha256)
        except DownloaderError as error:
            failures.append(f"{url}: {error}")
            log.info(f"That failed: {error}")
        else:
            return _keep(path, digest, url)
    raise WeightsError(_despair(card, found, failures))


def _keep(path: Path, digest: str, url: str) -> Path:
    """Record a file that was verified, and put it into the folder of its SHA-256 if it is not there."""
    folder = path.parent
    if folder.name == digest:
        write_record(folder, record_of(path, digest, url))
        return path
    target = folder.parent / digest / path.name
    target.parent.mkdir(exist_ok=True)
    # Whoever holds this lock never waits for that of another folder, so nobody waits in a circle.
    with FileLock(target.parent / ".lock"):
        os.replace(path, target)
        record = record_of(target, digest, url)
        write_record(target.parent, record)
    write_record(folder, record)
    return target


def _refusal(card: Card, found: Found) -> str:
    what = f"{found.unaccepted} is" if found.unaccepted else f"what {' or '.join(card.file.urls)} gives is"
    return (
        f"The weights {card.name!r} are unverified: their card knows neither a SHA-256 nor a git blob id, so nothing "
        f"tells whether {what} what their authors published. If you trust it, fetch it once with "
        f"accept_unverified=True ('sunpy-ml weights fetch {card.name} --accept-unverified'): its SHA-256 is then "
        f"recorded, and other content later is an error."
    )


def _despair(card: Card, found: Found, failures: list[str]) -> str:
    name = file_names(card)[0]
    lines = [
        f"The weights {card.name!r} ({name}, {_size(card)}) are not on this machine, and could not be fetched from",
        *(f"  {failure}" for failure in failures),
    ]
    if found.problems:
        lines += ["These files have the right name and the wrong content:", *(f"  {line}" for line in found.problems)]
    folder, _ = recorded(card)
    if folder is not None and not (card.file.sha256 or card.file.git_blob):
        lines.append(f"The file accepted before is recorded in {folder / RECORD}; delete that to accept another.")
    lines.append(
        f"Without a network: get it on another machine ('sunpy-ml weights fetch {card.name}', or by hand), copy it "
        f"here as DIR/{name} or DIR/{key(card)}/{name}, and set the environment variable {VARIABLE} to DIR; or load "
        f"the copy by sunpy_ml.weights.load({card.name!r}, path=...)."
    )
    return "\n".join(lines)


def _size(card: Card) -> str:
    return f"{card.file.size / 1e6:.3g} MB" if card.file.size else "size unknown"
