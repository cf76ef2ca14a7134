"""The key store: what it keeps, what it refuses, and with which error."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from identity.errors import (
    KeystoreClosed,
    KeystoreDamaged,
    KeystoreError,
    KeystoreExists,
    KeystoreInUse,
    KeystoreMissing,
    KeystoreRefused,
    KeystoreTooOpen,
    KeystoreTruncated,
    KeystoreUnsupported,
    KeystoreWriteFailed,
)
from identity.keystore import Keystore
from identity.keystore_format import ScryptCost

CHEAP = ScryptCost(n=16)
PASSPHRASE = b"correct horse"
CONTENT = {"role": b"\x01secret one", "tls": b"-----BEGIN secret two"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed key store with CONTENT."""
    path = tmp_path / "keys" / "store"
    Keystore.create(path, PASSPHRASE, CONTENT, cost=CHEAP).close()
    return path


def _rewrite(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))


def test_keeps_what_it_was_given(path: Path) -> None:
    """Contents come back, changes and removals are in the file, others untouched."""
    with Keystore.open(path, PASSPHRASE) as store:
        assert dict(store.secrets) == CONTENT
        before = store.secrets
        store.update({"tls": b"new", "third": b""})
        store.remove(["role"])
        assert dict(before) == CONTENT
        assert dict(store.secrets) == {"tls": b"new", "third": b""}
    with Keystore.open(path, PASSPHRASE) as store:
        assert dict(store.secrets) == {"tls": b"new", "third": b""}


def test_default_cost(tmp_path: Path) -> None:
    """Without a cost of one's own a store is made, and opens, with n = 2^17, r = 8, p = 1."""
    path = tmp_path / "store"
    Keystore.create(path, PASSPHRASE, CONTENT).close()
    header = json.loads(path.read_bytes().split(b"\n")[1])
    assert (header["n"], header["r"], header["p"]) == (131072, 8, 1)
    with Keystore.open(path, PASSPHRASE) as store:
        assert dict(store.secrets) == CONTENT


def test_format_as_documented(path: Path) -> None:
    """The documented format, read with nothing but scrypt and AES-GCM, gives the contents."""
    first, second, ciphertext = path.read_bytes().split(b"\n", 2)
    assert first == b"sailau-keystore/1"
    header = json.loads(second)
    assert header["cipher"] == "AES-256-GCM"
    assert header["kdf"] == "scrypt"
    assert header["size"] == len(ciphertext)
    salt, nonce = bytes.fromhex(header["salt"]), bytes.fromhex(header["nonce"])
    key = Scrypt(salt=salt, length=32, n=header["n"], r=header["r"], p=header["p"]).derive(
        PASSPHRASE
    )
    plaintext = AESGCM(key).decrypt(nonce, ciphertext, first + b"\n" + second + b"\n")
    assert set(json.loads(plaintext)) == {"role", "tls"}


def test_every_write_has_a_fresh_nonce(path: Path) -> None:
    """The same contents written again differ in nonce and ciphertext, not in salt."""
    with Keystore.open(path, PASSPHRASE) as store:
        files_ = [path.read_bytes()]
        store.update({})
        files_.append(path.read_bytes())
    headers = [json.loads(data.split(b"\n")[1]) for data in files_]
    assert headers[0]["nonce"] != headers[1]["nonce"]
    assert headers[0]["salt"] == headers[1]["salt"]
    assert files_[0].split(b"\n", 2)[2] != files_[1].split(b"\n", 2)[2]


def test_file_and_directory_modes(path: Path) -> None:
    """The file is 0600 whatever the umask, after a change too; a directory it makes is 0700."""
    old = os.umask(0)
    try:
        with Keystore.open(path, PASSPHRASE) as store:
            store.update({"a": b"b"})
        other = path.parent.parent / "other" / "store"
        Keystore.create(other, PASSPHRASE, {}, cost=CHEAP).close()
    finally:
        os.umask(old)
    for file in (path, other, other.with_name("store.lock")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(other.parent.stat().st_mode) == 0o700
    assert sorted(file.name for file in path.parent.iterdir()) == ["store", "store.lock"]


def test_wrong_passphrase(path: Path) -> None:
    """A wrong passphrase and an edited file get the same error, which says so."""
    with pytest.raises(KeystoreRefused, match="cannot be told apart"):
        Keystore.open(path, b"correct hoarse")
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(KeystoreRefused, match="cannot be told apart"):
        Keystore.open(path, PASSPHRASE)


def test_missing(tmp_path: Path) -> None:
    """No file is an error of its own, and looking for it leaves nothing behind."""
    with pytest.raises(KeystoreMissing):
        Keystore.open(tmp_path / "store", PASSPHRASE)
    with pytest.raises(KeystoreMissing):
        Keystore.create(tmp_path / "a" / "b" / "store", PASSPHRASE, {}, cost=CHEAP)
    assert list(tmp_path.iterdir()) == []


def test_exists(path: Path) -> None:
    """A new store never replaces an old one."""
    before = path.read_bytes()
    with pytest.raises(KeystoreExists):
        Keystore.create(path, b"other", {}, cost=CHEAP)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b"sailau-keystore/1", b"sailau-keystore/2", KeystoreUnsupported),
        (b"sailau-keystore/1", b"sailau-keyring/1", KeystoreDamaged),
        (b'"n":16', b'"n":32', KeystoreRefused),
        (b'"n":16', b'"n":17', KeystoreUnsupported),
        (b'"n":16', b'"n":1073741824', KeystoreUnsupported),
        (b'"n":16', b'"n":-16', KeystoreDamaged),
        (b'"n":16', b'"n":16.0', KeystoreDamaged),
        (b'"n":16', b'"n":true', KeystoreDamaged),
        (b'"n":16', b'"n": 16', KeystoreDamaged),
        (b'"n":16', b'"n":16,"n":16', KeystoreDamaged),
        (b'"n":16', b'"m":0,"n":16', KeystoreDamaged),
        (b'"r":8', b'"r":33', KeystoreUnsupported),
        (b'"p":1', b'"p":17', KeystoreUnsupported),
        (b"AES-256-GCM", b"AES-128-GCM", KeystoreDamaged),
        (b'"salt":"', b'"salt":"00', KeystoreDamaged),
        (b'"size":', b'"size":1', KeystoreTruncated),
        (b'{"cipher"', b"[" * 900 + b'{"cipher"', KeystoreDamaged),
        (b'{"cipher"', b" " * 1024 + b'{"cipher"', KeystoreDamaged),
    ],
)
def test_edited_header(path: Path, old: bytes, new: bytes, error: type[KeystoreError]) -> None:
    """Each change of the header is noticed, before or after the key is derived."""
    _rewrite(path, old, new)
    with pytest.raises(error):
        Keystore.open(path, PASSPHRASE)


def test_bytes_after_the_end(path: Path) -> None:
    """Something appended is noticed."""
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(KeystoreDamaged, match="after its end"):
        Keystore.open(path, PASSPHRASE)


def test_size_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that would grow too large stays as it was; a file that is larger is not read."""
    before = path.read_bytes()
    monkeypatch.setattr("identity.sealed.FILE_LIMIT", len(before))
    with Keystore.open(path, PASSPHRASE) as store:
        with pytest.raises(KeystoreError, match="at most"):
            store.update({"a": b"b"})
        assert dict(store.secrets) == CONTENT
    assert path.read_bytes() == before
    monkeypatch.setattr("identity.sealed.FILE_LIMIT", len(before) - 1)
    with pytest.raises(KeystoreDamaged, match="larger than"):
        Keystore.open(path, PASSPHRASE)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_file_open_to_others(path: Path, mode: int) -> None:
    """A file that somebody else may open is refused, with the command that closes it."""
    path.chmod(mode)
    with pytest.raises(KeystoreTooOpen, match="chmod 600"):
        Keystore.open(path, PASSPHRASE)
    path.chmod(0o600)
    Keystore.open(path, PASSPHRASE).close()


def test_directory_open_to_others(path: Path) -> None:
    """So is a directory in which somebody else could exchange the file."""
    path.parent.chmod(0o770)
    with pytest.raises(KeystoreTooOpen, match="chmod 700"):
        Keystore.open(path, PASSPHRASE)
    with pytest.raises(KeystoreTooOpen, match="chmod 700"):
        Keystore.create(path.with_name("new"), PASSPHRASE, {}, cost=CHEAP)


def test_not_a_file(tmp_path: Path) -> None:
    """A directory or a pipe in the file's place is refused, and does not hang."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("directory", "pipe"):
        with pytest.raises(KeystoreDamaged, match="not a plain file"):
            Keystore.open(tmp_path / name, PASSPHRASE)


def test_symbolic_link(path: Path) -> None:
    """A store behind a symbolic link is changed where it lies; the link stays one."""
    link = path.with_name("link")
    link.symlink_to(path)
    with Keystore.open(link, PASSPHRASE) as store:
        assert store.path == path.resolve()
        store.update({"a": b"b"})
    assert link.is_symlink()
    with Keystore.open(path, PASSPHRASE) as store:
        assert store.secrets["a"] == b"b"


def _hold(path: Path, ready: object, stop: object) -> None:
    with Keystore.open(path, PASSPHRASE):
        ready.set()  # type: ignore[attr-defined]  # an Event of a spawn context
        stop.wait()  # type: ignore[attr-defined]


def test_in_use_by_another_process(path: Path) -> None:
    """While another process has the store open it cannot be opened; when that one dies it can."""
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(path, ready, stop))
    process.start()
    try:
        assert ready.wait(60)
        with pytest.raises(KeystoreInUse):
            Keystore.open(path, PASSPHRASE)
    finally:
        process.kill()
        process.join()
    Keystore.open(path, PASSPHRASE).close()


def test_in_use_by_this_process(path: Path) -> None:
    """The same holds inside one process, and a failed opening keeps no lock."""
    with Keystore.open(path, PASSPHRASE), pytest.raises(KeystoreInUse):
        Keystore.open(path, PASSPHRASE)
    with pytest.raises(KeystoreRefused):
        Keystore.open(path, b"wrong")
    Keystore.open(path, PASSPHRASE).close()


def test_closed(path: Path) -> None:
    """A closed store gives and takes nothing."""
    store = Keystore.open(path, PASSPHRASE)
    store.close()
    store.close()
    with pytest.raises(KeystoreClosed):
        _ = store.secrets
    with pytest.raises(KeystoreClosed):
        store.update({"a": b"b"})
    with pytest.raises(KeystoreClosed):
        store.remove(["role"])
    with Keystore.open(path, PASSPHRASE) as again:
        assert dict(again.secrets) == CONTENT


def test_remove_unknown(path: Path) -> None:
    """Removing what is not there is an error, and removes nothing else."""
    with Keystore.open(path, PASSPHRASE) as store:
        with pytest.raises(KeystoreError, match="'none'"):
            store.remove(["role", "none"])
        assert dict(store.secrets) == CONTENT


@pytest.mark.parametrize("name", ["", "a\n", "a" * 201])
def test_bad_name(path: Path, name: str) -> None:
    """A name is printable and not too long; nothing is written otherwise."""
    before = path.read_bytes()
    with Keystore.open(path, PASSPHRASE) as store, pytest.raises(KeystoreError):
        store.update({name: b""})
    assert path.read_bytes() == before


def test_value_must_be_bytes(path: Path) -> None:
    """A str is refused by its name, without being quoted."""
    with (
        Keystore.open(path, PASSPHRASE) as store,
        pytest.raises(KeystoreError, match="'a' is not bytes") as caught,
    ):
        store.update({"a": "secret three"})  # type: ignore[dict-item]  # what is tested
    assert "secret three" not in str(caught.value)


@pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "replace")])
def test_failing_write(
    path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    """When the disk fails before the exchange, the old contents stay, in file and memory."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    with Keystore.open(path, PASSPHRASE) as store:
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, fail)
            with pytest.raises(KeystoreWriteFailed, match="No space"):
                store.update({"a": b"secret three"})
        assert path.read_bytes() == before
        assert dict(store.secrets) == CONTENT
        assert not path.with_name(".store.new").exists()
        store.update({"a": b"b"})
        assert store.secrets["a"] == b"b"


def test_left_over_temporary_file(path: Path) -> None:
    """What a crash left behind neither disturbs nor survives the next change."""
    left = path.with_name(".store.new")
    left.write_bytes(b"half")
    with Keystore.open(path, PASSPHRASE) as store:
        store.update({"a": b"b"})
    assert not left.exists()


def test_nothing_secret_is_printed(path: Path) -> None:
    """Neither a store nor its secrets nor its key print what they hold."""
    with Keystore.open(path, PASSPHRASE) as store:
        texts = [repr(store), str(store), repr(store.secrets), repr(store._key), str(vars(store))]
    for text in texts:
        assert "redacted" in text
        assert not any(part in text for part in ("secret one", "secret two", "horse"))
