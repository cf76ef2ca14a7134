"""A trustee's own copy of the record: read once, checked, proved, never rewritten.

Every artifact passes the transcript's rules and proofs before it means anything. How far
the record was read is kept in the vault as a size and a running hash, so that the board
cannot show another past later. What was proved before a restart is not proved again: up
to the size that the vault knows, the artifacts are folded and hashed only, and nothing is
said until the hash has come out the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from crypto.errors import Rejected
from record.artifacts import Artifact, parse_artifact
from record.state import State
from record.transcript import Transcript
from trustees import policy
from trustees.vault import Seen, Vault, seen_value

_SAVE_EVERY = 256
_PARSED = 64


class RecordCopy(Protocol):
    """Where the bytes of the record lie. What is in it is checked again at every start."""

    def append(self, artifact: bytes) -> None:
        """Add an artifact at the end."""
        ...

    def __getitem__(self, index: int) -> bytes:
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
        self._vault = vault
        self._expected = expected
        self._copy = copy
        self._transcript: Transcript | None = None
        self._known = vault.seen()
        self._saved = self._known.size
        self._parsed: OrderedDict[int, Artifact] = OrderedDict()
        self.seen = Seen()

    @property
    def caught_up(self) -> bool:
        """Whether all that was seen in an earlier life has been read again."""
        return self._transcript is not None and self.seen.size >= self._known.size

    @property
    def known_size(self) -> int:
        """How much of the record was read in an earlier life."""
        return self._known.size

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
        phase = self._transcript.phase if self._transcript else None
        if self._transcript is None:
            transcript = Transcript(parse_artifact(data, None))
            self._expected.check(transcript.context)
            self._check_bound(transcript.context.base_hash)
            self._transcript = transcript
        else:
            self._append(self._transcript, data)
        self.seen = policy.extend(self.seen, data)
        self._copy.append(data)
        policy.check_extension(self.seen, self._known)
        changed = self._transcript.phase is not phase
        if self.seen.size > self._saved and (changed or self._due_to_save()):
            self._vault.save(self.value())

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

    def _append(self, transcript: Transcript, data: bytes) -> None:
        artifact = transcript.parse(data)
        transcript.check(artifact)
        if self.seen.size >= self._known.size:
            transcript.prove(artifact, self.read)
        transcript.take(artifact)

    def _due_to_save(self) -> bool:
        return self.seen.size - self._saved >= _SAVE_EVERY

    def _check_bound(self, base_hash: bytes) -> None:
        """A key store takes part in one election."""
        bound = self._vault.get("trustee.election")
        if bound is None:
            self._vault.save({"trustee.election": base_hash})
        elif bound != base_hash:
            raise Rejected(
                "P.election",
                "this key store belongs to another election",
                culprit="server",
                where="artifact 0",
            )
