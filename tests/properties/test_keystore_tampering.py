"""Whatever is done to a key store's file, it does not open and tells nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.errors import KeystoreError, KeystoreTruncated
from identity.keystore import Keystore
from identity.keystore_format import ScryptCost

PASSPHRASE = b"p4ssphr4se"
CONTENT = {"first name": b"k3y m4t3ri4l", "second name": bytes(range(32))}


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[Path, bytes]]:
    """A closed store's path and its bytes."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store"
        Keystore.create(path, PASSPHRASE, CONTENT, cost=ScryptCost(n=2, r=1)).close()
        yield path, path.read_bytes()


def _error(path: Path, data: bytes, passphrase: bytes = PASSPHRASE) -> KeystoreError:
    """The error that this file gives; it must be one of ours and quote nothing."""
    path.write_bytes(data)
    with pytest.raises(KeystoreError) as caught:
        Keystore.open(path, passphrase)
    error: BaseException | None = caught.value
    while error is not None:
        for text in (str(error), repr(error), repr(error.args)):
            assert not any(
                secret in text
                for secret in ("p4ssphr4se", "k3y m4t3ri4l", "first name", bytes(range(32)).hex())
            )
        error = error.__cause__ or error.__context__
    return caught.value


def test_every_byte_counts(store: tuple[Path, bytes]) -> None:
    """Each single byte of the file, changed in its lowest or highest bit, keeps it shut."""
    path, data = store
    for place in range(len(data)):
        for bit in (0x01, 0x80):
            _error(path, data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])


def test_every_truncation(store: tuple[Path, bytes]) -> None:
    """Every beginning of the file is told to be truncated."""
    path, data = store
    for length in range(len(data)):
        assert isinstance(_error(path, data[:length]), KeystoreTruncated)


@given(data=st.data())
def test_any_other_byte(store: tuple[Path, bytes], data: st.DataObject) -> None:
    """A byte replaced by any other keeps the store shut."""
    path, good = store
    place = data.draw(st.integers(0, len(good) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != good[place]))
    _error(path, good[:place] + bytes([value]) + good[place + 1 :])


@given(start=st.integers(0, 400), stop=st.integers(0, 400), new=st.binary(max_size=40))
def test_any_splice(store: tuple[Path, bytes], start: int, stop: int, new: bytes) -> None:
    """A part replaced by any other bytes keeps the store shut."""
    path, good = store
    changed = good[:start] + new + good[max(start, stop) :]
    if changed != good:
        _error(path, changed)


@given(junk=st.binary(max_size=300))
def test_any_file(store: tuple[Path, bytes], junk: bytes) -> None:
    """Any other file is not a key store."""
    _error(store[0], junk)


@given(passphrase=st.binary(max_size=20).filter(lambda text: text != PASSPHRASE))
def test_any_other_passphrase(store: tuple[Path, bytes], passphrase: bytes) -> None:
    """Any other passphrase keeps the store shut, the empty one included."""
    path, good = store
    _error(path, good, passphrase)


@given(
    contents=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.isprintable),
        st.binary(max_size=100),
        max_size=5,
    )
)
def test_round_trip(contents: dict[str, bytes]) -> None:
    """Any names and bytes come back as they went in."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store"
        Keystore.create(path, PASSPHRASE, contents, cost=ScryptCost(n=2, r=1)).close()
        with Keystore.open(path, PASSPHRASE) as opened:
            assert dict(opened.secrets) == contents
