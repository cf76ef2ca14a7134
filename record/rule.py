"""The shape of a rule: when a statement is accepted, who signs it, what it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from record.artifacts import Artifact, Role
from record.state import Phase, State

S = TypeVar("S")
Read = Callable[[int], Artifact]


def proves_nothing(state: State, statement: object, read: Read) -> None:
    """For statements without proofs."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[S]):
    """`check` raises `Rejected`; `apply` changes the state; `prove` does the costly part."""

    phases: tuple[Phase, ...]
    signer: Role
    check: Callable[[State, S], None]
    apply: Callable[[State, S, int], None]
    prove: Callable[[State, S, Read], None] = proves_nothing
