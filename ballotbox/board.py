"""The board: the one order of everything that an election publishes.

`Board` is the `record.log.Log` of the server. An artifact is parsed, checked and
proved, then stored, then taken into the transcript, in this order: what anybody is
told stands on the disk, and what stands on the disk has been checked.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.admission import Admission
from ballotbox.errors import StoreDamaged, StoreForeign
from ballotbox.store import Store, StoredCheckpoint, read_all
from crypto.errors import Malformed, Rejected
from record import checkpoint as notes
from record.archive import ArchiveWriter
from record.artifacts import Artifact, Ballot, Opening, Role, Statement, sign_statement
from record.artifacts import parse_artifact as parse
from record.checkpoint import Checkpoint, VerifierKey, parse_verifier_key
from record.merkle import MerkleTree
from record.state import BallotEntry, Phase, State
from record.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Accepted:
    """Where an artifact stands, and whether it was this call that put it there."""

    index: int
    new: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A ballot by its code: its place and fate, and the artifact's bytes."""

    entry: BallotEntry
    phase: Phase
    data: bytes


class Board:
    """A record that grows, on a store. Safe to use from several threads."""

    def __init__(
        self,
        store: Store,
        transcript: Transcript,
        server_key: Ed25519PrivateKey,
        log_key: Ed25519PrivateKey,
        admission: Admission,
    ) -> None:
        """For `open` alone: `transcript` is at artifact 0."""
        self._store = store
        self._transcript = transcript
        self._server_key = server_key
        self._log_key = log_key
        self._admission = admission
        # Who appends holds `_writing` from the last check to the end; who changes or
        # reads the state holds `_state`, which is never held for long.
        self._writing = threading.RLock()
        self._state = threading.Condition(threading.RLock())
        self._closed = False

    @classmethod
    def open(
        cls,
        store: Store,
        election: Artifact,
        *,
        server_key: Ed25519PrivateKey,
        log_key: Ed25519PrivateKey,
        admission: Admission | None = None,
    ) -> Self:
        """The board of `election` (artifact 0) on its store, as far as it has come.

        Everything stored is parsed and checked again, but for its proofs. Raises
        StoreDamaged, StoreForeign, or Rejected (R.role-keys) for keys that are not the
        server's and the log's in this election.
        """
        transcript = Transcript(election)
        _check_key(server_key, transcript.context.single_key(Role.SERVER).public_key, "server")
        pinned = parse_verifier_key(transcript.context.election.log_key)
        _check_key(log_key, pinned.public_key, "log")
        admission = admission or Admission(election, workers=0)
        board = cls(store, transcript, server_key, log_key, admission)
        board._replay(election)
        return board

    # --- record.log.Log

    @property
    def transcript(self) -> Transcript:
        """The fold of what is stored. Read it; only the board appends to it."""
        return self._transcript

    def append(self, data: bytes) -> int:
        """Parse, check, prove and store one artifact; returns its index (`Log.append`)."""
        known = self._store.find(hashlib.sha256(data).digest())
        return self.accept(self._transcript.parse(data)).index if known is None else known

    def publish(self, statement: Statement) -> int:
        """Sign a statement of the server and append it."""
        context = self._transcript.context
        artifact = sign_statement(statement, context.group, context.base_hash, self._server_key)
        return self.accept(artifact).index

    def read(self, index: int) -> Artifact:
        """The artifact at `index`, which is below `size()`."""
        for data in self._store.read(index, 1):
            return parse(data, self._transcript.context.group)
        raise IndexError(f"no artifact {index}")

    def read_bytes(self, first: int, limit: int) -> Sequence[bytes]:
        """Up to `limit` artifacts from `first` on, as stored."""
        return self._store.read(first, min(limit, max(self.size() - first, 0)))

    def size(self) -> int:
        """How many artifacts are stored."""
        with self._state:
            return self._transcript.state.size

    def wait(self, size: int, timeout: float) -> int:
        """Wait until more than `size` artifacts are stored, or `close`, or `timeout` seconds."""
        with self._state:
            self._state.wait_for(lambda: self._closed or self._size > size, timeout)
            return self._size

    # --- what the services of this room need besides

    def accept(self, artifact: Artifact) -> Accepted:
        """`append` for what is parsed already; says whether it was new.

        Raises Rejected, AdmissionBusy, AdmissionFailed or a StoreError, and then
        nothing has changed.
        """
        sha256 = hashlib.sha256(artifact.data).digest()
        with self._writing:
            known = self._store.find(sha256)
            if known is not None:
                return Accepted(known, new=False)
            self._transcript.check(artifact)
            checked_at = self._size
            if not isinstance(artifact.statement, Ballot):
                self._transcript.prove(artifact, self.read)
                return self._take(artifact)
        # Ballots are many, and their proofs need no history: others may go on meanwhile.
        self._admission.verify(self._transcript.state.need_keys(), artifact)
        with self._writing:
            known = self._store.find(sha256)
            if known is not None:
                return Accepted(known, new=False)
            if self._size != checked_at:
                self._transcript.check(artifact)
            return self._take(artifact)

    def look_up(self, code: bytes) -> Found | None:
        """The ballot with this confirmation code (32 bytes)."""
        with self._state:
            state = self._transcript.state
            entry = state.ballots.get(code)
            if entry is None:
                return None
            copy = replace(entry)
            phase = state.phase
        (data,) = self._store.read(copy.index, 1)
        return Found(copy, phase, data)

    @contextmanager
    def reading(self) -> Iterator[State]:
        """The state, which does not change within this block. Keep it short."""
        with self._state:
            yield self._transcript.state

    def sign(self, message: bytes) -> bytes:
        """The server's signature (64 bytes); the caller puts a context in front."""
        return self._server_key.sign(message)

    def sign_checkpoint(self) -> bytes:
        """The signed note of the log as it stands now.

        It is stored before it is returned, and its tree contains that of every one
        before it: `open` refuses a store in which that would not be so.
        """
        with self._writing:
            head = Checkpoint(self._key.name, self._tree.size, self._tree.root())
            known = self._store.newest_checkpoint()
            if known is not None and known.size == head.size:
                return known.note
            note = notes.sign_checkpoint(head, self._log_key)
            self._store.add_checkpoint(StoredCheckpoint(head.size, head.root, note))
            return note

    def export(self, directory: Path | str) -> Checkpoint:
        """Write the published record as of now, with its checkpoint.

        Raises Rejected (R.append-only) if the directory holds another or a longer
        record, OSError if it cannot be written.
        """
        note = self.sign_checkpoint()
        size = notes.verify_checkpoint(note, self._key).size
        return ArchiveWriter(directory, self._key).write(
            read_all(self._store, size), lambda _: note
        )

    def close(self) -> None:
        """Wake everybody who waits. The store and the admission are their owner's to close."""
        with self._state:
            self._closed = True
            self._state.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    # --- inside

    @property
    def _size(self) -> int:
        return self._transcript.state.size

    @property
    def _tree(self) -> MerkleTree:
        return self._transcript.state.tree

    @property
    def _key(self) -> VerifierKey:
        return parse_verifier_key(self._transcript.context.election.log_key)

    def _take(self, artifact: Artifact) -> Accepted:
        self._store.append(self._size, artifact.data)
        with self._state:
            index = self._transcript.take(artifact)
            self._state.notify_all()
        if isinstance(artifact.statement, Opening):
            self._admission.warm(self._transcript.state.need_keys())
        return Accepted(index, new=True)

    def _replay(self, election: Artifact) -> None:
        if self._store.base_hash != self._transcript.context.base_hash:
            raise StoreForeign("the database belongs to another election")
        if self._store.size() == 0:
            self._store.append(0, election.data)
        roots = {known.size: known.root for known in self._store.checkpoints()}
        for index, data in enumerate(read_all(self._store, self._store.size())):
            self._replay_one(index, data, election)
            root = roots.pop(self._size, None)
            if root is not None and root != self._tree.root():
                raise _forked(f"the first {self._size} artifacts are not those that were signed")
        if roots:
            raise _forked(
                f"{self._size} artifacts are left of {max(roots)} that a checkpoint covers"
            )
        if self._transcript.phase is Phase.OPEN:
            self._admission.warm(self._transcript.state.need_keys())

    def _replay_one(self, index: int, data: bytes, election: Artifact) -> None:
        if index == 0:
            if data != election.data:
                raise StoreForeign("the database has another election artifact")
        else:
            try:
                self._transcript.append(self._transcript.parse(data))
            except (Malformed, Rejected) as error:
                raise StoreDamaged(
                    f"artifact {index} of the database was changed: {error}. "
                    "Restore a backup and compare it with the published record"
                ) from error


def _forked(problem: str) -> StoreDamaged:
    return StoreDamaged(
        f"{problem}. A log must not fork: restore the database that signed the checkpoint"
    )


def _check_key(key: Ed25519PrivateKey, pinned: bytes, name: str) -> None:
    if key.public_key().public_bytes_raw() != pinned:
        raise Rejected(
            "R.role-keys",
            f"the {name} key is not the one pinned in the election artifact",
            culprit="server",
            where=f"{name} key",
            advice="Use the key store that was made with this election",
        )
