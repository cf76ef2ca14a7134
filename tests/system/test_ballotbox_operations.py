"""Operations through the administrator's door: notes come in, the server's acts do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from crypto.errors import Malformed, Rejected
from record.artifacts import Artifact, Operation, Role, sign_statement
from sailau.v1 import record_pb2 as pb
from tests.everything import NOTED, OPERATIONS
from tests.system.polls import Polls


@pytest.fixture(scope="module")
def polls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polls]:
    """Open polls on which nothing has happened."""
    polls = Polls(tmp_path_factory.mktemp("polls"))
    with polls.listening:
        yield polls
    polls.store.close()


def signed(polls: Polls, operation: Operation, role: Role = Role.ADMINISTRATOR) -> Artifact:
    """The operation under the signature of a role, whatever it names."""
    world = polls.world
    return sign_statement(operation, world.group, world.context.base_hash, world.role_key(role))


def test_a_note_is_published_once(polls: Polls) -> None:
    """The same bytes again give the same answer."""
    client = polls.administration_client()
    note = polls.world.append(NOTED).data
    index = client.publish(note)
    assert index == len(polls.world.artifacts) - 1
    assert client.publish(note) == index
    assert polls.board.size() == index + 1


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.role is Role.SERVER])
def test_acts_of_the_server_are_not_the_administrators(polls: Polls, operation: Operation) -> None:
    """The administrator's key does not say them in the server's name, nor in its own."""
    client = polls.administration_client()
    size = polls.board.size()
    with pytest.raises(Rejected) as caught:
        client.publish(signed(polls, operation).data)
    assert caught.value.check == "R.signature"
    own = replace(operation, role=Role.ADMINISTRATOR)
    with pytest.raises(Rejected) as caught:
        client.publish(signed(polls, own).data)
    assert caught.value.check == "R.operation"
    assert polls.board.size() == size


def test_a_time_to_the_second_is_refused_as_bytes(polls: Polls) -> None:
    """So that no clock gets onto the board more finely than to the minute."""
    message = pb.Artifact.FromString(signed(polls, replace(NOTED, reason="now")).data)
    message.operation.time += 1
    with pytest.raises(Malformed) as caught:
        polls.administration_client().publish(message.SerializeToString(deterministic=True))
    assert caught.value.field == "operation.time"
