"""The rules of the record: which artifact may stand where (docs/record.md, "Order").

`Transcript` folds artifacts into a `State`. `append` checks everything that needs
history and no exponentiation: phase, signature, references, uniqueness, counts.
`prove` adds what `proofs` can say of the one artifact. The server does both before it
stores, a trustee does both with what it reads; whoever has proved once may replay
with `append` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crypto.errors import Rejected
from record import ceremony_rules, polls_rules, tally_rules
from record.artifacts import (
    Artifact,
    Ballot,
    Cast,
    Challenge,
    Device,
    DeviceClose,
    DeviceMissing,
    Role,
    Statement,
    parse_artifact,
    verify_signature,
)
from record.election import ElectionContext, check_election
from record.rule import Read, Rule
from record.state import Phase, State

_RULES: Mapping[type, Rule[Any]] = {
    **ceremony_rules.RULES,
    **polls_rules.RULES,
    **tally_rules.RULES,
}


_VOTING = (Device, Ballot, Cast, Challenge, DeviceClose, DeviceMissing)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who has to sign a statement."""

    role: Role
    name: str
    public_key: bytes

    def __str__(self) -> str:
        return f"{self.role.name.lower()} {self.name}"


class Transcript:
    """An election so far: its context and `state`, changed by `append` alone."""

    def __init__(self, first: Artifact) -> None:
        """Begin with artifact 0; raises as `check_election` does."""
        self.state = State(check_election(first))

    @property
    def context(self) -> ElectionContext:
        """What artifact 0 fixes."""
        return self.state.context

    @property
    def phase(self) -> Phase:
        """Where the election stands."""
        return self.state.phase

    def parse(self, data: bytes) -> Artifact:
        """Parse bytes as an artifact of this election; raises `Malformed`."""
        return parse_artifact(data, self.context.group)

    def check(self, artifact: Artifact) -> None:
        """Raise `Rejected` unless `artifact` may come next; changes nothing."""
        rule = self._rule(artifact)
        if self.state.phase not in rule.phases:
            late = isinstance(artifact.statement, _VOTING) and self.state.phase > Phase.OPEN
            raise Rejected(
                "R.after-close" if late else "R.order",
                f"{artifact.name} is not accepted in the phase {self.state.phase.name.lower()}",
                where=artifact.name,
                advice=_ADVICE.get(self.state.phase, ""),
            )
        signer = self.signer(artifact.statement)
        verify_signature(artifact, self.context.base_hash, signer.public_key, str(signer))
        rule.check(self.state, artifact.statement)

    def append(self, artifact: Artifact) -> int:
        """Check `artifact`, take it into the state, return its index in the record."""
        self.check(artifact)
        return self.take(artifact)

    def take(self, artifact: Artifact) -> int:
        """Take in what `check` has just passed; returns its index."""
        index = self.state.size
        self._rule(artifact).apply(self.state, artifact.statement, index)
        self.state.size += 1
        return index

    def prove(self, artifact: Artifact, read: Read) -> None:
        """Raise `Rejected` unless the proofs in `artifact` hold.

        For what `check` has just passed, in the same state. `read(index)` gives an
        earlier artifact of this record.
        """
        self._rule(artifact).prove(self.state, artifact.statement, read)

    def signer(self, statement: Statement) -> Signer:
        """Whose signature the statement needs; raises `Rejected` for an unknown name."""
        rule = _RULES[type(statement)]
        context = self.context
        if rule.signer is Role.TRUSTEE:
            key = context.trustee_key(statement.trustee)  # type: ignore[union-attr]
        elif rule.signer is Role.DEVICE:
            key = context.role_key(Role.DEVICE, statement.device)  # type: ignore[union-attr]
        else:
            key = context.single_key(rule.signer)
        return Signer(key.role, key.name, key.public_key)

    @staticmethod
    def _rule(artifact: Artifact) -> Rule[Any]:
        rule = _RULES.get(type(artifact.statement))
        if rule is None:
            raise Rejected(
                "R.order", "the election is artifact 0 and stands once", where=artifact.name
            )
        return rule


_ADVICE = {
    Phase.KEYS: "wait for the key ceremony",
    Phase.SHARES: "wait for the key ceremony",
    Phase.CONFIRMATION: "wait until every trustee has confirmed",
    Phase.READY: "wait until the polls open",
    Phase.CLOSED: "the polls are closed",
    Phase.TALLIED: "the polls are closed",
    Phase.COUNTED: "the polls are closed",
    Phase.COMPLETE: "the election is complete",
}
