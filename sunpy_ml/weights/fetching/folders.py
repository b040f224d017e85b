"""Folders: where files of weights lie on this machine, and the record that is kept beside each."""

import datetime
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sunpy

from sunpy_ml.exceptions import CardError, WeightsError
from sunpy_ml.weights.card import Card
from sunpy_ml.weights.typed import from_mapping

__all__ = [
    "RECORD",
    "UNFINISHED",
    "VARIABLE",
    "Record",
    "cache_folder",
    "file_names",
    "hand_folder",
    "key",
    "read_record",
    "record_of",
    "unfinished_path",
    "write_record",
]

VARIABLE = "SUNPY_ML_WEIGHTS_DIR"
# No name that `file_names` gives begins with a dot.
RECORD = ".record.json"
UNFINISHED = ".part"


@dataclass(frozen=True)
class Record:
    """What is known of a file that was verified.

    In the folder of the file's own SHA-256, the size and the time of modification tell whether the file is still the
    one that was verified. In the folder of a git blob id, or of the name of weights without checksums, the record
    only tells the SHA-256.

    Attributes
    ----------
    file, url, time : str
        The file's name, where it came from and when it was recorded.
    sha256 : str
        Its checksum.
    size, mtime_ns : int
        Bytes, and time of modification in nanoseconds.
    """

    file: str
    sha256: str
    size: int
    mtime_ns: int
    url: str
    time: str

    def fits(self, path: Path) -> bool:
        """Whether the file at ``path`` is, by name, size and time of modification, the one that was verified."""
        stat = path.stat()
        return (path.name, stat.st_size, stat.st_mtime_ns) == (self.file, self.size, self.mtime_ns)


def record_of(path: Path, sha256: str, url: str) -> Record:
    """The record of a file that has just been verified."""
    stat = path.stat()
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Record(path.name, sha256, stat.st_size, stat.st_mtime_ns, url, now)


def read_record(folder: Path) -> Record | None:
    """The record in a folder; None if there is none, or none that can be used."""
    try:
        record = from_mapping(Record, json.loads((folder / RECORD).read_text(encoding="utf-8")), str(folder))
    except (OSError, ValueError):
        return None
    # A record may have been copied from elsewhere: it must lead to nothing but a file beside it.
    usable = re.fullmatch("[0-9a-f]{64}", record.sha256) and Path(record.file).name == record.file
    return record if usable else None


def write_record(folder: Path, record: Record) -> None:
    """Write a folder's record in one step, so that no reader finds half of it."""
    unfinished = unfinished_path(folder / RECORD)
    unfinished.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, folder / RECORD)


def unfinished_path(path: Path) -> Path:
    """A new name, beside ``path``, for what is to be moved there once it is complete.

    It is not made by tempfile, whose files nobody else can read: the folder may be shared by a group.
    """
    return path.with_name(f".{path.name.lstrip('.')}.{secrets.token_hex(4)}{UNFINISHED}")


def cache_folder() -> Path:
    """The folder of fetched files, within that of sunpy's data manager.

    Sunpy's configuration sets it: ``remote_data_manager_dir`` in the section ``[downloads]``.
    """
    return Path(sunpy.config.get("downloads", "remote_data_manager_dir")) / "sunpy_ml"


def hand_folder() -> Path | None:
    """The folder that the environment variable ``SUNPY_ML_WEIGHTS_DIR`` names; None if it is not set.

    Raises
    ------
    WeightsError
        If it is set and names no folder.
    """
    value = os.environ.get(VARIABLE, "")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise WeightsError(f"{VARIABLE}: {value!r} is no folder; create it, or unset the variable.")
    return folder


def key(card: Card) -> str:
    """The name of a card's folder: the file's SHA-256, else its git blob id, else the name of the weights.

    Raises
    ------
    CardError
        If a checksum is not one.

    Examples
    --------
    >>> from sunpy_ml.weights import get_card
    >>> from sunpy_ml.weights.fetching.folders import key
    >>> card = get_card("halpha-2")
    >>> key(card) == card.file.sha256
    True
    """
    for name, value, digits in (("sha256", card.file.sha256, 64), ("git_blob", card.file.git_blob, 40)):
        if value and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            raise CardError(f"file.{name}: got {value!r}, expected {digits} digits of 0-9a-f.")
    return card.file.sha256 or card.file.git_blob or _plain(card.name)


def file_names(card: Card) -> tuple[str, ...]:
    """The names that a card's file may have on this machine; the first is the one that `fetch` gives it.

    Each address ends in a name, where ``%3A`` stands for a colon. Whoever saves it by hand may keep the colon; `fetch`
    does not, since some file systems have none.
    """
    names = [unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]) for url in card.file.urls]
    both = [plain for name in names for plain in (_plain(name), name)]
    return tuple(name for name in dict.fromkeys(both) if name and Path(name).name == name and name[0] != ".")


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "weights"
