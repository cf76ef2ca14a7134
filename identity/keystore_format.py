r"""The file of a key store or a backup, version 1, as bytes.

    sailau-keystore/1\n
    {"cipher":"AES-256-GCM","kdf":"scrypt","n":131072,"nonce":"<24 hex digits>",
     "p":1,"r":8,"salt":"<32 hex digits>","size":<bytes that follow>}\n
    <ciphertext and 16-byte tag>

The second line is really one line: JSON, members in alphabetical order, no
spaces; any other spelling is refused. Both lines together are the associated
data of AES-GCM, so nothing in them can be changed unnoticed. The key is
scrypt(passphrase, salt) of 32 bytes; the nonce is fresh for every write. The
plaintext is a JSON object from name to base64.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from identity.errors import (
    KeystoreDamaged,
    KeystoreRefused,
    KeystoreTruncated,
    KeystoreUnsupported,
)

FORMAT = b"sailau-keystore/"
VERSION = b"1"
SALT = 16
NONCE = 12
HEADER_LIMIT = 1024
SCRYPT_MEMORY_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """What deriving the key costs: 128 * n * r bytes of memory, p times over.

    The default, 128 MiB, takes about half a second. Tests use less.
    """

    n: int = 1 << 17
    r: int = 8
    p: int = 1

    def check(self) -> None:
        """Raise KeystoreUnsupported for what scrypt cannot do or this machine should not.

        The header is only known to be genuine after the key is derived, so a
        changed one must not cost more than this.
        """
        power_of_two = self.n > 1 and self.n & (self.n - 1) == 0
        in_range = 1 <= self.r <= 32 and 1 <= self.p <= 16
        if not (power_of_two and in_range and 128 * self.n * self.r <= SCRYPT_MEMORY_LIMIT):
            raise KeystoreUnsupported(
                f"the scrypt cost (n={self.n}, r={self.r}, p={self.p}) is refused"
            )


@dataclass(frozen=True, slots=True)
class Header:
    """The readable part of the file. `size` counts the bytes after it."""

    cost: ScryptCost
    salt: bytes
    nonce: bytes
    size: int

    def encode(self) -> bytes:
        """The two lines, as they stand in the file."""
        members = {
            "cipher": "AES-256-GCM",
            "kdf": "scrypt",
            "nonce": self.nonce.hex(),
            "salt": self.salt.hex(),
            "size": self.size,
            **asdict(self.cost),
        }
        line = json.dumps(members, sort_keys=True, separators=(",", ":"))
        return FORMAT + VERSION + b"\n" + line.encode() + b"\n"


class StoreKey:
    """The derived key, kept so that a change does not cost scrypt again."""

    __slots__ = ("_cipher", "_cost", "_salt")

    def __init__(self, cipher: AESGCM, cost: ScryptCost, salt: bytes) -> None:
        self._cipher = cipher
        self._cost = cost
        self._salt = salt

    def __repr__(self) -> str:
        return "StoreKey(<redacted>)"

    @classmethod
    def derive(cls, passphrase: bytes, cost: ScryptCost, salt: bytes | None = None) -> Self:
        """Run scrypt; without a salt, under a fresh one. Raises KeystoreUnsupported."""
        cost.check()
        salt = secrets.token_bytes(SALT) if salt is None else salt
        key = Scrypt(salt=salt, length=32, n=cost.n, r=cost.r, p=cost.p).derive(passphrase)
        return cls(AESGCM(key), cost, salt)

    def seal(self, contents: Mapping[str, bytes]) -> bytes:
        """The whole file for these contents, under a fresh nonce."""
        plaintext = _encode_contents(contents)
        nonce = secrets.token_bytes(NONCE)
        header = Header(self._cost, self._salt, nonce, len(plaintext) + 16).encode()
        return header + self._cipher.encrypt(nonce, plaintext, header)

    def open(self, header: Header, ciphertext: bytes) -> dict[str, bytes]:
        """The contents. Raises KeystoreRefused if the tag does not fit."""
        try:
            plaintext = self._cipher.decrypt(header.nonce, ciphertext, header.encode())
        except InvalidTag:
            raise KeystoreRefused(
                "the passphrase is wrong or the file has been changed;"
                " these two cannot be told apart"
            ) from None
        return _decode_contents(plaintext)


def parse_file(data: bytes) -> tuple[Header, bytes]:
    """Split a file into its header and its ciphertext.

    Raises KeystoreDamaged, KeystoreTruncated or KeystoreUnsupported.
    """
    first, newline, rest = data.partition(b"\n")
    if not newline and FORMAT.startswith(data[: len(FORMAT)]):
        raise KeystoreTruncated("the file ends within its header")
    if not first.startswith(FORMAT):
        raise KeystoreDamaged("this is not a key store of ours")
    if first != FORMAT + VERSION:
        raise KeystoreUnsupported("the file is of another version than 1")
    line, newline, ciphertext = rest.partition(b"\n")
    if not newline and len(line) < HEADER_LIMIT:
        raise KeystoreTruncated("the file ends within its header")
    header = _parse_header(line)
    if header.encode() != data[: len(data) - len(ciphertext)]:
        raise KeystoreDamaged("the header is not in its one spelling")
    if len(ciphertext) < header.size:
        raise KeystoreTruncated(
            f"the file holds {len(ciphertext)} of {header.size} encrypted bytes"
        )
    if len(ciphertext) > header.size:
        raise KeystoreDamaged("the file goes on after its end")
    return header, ciphertext


def _parse_header(line: bytes) -> Header:
    """Members and types only: that nothing else stands there shows when it is encoded again."""
    damaged = KeystoreDamaged("the header cannot be read")
    if len(line) >= HEADER_LIMIT:
        raise damaged
    try:
        members = json.loads(line)
        numbers = [members[name] for name in ("n", "r", "p", "size")]
        salt, nonce = bytes.fromhex(members["salt"]), bytes.fromhex(members["nonce"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged from None
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise damaged
    if len(salt) != SALT or len(nonce) != NONCE:
        raise damaged
    return Header(ScryptCost(*numbers[:3]), salt, nonce, numbers[3])


def _encode_contents(contents: Mapping[str, bytes]) -> bytes:
    encoded = {name: base64.b64encode(value).decode() for name, value in contents.items()}
    return json.dumps(encoded, sort_keys=True).encode()


def _decode_contents(plaintext: bytes) -> dict[str, bytes]:
    contents = None
    with contextlib.suppress(ValueError, TypeError, AttributeError, binascii.Error):
        contents = {
            name: base64.b64decode(value, validate=True)
            for name, value in json.loads(plaintext).items()
        }
    if contents is None:
        # Outside the handler: an error of the JSON module carries the document.
        raise KeystoreDamaged("the file opens, but what it holds is not a set of secrets")
    return contents
