"""Fetching: from a server on loopback that can do everything wrong."""

import ast
import dataclasses
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import pytest
import sunpy

import sunpy_ml
from sunpy_ml.exceptions import CardError, WeightsError
from sunpy_ml.weights import (
    FileSource,
    cached_path,
    fetch,
    file_status,
    get_card,
    is_fetched,
    verify,
    weights_path,
)
from sunpy_ml.weights.fetching import checksums, downloader, folders, local

CONTENT = b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 800
OTHER = CONTENT[:-1] + b"!"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT_BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


class Site:
    """A server. Each path has an action, a function of the request's handler; what was asked for is kept."""

    def __init__(self):
        self.actions, self.asked = {}, []
        self.closing, self.half_sent = threading.Event(), threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.asked.append((self.command, self.path))
                self.close_connection = True
                site.actions[self.path](self)

            do_HEAD = do_GET

            def log_message(self, *arguments):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 32

            def handle_error(self, request, client_address):
                """Clients may leave."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def put(self, path, action):
        self.actions[path] = action
        return self.address + path

    def bodies(self, path):
        return self.asked.count(("GET", path))

    def gives(self, content=CONTENT, length=None, after=0.0):
        def action(handler):
            headers(handler, **{"Content-Length": len(content) if length is None else length})
            self.closing.wait(after)
            handler.wfile.write(content)

        return action

    def stalls(self, handler):
        headers(handler, **{"Content-Length": len(CONTENT)})
        handler.wfile.write(CONTENT[: len(CONTENT) // 2])
        self.half_sent.set()
        self.closing.wait(60)

    def drips(self, handler):
        headers(handler, **{"Content-Length": len(CONTENT)})
        for i in range(len(CONTENT)):
            if self.closing.wait(0.05):
                return
            handler.wfile.write(CONTENT[i : i + 1])

    def silent(self, handler):
        self.closing.wait(60)

    def redirects(self, to, code=302):
        return lambda handler: headers(handler, code, **{"Location": to, "Content-Length": 0})

    def endless(self, handler):
        """Says no length."""
        headers(handler, Connection="close")
        while not self.closing.is_set():
            handler.wfile.write(bytes(2**16))


def headers(handler, code=200, **values):
    handler.send_response(code)
    for name, value in values.items():
        handler.send_header(name, str(value))
    handler.end_headers()


def missing(handler):
    handler.send_error(404)


def half_of_chunked(handler):
    headers(handler, **{"Transfer-Encoding": "chunked"})
    handler.wfile.write(b"%x\r\n" % 1000 + CONTENT[:1000] + b"\r\n")


def no_http(handler):
    handler.wfile.write(b"what?\r\n\r\n")


@pytest.fixture
def site():
    site = Site()
    yield site
    site.close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Sunpy's data manager at another place, and nothing in it."""
    folder = tmp_path / "data_manager"
    before = sunpy.config.get("downloads", "remote_data_manager_dir")
    sunpy.config.set("downloads", "remote_data_manager_dir", str(folder))
    monkeypatch.delenv("SUNPY_ML_WEIGHTS_DIR", raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(local, "_hashed", {})
    yield folder / "sunpy_ml"
    sunpy.config.set("downloads", "remote_data_manager_dir", before)


@pytest.fixture
def hand(tmp_path, monkeypatch):
    folder = tmp_path / "by hand"
    folder.mkdir()
    monkeypatch.setenv("SUNPY_ML_WEIGHTS_DIR", str(folder))
    return folder


@pytest.fixture
def hurry(monkeypatch):
    monkeypatch.setattr(downloader, "TIMEOUT", 0.4)


def a_card(*urls, name="net-1", **source):
    source = {"format": "keras", "size": len(CONTENT), "sha256": SHA256, "urls": urls} | source
    return dataclasses.replace(get_card("halpha-2"), name=name, version=name[-1], file=FileSource(**source))


def blob_card(*urls, **others):
    return a_card(*urls, **({"sha256": "", "git_blob": GIT_BLOB} | others))


def unknown_card(*urls, **others):
    return a_card(*urls, **({"sha256": "", "size": 0, "name": "odd-1"} | others))


def closed_address():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/net.h5"


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_clean(cache, name="net.h5"):
    assert names(cache) == sorted(f"{SHA256}/{file}" for file in (".lock", name, ".record.json"))
    assert (cache / SHA256 / name).read_bytes() == CONTENT


def test_a_file_is_fetched_once(site, cache):
    card = a_card(site.put("/net.h5", site.gives()))
    assert not is_fetched(card)
    assert cached_path(card) is None
    path = fetch(card)
    assert path == cache / SHA256 / "net.h5"
    assert fetch(card) == weights_path(card) == cached_path(card) == path
    assert is_fetched(card)
    assert site.asked == [("GET", "/net.h5")]
    assert_clean(cache)
    verify(card)


FAULTS = {
    "404": lambda site: site.put("/bad", missing),
    "wrong content": lambda site: site.put("/bad", site.gives(OTHER)),
    "wrong length": lambda site: site.put("/bad", site.gives(CONTENT[:-9])),
    "empty": lambda site: site.put("/bad", site.gives(b"")),
    "truncated": lambda site: site.put("/bad", site.gives(CONTENT[:-9], length=len(CONTENT))),
    "truncated chunks": lambda site: site.put("/bad", half_of_chunked),
    "stalling": lambda site: site.put("/bad", site.stalls),
    "dripping": lambda site: site.put("/bad", site.drips),
    "silent": lambda site: site.put("/bad", site.silent),
    "no HTTP": lambda site: site.put("/bad", no_http),
    "redirected to nothing": lambda site: site.put("/bad", site.redirects(site.put("/gone", missing))),
    "redirected in a circle": lambda site: site.put("/bad", site.redirects(site.address + "/bad")),
    "redirected to a file": lambda site: site.put("/bad", site.redirects(f"file://{__file__}")),
    "redirected to ftp": lambda site: site.put("/bad", site.redirects("ftp://127.0.0.1/net.h5")),
    "nobody there": lambda site: closed_address(),
    "another scheme": lambda site: "ftp://127.0.0.1/net.h5",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_mirror_is_used(site, cache, hurry, fault):
    card = a_card(FAULTS[fault](site), site.put("/good/net.h5", site.gives()))
    started = time.monotonic()
    path = fetch(card)
    assert time.monotonic() - started < 5
    assert_clean(cache, path.name)
    assert site.bodies("/good/net.h5") == 1
    asked = len(site.asked)
    assert fetch(card) == path
    assert len(site.asked) == asked


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncated", f"truncated: {len(CONTENT) - 9} of {len(CONTENT)} bytes"),
        ("dripping", r"too slow: \d+ bytes per second"),
        ("another scheme", "only http and https are fetched"),
        ("redirected to ftp", "HTTP status 302, redirected from http to ftp://"),
        ("nobody there", "Connection refused"),
        ("silent", "timed out"),
    ],
)
def test_each_failure_is_named(site, hurry, fault, reason):
    # Without checksums nothing else would tell that half a file is not a file.
    with pytest.raises(WeightsError, match=reason):
        fetch(unknown_card(FAULTS[fault](site)), accept_unverified=True)


def test_a_redirection_is_followed(site, cache):
    fetch(a_card(site.put("/net.h5", site.redirects(site.put("/elsewhere", site.gives())))))
    assert site.bodies("/elsewhere") == 1
    assert_clean(cache)


def test_no_redirection_leaves_https():
    arguments = (io.BytesIO(), 302, "Found", HTTPMessage())
    handler = downloader._Redirects()
    with pytest.raises(HTTPError, match="redirected from https to http://b/") as caught:
        handler.redirect_request(Request("https://a/"), *arguments, "http://b/")
    caught.value.close()
    assert handler.redirect_request(Request("http://a/"), *arguments, "https://b/").full_url == "https://b/"


def test_all_mirrors_bad_and_then_a_good_one(site, cache):
    card = a_card(site.put("/a/net.h5", missing), site.put("/b/net.h5", site.gives(OTHER)))
    for _ in range(2):  # nothing of the first failure makes the second another
        with pytest.raises(WeightsError) as caught:
            fetch(card)
        message = str(caught.value)
        assert f"{site.address}/a/net.h5: HTTP status 404, Not Found\n" in message
        assert f"{site.address}/b/net.h5: wrong content: its SHA-256 is {hashlib.sha256(OTHER).hexdigest()}" in message
        assert SHA256 in message
        assert names(cache) == [f"{SHA256}/.lock"]
    site.put("/b/net.h5", site.gives())
    fetch(card)
    assert_clean(cache)


def test_offline_with_a_warm_cache_nothing_is_asked_and_nothing_hashed(site, monkeypatch):
    card = a_card(site.put("/net.h5", site.gives()))
    path = fetch(card)
    site.asked.clear()
    monkeypatch.setattr(local, "check", lambda *arguments: pytest.fail("hashed again"))
    monkeypatch.setattr(socket.socket, "connect", lambda *arguments: pytest.fail("asked again"))
    for _ in range(3):
        assert fetch(card) == weights_path(card) == path
    assert site.asked == []


def test_offline_with_a_cold_cache_the_message_says_all(hand):
    url, other = closed_address(), "https://weights.invalid/net.h5"
    with pytest.raises(WeightsError) as caught:
        fetch(a_card(url, other))
    message = str(caught.value)
    assert "The weights 'net-1' (net.h5, 0.205 MB) are not on this machine" in message
    assert f"{url}: " in message
    assert f"{other}: " in message
    assert "'sunpy-ml weights fetch net-1'" in message
    assert "SUNPY_ML_WEIGHTS_DIR" in message
    assert f"DIR/{SHA256}/net.h5" in message
    assert "path=" in message


def test_eight_threads_share_one_transfer(site, cache):
    card = a_card(site.put("/net.h5", site.gives(after=0.3)))
    barrier, paths = threading.Barrier(8), []

    def work():
        barrier.wait()
        paths.append(fetch(card))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [cache / SHA256 / "net.h5"] * 8
    assert site.asked == [("GET", "/net.h5")]


SCRIPT = """
import dataclasses, json, sys
from sunpy_ml.weights import FileSource, fetch, get_card
heavy = [name for name in ("torch", "sunpy.data", "sunpy.map", "ndcube", "tqdm") if name in sys.modules]
source = json.loads(sys.argv[1])
source["urls"] = tuple(source["urls"])
card = dataclasses.replace(get_card("halpha-2"), name="net-1", version="1", file=FileSource(**source))
print(heavy, flush=True)
sys.stdin.readline()
print(fetch(card))
"""


@pytest.fixture
def start(tmp_path, cache):
    """Start a process that waits, once it has imported all it needs, for a line before it fetches."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "sunpyrc").write_text(f"[downloads]\nremote_data_manager_dir = {cache.parent}\n")
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    root = str(Path(sunpy_ml.__file__).parents[1])
    environment = os.environ | home | {"SUNPY_CONFIGDIR": str(config), "PYTHONPATH": root}
    started = []

    def start(card):
        source = json.dumps(dataclasses.asdict(card.file))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-W", "error", "-c", SCRIPT, source]
        started.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_eight_processes_share_one_transfer(site, cache, start):
    card = a_card(site.put("/net.h5", site.gives(after=0.5)))
    processes = [start(card) for _ in range(8)]
    # Importing is light: neither sunpy.data, which makes databases, nor what networks and Maps need.
    assert [process.stdout.readline() for process in processes] == ["[]\n"] * 8
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, ends
    assert {output.splitlines()[-1] for output, _ in ends} == {str(cache / SHA256 / "net.h5")}
    assert site.asked == [("GET", "/net.h5")]
    assert_clean(cache)


def test_a_process_killed_in_mid_download(site, cache, start):
    card = a_card(site.put("/net.h5", site.stalls))
    process = start(card)
    process.stdin.write("\n")
    process.stdin.flush()
    assert site.half_sent.wait(60)
    deadline = time.monotonic() + 10
    while not any(name.endswith(".part") for name in names(cache)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert any(name.endswith(".part") for name in names(cache))
    site.put("/net.h5", site.gives())
    fetch(card)
    assert_clean(cache)


def test_an_interrupted_download_leaves_nothing(site, cache, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    target = cache / "net.h5"
    cache.mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        downloader.Downloader(interrupt).download(site.put("/net.h5", site.gives()), target)
    assert names(cache) == []


def test_a_git_blob_id_is_checked_and_the_file_keyed_by_its_sha256(site, cache):
    card = blob_card(site.put("/net.h5", site.gives()))
    assert file_status(card).sha256 == ""
    path = fetch(card)
    assert path == cache / SHA256 / "net.h5"
    assert not (cache / GIT_BLOB / "net.h5").exists()
    assert file_status(card) == local.FileStatus(path, SHA256, "git blob id")
    assert fetch(card) == path
    assert fetch(a_card(site.address + "/other-name.h5")) == path
    assert site.asked == [("GET", "/net.h5")]
    verify(card)


def test_a_wrong_git_blob_id_is_refused(site, cache):
    card = blob_card(site.put("/net.h5", site.gives(OTHER)))
    with pytest.raises(WeightsError, match=f"its git blob id is [0-9a-f]{{40}}, its card says {GIT_BLOB}"):
        fetch(card, accept_unverified=True)
    assert names(cache) == [f"{GIT_BLOB}/.lock"]


def test_a_wrong_record_of_a_git_blob_id_does_no_harm(site, cache):
    card = blob_card(site.put("/net.h5", site.gives()))
    path = fetch(card)
    folders.write_record(cache / GIT_BLOB, dataclasses.replace(folders.read_record(path.parent), sha256="0" * 64))
    assert fetch(card) == path
    assert file_status(card).sha256 == SHA256


def test_git_agrees(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"hello\n")
    assert checksums.git_blob(path) == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert checksums.sha256(path) == hashlib.sha256(b"hello\n").hexdigest()


def test_an_unverified_file_is_refused_until_it_is_accepted_and_then_recorded(site, cache):
    card = unknown_card(site.put("/odd.h5", site.gives()))
    with pytest.raises(WeightsError, match=r"'odd-1' are unverified.*sunpy-ml weights fetch odd-1 --accept-unverified"):
        fetch(card)
    assert site.asked == []
    assert file_status(card).checked_by == "unverified"
    path = fetch(card, accept_unverified=True)
    assert path == cache / SHA256 / "odd.h5"
    assert fetch(card) == path
    assert file_status(card) == local.FileStatus(path, SHA256, "recorded SHA-256")
    verify(card)
    # The file is lost: the same content is accepted, and other content is not.
    path.unlink()
    assert fetch(card) == path
    path.unlink()
    site.put("/odd.h5", site.gives(OTHER))
    for accept in (False, True):
        with pytest.raises(WeightsError, match=f"that of the file accepted before is {SHA256}") as caught:
            fetch(card, accept_unverified=accept)
    record = cache / "odd-1" / ".record.json"
    assert f"recorded in {record}; delete that" in str(caught.value)
    record.unlink()
    assert fetch(card, accept_unverified=True).read_bytes() == OTHER


def test_a_web_page_is_not_accepted_as_an_unverified_file(site, cache):
    card = unknown_card(site.put("/odd.h5", site.gives(b"<!DOCTYPE html><title>Sign in</title>")))
    with pytest.raises(WeightsError, match="it begins with b'<!DOCTYPE', which is no keras file"):
        fetch(card, accept_unverified=True)
    assert names(cache) == ["odd-1/.lock"]


@pytest.mark.parametrize(
    ("kind", "content", "fits"),
    [
        ("torch", b"PK\x03\x04..........", True),
        ("torch", b"\x80\x02............", True),
        ("torch", CONTENT, False),
        ("safetensors", b"\x10\0\0\0\0\0\0\0{}      ", True),
        ("safetensors", b"<html>  <", False),
    ],
)
def test_formats_are_told_by_their_beginnings(tmp_path, kind, content, fits):
    path = tmp_path / "file"
    path.write_bytes(content)
    source = FileSource(format=kind, urls=("http://a/",))
    if fits:
        checksums.check_format(path, source)
    else:
        with pytest.raises(WeightsError, match=f"is no {kind} file"):
            checksums.check_format(path, source)


@pytest.mark.parametrize("place", ["net.h5", f"{SHA256}/net.h5", "net-1/net.h5"])
def test_a_file_copied_by_hand_comes_first(hand, place):
    path = hand / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENT)
    assert fetch(a_card(closed_address())) == path
    assert file_status(blob_card(closed_address(), name="net-1")).path == (path if place[0] == "n" else None)
    verify(a_card(closed_address()))


def test_a_file_copied_by_hand_is_hashed_once(hand, monkeypatch):
    (hand / "net.h5").write_bytes(CONTENT)
    hashed = []
    monkeypatch.setattr(local, "check", lambda path, *rest: hashed.append(path) or checksums.check(path, *rest))
    for _ in range(3):
        fetch(a_card(closed_address()))
    assert len(hashed) == 1
    (hand / "net.h5").write_bytes(OTHER)
    assert not is_fetched(a_card(closed_address()))


def test_a_name_with_a_colon(hand):
    card = a_card("http://127.0.0.1:1/2018-01-22-10%3A13.pth", format="torch")
    assert folders.file_names(card) == ("2018-01-22-10_13.pth", "2018-01-22-10:13.pth")
    (hand / "2018-01-22-10:13.pth").write_bytes(CONTENT)
    assert fetch(card).parent == hand


@pytest.mark.parametrize("url", ["http://a/%2e%2e%2f%2e%2e%2fnet.h5", "http://a", "http://a/.lock", "http://a/.."])
def test_no_address_names_a_file_elsewhere(url):
    found = folders.file_names(a_card(url))
    assert found
    for name in found:
        assert Path(name).name == name
        assert name.strip(".") == name != ""


def test_wrong_content_under_the_right_name_is_told_and_not_used(site, hand, cache):
    (hand / "net.h5").write_bytes(OTHER)
    with pytest.raises(WeightsError, match=r"right name and the wrong content:\n.*by hand/net\.h5: its SHA-256 is"):
        fetch(a_card(closed_address()))
    assert fetch(a_card(site.put("/net.h5", site.gives()))) == cache / SHA256 / "net.h5"


def test_the_variable_must_name_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SUNPY_ML_WEIGHTS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(WeightsError, match=r"SUNPY_ML_WEIGHTS_DIR: '.*nowhere' is no folder"):
        fetch(a_card(closed_address()))


@pytest.mark.parametrize("make", [blob_card, unknown_card])
def test_the_folder_of_fetched_files_can_be_taken_along(site, hand, cache, make):
    card = make(site.put("/net.h5", site.gives()))
    fetch(card, accept_unverified=True)
    shutil.copytree(cache, hand, dirs_exist_ok=True)
    shutil.rmtree(cache)
    assert fetch(card) == hand / SHA256 / "net.h5"
    assert len(site.asked) == 1


def test_an_unverified_file_copied_by_hand(hand, cache):
    card = unknown_card("http://127.0.0.1:1/odd.h5")
    (hand / "odd.h5").write_bytes(b"<html>")
    with pytest.raises(WeightsError, match=r"nothing tells whether .*by hand/odd\.h5 is what"):
        fetch(card)
    with pytest.raises(WeightsError, match=r"These are not the weights 'odd-1': .* is no keras file"):
        fetch(card, accept_unverified=True)
    (hand / "odd.h5").write_bytes(CONTENT)
    with pytest.raises(WeightsError, match=f"it has {len(CONTENT)} bytes, its card says 9"):
        fetch(unknown_card("http://127.0.0.1:1/odd.h5", size=9), accept_unverified=True)
    assert fetch(card, accept_unverified=True) == fetch(card) == hand / "odd.h5"
    (hand / "odd.h5").write_bytes(OTHER)
    with pytest.raises(WeightsError, match=f"that of the file accepted before is {SHA256}"):
        fetch(card, accept_unverified=True)


def test_two_files_of_one_name(site):
    first = a_card(site.put("/a/deepvel_weights.hdf5", site.gives()))
    digest = hashlib.sha256(OTHER).hexdigest()
    second = a_card(site.put("/b/deepvel_weights.hdf5", site.gives(OTHER)), name="net-2", sha256=digest)
    assert fetch(first).read_bytes() == CONTENT
    assert fetch(second).read_bytes() == OTHER
    assert fetch(first).read_bytes() == CONTENT
    assert fetch(first).name == fetch(second).name == "deepvel_weights.hdf5"


def test_no_more_is_taken_than_the_card_says(site, monkeypatch):
    taken = []
    chunks = downloader._chunks
    monkeypatch.setattr(downloader, "_chunks", lambda response: (taken.append(len(c)) or c for c in chunks(response)))
    with pytest.raises(WeightsError, match=f"it gave more than {len(CONTENT)} bytes"):
        fetch(a_card(site.put("/net.h5", site.endless)))
    assert sum(taken) <= len(CONTENT) + 2**18
    taken.clear()
    with pytest.raises(WeightsError, match=f"wrong content: it has {len(OTHER) * 2} bytes, its card says"):
        fetch(a_card(site.put("/longer.h5", site.gives(OTHER * 2))))
    assert taken == []
    monkeypatch.setattr(downloader, "LARGEST", 100_000)
    with pytest.raises(WeightsError, match="it gave more than 100000 bytes"):
        fetch(a_card(site.address + "/net.h5", size=0))
    taken.clear()
    with pytest.raises(WeightsError, match=f"it has {len(CONTENT)} bytes, more than the 100000"):
        fetch(a_card(site.put("/net.h5", site.gives()), size=0))
    assert taken == []


def test_a_changed_file_is_fetched_again(site, cache):
    card = a_card(site.put("/net.h5", site.gives()))
    path = fetch(card)
    path.write_bytes(OTHER)
    assert not is_fetched(card)
    with pytest.raises(WeightsError, match=r"not on this machine\. .*net\.h5: its SHA-256 is"):
        verify(card)
    assert fetch(card) == path
    assert_clean(cache)
    path.unlink()
    fetch(card)
    assert site.bodies("/net.h5") == 3


def test_damage_that_the_disk_hides_is_found_by_verify(site, cache):
    card = a_card(site.put("/net.h5", site.gives()))
    path = fetch(card)
    (path.parent / ".record.json").unlink()
    assert is_fetched(card)
    verify(card)
    stat = path.stat()
    path.write_bytes(OTHER)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fetch(card) == path
    with pytest.raises(WeightsError, match=r"'net-1' are damaged: .*net\.h5: its SHA-256 is"):
        verify(card)
    fetch(card)
    assert_clean(cache)
    verify(card)


def test_verify_renews_the_record(site, cache, monkeypatch):
    card = a_card(site.put("/net.h5", site.gives()))
    path = fetch(card)
    os.utime(path, ns=(1, 1))
    verify(card)
    monkeypatch.setattr(local, "_hashed", {})
    monkeypatch.setattr(local, "check", lambda *arguments: pytest.fail("hashed again"))
    assert fetch(card) == path
    assert folders.read_record(path.parent).url == card.file.urls[0]


@pytest.mark.parametrize("text", ["", "[]", '{"file": "net.h5"}', None])
def test_an_unusable_record_is_as_none(site, cache, text):
    card = a_card(site.put("/net.h5", site.gives()))
    record = fetch(card).parent / ".record.json"
    if text is None:
        text = record.read_text().replace('"net.h5"', '"../../net.h5"')
    record.write_text(text)
    assert folders.read_record(record.parent) is None
    assert is_fetched(card)
    assert len(site.asked) == 1


def test_the_embedded_file_and_a_users_own(tmp_path):
    card = get_card("halpha-2")
    assert fetch(card) == weights_path(card) == cached_path("halpha-2")
    moved = tmp_path / "moved.safetensors"
    own = dataclasses.replace(card, file=dataclasses.replace(card.file, path=str(moved)))
    assert not is_fetched(own)
    with pytest.raises(WeightsError, match=r"should be at .*moved\.safetensors, and are not"):
        fetch(own)
    with pytest.raises(WeightsError, match="not on this machine"):
        verify(own)
    moved.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="are damaged"):
        verify(own)
    assert moved.exists()


@pytest.mark.parametrize("checksum", [{"sha256": "../../elsewhere"}, {"git_blob": "ABC"}])
def test_checksums_that_are_none(checksum):
    with pytest.raises(CardError, match=r"expected (64|40) digits of 0-9a-f"):
        fetch(a_card("http://127.0.0.1:1/net.h5", **checksum))


def test_a_folder_that_cannot_be_written(cache, site):
    cache.parent.mkdir()
    cache.write_text("a file")
    with pytest.raises(WeightsError, match=r"'net-1' cannot be kept in .*remote_data_manager_dir"):
        fetch(a_card(site.put("/net.h5", site.gives())))
    assert site.asked == []


@pytest.mark.parametrize(
    ("terminal", "progress", "least", "shown"),
    [(True, True, 0, True), (True, False, 0, False), (False, True, 0, False), (True, True, 10**6, False)],
)
def test_large_files_have_a_bar_on_a_terminal(site, monkeypatch, terminal, progress, least, shown):
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(downloader, "BAR_FROM", least)
    fetch(a_card(site.put("/net.h5", site.gives())), progress=progress)
    assert ("net.h5:" in screen.getvalue()) is shown


def test_fetching_knows_neither_maps_nor_observations():
    for path in Path(local.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                imported = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            assert not [n for n in imported if n.startswith(("sunpy.map", "ndcube", "sunpy_ml.observations", "pickle"))]
