"""Reading from servers that answer anything: bounded, and never an error of another kind."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import Retry

from crypto.errors import Malformed, SailauError
from observers import http_source as module
from observers.errors import NotThere, Unreachable
from observers.http_source import HttpSource
from observers.source import DirectorySource, open_source, read_up_to
from record.tiles import Tile
from tests.observing import serving


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives each connection the next of these answers, and ends it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    connection.recv(1 << 16)
                    connection.sendall(answer)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # Closing alone would leave the thread in `accept`.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between two tries."""
    monkeypatch.setattr(Retry, "get_backoff_time", lambda self: 0)


def http(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


BROKEN = {
    "nothing": b"",
    "no http": b"what?\r\n\r\n",
    "cut": http("200 OK", b"abc", length=10),
    "no gzip": http("200 OK", b"no gzip at all", "Content-Encoding: gzip"),
    "500": http("500 Oh", b"x"),
    "403": http("403 No", b"x"),
    "206 without a range": http("206 Part", b"x"),
    "redirect to nowhere": http("302 Found", b"", "Location: http://127.0.0.1:1/x"),
    "redirect to a file": http("302 Found", b"", "Location: file:///etc/passwd"),
    "redirect without end": http("302 Found", b"", "Location: /x"),
    "chunks that are none": http("200 OK", b"zz\r\n", "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_no_answer(answer: bytes) -> None:
    """Nothing is learned about the log."""
    with answering(*[answer] * 8) as url, pytest.raises(Unreachable) as caught:
        HttpSource(url).read("checkpoint", 1000)
    assert "checkpoint" in str(caught.value)


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_what_is_not_there(status: str) -> None:
    """That is an answer."""
    with answering(http(status, b"page")) as url, pytest.raises(NotThere):
        HttpSource(url).read("x", 1000)


def test_a_server_that_is_busy_is_asked_again() -> None:
    """503, then the file."""
    busy = http("503 Later", b"")
    with answering(busy, busy, http("200 OK", b"file")) as url:
        assert HttpSource(url).read("x", 10) == b"file"


def test_what_is_too_long_is_not_read() -> None:
    """Neither as it is nor unpacked: 100 MB of zeros have 100 KB."""
    bomb = gzip.compress(bytes(10**8), 1)
    for answer in (
        http("200 OK", bytes(5000)),
        http("200 OK", bomb, "Content-Encoding: gzip"),
        http("200 OK", b"", length=10**12) + bytes(5000),
    ):
        with answering(answer) as url, pytest.raises(Malformed, match="more than 1000"):
            HttpSource(url).read("x", 1000)


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that gives a byte now and then: both come to an end."""
    monkeypatch.setattr(module, "_WHOLE", 0.0)
    with answering(http("200 OK", bytes(10))) as url, pytest.raises(Unreachable, match="complete"):
        HttpSource(url).read("x", 100)
    monkeypatch.setattr(module, "_READ", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable):
            HttpSource(url).read("x", 100)


@given(st.integers(0, 60), st.booleans(), st.booleans())
def test_from_an_offset(offset: int, ranges: bool, compress: bool) -> None:
    """The rest of the file, whether or not the server knows ranges."""
    import tempfile

    content = bytes(range(50))
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "file").write_bytes(content)
        with serving(Path(name), ranges=ranges, compress=compress) as server:
            for source in (open_source(server.url), DirectorySource(Path(name))):
                try:
                    with source.open("file", offset) as stream:
                        assert read_up_to(stream, 100) == content[offset:]
                except Malformed:
                    assert offset >= 50
                    assert ranges


def test_partial_tiles_that_are_gone(tmp_path: Path) -> None:
    """Cut from the full one; a full one that is gone is gone."""
    place = tmp_path / "tile/0/000"
    place.parent.mkdir(parents=True)
    place.write_bytes(bytes(range(256)) * 32)
    source = DirectorySource(tmp_path)
    assert source.read_tile(Tile(0, 0, 3)) == bytes(range(96))
    with pytest.raises(NotThere):
        source.read_tile(Tile(0, 1, 3))
    place.write_bytes(bytes(33))
    with pytest.raises(Malformed):
        source.read_tile(Tile(0, 0, 2))


@pytest.mark.parametrize(
    "where", ["ftp://example.org", "http://", "https:///x", "http://x/?y", "gopher://x"]
)
def test_what_is_no_place(where: str) -> None:
    """http, https, file, or a directory."""
    with pytest.raises(Malformed):
        open_source(where)


def test_strange_things_in_a_directory(tmp_path: Path) -> None:
    """Pipes are not waited for, directories are no files."""
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    source = open_source(f"file://{tmp_path}")
    for path in ("pipe", "folder", "none", "pipe/x"):
        with pytest.raises(SailauError):
            source.read(path, 10)
