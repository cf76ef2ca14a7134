"""The board: the one order of everything that an election publishes.

`Board` is the `record.log.Log` of the server. An artifact is parsed, checked and
proved, then stored, then taken into the transcript, in this order: what anybody is
told stands on the disk, and what stands on the disk has been checked.

`pause` and `resume` are for a database that several servers share: while another one
leads nothing is accepted here, and then the board is read anew.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.admission import Admission
from ballotbox.arrivals import Accepted, Arrival
from ballotbox.errors import (
    StoreConflict,
    StoreContradicted,
    StoreDamaged,
    StoreError,
    StoreFailed,
    StoreForeign,
    StoreNotLeading,
    StoreOutcomeUnknown,
)
from ballotbox.folding import check_first, fold
from ballotbox.high_water import HighWater, behind
from ballotbox.leaves import Leaves
from ballotbox.once import error_once, forget
from ballotbox.sequencer import Member, Sequencer, Timing
from ballotbox.store import Store, StoredCheckpoint, read_all
from crypto.errors import Rejected
from record import checkpoint as notes
from record.archive import ArchiveWriter
from record.artifacts import (
    Artifact,
    Ballot,
    Opening,
    Role,
    Statement,
    sign_statement,
)
from record.artifacts import parse_artifact as parse
from record.checkpoint import Checkpoint, VerifierKey, parse_verifier_key
from record.draft import Draft
from record.merkle import MerkleTree
from record.note import parse_signatures, with_signatures
from record.state import BallotEntry, Phase, State
from record.transcript import Transcript

LOGGER = logging.getLogger(__name__)

_UNWRITTEN = (
    "its disk is full or read-only, or its database is away, as the server's log says; the last "
    "group was not stored, nothing that was acknowledged is lost, and devices try again until "
    "there is room"
)


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
        election: Artifact,
        server_key: Ed25519PrivateKey,
        log_key: Ed25519PrivateKey,
        admission: Admission,
        timing: Timing,
        high_water: HighWater | None,
    ) -> None:
        """For `open` alone."""
        self._store = store
        self._election = election.data
        self._transcript = Transcript(election)
        self._sequencer: Sequencer[Arrival, Accepted] = Sequencer(
            self._settle, timing, counted=self._counted
        )
        self._timing = timing
        self._server_key = server_key
        self._log_key = log_key
        self._admission = admission
        # Only the sequencer changes the state, and it holds `_state` from the first change
        # until all of it is on the disk: what is read under the lock is durable.
        self._state = threading.Condition(threading.RLock())
        self._closed = False
        self._high_water = high_water or HighWater(None, self._key)
        self._leaves = Leaves()
        # The newest stored checkpoint, and the newest that may be shown: see `_release`.
        self._newest: StoredCheckpoint | None = None
        self._released: StoredCheckpoint | None = None
        self._paused = False
        # The state is not what is stored, and to be read anew before anything else.
        self._stale = False
        # Why it could not be the last time, if what is stored is damaged.
        self._damage: StoreDamaged | None = None
        # What was found beside the database when it was read last: then nothing is signed.
        self._contradicted: StoreContradicted | None = None
        # Why the last group could not be stored.
        self._failure: StoreError | None = None
        self._told = Phase.COMMITMENT, 0
        self._listeners: list[Callable[[], None]] = []
        self._last_cosigned = 0

    @classmethod
    def open(
        cls,
        store: Store,
        election: Artifact,
        *,
        server_key: Ed25519PrivateKey,
        log_key: Ed25519PrivateKey,
        admission: Admission | None = None,
        timing: Timing | None = None,
        high_water: HighWater | None = None,
    ) -> Self:
        """The board of `election` (artifact 0) on its store, as far as it has come.

        `timing` says how long a group waits for more; each has its checkpoint.
        `high_water` knows what was signed, beside the store. Everything stored is parsed
        and checked again, but for its proofs. Raises StoreDamaged, StoreForeign, or
        Rejected (R.role-keys) for keys that are not the server's and the log's in this
        election.
        """
        context = Transcript(election).context
        _check_key(server_key, context.single_key(Role.SERVER).public_key, "server")
        pinned = parse_verifier_key(context.election.log_key)
        _check_key(log_key, pinned.public_key, "log")
        admission = admission or Admission(election, workers=0)
        timing = timing or Timing()
        board = cls(store, election, server_key, log_key, admission, timing, high_water)
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
        if known is None:
            return self.accept(self._transcript.parse(data)).index
        with self._state:
            self._release()
        return known

    def publish(self, statement: Statement) -> int:
        """Sign a statement of the server and append it."""
        context = self._transcript.context
        artifact = sign_statement(statement, context.group, context.base_hash, self._server_key)
        return self.accept(artifact).index

    def read(self, index: int) -> Artifact:
        """The artifact at `index`, which is below `size()`. Raises as `read_bytes`."""
        for data in self._stored(index, 1):
            return parse(data, self._transcript.context.group)
        raise IndexError(f"no artifact {index}")

    def read_bytes(self, first: int, limit: int) -> Sequence[bytes]:
        """Up to `limit` artifacts from `first` on, as stored.

        Raises StoreDamaged for one that is not what was signed.
        """
        return self._stored(first, min(limit, max(self.size() - first, 0)))

    def read_hints(self, first: int, limit: int) -> Mapping[int, bytes]:
        """What hints there are for up to `limit` artifacts from `first` on, by index."""
        return self._store.hints(first, limit)

    def size(self) -> int:
        """How many artifacts are stored."""
        with self._state:
            self._check_fresh()
            return self._transcript.state.size

    def wait(self, size: int, timeout: float) -> int:
        """Wait until more than `size` artifacts are stored, or `close`, or `timeout` seconds.

        Returns how many are. While that is not known (a group was not stored, and the
        database cannot be read) it is `size`.
        """
        with self._state:
            self._state.wait_for(
                lambda: self._closed or (not self._stale and self._size > size), timeout
            )
            return size if self._stale else self._size

    # --- what the services of this room need besides

    def accept(
        self, artifact: Artifact, hints: bytes = b"", wanted: Callable[[], bool] = lambda: True
    ) -> Accepted:
        """`append` for what is parsed already; says whether it was new.

        `hints` are kept if they are right. `wanted` says, while a ballot waits to be proved,
        whether anybody waits for the answer. Raises Rejected, what `Admission` does,
        or a StoreError, and then nothing has changed.
        """
        arrival = self.begin(artifact, hints, wanted).checked()
        if arrival.known is not None:
            return arrival.known
        return self._sequencer.submit(arrival, self._sender(artifact), arrival.manner)

    def begin(
        self,
        artifact: Artifact,
        hints: bytes = b"",
        wanted: Callable[[], bool] = lambda: True,
        *,
        alone: bool = True,
    ) -> Arrival:
        """Check all that is cheap, and have the rest of a ballot checked meanwhile.

        One that is not `alone` may stand after others that are under way, too; so only
        its signature is checked yet. Raises as `accept` does.
        """
        known = self._known(artifact)
        if known is not None:
            return Arrival(artifact, known=known)
        try:
            self._check(artifact, alone=alone)
        except Rejected:
            # By another call, meanwhile; or by one whose group was not stored after all.
            with self._state:
                known = self._known(artifact)
                if known is not None:
                    return Arrival(artifact, known=known)
                self._refresh()
                self._check(artifact, alone=alone)
        if not isinstance(artifact.statement, Ballot):
            return Arrival(artifact)
        # Proofs of ballots need no history, and are checked by several processes.
        keys, sender = self._transcript.state.need_keys(), self._sender(artifact)
        ticket = self._admission.submit(keys, artifact, hints=hints, sender=sender, wanted=wanted)
        return Arrival(artifact, hints, ticket)

    def settle(self, arrivals: Sequence[Arrival]) -> Iterator[Accepted]:
        """Take in, in this order, what one sender began; each is given once it is stored.

        Raises at the first that is refused, and then nothing after it has been stored.
        """
        checked: list[Arrival] = []
        refusal: Exception | None = None
        for arrival in arrivals:
            try:
                checked.append(arrival.checked())
            except Exception as error:
                refusal = error
                break
        chain = [(arrival, arrival.manner) for arrival in checked if arrival.known is None]
        sender = self._sender(checked[0].artifact) if checked else ""
        members = iter(self._sequencer.submit_chain(chain, sender))
        for arrival in checked:
            yield arrival.known or next(members).result()
        if refusal is not None:
            raise refusal

    @property
    def enough(self) -> int:
        """Of so many statements of voters none waits for more; 1 if time alone decides."""
        return self._timing.minimum or 1

    def _check(self, artifact: Artifact, *, alone: bool) -> None:
        if alone or self._transcript.phase is not Phase.OPEN:
            self._transcript.check(artifact)
        else:
            self._transcript.check_signature(artifact)

    def _sender(self, artifact: Artifact) -> str:
        return str(self._transcript.signer(artifact.statement))

    def _known(self, artifact: Artifact) -> Accepted | None:
        """Where it stands, if it does: then its checkpoint is released, too."""
        with self._state:
            known = self._store.find(hashlib.sha256(artifact.data).digest())
            if known is None:
                self._check_leading()
                self._check_uncontradicted()  # before anybody proves it
                return None
            self._release()
        return Accepted(known, new=False)

    def look_up(self, code: bytes) -> Found | None:
        """The ballot with this confirmation code (32 bytes)."""
        with self._state:
            self._check_fresh()
            state = self._transcript.state
            entry = state.ballots.get(code)
            if entry is None:
                return None
            copy = replace(entry)
            phase = state.phase
        (data,) = self._stored(copy.index, 1)
        return Found(copy, phase, data)

    @contextmanager
    def reading(self) -> Iterator[State]:
        """The state, which does not change within this block. Keep it short."""
        with self._state:
            self._check_fresh()
            yield self._transcript.state

    def known(self) -> tuple[Phase, int]:
        """The phase and the size that were known last; for while `reading` raises."""
        return self._told

    def notices(self) -> tuple[str, ...]:
        """What keeps the board from being read or written, one sentence each.

        It waits for no group, and names no file or machine: anybody may read it.
        """
        if self._paused:
            return (_sentence(StoreNotLeading.told),)
        if self._damage is not None:
            return (_sentence(self._damage.told),)
        try:
            self._check_uncontradicted()
        except StoreContradicted as error:
            return (_sentence(error.told),)
        if self._failure is None:
            return ()
        why = _UNWRITTEN if isinstance(self._failure, StoreFailed) else self._failure.told
        return (f"The board cannot be written: {why}.",)

    @property
    def failing(self) -> bool:
        """Whether the last group could not be stored."""
        return self._failure is not None

    def sign(self, message: bytes) -> bytes:
        """The server's signature (64 bytes); the caller puts a context in front."""
        return self._server_key.sign(message)

    def sign_checkpoint(self) -> bytes:
        """The signed note of the log as it stands now.

        There is one for every group, stored with it: what is signed contains what was
        signed before, and `open` refuses a store in which that would not be so.
        """
        return self.head().note

    def head(self) -> StoredCheckpoint:
        """The newest signed checkpoint that may be shown."""
        with self._state:
            self._check_fresh()
            with suppress(StoreError):  # the one before may be shown all the same
                self._release()
            if self._released is None:
                raise AssertionError("an open board has a checkpoint")
            return self._released

    def newest_cosigned(self, size: int) -> StoredCheckpoint | None:
        """The newest checkpoint of at most `size` artifacts that any witness has signed."""
        # The last one may be beyond: another call came with a newer head.
        first = self._last_cosigned if self._last_cosigned <= size else 0
        found = None
        for cosigned in self._store.cosigned(first):
            if cosigned <= size:
                found = cosigned
        if found is None:
            return None
        self._last_cosigned = max(self._last_cosigned, found)
        (checkpoint,) = self._store.checkpoints(found, 1)
        return checkpoint

    def note(self, head: StoredCheckpoint) -> bytes:
        """The note of a checkpoint with all cosignatures that are known by now."""
        lines = b"".join(self._store.cosignatures(head.size))
        return with_signatures(head.note, parse_signatures(lines)) if lines else head.note

    def inclusion_proof(self, index: int, size: int) -> tuple[bytes, ...]:
        """That artifact `index` is one of the first `size` (RFC 6962, 2.1.1).

        Raises ValueError if there are fewer, or it is none of them.
        """
        return self._leaves.tree(size).inclusion_proof(index)

    def consistency_proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """That the first `size` artifacts begin with the first `old` (RFC 6962, 2.1.2).

        Raises ValueError if there are fewer, or `old` is larger. From 0 it is empty.
        """
        tree = self._leaves.tree(size)
        return tree.consistency_proof(old) if old else ()

    @property
    def store(self) -> Store:
        """Where all of it is kept. Only the board appends to it."""
        return self._store

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each group. It must not wait for anything."""
        self._listeners.append(listener)

    def export(self, directory: Path | str) -> Checkpoint:
        """Write the published record as of now, with its checkpoint.

        Raises Rejected (R.append-only) if the directory holds another or a longer
        record, OSError if it cannot be written.
        """
        note = self.sign_checkpoint()
        size = notes.verify_checkpoint(note, self._key).size
        return ArchiveWriter(directory, self._key).write(
            read_all(self._store, size),
            lambda _: note,
            lambda index: self.read_hints(index, 1).get(index, b""),
        )

    def close(self) -> None:
        """Wake everybody who waits. The store and the admission are their owner's to close.

        Who waits for a group of the manifest's size is turned away, and may come again.
        """
        with self._state:
            self._closed = True
            self._state.notify_all()
        if self._timing.minimum is not None:
            self._sequencer.turn_away(StoreNotLeading("the server is stopping"))

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    # --- a database that several servers share

    @property
    def paused(self) -> bool:
        """Whether nothing is accepted, until `resume`."""
        return self._paused

    def pause(self) -> None:
        """Another server may write: accept nothing (StoreNotLeading)."""
        self._paused = True

    def resume(self) -> None:
        """This server leads again: read what others have written meanwhile, and go on.

        Raises StoreError, and remains paused.
        """
        with self._state:
            newest = self._store.newest_checkpoint()
            if self._stale or newest != self._newest or self._store.size() != self._size:
                self._begin_again()
            if self._contradicted is not None:
                raise self._contradicted
            self._release()
            self._paused, self._failure = False, None
            self._state.notify_all()

    # --- inside

    def _stored(self, first: int, limit: int) -> Sequence[bytes]:
        """Artifacts of the database, which somebody may have changed since they were folded."""
        try:
            found, leaves = self._store.read(first, limit), self._leaves
            for index, data in enumerate(found, first):
                if not leaves.holds(index, data):
                    raise StoreDamaged(
                        f"artifact {index} of the database was changed while the server ran. Stop "
                        "it, and restore a backup (docs/operations.md, 'Restore')"
                    )
        except StoreDamaged as error:
            self._damage = error
            error_once(LOGGER, "the board cannot be read", error)
            raise
        return found

    def _check_leading(self) -> None:
        if self._paused:
            raise StoreNotLeading("this server does not write now: another may, or none can")

    def _check_uncontradicted(self) -> None:
        """Raise StoreContradicted if others know more of the log, or another one."""
        try:
            if self._newest is not None:
                self._high_water.check(self._newest.size, self._newest.root)
        except StoreContradicted as error:
            error_once(LOGGER, "nothing more is signed", error)
            raise
        if self._contradicted is not None:
            again = StoreContradicted(str(self._contradicted), self._contradicted.told)
            error_once(LOGGER, "nothing more is signed", again)
            raise again

    def _check_fresh(self) -> None:
        """`_refresh` for whoever only looks: it may be that nobody sends anything any more.

        Raises StoreError. All of a log is not read for every look at one that is damaged,
        and a board that is paused is left to `resume`.
        """
        if self._stale:
            if self._damage is not None:
                error = StoreDamaged(str(self._damage))
                error_once(LOGGER, "the board cannot be read", error)
                raise error
            if self._paused:
                raise StoreNotLeading("the board is read anew from its database")
        self._refresh()

    def _refresh(self) -> None:
        """Read anew what a group that was not stored has left, if that did not work then."""
        if self._stale:
            self._begin_again()

    def _release(self) -> None:
        """From now on the newest checkpoint may be shown: its high-water mark is on the disk.

        Raises StoreFailed if it is not; what was stored is not told before it is.
        """
        if self._newest is not None and self._released != self._newest:
            self._high_water.raise_to(self._newest)
            self._released = self._newest
            self._written()
        if not self._stale:
            self._told = self._transcript.phase, self._size

    @property
    def _size(self) -> int:
        return self._transcript.state.size

    @property
    def _key(self) -> VerifierKey:
        return parse_verifier_key(self._transcript.context.election.log_key)

    def _settle(self, group: Sequence[Member[Arrival, Accepted]]) -> None:
        """Take a group in; the same bytes twice are one artifact with two answers."""
        try:
            self._settle_once(group)
        except StoreError as error:
            if not isinstance(error, StoreNotLeading | StoreOutcomeUnknown | StoreContradicted):
                self._failed(error)
            raise

    def _failed(self, error: StoreError) -> None:
        """A group was not stored: said once, and shown until the next one is."""
        error_once(LOGGER, "the board cannot be written", error)
        self._failure = error

    def _written(self) -> None:
        if self._failure is not None:
            LOGGER.warning("the board is written again")
            forget(self._failure)
        self._failure = None

    def _settle_once(self, group: Sequence[Member[Arrival, Accepted]]) -> None:
        self._check_leading()
        with self._state:
            self._refresh()
            self._release()
        firsts: dict[bytes, Member[Arrival, Accepted]] = {}
        for member in group:
            firsts.setdefault(member.item.artifact.data, member)
        self._settle_different(list(firsts.values()))
        for member in group:
            first = firsts[member.item.artifact.data]
            if member is first:
                continue
            try:
                member.succeed(replace(first.result(), new=False))
            except Exception as error:
                member.fail(error)

    def _counted(
        self, members: Sequence[Member[Arrival, Accepted]]
    ) -> Sequence[Member[Arrival, Accepted]]:
        """Those that will stand on the record, each artifact once; who will not is refused now.

        A group of the manifest's size that held others would be smaller on the record, and
        whoever sends them could pick a voter's ballot out.
        """
        counted: list[Member[Arrival, Accepted]] = []
        seen: set[bytes] = set()
        with self._state:
            if self._stale or self._paused or self._transcript.phase is not Phase.OPEN:
                return members  # settling refuses them, or asks the database
            draft = Draft(self._transcript.state)
            for member in members:
                artifact = member.item.artifact
                if artifact.data in seen:
                    continue
                if self._follows_refused(member):
                    continue
                try:
                    draft.take(artifact.statement)
                except Rejected as error:
                    if not self._is_known(member):
                        member.fail(error)
                    continue
                seen.add(artifact.data)
                if member.item.patient:
                    counted.append(member)
        return counted

    def _settle_different(self, group: Sequence[Member[Arrival, Accepted]]) -> None:
        """Take a group in. Only one group is settled at a time, so nobody else changes the state.

        What has to be proved here is proved before the state is locked: a trustee's part
        takes seconds, and readers do not wait for it.
        """
        batch: list[Member[Arrival, Accepted]] = []
        for member in group:
            statement = member.item.artifact.statement
            if isinstance(statement, Ballot) or not Transcript.has_proofs(statement):
                batch.append(member)
                continue
            self._store_batch(batch)
            batch = []
            if self._proved(member):
                self._store_batch([member])
        self._store_batch(batch)

    def _proved(self, member: Member[Arrival, Accepted]) -> bool:
        try:
            with self.reading():
                self._transcript.check(member.item.artifact)
            self._transcript.prove(member.item.artifact, self.read)
        except Rejected as error:
            if not self._is_known(member):
                member.fail(error)
            return False
        return True

    def _store_batch(self, batch: Sequence[Member[Arrival, Accepted]]) -> None:
        """One transaction: all that may stand here, and the checkpoint that covers it."""
        if not batch:
            return
        with self._state:
            self._check_uncontradicted()  # while nothing has to be taken back
            first, taken = self._size, list[Member[Arrival, Accepted]]()
            try:
                for member in batch:
                    self._take(member, taken)
                if taken:
                    self._store_group(first, [member.item for member in taken])
            except BaseException as error:
                self._recover(error)
                raise
            self._release()
            for index, member in enumerate(taken, start=first):
                member.succeed(Accepted(index, new=True))
            self._state.notify_all()
        for listener in self._listeners:
            listener()
        if any(isinstance(member.item.artifact.statement, Opening) for member in taken):
            self._admission.warm(self._transcript.state.need_keys())

    def _store_group(self, first: int, group: Sequence[Arrival]) -> None:
        self._check_uncontradicted()  # not one byte is signed then
        head = self._signed_head()
        artifacts = [arrival.artifact.data for arrival in group]
        hints = {n: arrival.hints for n, arrival in enumerate(group, first) if arrival.hints}
        self._store.append(first, artifacts, head, hints)
        self._newest = head
        for data in artifacts:
            self._leaves.append(data)

    def _recover(self, error: BaseException) -> None:
        """After a group that was not stored: the state is ahead of the store."""
        self._stale = True
        if isinstance(error, (StoreNotLeading, StoreOutcomeUnknown)):
            self._paused = True  # `resume` reads anew what there is then
            return
        with suppress(StoreError):  # whoever comes next tries again
            self._begin_again()

    def _take(
        self, member: Member[Arrival, Accepted], taken: list[Member[Arrival, Accepted]]
    ) -> None:
        """Take one member into the state, or let it fail."""
        if self._follows_refused(member):
            return
        try:
            self._transcript.check(member.item.artifact)
        except Rejected as error:
            if not self._is_known(member):
                member.fail(error)
            return
        self._transcript.take(member.item.artifact)
        taken.append(member)

    @staticmethod
    def _follows_refused(member: Member[Arrival, Accepted]) -> bool:
        refused = member.after is not None and member.after.failed
        if refused:
            member.fail(StoreConflict("what this device sent before it was refused"))
        return refused

    def _is_known(self, member: Member[Arrival, Accepted]) -> bool:
        """Whether it got in by another call: then that is the answer to this one."""
        known = self._store.find(hashlib.sha256(member.item.artifact.data).digest())
        if known is not None:
            member.succeed(Accepted(known, new=False))
        return known is not None

    def _signed_head(self) -> StoredCheckpoint:
        return self._signed(self._transcript.state.tree)

    def _signed(self, tree: MerkleTree) -> StoredCheckpoint:
        head = Checkpoint(self._key.name, tree.size, tree.root())
        return StoredCheckpoint(head.size, head.root, notes.sign_checkpoint(head, self._log_key))

    def _begin_again(self) -> None:
        """Fold again what is stored."""
        self._stale = True
        try:
            self._fold(parse(self._election, None))
        except StoreDamaged as error:
            self._damage = error
            error_once(LOGGER, "the board cannot be read", error)
            raise
        self._newest = self._store.newest_checkpoint()
        self._stale, self._damage = False, None

    def _replay(self, election: Artifact) -> None:
        if self._store.base_hash != self._transcript.context.base_hash:
            raise StoreForeign("the database belongs to another election")
        for data in self._store.read(0, 1):
            check_first(data, election)
        for head in self._high_water.heads():
            if head.size > self._store.size():
                raise behind(self._store.size(), head)
        if self._store.newest_checkpoint() is None:
            self._store.add_checkpoint(self._signed(MerkleTree()))
        if self._store.size() == 0:
            self._store.append(0, (election.data,))
        self._fold(election)
        if self._contradicted is not None:
            raise self._contradicted
        self._newest = self._store.newest_checkpoint()
        if self._newest is None or self._newest.size < self._size:
            # Of a version that did not sign each group, or of `election new`.
            self._newest = self._signed_head()
            self._store.add_checkpoint(self._newest)
        self._release()
        if self._transcript.phase is Phase.OPEN:
            self._admission.warm(self._transcript.state.need_keys())

    def _fold(self, election: Artifact) -> None:
        """Nobody sees half of it: what is checked without the lock would be refused wrongly."""
        heads = self._high_water.heads()
        size = self._store.size()
        self._transcript, self._leaves, self._contradicted = fold(
            self._store, election, size, heads
        )
        if self._contradicted is not None:
            error_once(LOGGER, "nothing more is signed", self._contradicted)


def _sentence(told: str) -> str:
    return f"{told[0].upper()}{told[1:]}."


def _check_key(key: Ed25519PrivateKey, pinned: bytes, name: str) -> None:
    if key.public_key().public_bytes_raw() != pinned:
        raise Rejected(
            "R.role-keys",
            f"the {name} key is not the one pinned in the election artifact",
            culprit="server",
            where=f"{name} key",
            advice="Use the key store that was made with this election",
        )
