"""The services of the ballot box on loopback: a whole day, and who may call what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from ballotbox.challenges import audit
from ballotbox.client import BallotStatus, BoardClient
from ballotbox.line import Line
from ballotbox.receipts import ReceiptKind, check_ballot, verify_receipt
from ballotbox.terminal import Terminal
from crypto.errors import Rejected
from identity.roles import Role
from record.archive import read_archive
from record.artifacts import DeviceMissing
from record.policy import log_alone
from record.state import Phase
from rpc.credentials import role_channel
from rpc.errors import Denied
from sailau.v1 import (
    administration_pb2,
    administration_pb2_grpc,
    ballot_box_pb2,
    ballot_box_pb2_grpc,
)
from tests.ballots import close_statement, device_statement, encrypt
from tests.listening import Network
from tests.ports import HOST
from tests.system.polls import DEVICE, FULL, Polls, failure

pytestmark = pytest.mark.system

CODE = grpc.StatusCode
CHOICE = {"president": {"gulnar": 1}, "council": {"yes": 1, "no": 2}}


# --- a whole day


def test_a_day_at_the_polls(polls: Polls, tmp_path: Path) -> None:
    """From a device's first statement to the published record, through the clients."""
    world, board = polls.world, polls.board_client()
    machine = polls.machine()
    terminal = Terminal(Line(machine, polls.device_client()))
    terminal.begin()
    receipts = [terminal.submit("centre", "full", CHOICE) for _ in range(3)]
    for code, receipt in receipts:
        assert receipt is not None
        verify_receipt(receipt, log_alone(world.log_key))
        check_ballot(receipt, board.look_up(world.context, code).artifact.data)
        assert (receipt.kind, receipt.confirmation_code) == (ReceiptKind.SUBMITTED, code)
        assert board.look_up(world.context, code).status is BallotStatus.SUBMITTED
    (cast, _), (challenged, _), (spoiled, _) = receipts
    receipt_of_cast = terminal.cast(cast)
    assert terminal.cast(cast) == terminal.receipt(cast) == receipt_of_cast
    receipt_of_spoiled = terminal.receipt(spoiled)
    assert receipt_of_spoiled is not None
    assert receipt_of_spoiled.kind is ReceiptKind.SUBMITTED
    assert receipt_of_cast is not None
    assert receipt_of_cast.kind is ReceiptKind.CAST
    receipt_of_challenge, file = terminal.challenge(challenged)
    found = board.look_up(world.context, challenged)
    audit(world.context, world.keys, found.ballot, file)
    assert receipt_of_challenge is not None
    assert (found.status, found.decision_index) == (
        BallotStatus.CHALLENGED,
        receipt_of_challenge.index,
    )
    assert board.status().open_devices == (DEVICE,)
    terminal.close()
    assert machine.outgoing() == ()
    administration = polls.administration_client()
    missing = world.sign(DeviceMissing("ballot-box-2", "stayed in its box"))
    administration.publish(missing.data)
    status = board.status()
    assert (status.phase, status.submitted, status.unaccounted_devices) == (Phase.OPEN, 3, ())
    assert board.checkpoint(world.log_key)[1].size == status.size
    close = world.sign(polls.board.transcript.state.counts())
    index = administration.publish(close.data)
    assert administration.publish(close.data) == index
    assert board.status().phase is Phase.CLOSED
    assert board.look_up(world.context, spoiled).status is BallotStatus.SPOILED
    checkpoint = board.export(world.log_key, tmp_path / "record")
    assert checkpoint.size == index + 1
    with read_archive(tmp_path / "record") as archive:
        assert list(archive.artifacts(world.log_key)) == list(board.read())
    assert board.transcript().phase is Phase.CLOSED


# --- who may call what


def _calls(polls: Polls, channel: grpc.Channel) -> dict[str, Callable[[], object]]:
    box = ballot_box_pb2_grpc.BallotBoxServiceStub(channel)
    administration = administration_pb2_grpc.AdministrationServiceStub(channel)
    return {
        "RegisterDevice": lambda: box.RegisterDevice(ballot_box_pb2.RegisterDeviceRequest()),
        "Submit": lambda: box.Submit(ballot_box_pb2.SubmitRequest()),
        "Cast": lambda: box.Cast(ballot_box_pb2.CastRequest()),
        "Challenge": lambda: box.Challenge(ballot_box_pb2.ChallengeRequest()),
        "CloseDevice": lambda: box.CloseDevice(ballot_box_pb2.CloseDeviceRequest()),
        "Publish": lambda: administration.Publish(administration_pb2.PublishRequest()),
        "StartDecryption": lambda: administration.StartDecryption(
            administration_pb2.StartDecryptionRequest()
        ),
    }


@pytest.mark.parametrize("role", [Role.TRUSTEE, Role.DEVICE, Role.ADMINISTRATOR])
def test_each_call_is_allowed_to_its_role_only(shared: Polls, role: Role) -> None:
    """Before a byte of the request is looked at."""
    channel = shared.listening.role_channel(role, "somebody")
    own = {
        Role.TRUSTEE: set(),
        Role.DEVICE: {"RegisterDevice", "Submit", "Cast", "Challenge", "CloseDevice"},
        Role.ADMINISTRATOR: {"Publish"},
    }[role]
    calls = _calls(shared, channel)
    if role is Role.ADMINISTRATOR:
        del calls["StartDecryption"]
    for name, call in calls.items():
        code, _ = failure(call)
        assert code is (CODE.INVALID_ARGUMENT if name in own else CODE.PERMISSION_DENIED), name
    BoardClient(channel).status()


def test_the_public_listener_only_reads(shared: Polls) -> None:
    """The other services are not there."""
    for name, call in _calls(shared, shared.listening.public_channel()).items():
        assert failure(call)[0] is CODE.UNIMPLEMENTED, name


def test_a_client_without_the_right_certificate_gets_nowhere(shared: Polls) -> None:
    """None, and one of another election's authority: the handshake ends."""
    port, network = shared.listening.roles.port, shared.listening.network
    stranger = Network().role_channel(port, Role.DEVICE, DEVICE)
    without = network.public_channel(port)
    for channel in (stranger, without):
        assert failure(_calls(shared, channel)["Submit"])[0] is CODE.UNAVAILABLE
        channel.close()


def test_a_client_does_not_trust_another_server(shared: Polls) -> None:
    """The authority is the election's own."""
    other = Network()
    channel = role_channel(
        f"{HOST}:{shared.listening.roles.port}",
        other.authority.certificate_pem,
        shared.listening.network.certificate,
        shared.listening.network.key,
    )
    assert failure(_calls(shared, channel)["Submit"])[0] is CODE.UNAVAILABLE
    channel.close()


def test_a_device_speaks_in_its_own_name_only(shared: Polls) -> None:
    """A good ballot through another device's certificate is turned away."""
    artifact = shared.world.sign(encrypt(shared.world, FULL).ballot)
    size = shared.board.size()
    with pytest.raises(Denied, match="another device"):
        shared.device_client("ballot-box-2").submit(artifact.data)
    assert shared.board.size() == size


# --- when


def test_calls_before_the_opening_and_after_the_close_are_refused(tmp_path: Path) -> None:
    """R.order and R.after-close, with what to wait for."""
    polls = Polls(tmp_path, until=Phase.READY)
    world = polls.world
    with polls.listening:
        client = polls.device_client()
        administration = polls.administration_client()
        with pytest.raises(Rejected, match="Wait until the polls open") as caught:
            client.register(world.sign(device_statement(world, DEVICE)).data)
        assert caught.value.check == "R.order"
        administration.publish(world.append(world.keys.opening()).data)
        polls.begin()
        polls.submit(client)
        late = world.sign(encrypt(world, FULL).ballot).data
        client.close(world.append(close_statement(world, DEVICE)).data)
        missing = world.append(DeviceMissing("ballot-box-2", "lost")).data
        administration.publish(missing)
        administration.publish(world.append(world.state.counts()).data)
        size = polls.board.size()
        with pytest.raises(Rejected, match="The polls are closed") as caught:
            client.submit(late)
        assert caught.value.check == "R.after-close"
        assert polls.board.size() == size
    polls.store.close()
