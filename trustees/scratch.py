"""What a session has computed, kept between its rounds and over a restart.

With 120,000 ciphertexts the shares of round 1 are 190 MB, which round 2 wants again. They
are kept in a folder of the trustee's home, a file for each part. Until everybody has
committed they are secret, so each file is encrypted with AES-256-GCM under

    HMAC-SHA-256(nonce key, "sailau.v1.decryption-scratch" || 00 || binding),

a key that is gone together with the nonce key of the session: from then on a file that is
still there is noise. A file's nonce is random and stands in front; what it is, its part
and the session's binding are authenticated along with it.

Nothing depends on these files. One that is missing, cut off, altered, of another session
or of another place does not decrypt, and then its part is computed once more. So they are
not forced to the disk either, and a disk that is full costs time and nothing else.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.hashing import keyed_hash
from trustees.nonces import NonceKey

_LABEL = b"sailau.v1.decryption-scratch\0"
_NONCE = 12


class Scratch(Protocol):
    """Bytes by name. May lose or alter what it holds at any time."""

    def read(self, name: str) -> bytes:
        """What was written under this name, perhaps; empty if there is nothing."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Keep `data`, if possible, in the place of what was there."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class MemoryScratch:
    """Keeps everything in memory."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """See `Scratch`."""
        return self.values.get(name, b"")

    def write(self, name: str, data: bytes) -> None:
        """See `Scratch`."""
        self.values[name] = data

    def clear(self) -> None:
        """See `Scratch`."""
        self.values.clear()


class FolderScratch:
    """A folder (0700) with a file (0600) for each name. It holds nothing else."""

    def __init__(self, path: Path | str) -> None:
        """The folder is made when it is first written to, and removed by `clear`."""
        self._path = Path(path)

    def read(self, name: str) -> bytes:
        """See `Scratch`."""
        try:
            return (self._path / name).read_bytes()
        except OSError:
            return b""

    def write(self, name: str, data: bytes) -> None:
        """See `Scratch`."""
        with suppress(OSError):
            self._path.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with open(os.open(self._path / name, flags, 0o600), "wb") as file:
                file.write(data)

    def clear(self) -> None:
        """See `Scratch`."""
        with suppress(OSError):
            for file in self._path.iterdir():
                file.unlink()
            self._path.rmdir()


class SealedScratch:
    """A scratch whose contents only the holder of the session's nonce key can read."""

    def __init__(self, scratch: Scratch, key: NonceKey) -> None:
        self._scratch = scratch
        self._binding = key.binding
        self._cipher = AESGCM(keyed_hash(key.key, _LABEL, key.binding))

    def __repr__(self) -> str:
        return "SealedScratch(<redacted>)"

    def get(self, kind: str, part: int, about: bytes = b"") -> bytes | None:
        """What was put here with the same arguments in this session, if it is still there."""
        data = self._scratch.read(_name(kind, part))
        try:
            return self._cipher.decrypt(
                data[:_NONCE], data[_NONCE:], self._associated(kind, part, about)
            )
        except (InvalidTag, ValueError):
            return None

    def put(self, kind: str, part: int, data: bytes, about: bytes = b"") -> None:
        """Keep `data`, which is what was computed from `about`, a hash."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher.encrypt(nonce, data, self._associated(kind, part, about))
        self._scratch.write(_name(kind, part), nonce + sealed)

    def _associated(self, kind: str, part: int, about: bytes) -> bytes:
        return b"\0".join((kind.encode(), self._binding + part.to_bytes(8, "big") + about))


def _name(kind: str, part: int) -> str:
    return f"{kind}-{part:05}"
