"""Hints beside the artifacts: written where there are some, read whatever stands there."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from record import archive_writer
from record.archive import ArchiveWriter, entry_for, pack_zip, read_archive
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from record.delimited import delimited
from record.hints import MAX_HINTS
from record.merkle import MerkleTree, leaf_hash
from record.tiles import WIDTH

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = verifier_key("example.org/log", SECRET.public_key().public_bytes_raw())
SIGN = partial(sign_checkpoint, private_key=SECRET)
SIZE = 2 * WIDTH + 40
LOG = [bytes([8 << 3 | 2]) + number.to_bytes(2, "big") * 20 for number in range(SIZE)]
NONE = [b""] * SIZE


def hints(number: int) -> bytes:
    """Every third artifact of the first and last bundle has some, the last artifacts none."""
    if number % 3 or WIDTH <= number < 2 * WIDTH or number > SIZE - 5:
        return b""
    return number.to_bytes(2, "big") * (1 + number % 150)


HINTS = [hints(number) for number in range(SIZE)]


def read(path: Path) -> list[bytes]:
    """The hints, after a look at the artifacts."""
    with read_archive(path) as record:
        artifacts, found = zip(*record.with_hints(KEY), strict=True)
    assert list(artifacts) == LOG[: len(artifacts)]
    return list(found)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    ArchiveWriter(tmp_path / "record", KEY).write(LOG, SIGN, hints)
    return tmp_path / "record"


def test_hints_come_back(published: Path) -> None:
    """From the directory and from a .zip of it; no file where a bundle has none."""
    assert read(published) == HINTS
    assert sorted(p.name for p in (published / "hints").iterdir()) == ["000", "002"]
    data = (published / "hints" / "000").read_bytes()
    assert data[:8] == b"\x02\x00\x00\x00\x00\x08\x00\x03"
    pack_zip(published, published / "record.zip")
    assert read(published / "record.zip") == HINTS
    (published / "hints" / "000").unlink()
    pack_zip(published, published / "without.zip")
    with zipfile.ZipFile(published / "without.zip") as packed:
        assert [n for n in packed.namelist() if n.startswith("hints")] == ["hints/002"]


def test_without_hints_there_are_no_files(tmp_path: Path) -> None:
    """A writer without hints, and one that never has any, write none; a reader finds none."""
    for name, given_hints in (("none", None), ("empty", lambda _: b"")):
        ArchiveWriter(tmp_path / name, KEY).write(LOG, SIGN, given_hints)
        assert not (tmp_path / name / "hints").exists()
        assert read(tmp_path / name) == NONE


def test_hints_that_are_too_long_are_left_out(tmp_path: Path) -> None:
    """What no reader would take is not written, and displaces nothing."""
    long = {3: bytes(MAX_HINTS), 4: bytes(MAX_HINTS + 1), 5: b"five"}
    ArchiveWriter(tmp_path, KEY).write(LOG[:9], SIGN, lambda number: long.get(number, b""))
    assert read(tmp_path) == [b"", b"", b"", long[3], b"", b"five", b"", b"", b""]


def parts(cuts: list[int]) -> Iterator[tuple[int, int]]:
    """0 .. SIZE in pieces that end at the cuts."""
    ends = [*sorted({cut % SIZE for cut in cuts} - {0}), SIZE]
    return zip([0, *ends], ends, strict=False)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, SIZE), max_size=4), st.booleans())
def test_a_log_that_grows(cuts: list[int], again: bool) -> None:
    """Published piece by piece, by one publication or a new one each time."""
    with tempfile.TemporaryDirectory() as place:
        writer, tree = ArchiveWriter(Path(place), KEY), MerkleTree()
        publication = writer.follow(hints)
        for start, end in parts(cuts):
            if again:
                publication.close()
                publication = writer.follow(hints)
                publication.extend(LOG[:start])
            publication.extend(LOG[start:end])
            for artifact in LOG[start:end]:
                tree.append(leaf_hash(entry_for(artifact, "")))
            checkpoint = Checkpoint(KEY.name, end, tree.root())
            publication.publish(SIGN(checkpoint))
            assert read(Path(place)) == HINTS[:end]
        publication.close()


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 4000), st.booleans())
def test_whatever_stands_there_is_tolerated(garbage: bytes, cut: int, insert: bool) -> None:
    """Cut, overwritten, empty, missing: the artifacts come, with some hints or others."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "record"
        ArchiveWriter(root, KEY).write(LOG[:80], SIGN, hints)
        file = root / "hints" / "000"
        right = file.read_bytes()
        cut %= len(right)
        file.write_bytes(right[:cut] + garbage + (right[cut:] if insert else b""))
        found = read(root)
        assert len(found) == 80
        end = 0
        for mine, theirs in zip(HINTS, found, strict=False):
            end += len(delimited(mine))
            assert theirs == mine or end > cut
        # A writer with the right ones puts them back.
        ArchiveWriter(root, KEY).write(LOG[:80], SIGN, hints)
        assert read(root) == HINTS[:80]
        file.unlink()
        file.mkdir()
        assert read(root) == NONE[:80]


def test_a_file_said_to_be_longer_than_it_is(published: Path) -> None:
    """A claimed length is believed only as far as there are bytes."""
    (published / "hints" / "000").write_bytes(b"\xff\xff\x7f" + b"x" * 1000)
    assert read(published)[:WIDTH] == NONE[:WIDTH]
    (published / "hints" / "000").write_bytes(b"\xff\xff\xff\xff\x7f" + b"x" * 1000)
    assert read(published)[:WIDTH] == NONE[:WIDTH]
    assert read(published)[WIDTH:] == HINTS[WIDTH:]


def test_a_disk_that_does_not_take_hints(tmp_path: Path) -> None:
    """The record is published without them, and with them once the disk does."""
    (tmp_path / "hints").write_bytes(b"in the way")
    ArchiveWriter(tmp_path, KEY).write(LOG, SIGN, hints)
    (tmp_path / "hints").unlink()
    assert read(tmp_path) == NONE
    ArchiveWriter(tmp_path, KEY).write(LOG, SIGN, hints)
    assert read(tmp_path) == HINTS


def test_a_disk_that_fails_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hints are misplaced by those that could not be written."""
    original = archive_writer._GrowingFile.write
    written: list[str] = []

    def failing(self: archive_writer._GrowingFile, data: bytes, covered: bool) -> None:
        if self._path.startswith("hints"):
            written.append(self._path)
            if len(written) == 4:
                raise OSError("no space left")
        original(self, data, covered)

    monkeypatch.setattr(archive_writer._GrowingFile, "write", failing)
    ArchiveWriter(tmp_path, KEY).write(LOG, SIGN, hints)
    found = read(tmp_path)
    assert found[2 * WIDTH :] == HINTS[2 * WIDTH :]
    assert all(x in (b"", HINTS[i]) for i, x in enumerate(found))
    assert found != HINTS


def test_other_hints_replace_those_that_are_there(published: Path) -> None:
    """They are nobody's promise: what a writer has now is what it publishes."""
    ArchiveWriter(published, KEY).write(LOG, SIGN, lambda number: b"new" if number < 9 else b"")
    assert read(published)[:9] == [b"new"] * 9
    ArchiveWriter(published, KEY).write(LOG, SIGN)
    assert read(published)[:9] == [b"new"] * 9
