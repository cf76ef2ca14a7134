"""Mirrors: everything is copied and checked, an interruption costs nothing, a fork is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import Malformed, Rejected, SailauError
from identity.errors import KeystoreInUse
from observers.errors import Fault, Misbehaviour, NotThere, Unreachable
from observers.mirror import Mirror
from observers.source import DirectorySource, Source, Stream, open_source
from record.archive import read_archive
from record.delimited import delimited
from record.policy import Policy
from tests.observing import (
    KEY,
    TIME,
    TRUST,
    SmallLog,
    artifacts,
    demanding,
    files,
    note,
    serving,
)


class Counting(DirectorySource):
    """A directory that counts what is read, and breaks down after so many files."""

    def __init__(self, root: Path, limit: int | None = None) -> None:
        super().__init__(root)
        self.asked: list[str] = []
        self._limit = limit

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Stream]:
        if self._limit is not None and len(self.asked) >= self._limit:
            raise Unreachable("the line is cut")
        self.asked.append(path)
        with super().open(path, offset) as stream:
            yield stream


@pytest.fixture
def log(tmp_path: Path) -> SmallLog:
    return SmallLog(tmp_path / "log")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy"


def mirror(
    source: Source | Path, copy: Path, policy: Policy = TRUST, *, check: bool = False
) -> list[str]:
    """One update; the files that were asked for."""
    counting = Counting(source) if isinstance(source, Path) else source
    with Mirror(counting, copy, policy, jobs=2, check=check) as opened:
        opened.update()
    return counting.asked if isinstance(counting, Counting) else []


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600])
def test_a_mirror_is_the_record(log: SmallLog, copy: Path, size: int) -> None:
    """Byte for byte the files of the checkpoint, each asked for once; readable as a record."""
    log.grow(size)
    asked = mirror(log.directory, copy)
    assert files(copy) == files(log.directory)
    assert len(asked) == len(set(asked))
    assert set(asked) == files(log.directory).keys() | ({"hints/000"} if size else set())
    with read_archive(copy) as record:
        assert list(record.artifacts(KEY)) == artifacts(size)


@given(st.lists(st.integers(0, 700), min_size=2, max_size=5), st.data())
def test_growing_and_breaking_down(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    """The line is cut after any file, the log grows, and the mirror goes on: in the end it
    is the record, and full files were fetched once."""
    root = tmp_path_factory.mktemp("mirror")
    log, copy = SmallLog(root / "log"), root / "copy"
    fetched: list[str] = []
    for size in sorted(sizes):
        log.grow(size)
        limit = data.draw(st.none() | st.integers(0, 12))
        source = Counting(log.directory, limit)
        with Mirror(source, copy, TRUST, jobs=1) as opened:
            if limit is None:
                opened.update()
            else:
                with suppress(Unreachable):
                    opened.update()
        fetched += source.asked
    fetched += mirror(log.directory, copy)
    assert files(log.directory).items() >= files(copy).items()
    with read_archive(copy) as record:
        assert list(record.artifacts(KEY)) == artifacts(max(sizes))
    full = [path for path in fetched if path.startswith("tile/") and ".p/" not in path]
    # Once to keep it, and once an update to see that a new checkpoint continues the old one.
    assert all(full.count(path) <= 1 + len(sizes) + 1 for path in set(full))


def test_a_second_run_fetches_nothing_but_the_checkpoint(log: SmallLog, copy: Path) -> None:
    """Everything that is there and right stays; of hints nobody can tell whether it is all."""
    log.grow(600)
    mirror(log.directory, copy)
    assert mirror(log.directory, copy) == ["checkpoint"]
    checked = ["checkpoint", "hints/000", "hints/001", "hints/002"]
    assert sorted(mirror(log.directory, copy, check=True)) == checked


def test_what_has_grown_is_fetched_and_no_more(log: SmallLog, copy: Path) -> None:
    """600 to 610: the partial files, and of the artifacts the new ones, by a range."""
    log.grow(600)
    with serving(log.directory) as server:
        url = server.url
        mirror(open_source(url), copy)
        server.asked.clear()
        server.sent.clear()
        log.grow(610)
        mirror(open_source(url), copy)
        assert set(server.asked) == {
            "checkpoint",
            "tile/0/002.p/98",
            "tile/1/000.p/2",
            "tile/entries/002.p/98",
            "artifacts/002",
            "hints/002",
        }
        for path in ("artifacts/002", "hints/002"):
            whole = len((log.directory / path).read_bytes())
            assert 0 < server.sent[path] < whole / 4
    # Partial tiles of older checkpoints stay: whoever holds such a checkpoint needs them.
    assert files(copy) == files(log.directory)


@pytest.mark.parametrize(("ranges", "compress"), [(True, True), (False, False), (False, True)])
def test_servers_that_compress_or_know_no_ranges(
    log: SmallLog, copy: Path, ranges: bool, compress: bool
) -> None:
    """The same files, over few connections."""
    with serving(log.directory, ranges=ranges, compress=compress) as server:
        for size in (100, 400, 1200):
            log.grow(size)
            with Mirror(open_source(server.url, connections=2), copy, TRUST, jobs=2) as opened:
                opened.update()
        assert server.connections <= 3 * 3
    assert files(copy) == files(log.directory)


def test_partial_files_that_are_gone_are_cut_from_full_ones(log: SmallLog, copy: Path) -> None:
    """A log may delete them once the full ones are there; the old checkpoint still needs them."""
    log.grow(300)
    old = log.checkpoint()
    log.grow(600)
    for partial in (log.directory / "tile").rglob("*.p/44"):
        partial.unlink()
    (log.directory / "checkpoint").write_bytes(old)
    mirror(log.directory, copy)
    assert (copy / "tile/0/001.p/44").stat().st_size == 44 * 32
    with read_archive(copy) as record:
        assert list(record.artifacts(KEY)) == artifacts(300)


# --- Damage -----------------------------------------------------------------------------


def flip(path: str, at: int = 0) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        data = bytearray((root / path).read_bytes())
        data[at] ^= 1
        (root / path).write_bytes(data)

    return change


def cut(path: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / path).write_bytes((root / path).read_bytes()[:-5])

    return change


def remove(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).unlink()


DAMAGE = [
    (flip("tile/0/000", 100), Rejected),
    (flip("tile/0/002.p/88"), Misbehaviour),
    (flip("tile/1/000.p/2"), Misbehaviour),
    (cut("tile/0/000"), Malformed),
    (cut("tile/0/002.p/88"), Malformed),
    (remove("tile/0/001"), NotThere),
    (remove("tile/1/000.p/2"), NotThere),
    (flip("tile/entries/000", 10), Rejected),
    (cut("tile/entries/002.p/88"), Malformed),
    (remove("tile/entries/001"), NotThere),
    (flip("artifacts/000", 20), Rejected),
    (flip("artifacts/002", -1), Rejected),
    (flip("artifacts/001", 1), Malformed),
    (cut("artifacts/002"), Malformed),
    (remove("artifacts/001"), NotThere),
    (lambda root: (root / "artifacts/000").write_bytes(b"\xff" * 9), Malformed),
    (lambda root: (root / "artifacts/000").write_bytes(b"\x81\x00x"), Malformed),
    (lambda root: (root / "artifacts/000").write_bytes(b""), Malformed),
    (lambda root: (root / "tile/0/000").write_bytes(bytes(10**6)), Malformed),
    (flip("checkpoint", 18), Rejected),
    (flip("checkpoint", -9), Rejected),
    (remove("checkpoint"), NotThere),
]


@pytest.mark.parametrize(("damage", "error"), DAMAGE)
def test_what_is_false_is_never_kept(
    log: SmallLog, copy: Path, damage: Callable[[Path], None], error: type[SailauError]
) -> None:
    """A changed, cut or missing file is refused; there is no checkpoint, and what was
    copied is right. When the log is repaired, the mirror goes on."""
    log.grow(600)
    good = files(log.directory)
    damage(log.directory)
    with pytest.raises(error):
        mirror(log.directory, copy)
    assert "checkpoint" not in files(copy)
    assert files(copy).items() <= good.items()
    for path, content in good.items():
        (log.directory / path).write_bytes(content)
    mirror(log.directory, copy)
    assert files(copy) == good


@pytest.mark.parametrize("row", [row for row in DAMAGE if row[1] is not NotThere][:-2])
def test_a_damaged_mirror_is_repaired(
    log: SmallLog, copy: Path, row: tuple[Callable[[Path], None], object]
) -> None:
    """What no longer fits on our own disk is fetched again; artifacts when asked to check."""
    log.grow(600)
    mirror(log.directory, copy)
    row[0](copy)
    asked = mirror(log.directory, copy, check=True)
    assert 2 <= len([path for path in asked if not path.startswith("hints")]) <= 4
    assert files(copy) == files(log.directory)


def test_a_missing_file_is_noticed_without_checking(log: SmallLog, copy: Path) -> None:
    """Also one of artifacts, whose content is trusted from earlier runs."""
    log.grow(600)
    mirror(log.directory, copy)
    (copy / "artifacts/001").unlink()
    assert mirror(log.directory, copy) == ["checkpoint", "artifacts/001", "hints/001"]
    assert files(copy) == files(log.directory)


def test_more_artifacts_than_the_checkpoint_are_left_out(log: SmallLog, copy: Path) -> None:
    """The file may have grown already; a reader takes what is covered."""
    log.grow(10)
    old = log.checkpoint()
    log.grow(20)
    (log.directory / "checkpoint").write_bytes(old)
    mirror(log.directory, copy)
    assert (
        (log.directory / "artifacts/000")
        .read_bytes()
        .startswith((copy / "artifacts/000").read_bytes())
    )
    with read_archive(copy) as record:
        assert list(record.artifacts(KEY)) == artifacts(10)


# --- Hints, which are optional and believed by nobody ------------------------------------


HINTLESS = {
    "missing": remove("hints/001"),
    "cut": cut("hints/001"),
    "empty": lambda root: (root / "hints/001").write_bytes(b""),
    "of a wrong form": lambda root: (root / "hints/001").write_bytes(b"\xff" * 9),
    "a directory": lambda root: ((root / "hints/001").unlink(), (root / "hints/001").mkdir()),
}


@pytest.mark.parametrize("damage", HINTLESS.values(), ids=HINTLESS)
def test_hints_that_cannot_be_read_are_not_missed(
    log: SmallLog, copy: Path, damage: Callable[[Path], None]
) -> None:
    """The record is whole without; what can be read of them is kept, and the rest comes later."""
    log.grow(600)
    good = files(log.directory)
    damage(log.directory)
    mirror(log.directory, copy)
    found = files(copy)
    part = found.pop("hints/001", b"")
    assert good["hints/001"].startswith(part)
    assert part != good["hints/001"]
    assert {**found, "hints/001": good["hints/001"]} == good
    if (log.directory / "hints/001").is_dir():
        (log.directory / "hints/001").rmdir()
    (log.directory / "hints/001").write_bytes(good["hints/001"])
    (copy / "hints/001").unlink(missing_ok=True)
    mirror(log.directory, copy, check=True)
    assert files(copy) == good


def test_hints_of_our_own_that_are_damaged_do_not_stop_what_grows(
    log: SmallLog, copy: Path
) -> None:
    """What was cut short is continued from its last whole entry."""
    log.grow(100)
    mirror(log.directory, copy)
    (copy / "hints/000").write_bytes((copy / "hints/000").read_bytes()[:-5])
    log.grow(200)
    mirror(log.directory, copy)
    assert files(copy) == files(log.directory)


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_that_gives_no_hints(log: SmallLog, copy: Path, status: int) -> None:
    """Some answer so about a file that is not there. A server that fails is asked again later."""
    log.grow(300)
    paths = ("hints/000", "hints/001")
    with serving(log.directory) as server:
        server.status = dict.fromkeys(paths, 500)
        with pytest.raises(Unreachable, match="hints/00.: the server answers 500"):
            mirror(open_source(server.url), copy)
        assert "checkpoint" not in files(copy)
        server.status = dict.fromkeys(paths, status)
        mirror(open_source(server.url), copy)
    assert files(copy) == {k: v for k, v in files(log.directory).items() if k not in paths}


def test_a_disk_cannot_be_filled_with_hints(log: SmallLog, copy: Path) -> None:
    """Not more than 16 times what the artifacts take, and no more entries than artifacts."""
    log.grow(600)
    artifacts_size = (log.directory / "artifacts/001").stat().st_size
    (log.directory / "hints/001").write_bytes(delimited(bytes(artifacts_size)) * 40)
    (log.directory / "hints/000").write_bytes(bytes(10_000))
    mirror(log.directory, copy)
    assert 15 * artifacts_size < (copy / "hints/001").stat().st_size <= 16 * artifacts_size
    assert (copy / "hints/000").stat().st_size == 256


# --- Logs that lie -----------------------------------------------------------------------


def refused(log: Path, copy: Path, fault: Fault) -> Path:
    """The update is refused, the mirror as it was; where the evidence is."""
    before = files(copy)
    with pytest.raises(Misbehaviour) as caught:
        mirror(log, copy)
    assert caught.value.fault is fault
    assert caught.value.check == "R.append-only"
    assert files(copy) == before
    assert caught.value.kept is not None
    return caught.value.kept


@pytest.mark.parametrize(("old", "new", "fork_at"), [(5, 9, 2), (300, 600, 299), (300, 300, 7)])
def test_a_fork_is_refused(
    log: SmallLog, copy: Path, tmp_path: Path, old: int, new: int, fork_at: int
) -> None:
    """Both notes are kept, with the proof; refusing twice keeps one directory."""
    log.grow(old)
    mirror(log.directory, copy)
    other = SmallLog(tmp_path / "fork")
    other.grow(new, fork_at)
    kept = {refused(other.directory, copy, Fault.FORK) for _ in range(2)}
    (evidence,) = kept
    assert (evidence / "older").read_bytes() == log.checkpoint()
    assert (evidence / "newer").read_bytes() == other.checkpoint()
    report = json.loads((evidence / "report.json").read_bytes())
    assert report["fault"] == "fork"
    assert report["older"]["size"] == old
    mirror(log.directory, copy)


def test_a_smaller_checkpoint_is_refused(log: SmallLog, copy: Path, tmp_path: Path) -> None:
    """An older copy is a rollback; a smaller log of other entries is a fork."""
    log.grow(300)
    mirror(log.directory, copy)
    for size, fork_at, fault in ((200, None, Fault.ROLLBACK), (200, 100, Fault.FORK)):
        other = SmallLog(tmp_path / f"other-{fault}")
        other.grow(size, fork_at)
        evidence = refused(other.directory, copy, fault)
        assert (evidence / "older").read_bytes() == log.checkpoint()
        assert (evidence / "newer").read_bytes() == other.checkpoint()


def test_what_was_seen_binds_before_it_is_copied(log: SmallLog, copy: Path, tmp_path: Path) -> None:
    """Interrupted at the first file, the mirror still knows which log was signed."""
    log.grow(300)
    with Mirror(Counting(log.directory, 1), copy, TRUST) as opened, pytest.raises(Unreachable):
        opened.update()
    other = SmallLog(tmp_path / "fork")
    other.grow(400, 299)
    refused(other.directory, copy, Fault.FORK)
    smaller = SmallLog(tmp_path / "smaller")
    smaller.grow(200)
    refused(smaller.directory, copy, Fault.ROLLBACK)
    log.grow(400)
    mirror(log.directory, copy)
    assert not (copy / ".checkpoint.seen").exists()


def test_another_logs_checkpoint_is_refused(log: SmallLog, copy: Path) -> None:
    """By its key, before anything is written."""
    log.grow(5)
    data = note(5).replace(b"example.org/log", b"example.org/xxx")
    (log.directory / "checkpoint").write_bytes(data)
    with pytest.raises(Rejected) as caught:
        mirror(log.directory, copy)
    assert caught.value.check == "R.checkpoint"
    assert files(copy) == {}


def test_the_quorum_is_demanded(log: SmallLog, copy: Path) -> None:
    """By a policy; and of two notes of one checkpoint the better cosigned is kept."""
    policy = demanding(1, 2)
    log.grow(5)
    with pytest.raises(Rejected, match="quorum"):
        mirror(log.directory, copy, policy)
    bare = log.checkpoint()
    log.cosign(1)
    mirror(log.directory, copy, policy)
    log.cosign(1, 2, time=TIME + 5)
    mirror(log.directory, copy, policy)
    best = log.checkpoint()
    assert (copy / "checkpoint").read_bytes() == best
    (log.directory / "checkpoint").write_bytes(bare)
    log.cosign(1)
    mirror(log.directory, copy, policy)
    assert (copy / "checkpoint").read_bytes() == best


def test_one_mirror_a_directory(log: SmallLog, copy: Path) -> None:
    """Two processes would write over each other."""
    log.grow(5)
    with Mirror(DirectorySource(log.directory), copy, TRUST), pytest.raises(KeystoreInUse):
        Mirror(DirectorySource(log.directory), copy, TRUST)


def test_a_mirror_of_a_mirror(log: SmallLog, copy: Path, tmp_path: Path) -> None:
    """A mirror is a log to copy from, and progress is told file by file."""
    log.grow(600)
    told: list[tuple[int, int]] = []
    with Mirror(
        open_source(f"file://{log.directory}"),
        copy,
        TRUST,
        progress=lambda done, total: told.append((done, total)),
    ) as opened:
        opened.update()
    assert told == [(i + 1, 5) for i in range(5)]
    mirror(copy, tmp_path / "second")
    assert files(tmp_path / "second") == files(log.directory)


def test_entries_alone(log: SmallLog, copy: Path) -> None:
    """Other logs publish no artifacts: their tiles and entries are mirrored all the same."""
    log.grow(300)
    for file in (log.directory / "artifacts").iterdir():
        file.unlink()
    source = DirectorySource(log.directory)
    with Mirror(source, copy, TRUST, artifacts=False) as opened:
        assert opened.update().checkpoint.size == 300
    assert files(copy) == {
        path: data for path, data in files(log.directory).items() if path[:5] != "hints"
    }
