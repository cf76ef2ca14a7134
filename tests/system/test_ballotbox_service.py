"""The ballot box, the board and the administration over gRPC with TLS on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox import workers
from ballotbox.board import Board
from ballotbox.challenges import audit
from ballotbox.client import BallotStatus, BoardClient, DeviceClient
from ballotbox.line import Line
from ballotbox.receipts import (
    ReceiptKind,
    check_ballot,
    make_receipt,
    parse_receipt_message,
    verify_receipt,
)
from ballotbox.store import SqliteStore
from ballotbox.terminal import Terminal
from crypto.errors import Malformed, Rejected, SailauError
from crypto.parameters import TOY
from identity.roles import Role
from record.archive import read_archive
from record.artifacts import Cast, Challenge, DeviceMissing
from record.artifacts import Role as SigningRole
from record.checkpoint import parse_checkpoint, sign_checkpoint
from record.cosignature import cosign, cosigner_key
from record.policy import Log, Policy, Witness, log_alone
from record.proofs import verify_ballots
from record.state import Phase
from rpc.credentials import role_channel
from rpc.errors import AlreadyDone, Busy, Denied, NotFound, Unavailable, explain
from sailau.v1 import (
    administration_pb2,
    administration_pb2_grpc,
    ballot_box_pb2,
    ballot_box_pb2_grpc,
    bulletin_board_pb2,
    bulletin_board_pb2_grpc,
)
from tests.ballots import close_statement, device_statement, encrypt, rehashed
from tests.listening import Listening, Network
from tests.ports import HOST
from tests.system.polls import DEVICE, FULL, Polls, failure
from tests.world import World

pytestmark = pytest.mark.system

CODE = grpc.StatusCode
CHOICE = {"president": {"gulnar": 1}, "council": {"yes": 1, "no": 2}}


@pytest.fixture
def polls(tmp_path: Path) -> Iterator[Polls]:
    """Open polls on which nothing has happened."""
    polls = Polls(tmp_path)
    with polls.listening:
        yield polls
    polls.store.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Polls]:
    """Open polls with one device under way, for tests that change nothing but add ballots."""
    polls = Polls(tmp_path_factory.mktemp("shared"))
    with polls.listening:
        polls.begin()
        yield polls
    polls.store.close()


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
    monkeypatch.setattr("ballotbox.client.attachment", lambda error, kind: None)
    assert client.cast(code, cast) == first
    with pytest.raises(AlreadyDone):
        client.challenge(code, shared.world.sign(Challenge(DEVICE, code)).data)


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


def test_calls_before_the_opening_and_after_the_close_are_refused(tmp_path: Path) -> None:
    """R.order and R.after-close, with what to wait for."""
    polls = Polls(tmp_path, until=Phase.READY)
    world = polls.world
    with polls.listening:
        client = polls.device_client()
        administration = polls.administration_client()
        with pytest.raises(Rejected, match="wait until the polls open") as caught:
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
        with pytest.raises(Rejected, match="the polls are closed") as caught:
            client.submit(late)
        assert caught.value.check == "R.after-close"
        assert polls.board.size() == size
    polls.store.close()


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


# --- a busy server


def test_a_full_queue_is_told_and_the_ballot_is_taken_later(
    shared: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RESOURCE_EXHAUSTED; the chain is not disturbed."""
    entered, leave = threading.Event(), threading.Event()
    real = verify_ballots

    def slowly(*arguments: Any) -> Any:
        entered.set()
        assert leave.wait(60)
        return real(*arguments)

    monkeypatch.setattr(workers, "verify_ballots", slowly)
    client = shared.device_client()
    impatient = DeviceClient(
        shared.listening.role_channel(Role.DEVICE, DEVICE), shared.world.context, deadline=0.1
    )
    rival = shared.world.sign(encrypt(shared.world, FULL).ballot).data
    first = threading.Thread(target=shared.submit, args=(client,))
    first.start()
    assert entered.wait(60)
    with pytest.raises(Busy):
        impatient.submit(rival)
    leave.set()
    first.join()
    shared.submit(client)


def test_reading_goes_on_while_a_ballot_is_checked(
    shared: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proofs are checked outside of every lock that readers need."""
    entered, leave = threading.Event(), threading.Event()

    def slowly(*_: Any) -> list[None]:
        entered.set()
        assert leave.wait(60)
        return [None]

    monkeypatch.setattr(workers, "verify_ballots", slowly)
    submitting = threading.Thread(target=shared.submit, args=(shared.device_client(),))
    submitting.start()
    assert entered.wait(60)
    board = shared.board_client()
    size = board.status().size
    assert len(list(board.read())) == size
    leave.set()
    submitting.join()


# --- reading


def test_reading_in_ranges(shared: Polls) -> None:
    """First and limit; beyond the end there is nothing; limit and follow exclude each other."""
    board, data = shared.board_client(), list(shared.board.read_bytes(0, 10**6))
    assert list(board.read()) == data
    assert list(board.read(4, 3)) == data[4:7]
    assert list(board.read(len(data), 3)) == []
    assert list(board.read(2**62)) == []
    stub = bulletin_board_pb2_grpc.BulletinBoardServiceStub(shared.listening.public_channel())
    request = bulletin_board_pb2.ReadArtifactsRequest(limit=1, follow=True)
    assert failure(lambda: list(stub.ReadArtifacts(request)))[0] is CODE.INVALID_ARGUMENT


def test_followers_get_what_comes(shared: Polls) -> None:
    """What is there first, then each new artifact, until they cancel."""
    first = shared.board.size() - 1
    stream = shared.board_client().follow(first)
    items = iter(stream)
    assert next(items) == (first, shared.board.read(first).data)
    client = shared.device_client()
    for index in range(first + 1, first + 4):
        shared.submit(client)
        assert next(items) == (index, shared.board.read(index).data)
    threading.Timer(0.1, stream.cancel).start()
    assert list(items) == []


def test_followers_do_not_starve_the_server(polls: Polls) -> None:
    """Four may follow here; the fifth is told to come later; a place becomes free again."""
    board = polls.board_client()
    streams = [board.follow() for _ in range(4)]
    followers = [iter(stream) for stream in streams]
    for follower in followers:
        assert next(follower)[0] == 0
    with pytest.raises(Busy):
        next(iter(board.follow()))
    polls.begin()
    polls.submit(polls.device_client())
    assert board.status().size == polls.board.size()
    for stream in streams:
        stream.cancel()
    followers.clear()
    for _ in range(100):
        try:
            stream = board.follow()
            assert next(iter(stream))[0] == 0
            break
        except Busy:
            threading.Event().wait(0.1)
    else:
        pytest.fail("no place became free")
    stream.cancel()


def test_a_follower_survives_a_restart(tmp_path: Path) -> None:
    """It goes on where it was, on the same address."""
    polls = Polls(tmp_path)
    network, port = polls.listening.network, polls.listening.roles.port
    channel = network.role_channel(port, Role.TRUSTEE, "trustee-1")
    with polls.listening:
        last = polls.world.state.size - 1
        stream = BoardClient(channel, deadline=30).follow(last)
        items = iter(stream)
        assert next(items)[0] == last
    polls.store.close()
    polls.store = SqliteStore.open(tmp_path / "board.db", polls.world.context.base_hash)
    board = Board.open(
        polls.store,
        polls.world.artifacts[0],
        server_key=polls.world.role_key(SigningRole.SERVER),
        log_key=polls.world.secrets.log,
    )
    with Listening(board, network=network, port=port):
        index = board.append(polls.world.append(device_statement(polls.world, DEVICE)).data)
        assert next(items)[0] == index
        stream.cancel()
    channel.close()
    polls.store.close()


def test_a_server_that_stops_lets_followers_go(tmp_path: Path) -> None:
    """They get UNAVAILABLE, at once."""
    polls = Polls(tmp_path)
    with polls.listening:
        stub = bulletin_board_pb2_grpc.BulletinBoardServiceStub(polls.listening.public_channel())
        call = stub.ReadArtifacts(bulletin_board_pb2.ReadArtifactsRequest(follow=True))
        for _ in range(polls.board.size()):
            next(call)
        polls.board.close()
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert isinstance(explain(caught.value), Unavailable)
    polls.store.close()


def test_codes_that_are_not_there(shared: Polls) -> None:
    """NOT_FOUND; what is no code is invalid."""
    board = shared.board_client()
    with pytest.raises(NotFound):
        board.look_up(shared.world.context, bytes(32))
    with pytest.raises(Malformed) as caught:
        board.look_up(shared.world.context, bytes(31))
    assert caught.value.field == "confirmation_code"


def test_the_status_tells_who_is_there(tmp_path: Path) -> None:
    """What the coordinator says is passed on; a session is started through the door it gave."""
    asked: list[tuple[int, ...]] = []

    def start(trustees: Any) -> tuple[int, tuple[int, ...]]:
        asked.append(tuple(trustees))
        return 7, (1, 3)

    polls = Polls(
        tmp_path, start_decryption=start, present=lambda: (1, 3), notices=lambda: ["waiting"]
    )
    with polls.listening:
        status = polls.board_client().status()
        assert (status.trustees_present, status.notices) == ((1, 3), ("waiting",))
        assert polls.administration_client().start_decryption((3, 1)) == (7, (1, 3))
    assert asked == [(3, 1)]
    polls.store.close()


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
