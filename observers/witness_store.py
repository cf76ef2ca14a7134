"""A witness's memory and its key: the head that it last cosigned for each log.

    HOME/keystore       the Ed25519 key, encrypted with a passphrase
    HOME/witness.db     the heads
    HOME/verifier-key   what logs and observers put into their policies
    HOME/logs           the logs it cosigns for: `log` lines of a policy file
    HOME/evidence/      both notes of a log that signed two trees of one size

The database is made once, with the key, and never again: a witness that forgot what it
signed would sign a fork.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, insert, select

from crypto.errors import Malformed
from identity.keystore import Keystore
from observers.database import HEADS, Database, create_database, open_database
from observers.evidence import keep_evidence
from observers.witness import NEVER, Answer, KnownLogs, Latest, admit, decide
from record.cosignature import cosign, cosigner_key, parse_cosigner_key
from record.note import NoteSignature, VerifierKey
from storage.files import write_durably

KEYSTORE, DATABASE = "keystore", "witness.db"
VERIFIER_KEY, LOGS, EVIDENCE = "verifier-key", "logs", "evidence"
_SECRET = "witness-key"


class Witness:
    """An open witness: key, database, known logs. Safe to use from several threads."""

    def __init__(
        self,
        home: Path,
        keystore: Keystore,
        key: VerifierKey,
        logs: KnownLogs,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """For `open_witness` alone."""
        self.key = key
        self._home, self._logs, self._clock = home, logs, clock
        # Its lock keeps a second process of this witness out.
        self._keystore = keystore
        self._private = Ed25519PrivateKey.from_private_bytes(keystore.secrets[_SECRET])
        self._database: Database = open_database(home / DATABASE, str(key).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and the key store."""
        self._database.close()
        self._keystore.close()

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request; what an answer 200 says is on the disk when this returns.

        Raises WitnessFailed, and then nothing has changed, or nobody was told.
        """
        request = admit(body, self._logs)
        if isinstance(request, Answer):
            return request
        # Reading, deciding and writing are one transaction, and one at a time.
        with self._database.write() as connection:
            latest = _latest(connection, request.origin)
            answer = decide(request, latest, self._cosign)
            if answer.latest is not None:
                _store(connection, request.origin, answer.latest)
        if answer.contradiction:
            files = {"older": latest.note, "newer": request.parsed.note}
            keep_evidence(self._home / EVIDENCE, "fork", files)
        return answer

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """The note last cosigned for the log whose origin has this SHA-256 (lowercase hex)."""
        if len(origin_hash) != 64 or set(origin_hash) - set("0123456789abcdef"):
            return None
        wanted = HEADS.c.origin_hash == bytes.fromhex(origin_hash)
        with self._database.read() as connection:
            found = connection.execute(select(HEADS.c.note).where(wanted)).scalar_one_or_none()
        return None if found is None else bytes(found)

    def _cosign(self, text: str) -> NoteSignature:
        return cosign(text, self.key, self._private, int(self._clock()))


def create_witness(home: Path, name: str, passphrase: bytes) -> VerifierKey:
    """Make a witness's key, database and verifier key file; `name` is its key name.

    Raises Malformed for a name that is none, KeystoreError, WitnessFailed, OSError.
    """
    private = Ed25519PrivateKey.generate()
    key = cosigner_key(name, private.public_key().public_bytes_raw())
    secrets = {_SECRET: private.private_bytes_raw()}
    with Keystore.create(home / KEYSTORE, passphrase, secrets):
        create_database(home / DATABASE, str(key).encode())
        # Last: without this file there is no witness here.
        write_durably(home / VERIFIER_KEY, f"{key}\n".encode())
    return key


def open_witness(
    home: Path, logs: KnownLogs, passphrase: bytes, clock: Callable[[], float] = time.time
) -> Witness:
    """Open a witness. Raises KeystoreError, WitnessFailed, Malformed."""
    key = read_verifier_key(home)
    keystore = Keystore.open(home / KEYSTORE, passphrase)
    try:
        return Witness(home, keystore, key, logs, clock)
    except BaseException:
        keystore.close()
        raise


def read_verifier_key(home: Path) -> VerifierKey:
    """The key that `create_witness` wrote down. Raises Malformed."""
    place = home / VERIFIER_KEY
    try:
        text = place.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Malformed(str(place), "cannot be read", "Make a witness with `init`.") from None
    return parse_cosigner_key(text.removesuffix("\n"), str(place))


def _latest(connection: Connection, origin: str) -> Latest:
    row = connection.execute(
        select(HEADS).where(HEADS.c.origin_hash == _origin_hash(origin))
    ).one_or_none()
    return NEVER if row is None else Latest(row.size, bytes(row.root), bytes(row.note))


def _store(connection: Connection, origin: str, latest: Latest) -> None:
    digest = _origin_hash(origin)
    connection.execute(delete(HEADS).where(HEADS.c.origin_hash == digest))
    values = {"origin_hash": digest, "origin": origin, "size": latest.size}
    connection.execute(insert(HEADS).values(**values, root=latest.root, note=latest.note))


def _origin_hash(origin: str) -> bytes:
    return hashlib.sha256(origin.encode()).digest()
