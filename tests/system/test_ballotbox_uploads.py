"""The server's side of an upload: order, answers, refusals, and clients that do not play along."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from ballotbox import uploading
from ballotbox.admission import Admission, Ticket
from ballotbox.arrivals import Accepted, Arrival
from ballotbox.errors import AdmissionAbandoned
from ballotbox.sequencer import Timing
from crypto.errors import Rejected
from identity.roles import Role
from record.artifacts import Artifact, Ballot, Cast, Challenge
from record.election import ElectionKeys
from record.state import Status
from rpc.credentials import MAX_REQUEST
from rpc.errors import Busy, explain
from sailau.v1 import ballot_box_pb2, ballot_box_pb2_grpc
from tests.ballots import close_statement, device_statement, encrypt
from tests.system.polls import DEVICE, FULL, Polls, failure, hold_proofs
from tests.system.programs import PATIENCE, wait_until

pytestmark = pytest.mark.system

CODE = grpc.StatusCode


def request(artifact: Artifact) -> ballot_box_pb2.UploadRequest:
    return ballot_box_pb2.UploadRequest(artifact=artifact.data)


def ballot(polls: Polls) -> tuple[Artifact, bytes]:
    """The next ballot of the device's chain, and its code."""
    artifact = polls.world.append(encrypt(polls.world, FULL).ballot)
    assert isinstance(artifact.statement, Ballot)
    return artifact, artifact.statement.confirmation_code


def day(polls: Polls, ballots: int) -> list[Artifact]:
    """All that a device says in a day: each ballot is cast, or challenged if it is the third."""
    world = polls.world
    artifacts = [world.append(device_statement(world, DEVICE))]
    for n in range(ballots):
        artifact, code = ballot(polls)
        decision = Challenge(DEVICE, code) if n % 3 == 2 else Cast(DEVICE, code)
        artifacts += [artifact, world.append(decision)]
    return [*artifacts, world.append(close_statement(world, DEVICE))]


def upload(polls: Polls, artifacts: list[Artifact]) -> list[int]:
    return [
        answer.index
        for answer in polls.ballot_box.Upload(map(request, artifacts), timeout=PATIENCE)
    ]


def when_free(polls: Polls, artifacts: list[Artifact]) -> list[int]:
    """An upload, once the device's place is free."""
    indices: list[int] = []

    def done() -> bool:
        try:
            indices[:] = upload(polls, artifacts)
        except grpc.RpcError as error:
            if isinstance(explain(error), Busy):
                return False
            raise
        return True

    wait_until(done)
    return indices


def stored(polls: Polls) -> list[bytes]:
    return list(polls.board.read_bytes(0, 10**6))


def test_a_whole_day_comes_in_order(polls: Polls) -> None:
    """Each is answered with its index; sent again they are where they were."""
    first, artifacts = polls.board.size(), day(polls, 40)
    indices = upload(polls, artifacts)
    assert indices == list(range(first, first + len(artifacts)))
    assert stored(polls) == polls.world.data()
    assert polls.board.transcript.state.counts().challenged == 13
    size = polls.board.size()
    assert upload(polls, artifacts) == indices
    assert upload(polls, artifacts[::-1]) == indices[::-1]
    assert polls.board.size() == size


def test_an_upload_goes_on_where_the_last_one_ended(polls: Polls) -> None:
    """Some are known, some are not."""
    first, artifacts = polls.board.size(), day(polls, 5)
    assert upload(polls, artifacts[:4]) == list(range(first, first + 4))
    assert upload(polls, artifacts[2:]) == list(range(first + 2, first + len(artifacts)))
    assert stored(polls) == polls.world.data()


def test_each_is_answered_before_the_next_is_sent(polls: Polls) -> None:
    """A device that waits for every answer gets it."""
    artifacts, sending = day(polls, 2), SimpleQueue[Any]()
    first = polls.board.size()
    sending.put(request(artifacts[0]))
    answers = polls.ballot_box.Upload(iter(sending.get, None), timeout=PATIENCE)
    for n, artifact in enumerate(artifacts[1:]):
        assert next(answers).index == first + n
        sending.put(request(artifact))
    assert next(answers).index == first + len(artifacts) - 1
    sending.put(None)
    assert list(answers) == []


def test_a_refusal_in_the_middle_ends_it(polls: Polls) -> None:
    """After the answers of what came before; nothing behind it is stored."""
    begin = polls.world.append(device_statement(polls.world, DEVICE))
    good, code = ballot(polls)
    wrong = polls.world.sign(Cast(DEVICE, bytes(32)))
    late = polls.world.sign(Cast(DEVICE, code))
    size = polls.board.size()
    answers = polls.ballot_box.Upload(map(request, [begin, good, wrong, late]), timeout=PATIENCE)
    found: list[int] = []
    status, info = failure(lambda: found.extend(answer.index for answer in answers))
    assert (status, info.reason) == (CODE.FAILED_PRECONDITION, "R.cast")
    assert found == [size, size + 1]
    assert polls.board.size() == size + 2
    assert polls.board.look_up(code).entry.status is Status.SUBMITTED  # type: ignore[union-attr]
    assert upload(polls, [late]) == [size + 2]


def test_a_ballot_that_does_not_prove_itself_ends_it(polls: Polls) -> None:
    """Though the ones behind it are on their way to be checked, too."""
    begin = polls.world.append(device_statement(polls.world, DEVICE))
    good, _ = ballot(polls)
    sealed = encrypt(polls.world, FULL).ballot
    wrong = polls.world.sign(
        Ballot(
            **{
                name: getattr(sealed, name)
                for name in sealed.__dataclass_fields__
                if name != "confirmation_code"
            },
            confirmation_code=bytes(32),
        )
    )
    size = polls.board.size()
    artifacts = [begin, good, wrong, *(ballot(polls)[0] for _ in range(3))]
    status, info = failure(lambda: upload(polls, artifacts))
    assert (status, info.reason) == (CODE.FAILED_PRECONDITION, "8.B")
    assert polls.board.size() == size + 2


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda p: b"garbage", CODE.INVALID_ARGUMENT),
        (lambda p: p.world.sign(p.world.state.counts()).data, CODE.INVALID_ARGUMENT),
        (
            lambda p: p.world.sign(Cast("ballot-box-2", bytes(32))).data,
            CODE.PERMISSION_DENIED,
        ),
    ],
)
def test_what_is_not_the_devices_to_say_is_turned_away(polls: Polls, make: Any, code: Any) -> None:
    """Bytes that are nothing, another role's statement, another device's."""
    begin = polls.world.append(device_statement(polls.world, DEVICE))
    requests = [request(begin), ballot_box_pb2.UploadRequest(artifact=make(polls))]
    size = polls.board.size()
    answers = polls.ballot_box.Upload(iter(requests), timeout=PATIENCE)
    found: list[int] = []
    status, _ = failure(lambda: found.extend(answer.index for answer in answers))
    assert (status, found) == (code, [size])


def test_a_second_decision_says_where_the_first_stands(polls: Polls) -> None:
    """As with `Cast`: ALREADY_EXISTS and the index."""
    begin = polls.world.append(device_statement(polls.world, DEVICE))
    good, code = ballot(polls)
    cast = polls.world.append(Cast(DEVICE, code))
    index = upload(polls, [begin, good, cast])[-1]
    other = polls.world.sign(Challenge(DEVICE, code))
    status, info = failure(lambda: upload(polls, [good, other]))
    assert (status, info.metadata["index"]) == (CODE.ALREADY_EXISTS, str(index))


def test_the_newest_upload_of_a_device_ends_the_one_before(polls: Polls) -> None:
    """Whose connection may be lost; it is told to come again, and then it may."""
    artifacts, sending = day(polls, 1), SimpleQueue[Any]()
    sending.put(request(artifacts[0]))
    box = polls.ballot_box
    old = box.Upload(iter(sending.get, None), timeout=PATIENCE)
    index = next(old).index
    status, _ = failure(lambda: list(box.Upload(map(request, artifacts), timeout=PATIENCE)))
    assert status is CODE.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.RpcError):
        next(old)
    sending.put(None)
    assert when_free(polls, artifacts)[0] == index


def test_a_client_that_falls_silent_does_not_keep_its_thread(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a lock: others go on meanwhile."""
    polls.begin()
    monkeypatch.setattr(uploading.DeviceUpload.__init__, "__defaults__", (0.3, time.monotonic))
    sending = SimpleQueue[Any]()
    silent = polls.ballot_box.Upload(iter(sending.get, None), timeout=PATIENCE)
    polls.submit(polls.device_client())
    status, _ = failure(lambda: next(silent))
    assert status is CODE.UNAVAILABLE
    sending.put(None)


def test_what_is_read_ahead_is_bounded(polls: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be settled only so many are taken from the stream; then all come in."""
    monkeypatch.setattr(uploading, "AHEAD", 4)
    held, begun = threading.Event(), list[Any]()
    settle, begin = polls.board.settle, polls.board.begin

    def late(arrivals: Any) -> Any:
        assert held.wait(PATIENCE)
        return settle(arrivals)

    def noting(*arguments: Any, **options: Any) -> Any:
        begun.append(arguments)
        if len(begun) == 4:
            threading.Timer(0.3, held.set).start()  # time enough to do wrong
        assert held.is_set() or len(begun) <= 4
        return begin(*arguments, **options)

    monkeypatch.setattr(polls.board, "settle", late)
    monkeypatch.setattr(polls.board, "begin", noting)
    artifacts = day(polls, 10)
    assert len(upload(polls, artifacts)) == len(artifacts)


def test_a_call_that_is_cancelled_leaves_what_it_has_answered(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is a beginning of what was sent; the next upload finishes it."""
    artifacts = day(polls, 6)
    entered, leave = hold_proofs(monkeypatch)
    call = polls.ballot_box.Upload(map(request, artifacts), timeout=PATIENCE)
    assert entered.wait(PATIENCE)
    call.cancel()
    leave.set()
    indices = when_free(polls, artifacts)
    assert indices == sorted(indices)
    assert stored(polls) == polls.world.data()


def test_a_stream_of_many_does_not_wait_for_a_group_each(polls: Polls) -> None:
    """Where the manifest has groups of twenty, what one device brings fills them."""
    polls.board._timing = polls.board._sequencer._timing = Timing(3600.0, minimum=20)
    first, artifacts = polls.board.size(), day(polls, 10)
    assert upload(polls, artifacts[:21]) == list(range(first, first + 21))
    sizes = [known.size for known in polls.store.checkpoints(first + 1)]
    assert sizes[-1] == first + 21


def test_who_waits_for_a_group_is_turned_away_when_the_server_stops(polls: Polls) -> None:
    """Nothing of it is stored; the same upload goes on at the next server."""
    polls.begin()
    polls.board._timing = polls.board._sequencer._timing = Timing(3600.0, minimum=20)
    size, (artifact, _) = polls.board.size(), ballot(polls)
    answers = polls.ballot_box.Upload(iter([request(artifact)]), timeout=PATIENCE)
    wait_until(lambda: bool(polls.board._sequencer._waiting))
    polls.board.close()
    status, _ = failure(lambda: next(answers))
    assert status is CODE.UNAVAILABLE
    assert polls.store.size() == size


def test_answers_that_nobody_takes_end_the_call() -> None:
    """Where a client sends and does not read, the call's thread would hang for ever."""

    class Instant:
        enough = 1

        def settle(self, arrivals: list[Arrival]) -> Iterator[Accepted]:
            return (Accepted(n, new=True) for n, _ in enumerate(arrivals))

    cancelled = threading.Event()
    artifact = Artifact(Cast(DEVICE, bytes(32)), bytes(64), b"data")
    upload = uploading.DeviceUpload[int](
        Instant(),  # type: ignore[arg-type]
        lambda _: Arrival(artifact),
        lambda _: 1,
        cancelled.set,
        stalled=0.05,
    )
    answers = upload.answers(iter(range(3)))
    assert next(answers) == 0
    assert cancelled.wait(PATIENCE)
    answers.close()  # type: ignore[attr-defined]


def test_who_says_only_what_is_known_loses_the_place() -> None:
    """A device that repeats itself for ever keeps others from uploading."""
    now = 0.0
    news = iter([True, False, True, False, False])

    class Known:
        enough = 1

        def settle(self, arrivals: list[Arrival]) -> Iterator[Accepted]:
            return (Accepted(n, new=next(news)) for n, _ in enumerate(arrivals))

    artifact = Artifact(Cast(DEVICE, bytes(32)), bytes(64), b"data")
    upload = uploading.DeviceUpload[int](
        Known(),  # type: ignore[arg-type]
        lambda _: Arrival(artifact),
        lambda _: 1,
        lambda: None,
        clock=lambda: now,
    )
    answers = upload.answers(iter(range(5)))
    for _ in range(4):
        next(answers)
        now += 40
    next(answers)
    now += 40
    with pytest.raises(uploading.Stalled):
        next(answers)


class Late(Admission):
    """Passes a ballot when the test says so, if anybody waits for it then."""

    def __init__(self, election: Artifact) -> None:
        super().__init__(election, workers=0)
        self.entered, self.leave = threading.Event(), threading.Event()
        self.asked: list[Callable[[], bool]] = []

    def submit(
        self,
        keys: ElectionKeys,
        artifact: Artifact,
        *,
        hints: bytes = b"",
        sender: str = "",
        wanted: Callable[[], bool] = lambda: True,
    ) -> Ticket:
        """As told."""
        self.asked.append(wanted)
        self.entered.set()
        assert self.leave.wait(PATIENCE)
        ticket = Ticket(keys, artifact, hints, wanted)
        ticket.settle(True if wanted() else AdmissionAbandoned("nobody waits"))
        return ticket


@pytest.mark.parametrize("how", ["cancelled", "too late"])
def test_a_ballot_that_nobody_waits_for_is_not_stored(polls: Polls, how: str) -> None:
    """The call was cancelled, or its deadline has passed, before its turn came."""
    polls.begin()
    late = polls.board._admission = Late(polls.world.artifacts[0])
    artifact, _ = ballot(polls)
    size = polls.board.size()
    sent = ballot_box_pb2.SubmitRequest(artifact=artifact.data)
    channel = polls.listening.role_channel(Role.DEVICE, DEVICE)
    grpc.channel_ready_future(channel).result(PATIENCE)  # the deadline is for the call alone
    box = ballot_box_pb2_grpc.BallotBoxServiceStub(channel)
    call = box.Submit.future(sent, timeout=PATIENCE if how == "cancelled" else 3.0)
    assert late.entered.wait(PATIENCE)
    assert late.asked[0]() or how == "too late"
    if how == "cancelled":
        call.cancel()
    wait_until(lambda: not late.asked[0]())
    late.leave.set()
    with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)):
        call.result()
    assert polls.device_client().submit(artifact.data).index == size


def test_hints_that_do_not_fit_into_a_request_stay_behind(polls: Polls) -> None:
    """The ballot does not: a device whose ballots are large is not turned away for good."""
    polls.begin()
    client, long = polls.device_client(), bytes(MAX_REQUEST - 2000)
    artifact, _ = ballot(polls)
    assert client.submit(artifact.data, long).index == polls.board.size() - 1
    artifact, _ = ballot(polls)
    assert list(client.upload([(artifact.data, long)])) == [polls.board.size() - 1]


def test_an_index_that_no_record_reaches_is_no_answer(polls: Polls) -> None:
    """It would not fit into the journal, either."""
    client = polls.device_client()

    class Liar:
        """Answers everything, with a large number."""

        RegisterDevice = staticmethod(
            lambda _, timeout: ballot_box_pb2.RegisterDeviceResponse(index=2**63)
        )

    client._stub = Liar()  # type: ignore[assignment]
    with pytest.raises(Rejected, match="index"):
        client.register(b"")
