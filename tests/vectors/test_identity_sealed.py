"""Files of secrets that are no key stores, and key stores that are only read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from identity.errors import (
    KeystoreDamaged,
    KeystoreError,
    KeystoreMissing,
    KeystoreRefused,
    KeystoreTooOpen,
    KeystoreTruncated,
    KeystoreWriteFailed,
)
from identity.keystore import Keystore, read_keystore
from identity.keystore_format import ScryptCost
from identity.sealed import read_sealed, write_sealed

CHEAP = ScryptCost(n=16)
PASSPHRASE = b"correct horse"
CONTENT = {"role": b"\x01secret one", "tls": b"-----BEGIN secret two"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with CONTENT."""
    path = tmp_path / "sealed"
    write_sealed(path, PASSPHRASE, CONTENT, cost=CHEAP)
    return path


def test_keeps_what_it_was_given(path: Path) -> None:
    """It comes back; writing again replaces it; nothing else is left beside it."""
    assert dict(read_sealed(path, PASSPHRASE)) == CONTENT
    write_sealed(path, b"another", {"a": b"b"}, cost=CHEAP)
    assert dict(read_sealed(path, b"another")) == {"a": b"b"}
    assert [file.name for file in path.parent.iterdir()] == ["sealed"]


def test_mode(tmp_path: Path) -> None:
    """The file is 0600 whatever the umask; one that others may read is read all the same."""
    old = os.umask(0)
    try:
        write_sealed(tmp_path / "a", PASSPHRASE, CONTENT, cost=CHEAP)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    # A memory stick shows every file like this.
    (tmp_path / "a").chmod(0o777)
    assert dict(read_sealed(tmp_path / "a", PASSPHRASE)) == CONTENT


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda data: data[:-1], KeystoreTruncated),
        (lambda data: data[:40], KeystoreTruncated),
        (lambda data: b"", KeystoreTruncated),
        (lambda data: data + b"x", KeystoreDamaged),
        (lambda data: b"S" + data[1:], KeystoreDamaged),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), KeystoreRefused),
    ],
)
def test_changed(path: Path, change: object, error: type[KeystoreError]) -> None:
    """A file that was cut or edited is refused, by its name."""
    assert callable(change)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(error, match="sealed: ") as caught:
        read_sealed(path, PASSPHRASE)
    assert "secret" not in str(caught.value)


def test_refused(path: Path, tmp_path: Path) -> None:
    """A wrong passphrase, no file, a directory, and a place that cannot be written."""
    with pytest.raises(KeystoreRefused, match="cannot be told apart"):
        read_sealed(path, b"wrong")
    with pytest.raises(KeystoreMissing):
        read_sealed(tmp_path / "none", PASSPHRASE)
    with pytest.raises(KeystoreDamaged, match="not a plain file"):
        read_sealed(tmp_path, PASSPHRASE)
    with pytest.raises(KeystoreWriteFailed):
        write_sealed(tmp_path / "none" / "file", PASSPHRASE, CONTENT, cost=CHEAP)


def test_reading_beside_a_program(tmp_path: Path) -> None:
    """A key store that is open is read as it stands; one that others may read is not."""
    path = tmp_path / "store"
    with Keystore.create(path, PASSPHRASE, CONTENT, cost=CHEAP) as store:
        assert dict(read_keystore(path, PASSPHRASE)) == CONTENT
        store.update({"third": b"3"})
        assert read_keystore(path, PASSPHRASE)["third"] == b"3"
        store.remove(["role"])
    found = read_keystore(path, PASSPHRASE)
    assert set(found) == {"tls", "third"}
    assert "secret" not in repr(found)
    path.chmod(0o644)
    with pytest.raises(KeystoreTooOpen):
        read_keystore(path, PASSPHRASE)
