"""One encrypted file of named secrets.

    with Keystore.create(path, passphrase, {"role": key}) as store: ...
    with Keystore.open(path, passphrase) as store:
        store.secrets["role"]
        store.update({"session": nonces})

Promised: without the passphrase the file says how large its contents are and
nothing else; a change of any byte is noticed; a crash at any moment leaves the
contents before or after a change; one process at a time. Neither an error nor a
repr shows a secret.

Not promised: an older copy of the file opens like the newest one. Whoever keeps
values here that must not be used twice has to notice the second use elsewhere.
And Python cannot wipe memory: a closed store drops its references, no more.

The file's format stands in `keystore_format`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from identity.errors import KeystoreClosed, KeystoreError, KeystoreExists, KeystoreMissing
from identity.files import FileLock, check_directory, read_private, replace_durably
from identity.keystore_format import ScryptCost, StoreKey
from identity.sealed import Secrets, checked, limited, opened


class Keystore:
    """An open key store. It holds the file's lock until `close`.

    Safe to use from several threads. Every error is a `KeystoreError`.
    """

    def __init__(self, path: Path, lock: FileLock, key: StoreKey, secrets: Secrets) -> None:
        """For `create` and `open` alone."""
        self._path = path
        self._lock = lock
        self._key: StoreKey | None = key
        self._secrets = secrets
        self._guard = threading.RLock()

    def __repr__(self) -> str:
        return f"Keystore({str(self._path)!r}, <redacted>)"

    @classmethod
    def create(
        cls,
        path: Path | str,
        passphrase: bytes,
        secrets: Mapping[str, bytes],
        *,
        cost: ScryptCost | None = None,
    ) -> Self:
        """Write a new key store and leave it open.

        The last directory of the path is made (mode 0700) if it is not there.
        Raises KeystoreExists, KeystoreTooOpen, KeystoreInUse, KeystoreWriteFailed.
        """
        path = Path(os.path.realpath(path))
        contents = checked(secrets)
        if not path.parent.exists():
            _make_directory(path.parent)
        check_directory(path.parent)
        lock = FileLock(path)
        try:
            if path.exists():
                raise KeystoreExists(f"{path} exists already and is not overwritten")
            key = StoreKey.derive(passphrase, cost or ScryptCost())
            replace_durably(path, limited(key.seal(contents)))
        except BaseException:
            lock.release()
            raise
        return cls(path, lock, key, Secrets(contents))

    @classmethod
    def open(cls, path: Path | str, passphrase: bytes) -> Self:
        """Open an existing key store and take its lock.

        Raises KeystoreMissing, KeystoreInUse, KeystoreTooOpen, KeystoreDamaged,
        KeystoreTruncated, KeystoreUnsupported, or KeystoreRefused for a wrong
        passphrase or an edited file.
        """
        path = Path(os.path.realpath(path))
        if not path.exists():
            raise KeystoreMissing(f"there is no key store at {path}")
        check_directory(path.parent)
        lock = FileLock(path)
        try:
            key, secrets = opened(path, passphrase, read_private)
        except BaseException:
            lock.release()
            raise
        return cls(path, lock, key, secrets)

    @property
    def path(self) -> Path:
        """Where the file lies, without symbolic links."""
        return self._path

    @property
    def secrets(self) -> Secrets:
        """What the store holds now; a later change does not show in it."""
        with self._guard:
            self._open_key()
            return self._secrets

    def update(self, changes: Mapping[str, bytes]) -> None:
        """Add or replace secrets. When this returns they are on the disk."""
        with self._guard:
            self._replace({**self._secrets, **checked(changes)})

    def remove(self, names: Iterable[str]) -> None:
        """Remove secrets by name. Raises KeystoreError if one is not there."""
        with self._guard:
            self._open_key()
            contents = dict(self._secrets)
            for name in names:
                if contents.pop(name, None) is None:
                    raise KeystoreError(f"the key store has no secret named {name!r}")
            self._replace(contents)

    def close(self) -> None:
        """Forget the key and the secrets and release the lock. Twice does nothing."""
        with self._guard:
            self._key = None
            self._secrets = Secrets({})
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_key(self) -> StoreKey:
        if self._key is None:
            raise KeystoreClosed(f"the key store {self._path} is closed")
        return self._key

    def _replace(self, contents: dict[str, bytes]) -> None:
        """The file first: what memory shows has always been written."""
        replace_durably(self._path, limited(self._open_key().seal(contents)))
        self._secrets = Secrets(contents)


def read_keystore(path: Path | str, passphrase: bytes) -> Secrets:
    """What a key store holds at this moment, also while another process has it open.

    The file is replaced as a whole, so this is what stood there before or after a change.
    For reading only; raises as `Keystore.open`, but for KeystoreInUse.
    """
    path = Path(os.path.realpath(path))
    check_directory(path.parent)
    return opened(path, passphrase, read_private)[1]


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise KeystoreMissing(f"{directory}: {error.strerror}") from None
