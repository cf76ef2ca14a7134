"""The published directory of a live board: files, their order, failures, and their HTTP."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import urllib3
import uvicorn

from ballotbox import web
from ballotbox.board import Board
from ballotbox.errors import StoreDamaged, StoreFailed
from ballotbox.publishing import Publisher, check_directory
from ballotbox.store import SqliteStore
from ballotbox.web import WebServer
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.archive import ArchiveWriter, read_archive
from record.archive_writer import Publication
from record.artifacts import Role
from record.checkpoint import parse_checkpoint, verify_checkpoint
from record.cosignature import cosign, cosigner_key
from record.tiles import bundles_of, tiles_of
from tests.ballots import Plain, device_statement, encrypt
from tests.observing import KEY, artifacts, note
from tests.world import World

T = TypeVar("T")
FULL = Plain({"president": (0, 1, 0), "council": (2, 1)})


# --- a publication: one directory, brought up to date again and again


def files(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def expected_files(size: int) -> set[str]:
    """What docs/record.md says there is for a checkpoint."""
    paths = {tile.path for tile in tiles_of(size)}
    for bundle in bundles_of(size):
        paths |= {bundle.entries_path, bundle.artifacts_path}
    return paths


def follow(directory: Path) -> Publication:
    return ArchiveWriter(directory, KEY).follow()


@pytest.mark.parametrize("steps", [[1, 2, 3], [255, 256, 257], [0, 1, 300, 301, 513], [600]])
def test_a_publication_has_the_files_of_every_checkpoint(tmp_path: Path, steps: list[int]) -> None:
    """Step by step it becomes what one run writes, and every checkpoint keeps its partials."""
    publication = follow(tmp_path / "live")
    for size in steps:
        publication.extend(artifacts(size)[publication.size :])
        publication.publish(note(size))
        assert expected_files(size) <= set(files(tmp_path / "live"))
        with read_archive(tmp_path / "live") as record:
            assert list(record.artifacts(KEY)) == artifacts(size)
    publication.close()
    ArchiveWriter(tmp_path / "once", KEY).write(artifacts(steps[-1]), lambda _: note(steps[-1]))
    live, once = files(tmp_path / "live"), files(tmp_path / "once")
    assert once.items() <= live.items()


def test_an_update_costs_what_is_new(tmp_path: Path) -> None:
    """After 2,000 artifacts one more changes the checkpoint, its partials and one file of 256."""
    publication = follow(tmp_path)
    publication.extend(artifacts(2000))
    publication.publish(note(2000))
    before = {path: path.stat().st_ctime_ns for path in tmp_path.rglob("*") if path.is_file()}
    publication.extend(artifacts(2001)[2000:])
    publication.publish(note(2001))
    after = {path: path.stat().st_ctime_ns for path in tmp_path.rglob("*") if path.is_file()}
    changed = {p.relative_to(tmp_path).as_posix() for p in after if before.get(p) != after[p]}
    assert changed == {"checkpoint", "artifacts/007", "tile/0/007.p/209", "tile/entries/007.p/209"}


def test_a_checkpoint_is_published_after_its_files_and_only_of_them(tmp_path: Path) -> None:
    """Another size, another tree, another key: refused, and the old one stays."""
    publication = follow(tmp_path)
    publication.extend(artifacts(3))
    publication.publish(note(3))
    publication.extend(artifacts(5)[3:])
    for wrong in (note(4), note(6), note(5, fork_at=4)):
        with pytest.raises(Rejected):
            publication.publish(wrong)
    assert publication.note() == note(3)
    publication.publish(note(5))
    assert publication.note() == note(5)


def test_what_a_crash_left_behind_the_checkpoint_is_replaced(tmp_path: Path) -> None:
    """Half an artifact, or bytes that were never written, beyond what is covered."""
    publication = follow(tmp_path)
    publication.extend(artifacts(3))
    publication.publish(note(3))
    publication.close()
    place = tmp_path / "artifacts/000"
    good = place.read_bytes()
    for left in (b"\0" * 4096, artifacts(4)[3][:20], b"\x7f"):
        place.write_bytes(good + left)
        again = follow(tmp_path)
        again.extend(artifacts(4))
        again.close()
        again = follow(tmp_path)
        again.extend(artifacts(5))
        again.publish(note(5))
        with read_archive(tmp_path) as record:
            assert list(record.artifacts(KEY)) == artifacts(5)
        shutil.rmtree(tmp_path)
        publication = follow(tmp_path)
        publication.extend(artifacts(3))
        publication.publish(note(3))
        publication.close()


def test_covered_artifacts_are_never_replaced(tmp_path: Path) -> None:
    """A byte changed in what is published is refused, not repaired."""
    publication = follow(tmp_path)
    publication.extend(artifacts(3))
    publication.publish(note(3))
    publication.close()
    place = tmp_path / "artifacts/000"
    data = bytearray(place.read_bytes())
    data[-1] ^= 1
    place.write_bytes(data)
    with pytest.raises(Rejected, match="other bytes"):
        follow(tmp_path).extend(artifacts(3))


# --- a publisher: a directory that follows a board


class Live:
    """A board with open polls, and a publisher."""

    def __init__(self, directory: Path) -> None:
        self.world = World.create(TOY[-1])
        self.store = SqliteStore.create(directory / "board.db", self.world.context.base_hash)
        self.board = Board.open(
            self.store,
            self.world.artifacts[0],
            server_key=self.world.role_key(Role.SERVER),
            log_key=self.world.secrets.log,
        )
        self.directory = directory / "record"
        self.publisher = Publisher(self.board, self.directory, interval=0.0)

    def play(self) -> None:
        for data in self.world.data()[self.board.size() :]:
            self.board.append(data)

    def submit(self) -> None:
        self.board.append(self.world.append(encrypt(self.world, FULL).ballot).data)

    def published(self) -> int:
        """The size of the published checkpoint; all that it covers is there and right."""
        data = (self.directory / "checkpoint").read_bytes()
        checkpoint = verify_checkpoint(data, self.world.log_key)
        with read_archive(self.directory) as record:
            found = list(record.artifacts(self.world.log_key))
        assert found == self.world.data()[: checkpoint.size]
        return checkpoint.size


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    live = Live(tmp_path)
    yield live
    live.publisher.close()
    live.store.close()


def test_the_directory_begins_with_the_empty_checkpoint(live: Live) -> None:
    """It is published before anything else; at the end there is the newest."""
    written: list[bytes] = []
    publish = Publication.publish

    def noting(self: Publication, data: bytes) -> object:
        written.append(data)
        return publish(self, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Publication, "publish", noting)
        live.publisher.step()
    assert [parse_checkpoint(data).checkpoint.size for data in written] == [0, 1]
    assert live.published() == 1
    live.play()
    live.publisher.step()
    assert live.published() == live.board.size() == len(live.world.artifacts)


def test_only_signed_and_stored_checkpoints_are_published(live: Live) -> None:
    """Byte for byte."""
    live.play()
    live.board.append(live.world.append(device_statement(live.world, "ballot-box-1")).data)
    for _ in range(3):
        live.submit()
        live.publisher.step()
        data = (live.directory / "checkpoint").read_bytes()
        assert data in [checkpoint.note for checkpoint in live.store.checkpoints()]
        assert live.published() == live.board.size()


def test_cosignatures_are_added_to_the_published_checkpoint(live: Live) -> None:
    """The log's own signature stays the first."""
    live.publisher.step()
    head = live.board.head()
    secret = live.world.role_key(Role.SERVER)
    key = cosigner_key("witness.example/w", secret.public_key().public_bytes_raw())
    text = parse_checkpoint(head.note).text
    line = cosign(text, key, secret, int(time.time())).line().encode()
    live.store.add_cosignatures(head.size, [line])
    live.publisher.step()
    assert (live.directory / "checkpoint").read_bytes() == head.note + line


def test_hints_are_published_beside_their_ballots(live: Live) -> None:
    """Those that came with an artifact, however many artifacts are published at once."""
    live.play()
    ballots = [live.world.append(device_statement(live.world, "ballot-box-1"))]
    ballots += [live.world.append(encrypt(live.world, FULL).ballot) for _ in range(3)]
    first = live.store.size()
    data = [artifact.data for artifact in ballots]
    live.store.append(first, data, None, {first + 1: b"one", first + 3: b"three"})
    board = Board.open(
        live.store,
        live.world.artifacts[0],
        server_key=live.world.role_key(Role.SERVER),
        log_key=live.world.secrets.log,
    )
    publisher = Publisher(board, live.directory, interval=0.0)
    publisher.step()
    publisher.close()
    with read_archive(live.directory) as record:
        hints = [hint for _, hint in record.with_hints(live.world.log_key)]
    assert hints[first:] == [b"", b"one", b"", b"three"]
    assert set(hints[:first]) == {b""}


def test_looking_too_early_leaves_nothing_behind(live: Live) -> None:
    """However often groups come before the next checkpoint may be published."""
    slow = Publisher(live.board, live.directory, interval=60)
    slow.step()
    live.play()
    threads = threading.active_count()
    for _ in range(20):
        slow.step()
    assert threading.active_count() == threads
    slow.close()


def test_groups_that_come_fast_are_published_together(tmp_path: Path) -> None:
    """A checkpoint stays for its interval, so that witnesses can sign it."""
    live = Live(tmp_path)
    slow = Publisher(live.board, live.directory, interval=60.0)
    slow.step()
    assert live.published() == 1
    live.play()
    slow.step()
    assert live.published() == 1
    slow.close()
    live.store.close()


@pytest.mark.parametrize("what", ["tile/0/000.p/1", "artifacts/000", "checkpoint", "."])
def test_deleted_files_are_made_again(live: Live, what: str) -> None:
    """At the next start; without the checkpoint at once."""
    live.publisher.step()
    place = live.directory / what
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    if what in ("checkpoint", "."):
        live.publisher.step()
    else:
        again = Publisher(live.board, live.directory)
        again.step()
        again.close()
    assert live.published() == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where it may not")
def test_a_read_only_directory_as_a_user(live: Live) -> None:
    """Said in the notices, and published later."""
    live.publisher.step()
    live.directory.chmod(stat.S_IRUSR | stat.S_IXUSR)
    live.play()
    assert not live.publisher.attempt()
    live.directory.chmod(0o755)
    assert live.publisher.attempt()
    assert live.published() == live.board.size()


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_loses_nothing(live: Live, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Wherever it strikes: the board goes on, the notice says it, and later all is there."""
    live.publisher.step()
    live.play()
    full = OSError(28, "No space left on device", str(live.directory))

    def fail(*_: object, **__: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(Path, "write_bytes", fail)
        elif where == "fsync":
            patch.setattr("record.archive_writer.os.fsync", fail)
        else:
            patch.setattr(Path, "replace", fail)
        assert not live.publisher.attempt()
        (notice,) = live.publisher.notices()
        assert "No space left" in notice
    live.board.append(live.world.append(device_statement(live.world, "ballot-box-1")).data)
    assert live.publisher.attempt()
    assert live.publisher.notices() == ()
    assert live.published() == live.board.size()


def test_another_logs_directory_is_not_written_to(live: Live) -> None:
    """Neither at the start nor later."""
    ArchiveWriter(live.directory, KEY).write(artifacts(3), lambda _: note(3))
    before = files(live.directory)
    with pytest.raises(StoreDamaged, match="does not belong"):
        check_directory(live.board, live.directory)
    assert not live.publisher.attempt()
    assert files(live.directory) == before


# --- HTTP


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A record of 300 artifacts, and where it is served."""
    directory = tmp_path / "record"
    ArchiveWriter(directory, KEY).write(artifacts(300), lambda _: note(300))
    (directory / ".checkpoint.tmp").write_text("half")
    (directory / "notes.txt").write_text("private")
    (directory / "hints").mkdir(exist_ok=True)
    (directory / "hints/001").write_bytes(bytes(2000))
    (tmp_path / "secret").write_text("secret")
    server = WebServer(directory, "127.0.0.1:0")
    server.start()
    yield directory, server.url
    server.stop()


def get(url: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(
        method, url, headers=names, decode_content=False, retries=False, redirect=False
    )


def wait_until(found: Callable[[], T]) -> T:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.01)
    raise AssertionError("it does not come")


def test_every_file_of_the_record_is_served(served: tuple[Path, str]) -> None:
    """As it is, with a content type, a tag and how long it may be kept."""
    directory, url = served
    for path in [*expected_files(300), "hints/001", "checkpoint"]:
        answer = get(f"{url}/{path}")
        assert (answer.status, answer.data) == (200, (directory / path).read_bytes())
        growing = path == "checkpoint" or path.startswith(("artifacts/", "hints/"))
        assert ("immutable" in answer.headers["Cache-Control"]) is not growing
        kind = "text/plain; charset=utf-8" if path == "checkpoint" else "application/octet-stream"
        assert answer.headers["Content-Type"] == kind
        same = get(f"{url}/{path}", If_None_Match=answer.headers["ETag"])
        assert (same.status, same.data) == (304, b"")
        head = get(f"{url}/{path}", "HEAD")
        assert (head.status, head.data) == (200, b"")
        assert head.headers["Content-Length"] == str(len(answer.data))


def test_no_file_tells_when_it_was_written(served: tuple[Path, str]) -> None:
    """Each partial tile is of one group: neither its answer nor a copy of it has its time."""
    directory, url = served
    for path in expected_files(300):
        found = (directory / path).stat()
        assert found.st_mtime_ns % (86_400 * 10**9) == 0
        os.utime(directory / path, ns=(1, 1_700_000_000_123_456_789))
        answer = get(f"{url}/{path}")
        assert answer.headers.get("Last-Modified", "Thu, 01 Jan 1970") < "Thu, 01 Jan 1971"
        assert f"{1_700_000_000_123_456_789:x}" not in answer.headers["ETag"]
        os.utime(directory / path, ns=(1, 1_700_000_000_123_456_790))
        assert get(f"{url}/{path}").headers["ETag"] != answer.headers["ETag"]


def test_ranges_origins_and_compression(served: tuple[Path, str]) -> None:
    """Ranges of everything, from pages of anybody; only entries are worth squeezing."""
    directory, url = served
    data = (directory / "artifacts/001").read_bytes()
    part = get(f"{url}/artifacts/001", Range="bytes=100-199", Accept_Encoding="gzip")
    assert (part.status, part.data) == (206, data[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(data)}"
    assert get(f"{url}/artifacts/001", Range=f"bytes={len(data)}-").status == 416
    page = get(f"{url}/checkpoint", Origin="https://observer.example")
    assert page.headers["Access-Control-Allow-Origin"] == "*"
    entries = get(f"{url}/tile/entries/000", Accept_Encoding="gzip")
    assert entries.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(entries.data) == (directory / "tile/entries/000").read_bytes()
    assert "Content-Encoding" not in get(f"{url}/tile/0/000", Accept_Encoding="gzip").headers


@pytest.mark.parametrize(
    "path",
    ["", "notes.txt", ".checkpoint.tmp", "../secret", "..%2fsecret", "tile/../../secret", "tile",
     "tile/0/999", "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/1", "tile/entries/", "/checkpoint",
     "checkpoint%00", "artifacts/000/", "artifacts/" + "x000/" * 60 + "000", "tile/0/%2e%2e/000"],
)  # fmt: skip
def test_nothing_else_is_served(served: tuple[Path, str], path: str) -> None:
    """No other file, no directory, no way around."""
    _, url = served
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as raw:
        # By hand: clients tidy up paths.
        raw.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert int(answer.split(b" ", 2)[1]) in (400, 404)
    assert get(f"{url}/checkpoint", "POST").status == 405


def test_a_link_out_of_the_directory_leads_nowhere(served: tuple[Path, str]) -> None:
    """Only plain files are served."""
    directory, url = served
    (directory / "artifacts/002").symlink_to(directory.parent / "secret")
    assert get(f"{url}/artifacts/002").status == 404


def test_a_file_that_grows_while_it_is_sent_keeps_its_length(served: tuple[Path, str]) -> None:
    """What is appended meanwhile is not part of the answer."""
    directory, url = served
    place = directory / "artifacts/001"
    place.write_bytes(bytes(8 << 20))
    response = urllib3.request("GET", f"{url}/artifacts/001", preload_content=False)
    with place.open("ab") as file:
        file.write(b"more" * 1000)
    assert len(response.read()) == 8 << 20
    assert get(f"{url}/checkpoint").status == 200


def test_what_cannot_be_read_is_not_said_to_be_missing(
    served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monitor would take it for a part of the record that is kept back."""
    directory, url = served

    def too_many(self: Path, *_: object) -> object:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", too_many)
        answer = get(f"{url}/checkpoint")
    assert (answer.status, answer.headers["Cache-Control"]) == (503, "no-store")
    (directory / "checkpoint").unlink()
    (directory / "checkpoint").mkdir()
    assert get(f"{url}/checkpoint").status == 404


def test_addresses_that_are_none(tmp_path: Path) -> None:
    """Malformed, or in use."""
    for wrong in ("8080", ":8080", "host:", "127.0.0.1:99999"):
        with pytest.raises(Malformed):
            WebServer(tmp_path, wrong)
    first = WebServer(tmp_path, "127.0.0.1:0")
    with pytest.raises(StoreFailed, match="cannot listen .* another program .* --http"):
        WebServer(tmp_path, first.url.removeprefix("http://"))
    first.stop()


def test_a_server_that_breaks_off_says_so_and_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At the same address; whoever comes meanwhile waits, and then nothing is wrong any more."""
    ArchiveWriter(tmp_path, KEY).write(artifacts(3), lambda _: note(3))
    monkeypatch.setattr(web, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(web, "_LAST_PAUSE", 0.05)
    usual, broken = uvicorn.Server.on_tick, threading.Event()

    async def on_tick(self: uvicorn.Server, counter: int) -> bool:
        if broken.is_set():
            raise OSError(errno.EMFILE, "Too many open files")
        return await usual(self, counter)

    def never(self: uvicorn.Server, sockets: object) -> None:
        raise SystemExit(3)

    def too_many(self: socket.socket) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(uvicorn.Server, "on_tick", on_tick)
    server = WebServer(tmp_path, "127.0.0.1:0")
    server.start()
    try:
        assert server.notices() == ()
        with monkeypatch.context() as patch:
            patch.setattr(uvicorn.Server, "run", never)
            broken.set()
            (notice,) = wait_until(server.notices)
            assert notice.startswith(f"The record is not served on {server.url}, and it is tried ")
            assert wait_until(lambda: [one for one in server.notices() if "SystemExit" in one])
            patch.setattr(socket.socket, "dup", too_many)
            assert wait_until(lambda: [one for one in server.notices() if "OSError" in one])
            broken.clear()
        assert get(f"{server.url}/checkpoint").data == note(3)
        wait_until(lambda: not server.notices())
        assert "the HTTP server has broken off: OSError" in caplog.text
    finally:
        server.stop()
    assert not server._thread.is_alive()


def test_a_server_that_cannot_begin_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to whoever starts it, and the address is free again."""

    def never(self: uvicorn.Server, sockets: object) -> None:
        raise RuntimeError

    server = WebServer(tmp_path, "127.0.0.1:0")
    address = server.url.removeprefix("http://")
    with monkeypatch.context() as patch:
        patch.setattr(uvicorn.Server, "run", never)
        with pytest.raises(StoreFailed, match="does not start"):
            server.start()
    again = WebServer(tmp_path, address)
    again.start()
    again.stop()


def test_a_checkpoint_that_is_replaced_all_the_time_is_whole(served: tuple[Path, str]) -> None:
    """Each answer is one of the two, never a part or a mixture."""
    directory, url = served
    notes = [note(300), note(300) + "— witness.example/w AAAAAAAAAAAA\n".encode()]
    stop = threading.Event()

    def replace() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            (directory / ".new").write_bytes(notes[turn % 2])
            (directory / ".new").replace(directory / "checkpoint")

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        seen = {get(f"{url}/checkpoint").data for _ in range(200)}
    finally:
        stop.set()
        replacing.join()
    assert seen == set(notes)
