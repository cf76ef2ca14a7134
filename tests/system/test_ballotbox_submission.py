"""Ballots that come in over gRPC: good ones, bad ones, too many, and receipts for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.client import DeviceClient
from ballotbox.receipts import ReceiptKind, make_receipt
from crypto.errors import Rejected, SailauError
from crypto.parameters import TOY
from identity.roles import Role
from record.artifacts import Cast
from record.checkpoint import parse_checkpoint, sign_checkpoint
from rpc.errors import Busy, explained
from sailau.v1 import ballot_box_pb2, ballot_box_pb2_grpc
from tests.ballots import device_statement, encrypt, rehashed
from tests.system.polls import DEVICE, FULL, Polls, failure, hold_proofs
from tests.system.programs import PATIENCE
from tests.world import World

pytestmark = pytest.mark.system

CODE = grpc.StatusCode


# --- bad input


def _wrong_hash(polls: Polls) -> bytes:
    ballot = encrypt(polls.world, FULL).ballot
    return polls.world.sign(replace(ballot, identifier_hash=bytes(32))).data


def _wrong_chain(polls: Polls) -> bytes:
    ballot = encrypt(polls.world, FULL).ballot
    ballot = rehashed(polls.world, replace(ballot, chaining_field=bytes(36)))
    return polls.world.sign(ballot).data


def _wrong_code(polls: Polls) -> bytes:
    ballot = encrypt(polls.world, FULL).ballot
    return polls.world.sign(replace(ballot, confirmation_code=bytes(32))).data


def _unknown_style(polls: Polls) -> bytes:
    return polls.world.sign(replace(encrypt(polls.world, FULL).ballot, ballot_style="x")).data


def _outside(polls: Polls) -> bytes:
    ballot = encrypt(polls.world, FULL).ballot
    contest, *rest = ballot.contests
    selection, *others = contest.selections
    selection = replace(selection, beta=polls.world.group.p - selection.beta)
    contest = replace(contest, selections=(selection, *others))
    return polls.world.sign(rehashed(polls.world, replace(ballot, contests=(contest, *rest)))).data


def _another_election(polls: Polls) -> bytes:
    other = World.create(TOY[-1])
    other.append(device_statement(other, DEVICE))
    return other.sign(encrypt(other, FULL).ballot).data


def _truncated(polls: Polls) -> bytes:
    return polls.world.sign(encrypt(polls.world, FULL).ballot).data[:-1]


def _another_kind(polls: Polls) -> bytes:
    return polls.world.sign(Cast(DEVICE, bytes(32))).data


def _administrators(polls: Polls) -> bytes:
    return polls.world.sign(polls.world.state.counts()).data


def _wide(_: Polls) -> bytes:
    return bytes(2**20 + 1)


@pytest.mark.parametrize(
    ("make", "code", "reason"),
    [
        (_wrong_hash, CODE.FAILED_PRECONDITION, "5.B"),
        (_wrong_chain, CODE.FAILED_PRECONDITION, "8.E"),
        (_wrong_code, CODE.FAILED_PRECONDITION, "8.B"),
        (_unknown_style, CODE.FAILED_PRECONDITION, "R.ballot"),
        (_outside, CODE.FAILED_PRECONDITION, "6.A"),
        (_another_election, CODE.FAILED_PRECONDITION, "R.signature"),
        (_truncated, CODE.INVALID_ARGUMENT, "artifact"),
        (_another_kind, CODE.INVALID_ARGUMENT, "artifact"),
        (_administrators, CODE.INVALID_ARGUMENT, "artifact"),
        (_wide, CODE.INVALID_ARGUMENT, "artifact"),
    ],
)
def test_a_bad_ballot_gets_its_status_and_the_next_good_one_is_taken(
    shared: Polls, make: Callable[[Polls], bytes], code: grpc.StatusCode, reason: str
) -> None:
    """The details name the check or the field; nothing is stored."""
    request = ballot_box_pb2.SubmitRequest(artifact=make(shared))
    size = shared.board.size()
    box = shared.ballot_box
    found, info = failure(lambda: box.Submit(request))
    assert (found, info.reason) == (code, reason)
    assert shared.board.size() == shared.store.size() == size
    shared.submit(shared.device_client())
    assert shared.board.size() == size + 1


def test_bytes_that_are_no_message_are_invalid(shared: Polls) -> None:
    """Before any artifact is looked for in them."""
    channel = shared.listening.role_channel(Role.DEVICE, DEVICE)
    call: Any = channel.unary_unary("/sailau.v1.BallotBoxService/Submit")
    assert failure(lambda: call(b"\xff\xff\xff"))[0] is CODE.INVALID_ARGUMENT


def test_a_message_over_the_limit_is_refused_and_the_connection_lives(shared: Polls) -> None:
    """RESOURCE_EXHAUSTED from the transport; the same channel goes on."""
    channel = shared.listening.role_channel(Role.DEVICE, DEVICE)
    box = ballot_box_pb2_grpc.BallotBoxServiceStub(channel)
    request = ballot_box_pb2.SubmitRequest(artifact=bytes(18 << 20))
    assert failure(lambda: box.Submit(request))[0] is CODE.RESOURCE_EXHAUSTED
    shared.submit(DeviceClient(channel, shared.world.context))


# --- the same again


def test_the_same_ballot_twice_has_one_receipt(shared: Polls) -> None:
    """Equal to the last byte, and stored once."""
    artifact = shared.world.append(encrypt(shared.world, FULL).ballot)
    client = shared.device_client()
    first = client.submit(artifact.data)
    size = shared.board.size()
    assert client.submit(artifact.data) == first
    assert shared.board.size() == size


def test_the_same_identifier_with_other_content_is_refused(shared: Polls) -> None:
    """5.A, whoever signed it."""
    first = shared.submit(shared.device_client())
    ballot = replace(encrypt(shared.world, FULL).ballot, identifier=first.identifier)
    data = shared.world.sign(rehashed(shared.world, ballot)).data
    request = ballot_box_pb2.SubmitRequest(artifact=data)
    code, info = failure(lambda: shared.ballot_box.Submit(request))
    assert (code, info.reason) == (CODE.FAILED_PRECONDITION, "5.A")


# --- a busy server


def test_a_full_queue_is_told_and_the_ballot_is_taken_later(
    shared: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RESOURCE_EXHAUSTED; the chain is not disturbed."""
    entered, leave = hold_proofs(monkeypatch)
    client = shared.device_client()
    rival = shared.world.sign(encrypt(shared.world, FULL).ballot).data
    size = shared.board.size()
    first = threading.Thread(target=shared.submit, args=(client,))
    first.start()
    assert entered.wait(PATIENCE)
    # By one call: a device's client would come again until the queue has room.
    with pytest.raises(Busy), explained():
        shared.ballot_box.Submit(ballot_box_pb2.SubmitRequest(artifact=rival))
    leave.set()
    first.join()
    shared.submit(client)
    assert shared.board.size() == size + 2


# --- a server that is not honest


class Forger(ballot_box_pb2_grpc.BallotBoxServiceServicer):
    """Answers every submission with somebody else's receipt."""

    def __init__(self, receipt: ballot_box_pb2.Receipt) -> None:
        self.receipt = receipt

    def Submit(self, request: Any, context: Any) -> ballot_box_pb2.SubmitResponse:  # noqa: N802
        """The same receipt, whatever was submitted."""
        return ballot_box_pb2.SubmitResponse(receipt=self.receipt)


def test_a_device_does_not_take_a_receipt_for_something_else(
    shared: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one for another ballot nor one that another key signed."""
    client = shared.device_client()
    one = shared.world.append(encrypt(shared.world, FULL).ballot).data
    receipt = client.submit(one)
    ballot = encrypt(shared.world, FULL).ballot
    two = shared.world.sign(ballot).data
    place = receipt.index, receipt.proof.hashes
    promised = ReceiptKind.SUBMITTED, shared.world.context.base_hash, ballot.confirmation_code, two
    head = parse_checkpoint(receipt.proof.checkpoint).checkpoint
    foreign = sign_checkpoint(head, Ed25519PrivateKey.generate())
    elsewhere = receipt.to_message()
    elsewhere.index += 1
    for false, check in (
        (receipt.to_message(), "R.receipt"),
        (elsewhere, "R.receipt"),
        (make_receipt(*promised, *place, receipt.proof.checkpoint).to_message(), "R.inclusion"),
        (receipt.under(foreign, place[1]).to_message(), "R.checkpoint"),
    ):
        forger = Forger(false)
        monkeypatch.setattr(client._stub, "Submit", lambda r, timeout, f=forger: f.Submit(r, None))
        with pytest.raises(SailauError) as caught:
            client.submit(two)
        assert isinstance(caught.value, Rejected)
        assert caught.value.check == check
