"""Checksums: what a file is, and whether it is what its card says."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights.card import FileSource

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["check", "check_format", "git_blob", "sha256"]

_CHUNK = 2**20
_BEGINNINGS = {
    "keras": (b"\x89HDF\r\n\x1a\n",),
    # A zip archive, and the pickle that came before it.
    "torch": (b"PK\x03\x04", b"\x80"),
    "npz": (b"PK\x03\x04",),
}


def sha256(path: Path) -> str:
    """The SHA-256 of a file, read in chunks.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.weights.fetching.checksums import sha256
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "file"
    ...     size = path.write_bytes(b"hello")
    ...     sha256(path)[:12]
    '2cf24dba5fb0'
    """
    return _digest(path, hashlib.sha256())


def git_blob(path: Path) -> str:
    """The id that git gives to a file's content: the SHA-1 of ``blob``, its size, a zero byte and the content.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sunpy_ml.weights.fetching.checksums import git_blob
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "file"
    ...     size = path.write_bytes(b"hello")
    ...     git_blob(path)[:12]
    'b6fc4c620b67'
    """
    # The id is git's choice, so a system that bans SHA-1 for security must allow it here.
    return _digest(path, hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False))


def _digest(path: Path, digest: "_Hash") -> str:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check(path: Path, source: FileSource, recorded: str = "") -> str:
    """The SHA-256 of a file, once it has been found to be all that its card says.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    source : FileSource
        Its card's ``file``: the size, SHA-256 and git blob id that are given there are checked.
    recorded : str
        The SHA-256 that was recorded when a file of unknown checksums was accepted; it counts only for such a file.

    Raises
    ------
    WeightsError
        If anything differs; the message says what was found and what was expected.
    """
    size = path.stat().st_size
    if source.size and size != source.size:
        raise WeightsError(f"it has {size} bytes, its card says {source.size}")
    if source.git_blob and (found := git_blob(path)) != source.git_blob:
        raise WeightsError(f"its git blob id is {found}, its card says {source.git_blob}")
    found = sha256(path)
    if source.sha256 and found != source.sha256:
        raise WeightsError(f"its SHA-256 is {found}, its card says {source.sha256}")
    if not source.sha256 and not source.git_blob and recorded and found != recorded:
        raise WeightsError(f"its SHA-256 is {found}, that of the file accepted before is {recorded}")
    return found


def check_format(path: Path, source: FileSource) -> None:
    """Make sure that a file of unknown checksums begins as its format does, since any web page has the name asked for.

    Raises
    ------
    WeightsError
        If it does not.
    """
    with path.open("rb") as file:
        head = file.read(9)
    fits = head[8:] == b"{" if source.format == "safetensors" else head.startswith(_BEGINNINGS[source.format])
    if not fits:
        raise WeightsError(f"it begins with {head!r}, which is no {source.format} file")
