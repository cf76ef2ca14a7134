"""Named secrets in one encrypted file: what key stores and backups have in common.

A key store is such a file with a lock, in a directory of its own (`keystore`). A backup
is such a file on any medium: nobody has it open, and a memory stick has no modes that
could say who may.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from identity.errors import KeystoreError
from identity.files import read_from_medium, replace_durably
from identity.keystore_format import ScryptCost, StoreKey, parse_file

FILE_LIMIT = 64 << 20
NAME_LIMIT = 200


class Secrets(Mapping[str, bytes]):
    """A read-only view of named secrets that does not print them."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, bytes]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> bytes:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({len(self._values)} values, <redacted>)"


def write_sealed(
    path: Path | str,
    passphrase: bytes,
    secrets: Mapping[str, bytes],
    *,
    cost: ScryptCost | None = None,
) -> None:
    """Write a file of secrets, mode 0600 where there are modes.

    What is there under this name is replaced; a crash leaves the old or the new. Raises
    KeystoreWriteFailed.
    """
    key = StoreKey.derive(passphrase, cost or ScryptCost())
    replace_durably(Path(os.path.realpath(path)), limited(key.seal(checked(secrets))))


def read_sealed(path: Path | str, passphrase: bytes) -> Secrets:
    """What a file of secrets holds, from the medium and not from memory.

    Raises KeystoreMissing, KeystoreDamaged, KeystoreTruncated, KeystoreUnsupported, or
    KeystoreRefused for a wrong passphrase or an edited file.
    """
    path = Path(os.path.realpath(path))
    return opened(path, passphrase, read_from_medium)[1]


def opened(
    path: Path, passphrase: bytes, read: Callable[[Path, int], bytes]
) -> tuple[StoreKey, Secrets]:
    """What the file holds, and the key for its next version; `read` is of `files`."""
    data = read(path, FILE_LIMIT)
    try:
        header, ciphertext = parse_file(data)
        key = StoreKey.derive(passphrase, header.cost, header.salt)
        return key, Secrets(key.open(header, ciphertext))
    except KeystoreError as error:
        problem = type(error)(f"{path}: {error}")
    raise problem


def checked(secrets: Mapping[str, bytes]) -> dict[str, bytes]:
    """A copy, if the names are names and the values bytes; else KeystoreError."""
    for name, value in secrets.items():
        if not (isinstance(name, str) and 1 <= len(name) <= NAME_LIMIT and name.isprintable()):
            raise KeystoreError(f"a secret's name is 1 to {NAME_LIMIT} printable characters")
        if not isinstance(value, bytes):
            raise KeystoreError(f"the secret {name!r} is not bytes")
    return dict(secrets)


def limited(file: bytes) -> bytes:
    """The file, unless it is longer than one that is read again."""
    if len(file) > FILE_LIMIT:
        raise KeystoreError(f"a key store holds at most {FILE_LIMIT >> 20} MiB")
    return file
