"""Casts and challenges over gRPC, and the receipts that a device asks for."""

from __future__ import annotations

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.receipts import ReceiptKind, parse_receipt_message, verify_receipt
from crypto.errors import Rejected
from identity.roles import Role
from record.artifacts import Cast, Challenge
from record.checkpoint import parse_checkpoint
from record.cosignature import cosign, cosigner_key
from record.policy import Log, Policy, Witness
from rpc.errors import AlreadyDone, NotFound
from sailau.v1 import ballot_box_pb2, ballot_box_pb2_grpc
from tests.ballots import encrypt
from tests.system.polls import DEVICE, FULL, Polls, failure

pytestmark = pytest.mark.system

CODE = grpc.StatusCode


# --- decisions


def test_a_decision_is_made_once(shared: Polls) -> None:
    """A second one, the same or another, is ALREADY_EXISTS with the index of the first."""
    world, box = shared.world, shared.ballot_box
    code = shared.submit(shared.device_client()).confirmation_code
    cast = world.append(Cast(DEVICE, code))
    request = ballot_box_pb2.CastRequest(artifact=cast.data)
    receipt = parse_receipt_message(box.Cast(request).receipt)
    size = shared.board.size()
    again = ballot_box_pb2.CastRequest(artifact=cast.data)
    challenge = world.sign(Challenge(DEVICE, code))
    other = ballot_box_pb2.ChallengeRequest(artifact=challenge.data)
    for call in (lambda: box.Cast(again), lambda: box.Challenge(other)):
        status, info = failure(call)
        assert status is CODE.ALREADY_EXISTS
        assert info.metadata["index"] == str(receipt.index)
    assert shared.board.size() == size


def test_a_client_knows_its_own_decision_when_the_answer_was_lost(shared: Polls) -> None:
    """The same cast gives the receipt again; a challenge of the cast ballot is an error."""
    client = shared.device_client()
    code = shared.submit(client).confirmation_code
    cast = shared.world.append(Cast(DEVICE, code)).data
    first = client.cast(code, cast)
    again = client.cast(code, cast)
    assert again == first
    with pytest.raises(AlreadyDone):
        client.challenge(code, shared.world.sign(Challenge(DEVICE, code)).data)


def test_a_lost_answer_is_asked_for_again(shared: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives no receipt with its refusal is asked for it."""
    client = shared.device_client()
    code = shared.submit(client).confirmation_code
    cast = shared.world.append(Cast(DEVICE, code)).data
    first = client.cast(code, cast)
    monkeypatch.setattr("ballotbox.client.device.attachment", lambda error, kind: None)
    assert client.cast(code, cast) == first
    with pytest.raises(AlreadyDone):
        client.challenge(code, shared.world.sign(Challenge(DEVICE, code)).data)


def test_a_decision_about_a_ballot_that_is_not_there_is_not_found(shared: Polls) -> None:
    """Nothing is stored; a decision about another device's ballot is refused instead."""
    size, client = shared.board.size(), shared.device_client()
    for statement, call in (
        (Cast(DEVICE, bytes(32)), client.cast),
        (Challenge(DEVICE, bytes(32)), client.challenge),
    ):
        with pytest.raises(NotFound):
            call(bytes(32), shared.world.sign(statement).data)
    code = shared.submit(client).confirmation_code
    data = shared.world.sign(Cast("ballot-box-2", code)).data
    with pytest.raises(Rejected) as caught:
        shared.device_client("ballot-box-2").cast(code, data)
    assert caught.value.check == "R.cast"
    assert shared.board.size() == size + 1


# --- receipts


def test_a_receipt_gets_better(polls: Polls) -> None:
    """Asked for again, it stands under the checkpoint that most witnesses have signed."""
    polls.begin()
    client, store, key = polls.device_client(), polls.store, polls.world.log_key
    ballot = encrypt(polls.world, FULL).ballot
    first = client.submit(polls.world.append(ballot).data)
    code = ballot.confirmation_code
    assert client.receipt(code) == first
    polls.submit(client)
    polls.submit(client)
    witnesses = [Ed25519PrivateKey.generate() for _ in range(2)]
    keys = [
        cosigner_key(f"witness.example/w{n}", k.public_key().public_bytes_raw())
        for n, k in enumerate(witnesses)
    ]
    _, later, last = store.checkpoints(first.index + 1)
    for head, signers in ((later, (0, 1)), (last, (1,))):
        text = parse_checkpoint(head.note).text
        lines = [
            cosign(text, keys[n], witnesses[n], 1_700_000_000).line().encode() for n in signers
        ]
        store.add_cosignatures(head.size, lines)
    better = client.receipt(code)
    assert parse_checkpoint(better.proof.checkpoint).checkpoint.size == later.size
    both = Policy((Log(key),), tuple(Witness(k.name, k) for k in keys), (), keys[0].name)
    assert verify_receipt(better, both).quorum
    with pytest.raises(Rejected) as caught:
        verify_receipt(first, both)
    assert caught.value.check == "R.quorum"
    # Sent again it is what it was, whoever has signed since.
    assert client.submit(polls.world.artifacts[first.index].data) == first


def test_receipts_that_there_are_not(shared: Polls) -> None:
    """No ballot, no such decision, no kind, no code, no device."""
    client, box = shared.device_client(), shared.ballot_box
    code = shared.submit(client).confirmation_code
    for missing, kind in ((bytes(32), None), (code, ReceiptKind.CAST)):
        with pytest.raises(NotFound):
            client.receipt(missing, kind)
    assert client.receipt(code, ReceiptKind.SUBMITTED).kind is ReceiptKind.SUBMITTED
    for request, field in (
        (ballot_box_pb2.GetReceiptRequest(confirmation_code=b"short"), "confirmation_code"),
        (ballot_box_pb2.GetReceiptRequest(confirmation_code=code, kind=9), "kind"),  # type: ignore[arg-type]
    ):
        status, info = failure(lambda r=request: box.GetReceipt(r))  # type: ignore[misc]
        assert (status, info.metadata["field"]) == (CODE.INVALID_ARGUMENT, field)
    channel = shared.listening.role_channel(Role.ADMINISTRATOR, "administrator")
    stub = ballot_box_pb2_grpc.BallotBoxServiceStub(channel)
    request = ballot_box_pb2.GetReceiptRequest(confirmation_code=code)
    assert failure(lambda: stub.GetReceipt(request))[0] is CODE.PERMISSION_DENIED
