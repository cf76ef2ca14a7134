"""The administrator's door over gRPC: the close, notes; nothing that is another role's to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from crypto.errors import Malformed, Rejected
from record.artifacts import Artifact, Operation, Role, sign_statement
from sailau.v1 import record_pb2 as pb
from tests.ballots import encrypt
from tests.everything import NOTED, OPERATIONS
from tests.system.polls import FULL, Polls

pytestmark = pytest.mark.system


def test_a_close_with_wrong_counts_or_open_devices_is_refused(shared: Polls) -> None:
    """The administrator is told which devices are still there."""
    shared.submit(shared.device_client())
    with pytest.raises(Rejected, match="ballot-box-1, ballot-box-2") as caught:
        shared.administration_client().publish(shared.world.sign(shared.world.state.counts()).data)
    assert caught.value.check == "R.polls-close"


def test_the_administrator_publishes_statements_of_its_own_only(shared: Polls) -> None:
    """A ballot does not come through this door."""
    artifact = shared.world.sign(encrypt(shared.world, FULL).ballot)
    with pytest.raises(Malformed, match="is a ballot"):
        shared.administration_client().publish(artifact.data)


# --- operations: notes come in, the server's acts do not


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polls]:
    """Open polls on which nothing has happened."""
    quiet = Polls(tmp_path_factory.mktemp("polls"))
    with quiet.listening:
        yield quiet
    quiet.store.close()


def signed(quiet: Polls, operation: Operation, role: Role = Role.ADMINISTRATOR) -> Artifact:
    """The operation under the signature of a role, whatever it names."""
    world = quiet.world
    return sign_statement(operation, world.group, world.context.base_hash, world.role_key(role))


def test_a_note_is_published_once(quiet: Polls) -> None:
    """The same bytes again give the same answer."""
    client = quiet.administration_client()
    note = quiet.world.append(NOTED).data
    index = client.publish(note)
    assert index == len(quiet.world.artifacts) - 1
    assert client.publish(note) == index
    assert quiet.board.size() == index + 1


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o.role is Role.SERVER])
def test_acts_of_the_server_are_not_the_administrators(quiet: Polls, operation: Operation) -> None:
    """The administrator's key does not say them in the server's name, nor in its own."""
    client = quiet.administration_client()
    size = quiet.board.size()
    with pytest.raises(Rejected) as caught:
        client.publish(signed(quiet, operation).data)
    assert caught.value.check == "R.signature"
    own = replace(operation, role=Role.ADMINISTRATOR)
    with pytest.raises(Rejected) as caught:
        client.publish(signed(quiet, own).data)
    assert caught.value.check == "R.operation"
    assert quiet.board.size() == size


def test_a_time_to_the_second_is_refused_as_bytes(quiet: Polls) -> None:
    """So that no clock gets onto the board more finely than to the minute."""
    message = pb.Artifact.FromString(signed(quiet, replace(NOTED, reason="now")).data)
    message.operation.time += 1
    with pytest.raises(Malformed) as caught:
        quiet.administration_client().publish(message.SerializeToString(deterministic=True))
    assert caught.value.field == "operation.time"
