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
from record import accusations, ceremony_rules, operation_rules, polls_rules, tally_rules
from record.artifacts import (
    TRUSTEE_STATEMENTS,
    Accusation,
    Artifact,
    Ballot,
    Cast,
    Challenge,
    Device,
    DeviceClose,
    DeviceMissing,
    Operation,
    Role,
    Statement,
    TrusteeStatement,
    parse_artifact,
    verify_signature,
)
from record.election import ElectionContext, check_election
from record.entry import entry_for
from record.merkle import leaf_hash
from record.rule import Read, Rule, proves_nothing
from record.state import Phase, State

_RULES: Mapping[type, Rule[Any]] = {
    Accusation: ceremony_rules.ACCUSATION,
    **ceremony_rules.RULES,
    **operation_rules.RULES,
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
        self._extend(first)
        self.state.round_root = self.state.tree.root()

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
        self.check_signature(artifact)
        if isinstance(artifact.statement, TRUSTEE_STATEMENTS):
            self._check_not_accused(artifact.statement)
        rule.check(self.state, artifact.statement)
        if isinstance(artifact.statement, TRUSTEE_STATEMENTS):
            self._check_transcript(artifact.statement)

    def check_signature(self, artifact: Artifact) -> None:
        """Raise `Rejected` unless the one who has to sign `artifact` has signed it."""
        signer = self.signer(artifact.statement)
        verify_signature(artifact, self.context.base_hash, signer.public_key, str(signer))

    def append(self, artifact: Artifact) -> int:
        """Check `artifact`, take it into the state, return its index in the record."""
        self.check(artifact)
        return self.take(artifact)

    def take(self, artifact: Artifact) -> int:
        """Take in what `check` has just passed; returns its index."""
        state = self.state
        index, before = state.size, _round_of(state)
        self._rule(artifact).apply(state, artifact.statement, index)
        self._extend(artifact)
        if _round_of(state) != before:
            state.round_root = state.tree.root()
        return index

    def prove(self, artifact: Artifact, read: Read) -> None:
        """Raise `Rejected` unless the proofs in `artifact` hold.

        For what `check` has just passed, in the same state. `read(index)` gives an
        earlier artifact of this record.
        """
        if isinstance(artifact.statement, Accusation):
            accusations.judge(self, artifact.statement, read)
        else:
            self._rule(artifact).prove(self.state, artifact.statement, read)

    @staticmethod
    def has_proofs(statement: Statement) -> bool:
        """Whether `prove` has anything to do for such a statement."""
        return isinstance(statement, Accusation) or (
            _RULES[type(statement)].prove is not proves_nothing
        )

    def signer(self, statement: Statement) -> Signer:
        """Whose signature the statement needs; raises `Rejected` if there is nobody."""
        rule = _RULES[type(statement)]
        context = self.context
        if rule.signer is Role.TRUSTEE:
            key = context.trustee_key(statement.trustee)  # type: ignore[union-attr]
        elif isinstance(statement, Operation):
            operation_rules.check_actor(statement)
            key = context.single_key(statement.role)
        elif rule.signer is Role.DEVICE:
            key = context.role_key(Role.DEVICE, statement.device)  # type: ignore[union-attr]
        else:
            key = context.single_key(rule.signer)
        return Signer(key.role, key.name, key.public_key)

    def _check_not_accused(self, statement: TrusteeStatement) -> None:
        """Who is accused takes no further part."""
        i, name = statement.trustee, type(statement).__name__
        accused = self.state.accused.get(i)
        if accused is not None:
            raise Rejected(
                "R.session",
                f"trustee {i} takes no further part: artifact {accused.index} accuses it "
                f"({accused.check})",
                culprit=f"trustee {i}",
                where=name,
            )

    def _check_transcript(self, statement: TrusteeStatement) -> None:
        """R.transcript: it is about this record, as it was when the round began."""
        if statement.transcript != self.state.round_root:
            raise Rejected(
                "R.transcript",
                f"trustee {statement.trustee} has read another record than this one, or is in "
                "another round",
                where=type(statement).__name__,
                advice="read the record again; if it is another one, tell the other trustees",
            )

    def _extend(self, artifact: Artifact) -> None:
        self.state.size += 1
        self.state.tree.append(leaf_hash(entry_for(artifact.data)))

    @staticmethod
    def _rule(artifact: Artifact) -> Rule[Any]:
        rule = _RULES.get(type(artifact.statement))
        if rule is None:
            raise Rejected(
                "R.order", "the election is artifact 0 and stands once", where=artifact.name
            )
        return rule


def _round_of(state: State) -> tuple[object, ...]:
    """What a trustee's transcript is about: it ends where this changes (docs/record.md)."""
    if state.session is not None:
        return state.session.number, state.session.round()
    return (state.phase,)


_ADVICE = {
    Phase.ABORTED: "the key ceremony was aborted; make the election again",
    Phase.COMMITMENT: "wait for the key ceremony",
    Phase.KEYS: "wait for the key ceremony",
    Phase.SHARES: "wait for the key ceremony",
    Phase.CONFIRMATION: "wait until every trustee has confirmed",
    Phase.READY: "wait until the polls open",
    Phase.CLOSED: "the polls are closed",
    Phase.TALLIED: "the polls are closed",
    Phase.COUNTED: "the polls are closed",
    Phase.COMPLETE: "the election is complete",
}
