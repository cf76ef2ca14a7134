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
        action = statement.action.name.lower()
        raise _reject(f"{action} is said by the {actor.name.lower()}", "role")


def _check(_: State, statement: Operation) -> None:
    if bool(statement.details) is not (statement.action in DETAILED):
        wanted = "needs" if statement.action in DETAILED else "has no"
        raise _reject(f"{statement.action.name.lower()} {wanted} details", "details")


def _reject(problem: str, field: str) -> Rejected:
    return Rejected("R.operation", problem, where=f"operation.{field}")


def _apply(state: State, statement: Operation, _: int) -> None:
    if statement.action is Action.CONFIGURED:
        state.configuration = statement.details
    if statement.role is Role.SERVER:
        state.last_server_action = statement.action


_PHASES = tuple(p for p in Phase if p not in (Phase.ABORTED, Phase.COMPLETE))
# Who signs stands in the statement: see `Transcript.signer`.
RULES: Mapping[type, Rule[Any]] = {Operation: Rule(_PHASES, Role.SERVER, _check, _apply)}
