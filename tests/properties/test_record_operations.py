"""The rules of operations: whose act it is, what it says, and that it is said once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.parameters import TOY
from record.artifacts import Action, Operation, Role, sign_statement
from record.operation_rules import ACTORS, DETAILED
from record.state import Phase
from tests.everything import (
    CHECKED,
    CONFIGURED,
    KEYS_USED,
    NOON,
    NOTED,
    OPERATIONS,
    RECOVERED,
    SERVER_STARTED,
    SERVER_STOPPED,
)
from tests.refusing import refuse
from tests.world import World

ROLES = {
    Action.SERVER_STARTED: Role.SERVER,
    Action.SERVER_STOPPED: Role.SERVER,
    Action.KEYS_USED: Role.SERVER,
    Action.CONFIGURED: Role.SERVER,
    Action.RECOVERED: Role.SERVER,
    Action.CHECKED: Role.SERVER,
    Action.NOTED: Role.ADMINISTRATOR,
}
"""Docs/record.md, "Operation"."""

each = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.action.name)


def begun() -> World:
    """An election of which only artifact 0 exists."""
    return World.create(TOY[-1], until=Phase.COMMITMENT)


def signed(world: World, operation: Operation, role: Role) -> World:
    """Have a role sign what it names another for, and take nothing."""
    key = next(key for (r, _), key in world.secrets.roles.items() if r is role)
    artifact = sign_statement(operation, world.group, world.context.base_hash, key)
    refuse(world, artifact, "R.signature", "")
    return world


def test_there_is_an_example_of_each() -> None:
    """The tests below leave no action out, and the tables are those of the document."""
    assert {o.action for o in OPERATIONS} == set(Action)
    assert dict(ACTORS) == ROLES
    assert set(DETAILED) == {Action.KEYS_USED, Action.CONFIGURED, Action.CHECKED}


@each
def test_each_is_said_by_its_role(operation: Operation) -> None:
    """In the name of another role it is R.operation, whoever has signed it."""
    world = begun()
    for role in Role:
        wrong = replace(operation, role=role)
        if role is ROLES[operation.action]:
            continue
        for _, key in world.secrets.roles.items():
            artifact = sign_statement(wrong, world.group, world.context.base_hash, key)
            refuse(world, artifact, "R.operation")
    world.append(operation)


@each
def test_each_is_signed_by_its_role(operation: Operation) -> None:
    """The signature of another role is R.signature and blames nobody."""
    world = begun()
    for role in Role:
        if role is not operation.role:
            signed(world, operation, role)
    world.append(operation)


@each
def test_details_are_there_exactly_where_they_belong(operation: Operation) -> None:
    """Three actions say what was done; the others have nothing more to say."""
    world = begun()
    wrong = replace(operation, details="" if operation.details else "more")
    refuse(world, wrong, "R.operation", operation.role.name.lower())


def test_nothing_is_said_twice() -> None:
    """The same operation again is R.duplicate, in any phase; a word or a minute more is another."""
    world = begun()
    world.append(NOTED)
    world.append(SERVER_STARTED)
    world.play_commitments()
    refuse(world, NOTED, "R.duplicate", "administrator")
    refuse(world, SERVER_STARTED, "R.duplicate", "server")
    world.append(replace(NOTED, time=NOON + 60))
    world.append(replace(NOTED, reason=f"{NOTED.reason} Again."))
    world.append(replace(NOTED, subject="hall 2"))


def test_what_the_server_said_last() -> None:
    """The state knows the settings, and whether the server was started or stopped last."""
    world = begun()
    assert (world.state.configuration, world.state.last_server_action) == ("", None)
    world.append(KEYS_USED)
    assert world.state.last_server_action is None
    for operation in (SERVER_STARTED, CONFIGURED, RECOVERED):
        world.append(operation)
        assert world.state.last_server_action is Action.SERVER_STARTED
    for operation in (SERVER_STOPPED, CHECKED, NOTED):
        world.append(operation)
        assert world.state.last_server_action is Action.SERVER_STOPPED
    assert world.state.configuration == CONFIGURED.details
    world.append(replace(CONFIGURED, details="group: 5 s"))
    assert world.state.configuration == "group: 5 s"


def test_operations_move_nothing_on() -> None:
    """Neither the phase nor the round that trustees speak in changes."""
    world = begun()
    root = world.state.round_root
    for operation in OPERATIONS:
        world.append(operation)
    assert world.state.phase is Phase.COMMITMENT
    assert world.state.round_root == root
    world.play_commitments()
    assert world.transcript.phase is Phase.KEYS


@given(
    st.sampled_from(Role),
    st.sampled_from(Action),
    st.text(min_size=1, max_size=50),
    st.integers(1, 4_000_000_000),
    st.booleans(),
)
def test_any_operation(
    role: Role, action: Action, reason: str, minutes: int, detailed: bool
) -> None:
    """It is taken exactly if it is its role's to say and has details where they belong."""
    world = _shared()
    details = "something" if detailed else ""
    operation = Operation(role, action, reason, 60 * minutes, "", details)
    right = role is ROLES[action] and detailed is (action in DETAILED)
    key = world.role_key(role if role in (Role.SERVER, Role.ADMINISTRATOR) else Role.SERVER)
    artifact = sign_statement(operation, world.group, world.context.base_hash, key)
    if not right:
        refuse(world, artifact, "R.operation")
    elif operation not in world.state.operations:
        assert world.append_artifact(world.transcript.parse(artifact.data)) == artifact


_WORLDS: list[World] = []


def _shared() -> World:
    if not _WORLDS:
        _WORLDS.append(begun())
    return _WORLDS[0]
