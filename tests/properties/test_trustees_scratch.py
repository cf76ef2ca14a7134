"""The scratch gives back what was put into it or nothing, and only to the session's key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustees.nonces import NonceKey
from trustees.scratch import FolderScratch, MemoryScratch, SealedScratch

KEY = NonceKey(bytes(range(32)), 1, bytes(32))


@given(st.binary(max_size=100), st.binary(max_size=40), st.integers(0, 300))
def test_what_is_put_comes_back(data: bytes, about: bytes, part: int) -> None:
    """Under the same name, for the same hash, with the same key; a copy of it nowhere else."""
    scratch = MemoryScratch()
    sealed = SealedScratch(scratch, KEY)
    sealed.put("shares", part, data, about)
    assert SealedScratch(scratch, KEY).get("shares", part, about) == data
    assert sealed.get("shares", part + 1, about) is None
    assert sealed.get("challenges", part, about) is None
    assert sealed.get("shares", part, about + b"\0") is None
    for other in (
        NonceKey(bytes(32), 1, KEY.binding),
        NonceKey(KEY.key, 1, bytes([1, *KEY.binding[1:]])),
    ):
        assert SealedScratch(scratch, other).get("shares", part, about) is None


@given(st.binary(min_size=1, max_size=50), st.data())
def test_an_altered_entry_is_none(data: bytes, draw: st.DataObject) -> None:
    """Any bit, any length, and another entry's bytes in this one's place."""
    scratch = MemoryScratch()
    sealed = SealedScratch(scratch, KEY)
    sealed.put("shares", 0, data)
    sealed.put("shares", 1, data)
    (one, first), (_, second) = sorted(scratch.values.items())
    position = draw.draw(st.integers(0, len(first) - 1))
    flipped = bytearray(first)
    flipped[position] ^= 1 << draw.draw(st.integers(0, 7))
    for wrong in (bytes(flipped), first[:position], first + b"\0", second):
        scratch.values[one] = wrong
        assert sealed.get("shares", 0) is None
    scratch.values[one] = first
    assert sealed.get("shares", 0) == data


def test_the_same_is_never_encrypted_alike() -> None:
    """A part that is computed again has another nonce."""
    scratch, seen = MemoryScratch(), set[bytes]()
    for _ in range(20):
        SealedScratch(scratch, KEY).put("shares", 0, b"the same")
        seen |= {data[:12] for data in scratch.values.values()}
    assert len(seen) == 20
    assert repr(SealedScratch(scratch, KEY)) == "SealedScratch(<redacted>)"


def test_a_folder(tmp_path: Path) -> None:
    """Files for the owner alone, unreadable, gone after `clear`; clearing again does nothing."""
    path = tmp_path / "scratch"
    scratch = FolderScratch(path)
    scratch.clear()
    assert scratch.read("shares-00000") == b""
    sealed = SealedScratch(scratch, KEY)
    for data in (b"a" * 1000, b"M_i, a_i and b_i"):
        sealed.put("shares", 0, data)
    assert SealedScratch(FolderScratch(path), KEY).get("shares", 0) == b"M_i, a_i and b_i"
    (file,) = path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"M_i" not in file.read_bytes()
    scratch.clear()
    scratch.clear()
    assert not path.exists()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """No folder, or a link in the place of a file: nothing is kept, and nothing fails."""
    (tmp_path / "file").write_bytes(b"precious")
    scratch = FolderScratch(tmp_path / "file")
    scratch.write("shares-00000", b"data")
    assert scratch.read("shares-00000") == b""
    scratch.clear()
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "shares-00000").symlink_to(tmp_path / "file")
    FolderScratch(folder).write("shares-00000", b"data")
    assert (tmp_path / "file").read_bytes() == b"precious"


@pytest.mark.parametrize("data", [b"", b"\0" * 11, b"\0" * 12, b"\0" * 28])
def test_entries_too_short(data: bytes) -> None:
    """What is too short to be anything is nothing."""
    scratch = MemoryScratch()
    scratch.write("shares-00000", data)
    assert SealedScratch(scratch, KEY).get("shares", 0) is None
