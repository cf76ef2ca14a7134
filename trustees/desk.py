"""What the machine's parts share: the vault, the reader, and the pen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from record.artifacts import Statement, sign_statement
from record.election import ElectionContext
from record.state import State
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

    def sign(self, statement: Statement) -> bytes:
        """The artifact of `statement`. Ed25519: the same bytes for the same statement."""
        context = self.context
        return sign_statement(statement, context.group, context.base_hash, self.role_key).data

    def names(self, trustees: Iterable[int]) -> tuple[str, ...]:
        """The names of these trustees, as in the election artifact."""
        return tuple(self.context.trustee_key(j).name for j in trustees)

    def missing(self, done: Callable[[int], bool]) -> tuple[str, ...]:
        """The names of all trustees for whom `done` does not hold."""
        return self.names(j for j in range(1, self.context.trustees + 1) if not done(j))
