"""Sunpy's data manager, for one file in one folder.

A manager is made for each download, under the lock of the folder, and what it knows ends with it: the record beside the
file is what lasts. So nothing that fails is remembered, no two processes share a database, and one manager never serves
two files or two threads. It gets one address at a time.
"""

import datetime
from pathlib import Path

from sunpy.data.data_manager.cache import Cache
from sunpy.data.data_manager.downloader import DownloaderError
from sunpy.data.data_manager.manager import DataManager
from sunpy.data.data_manager.storage import InMemStorage

from sunpy_ml.weights.fetching.downloader import Downloader

__all__ = ["obtain"]


class _OneFile(Cache):
    """A cache of one file of a given name; sunpy's own would ask the server for the name, without a timeout."""

    def __init__(self, downloader: Downloader, path: Path) -> None:
        super().__init__(downloader, InMemStorage(), path.parent, expiry=None)
        self._path = path

    def download(self, urls: str | list[str], namespace: str = "", redownload: bool = False) -> Path:
        """Download the file from the one address there is, and remember its checksum."""
        (url,) = [urls] if isinstance(urls, str) else urls
        self._downloader.download(url, self._path)
        now = datetime.datetime.now().isoformat()
        details = {"file_hash": self._downloader.sha256, "file_path": str(self._path), "url": url, "time": now}
        self._storage.store(details)
        return self._path


def obtain(url: str, path: Path, downloader: Downloader, expected: str = "") -> str:
    """Download a file through sunpy's data manager.

    Parameters
    ----------
    url : str
        Its address.
    path : pathlib.Path
        Where it goes.
    downloader : Downloader
        Checks what it gets before it is put there.
    expected : str
        The file's SHA-256; empty if it is not known, and what was got then counts.

    Returns
    -------
    str
        The file's SHA-256.

    Raises
    ------
    sunpy.data.data_manager.downloader.DownloaderError
        If the server fails, or gives something else.
    OSError
        If the file cannot be written.
    """
    cache = _OneFile(downloader, path)
    manager = DataManager(cache)
    if not expected:
        cache.download(url)
        expected = downloader.sha256

    @manager.require(path.name, [url], expected)
    def required() -> Path:
        return Path(manager.get(path.name))

    try:
        required()
    except RuntimeError as error:
        # The content was right when it was received, so the disk gave back something else.
        path.unlink(missing_ok=True)
        raise DownloaderError(f"wrong content on the disk: {error}") from error
    return expected
