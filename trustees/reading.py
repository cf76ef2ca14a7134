"""A trustee's own copy of the record: read once, checked, proved, never rewritten.

Every artifact passes the transcript's rules and proofs before it means anything. How far
the record was read is kept in the vault as a size and a running hash, so that the board
cannot show another past later. What was proved before a restart is not proved again: up
to the size that the vault knows, artifacts are folded and hashed only, and nothing is
said until the hash has come out the same.

Only the messages of decryption sessions are never proved: what a trustee has to know of
them it checks when it answers (`decryption`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Generic, Protocol, TypeVar, overload

from crypto.errors import SailauError
from record.artifacts import (
    Artifact,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionShares,
    parse_artifact,
)
from record.rule import Read
from record.state import State
from record.transcript import Transcript
from trustees import policy
from trustees.vault import ELECTION, Seen, Vault, seen_value

M = TypeVar("M")
_DECRYPTION = (DecryptionCommitments, DecryptionShares, DecryptionResponses)
_SAVE_EVERY = 256
_PARSED = 64


class RecordCopy(Protocol):
    """Where the bytes of the record lie. What is in it is checked again at every start."""

    def append(self, artifact: bytes) -> None:
        """Add an artifact at the end."""
        ...

    def truncate(self, size: int) -> None:
        """Forget everything but the first `size` artifacts."""
        ...

    def __getitem__(self, index: int, /) -> bytes:
        """The artifact at `index`."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """All of them, in order."""
        ...


class Reader:
    """The transcript of what was read, and how far."""

    def __init__(self, vault: Vault, expected: policy.Expected, copy: RecordCopy) -> None:
        """Begin with as much of `copy` as the vault has the hash of; drop the rest."""
        self._vault = vault
        self._expected = expected
        self._copy = copy
        self._known = vault.seen()
        self._begin()
        if not self._replay():
            self._begin()
        copy.truncate(self.seen.size)

    def _replay(self) -> bool:
        """Whether the copy is what was seen. If not, the copy is damaged, not the board false."""
        try:
            for data in islice(self._copy, self._known.size):
                self._take(data)
        except SailauError:
            return False
        return self.caught_up

    def _begin(self) -> None:
        self._transcript: Transcript | None = None
        self._saved = self._known.size
        self._parsed: OrderedDict[int, Artifact] = OrderedDict()
        self.seen = Seen()

    @property
    def caught_up(self) -> bool:
        """Whether all that was seen in an earlier life has been read again."""
        return self._transcript is not None and self.seen.size >= self._known.size

    @property
    def known_size(self) -> int:
        """How many artifacts were read in an earlier life."""
        return self._known.size

    @property
    def copy(self) -> RecordCopy:
        """The bytes of what was read."""
        return self._copy

    @property
    def transcript(self) -> Transcript:
        """The fold of what was read; there from the first artifact on."""
        if self._transcript is None:
            raise AssertionError("nothing has been read yet")
        return self._transcript

    @property
    def state(self) -> State:
        """What has happened in the election."""
        return self.transcript.state

    def take(self, data: bytes) -> None:
        """Check, prove and keep the next artifact; raises `Malformed` or `Rejected`."""
        self._take(data)
        self._copy.append(data)

    def value(self) -> dict[str, bytes]:
        """For `Vault.save`: how far was read. Goes along with whatever else is saved."""
        if not self.caught_up:
            raise AssertionError("an earlier life has read more")
        self._saved = self.seen.size
        return seen_value(self.seen)

    def read(self, index: int) -> Artifact:
        """Artifact `index`, as `Transcript.prove` asks for it."""
        if index not in self._parsed:
            if len(self._parsed) >= _PARSED:
                self._parsed.popitem(last=False)
            self._parsed[index] = self.transcript.parse(self._copy[index])
        return self._parsed[index]

    def _take(self, data: bytes) -> None:
        phase = self._transcript.phase if self._transcript else None
        if self._transcript is None:
            self._transcript = self._first(data)
        else:
            self._next(self._transcript, data)
        self.seen = policy.extend(self.seen, data)
        policy.check_extension(self.seen, self._known)
        fresh = self.seen.size - self._saved
        if fresh >= _SAVE_EVERY or (fresh > 0 and self._transcript.phase is not phase):
            self._vault.save(self.value())

    def _first(self, data: bytes) -> Transcript:
        transcript = Transcript(parse_artifact(data, None))
        base_hash = transcript.context.base_hash
        self._expected.check(transcript.context)
        bound = self._vault.get(ELECTION)
        policy.check_bound(bound, base_hash)
        if bound is None:
            self._vault.save({ELECTION: base_hash})
        return transcript

    def _next(self, transcript: Transcript, data: bytes) -> None:
        artifact = transcript.parse(data)
        transcript.check(artifact)
        known = self.seen.size < self._known.size
        if not known and not isinstance(artifact.statement, _DECRYPTION):
            transcript.prove(artifact, self.read)
        transcript.take(artifact)


class Posted(Sequence[M], Generic[M]):
    """A trustee's parts of one round, read when they are asked for."""

    def __init__(self, read: Read, indices: Sequence[int], kind: type[M]) -> None:
        self._read = read
        self._indices = tuple(indices)
        self._kind = kind

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, n: int, /) -> M: ...
    @overload
    def __getitem__(self, n: slice, /) -> Sequence[M]: ...
    def __getitem__(self, n: int | slice, /) -> M | Sequence[M]:
        if isinstance(n, slice):
            return Posted(self._read, self._indices[n], self._kind)
        statement = self._read(self._indices[n]).statement
        if not isinstance(statement, self._kind):
            raise AssertionError("the rules of the record put only such messages here")
        return statement
