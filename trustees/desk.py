"""What the machine's parts share: the vault, the reader, and the pen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from record.artifacts import Statement, TrusteeStatement, sign_statement
from record.election import ElectionContext
from record.state import State
from trustees import policy
from trustees.messages import PostArtifact, Sending, Step, Waiting
from trustees.reading import Reader
from trustees.vault import Vault


@dataclass(frozen=True, slots=True, repr=False)
class Desk:
    """One trustee's place to work: secret."""

    index: int
    role_key: Ed25519PrivateKey
    vault: Vault
    reader: Reader

    def __repr__(self) -> str:
        return f"Desk(trustee {self.index}, <redacted>)"

    @property
    def state(self) -> State:
        """What has happened in the election."""
        return self.reader.state

    @property
    def context(self) -> ElectionContext:
        """What artifact 0 fixes."""
        return self.reader.transcript.context

    def sign(self, statement: TrusteeStatement) -> bytes:
        """The artifact of `statement`, said of the record as it was when the round began.

        Ed25519: the same bytes for the same statement in the same round.
        """
        context = self.context
        said = replace(statement, transcript=self.state.round_root)
        return sign_statement(said, context.group, context.base_hash, self.role_key).data

    def names(self, trustees: Iterable[int]) -> tuple[str, ...]:
        """The names of these trustees, as in the election artifact."""
        return tuple(self.context.trustee_key(j).name for j in trustees)

    def missing(self, done: Callable[[int], bool]) -> tuple[str, ...]:
        """The names of all trustees for whom `done` does not hold."""
        return self.names(j for j in range(1, self.context.trustees + 1) if not done(j))

    # --- what is said, and what was said

    def keep(
        self, name: str, statement: TrusteeStatement, more: Mapping[str, bytes] | None = None
    ) -> None:
        """Write a signed message down, with the secrets it depends on, before it leaves."""
        self.vault.save({**(more or {}), name: self.sign(statement), **self.reader.value()})

    def send(self, name: str, what: str) -> Step:
        """Send what `keep` has written."""
        data = self.vault.get(name)
        if data is None:
            raise AssertionError(f"{name} was written before")
        return Step(Sending(what), PostArtifact(what, data))

    def say(self, statement: TrusteeStatement, what: str) -> Step:
        """Send what follows from what is written; the record it is about is written first."""
        if self.vault.seen() != self.reader.seen:
            self.vault.save(self.reader.value())
        return Step(Sending(what), PostArtifact(what, self.sign(statement)))

    def wait(self, what: str, done: Callable[[int], bool]) -> Step:
        """Wait for the trustees for whom `done` does not hold."""
        return Step(Waiting(what, self.missing(done)))

    def check_ours(self, statement: Statement, name: str, what: str) -> None:
        """Raise P.key-store unless `statement`, of the record, is the one that was written."""
        data = self.vault.get(name)
        written = None if data is None else self.reader.transcript.parse(data).statement
        policy.check_own_message(statement == written, self.index, what)
