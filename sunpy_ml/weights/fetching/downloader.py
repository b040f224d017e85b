"""One address to one file: streamed, bounded in time and size, verified, and only then moved into place."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import closing
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from sunpy.data.data_manager.downloader import DownloaderBase, DownloaderError

from sunpy_ml.exceptions import WeightsError
from sunpy_ml.version import version
from sunpy_ml.weights.fetching.folders import unfinished_path

__all__ = ["Downloader"]

#: Seconds without an answer, or at less than `SLOWEST` bytes per second, after which a server is given up.
TIMEOUT = 30.0
SLOWEST = 1000.0
#: Bytes that a file of unknown size may have.
LARGEST = 2**31
#: Bytes from which a file gets a progress bar.
BAR_FROM = 8 * 10**6
_CHUNK = 2**18


class Downloader(DownloaderBase):
    """Gets one file from one address.

    Parameters
    ----------
    check : callable
        Takes the path of a complete download and gives its SHA-256, or raises `~sunpy_ml.exceptions.WeightsError` if
        it is not what was wanted.
    size : int
        Bytes that the file has; 0 if that is not known.
    progress : bool
        Whether a large file gets a progress bar, on a terminal.
    """

    def __init__(self, check: Callable[[Path], str], size: int = 0, progress: bool = True) -> None:
        self._check = check
        self._size = size
        self._progress = progress
        #: Of what was downloaded last.
        self.sha256 = ""

    def download(self, url: str, path: str | Path) -> None:
        """Put what ``url`` gives at ``path``, or leave ``path`` as it is.

        Raises
        ------
        sunpy.data.data_manager.downloader.DownloaderError
            If the server fails, or gives something else.
        OSError
            If the file cannot be written.
        """
        path = Path(path)
        unfinished = unfinished_path(path)
        try:
            with unfinished.open("xb") as file, closing(self._body(url, path.name)) as body:
                for chunk in body:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            try:
                self.sha256 = self._check(unfinished)
            except WeightsError as error:
                raise DownloaderError(f"wrong content: {error}") from error
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _body(self, url: str, name: str) -> Generator[bytes]:
        """The chunks of the answer. Whatever the server does wrong becomes a DownloaderError here."""
        _require_http(url)
        request = Request(url, headers={"User-Agent": f"sunpy_ml/{version}"})
        try:
            with _opener().open(request, timeout=TIMEOUT) as response:
                total = self._total(response)
                with self._bar(total, name) as bar:
                    received = 0
                    for chunk in _chunks(response):
                        received += len(chunk)
                        if received > (self._size or LARGEST):
                            raise DownloaderError(f"it gave more than {self._size or LARGEST} bytes")
                        bar.update(len(chunk))
                        yield chunk
            if received < total:
                raise DownloaderError(f"truncated: {received} of {total} bytes")
        except HTTPError as error:
            # It holds the connection.
            error.close()
            raise DownloaderError(_line(f"HTTP status {error.code}, {error.reason}")) from error
        except URLError as error:
            raise DownloaderError(_line(error.reason)) from error
        except (OSError, HTTPException) as error:
            raise DownloaderError(_line(error)) from error

    def _total(self, response: HTTPResponse) -> int:
        announced = response.headers.get("Content-Length", "")
        total = int(announced) if announced.isdecimal() else 0
        if total and self._size and total != self._size:
            raise DownloaderError(f"wrong content: it has {total} bytes, its card says {self._size}")
        if total > LARGEST and not self._size:
            raise DownloaderError(f"it has {total} bytes, more than the {LARGEST} that a file of unknown size may have")
        return total or self._size

    def _bar(self, total: int, name: str) -> Any:
        from tqdm import tqdm

        small = 0 < total < BAR_FROM
        # None: a bar on a terminal and nothing in a log.
        disable = None if self._progress and not small else True
        return tqdm(total=total or None, desc=name, unit="B", unit_scale=True, leave=False, disable=disable)


def _chunks(response: HTTPResponse) -> Generator[bytes]:
    # The timeout of a socket counts the silence only, so a server that drips must be told by its rate.
    begin, count = time.monotonic(), 0
    # Unlike read, read1 returns with what there is.
    while chunk := response.read1(_CHUNK):
        count += len(chunk)
        elapsed = time.monotonic() - begin
        if elapsed >= TIMEOUT:
            if count < SLOWEST * elapsed:
                raise DownloaderError(f"too slow: {count / elapsed:.0f} bytes per second for {elapsed:.0f} seconds")
            begin, count = time.monotonic(), 0
        yield chunk


class _Redirects(HTTPRedirectHandler):
    """Follows within http and https, and never from https to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        allowed = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in allowed:
            raise HTTPError(newurl, code, f"redirected from {req.type} to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    """One that opens http and https and nothing else, neither files nor ftp, whatever a server redirects to."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        _Redirects(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _require_http(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise DownloaderError("only http and https are fetched")


def _line(reason: object) -> str:
    return " ".join(str(reason).split()) or type(reason).__name__
