"""Rules of operation: who may say which act, and when (docs/record.md, "Operation")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crypto.errors import Rejected
from record.artifacts import Action, Operation, Role
from record.rule import Rule
from record.state import Phase, State

ACTORS: Mapping[Action, Role] = {
    Action.SERVER_STARTED: Role.SERVER,
    Action.SERVER_STOPPED: Role.SERVER,
    Action.KEYS_USED: Role.SERVER,
    Action.CONFIGURED: Role.SERVER,
    Action.RECOVERED: Role.SERVER,
    Action.CHECKED: Role.SERVER,
    Action.NOTED: Role.ADMINISTRATOR,
}
"""Whose act it is."""

DETAILED = (Action.KEYS_USED, Action.CONFIGURED, Action.CHECKED)
"""The actions whose `details` say what was done; the others have none."""


def check_actor(statement: Operation) -> None:
    """Raise `Rejected` (R.operation) unless the role it names may say this."""
    actor = ACTORS[statement.action]
    if statement.role is not actor:
        action, name = statement.action.name.lower(), actor.name.lower()
        raise Rejected(
            "R.operation",
            f"{action} is the {name}'s to say",
            where="operation.role",
            advice=f"sign it as the {name}",
        )


def _check(state: State, statement: Operation) -> None:
    if statement in state.operations:
        raise Rejected(
            "R.duplicate",
            "the record has this operation already, said in the same words in the same minute",
            culprit=statement.role.name.lower(),
            where="operation",
            advice="say in other words what was done again",
        )
    if bool(statement.details) is not (statement.action in DETAILED):
        wanted = "needs" if statement.action in DETAILED else "has no"
        raise Rejected(
            "R.operation",
            f"{statement.action.name.lower()} {wanted} details",
            culprit=statement.role.name.lower(),
            where="operation.details",
        )


def _apply(state: State, statement: Operation, _: int) -> None:
    state.operations.add(statement)
    if statement.action is Action.CONFIGURED:
        state.configuration = statement.details
    if statement.action in (Action.SERVER_STARTED, Action.SERVER_STOPPED):
        state.last_server_action = statement.action


_PHASES = tuple(p for p in Phase if p not in (Phase.ABORTED, Phase.COMPLETE))
# Who signs stands in the statement: see `Transcript.signer`.
RULES: Mapping[type, Rule[Any]] = {Operation: Rule(_PHASES, Role.SERVER, _check, _apply)}
