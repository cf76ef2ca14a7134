"""`DeviceClient.upload` against servers that answer, stop answering, and answer nonsense."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest

from ballotbox.client import DeviceClient
from ballotbox.errors import StoreFailed
from ballotbox.service import BALLOT_BOX_SERVICE
from crypto.errors import Malformed, NotNow, Rejected, SailauError
from crypto.parameters import TOY
from identity.roles import Role
from record.election import ElectionContext
from rpc.credentials import roles_server_credentials
from rpc.errors import AlreadyDone, Busy, Denied, NotFound, ServerFailed, Unavailable
from rpc.server import Server
from sailau.v1 import ballot_box_pb2, ballot_box_pb2_grpc
from tests.devices import DEVICE
from tests.listening import Network
from tests.ports import HOST
from tests.system.programs import PATIENCE
from tests.world import World

pytestmark = pytest.mark.system

Requests = Iterator[ballot_box_pb2.UploadRequest]
Answering = Callable[[Requests, grpc.ServicerContext], Iterator[int]]


class Scripted(ballot_box_pb2_grpc.BallotBoxServiceServicer):
    """Answers uploads as the test says."""

    answer: Answering

    def RegisterDevice(  # noqa: N802
        self, request: ballot_box_pb2.RegisterDeviceRequest, context: grpc.ServicerContext
    ) -> ballot_box_pb2.RegisterDeviceResponse:
        """After a while."""
        del request, context
        threading.Event().wait(0.5)
        return ballot_box_pb2.RegisterDeviceResponse(index=4)

    def Upload(  # noqa: N802
        self, request_iterator: Requests, context: grpc.ServicerContext
    ) -> Iterator[ballot_box_pb2.UploadResponse]:
        """The script."""
        for index in self.answer(request_iterator, context):
            yield ballot_box_pb2.UploadResponse(index=index)


class Box:
    """The server, and a client of it."""

    def __init__(self, channel: grpc.Channel, context: ElectionContext, servicer: Scripted) -> None:
        self.channel = channel
        self.context = context
        self.client = DeviceClient(channel, context, deadline=PATIENCE, stall=PATIENCE)
        self._servicer = servicer

    def upload(
        self, answer: Answering, messages: object = None, client: DeviceClient | None = None
    ) -> Iterator[int]:
        """An upload of three messages, or of these."""
        self._servicer.answer = answer
        given: Any = MESSAGES if messages is None else messages
        return (client or self.client).upload(given)


MESSAGES = [(b"begin", b""), (b"ballot", b"hints"), (b"cast", b"")]


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A roles' listener with nothing behind it."""
    network, world = Network(), World.create(TOY[-1])
    authority = network.authority.certificate_pem
    credentials = roles_server_credentials(network.certificate, network.key, authority)
    servicer = Scripted()
    server = Server(f"{HOST}:0", credentials, [BALLOT_BOX_SERVICE])
    ballot_box_pb2_grpc.add_BallotBoxServiceServicer_to_server(servicer, server.grpc_server)
    with server, closing(network.role_channel(server.port, Role.DEVICE, DEVICE)) as channel:
        # Whoever is impatient in a test is so with a server that is there.
        grpc.channel_ready_future(channel).result(PATIENCE)
        yield Box(channel, world.context, servicer)


def count(requests: Requests, _: grpc.ServicerContext) -> Iterator[int]:
    """Index after index."""
    for index, _request in enumerate(requests, start=10):
        yield index


def test_answers_come_in_the_order_of_the_messages(box: Box) -> None:
    """With their hints; nothing uploaded is nothing answered."""
    seen = []

    def remember(requests: Requests, context: grpc.ServicerContext) -> Iterator[int]:
        def noted() -> Requests:
            for request in requests:
                seen.append((request.artifact, request.hints))
                yield request

        yield from count(noted(), context)

    assert list(box.upload(remember)) == [10, 11, 12]
    assert seen == MESSAGES
    assert list(box.upload(count, [])) == []


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Busy("hands full", "", 2.5), 2.5),
        (Unavailable("stopping"), 0.0),
        (Malformed("artifact", "is none"), None),
        (Rejected("R.order", "not here"), None),
        (Denied("another device's"), None),
        (AlreadyDone("cast before"), None),
        (ValueError("a mistake of the server"), 0.0),
    ],
)
def test_an_error_is_about_the_first_without_an_answer(
    box: Box, error: Exception, again: float | None
) -> None:
    """What was answered before it stays; the client knows when to come again, if ever."""

    def refuse(requests: Requests, _: grpc.ServicerContext) -> Iterator[int]:
        next(requests)
        yield 10
        raise error

    answers: list[int] = []
    with pytest.raises(SailauError) as caught:
        answers.extend(box.upload(refuse))
    expected = ServerFailed if isinstance(error, ValueError) else type(error)
    assert isinstance(caught.value, expected)
    assert box.client.again(caught.value) == again
    assert answers == [10]


def test_a_slow_server_is_not_one_that_is_gone(box: Box) -> None:
    """Who gives up calling soon still waits for the answer of a server that is there."""
    quick = DeviceClient(box.channel, box.context, deadline=0.1, answer=PATIENCE)
    assert quick.register(b"artifact") == 4
    without = DeviceClient(box.channel, box.context, deadline=0.1)
    with pytest.raises(Unavailable):
        without.register(b"artifact")


def test_what_passes_and_what_does_not(box: Box) -> None:
    """A full disk here passes; no such ballot does not."""
    assert box.client.again(StoreFailed("full")) == 0.0
    assert box.client.again(NotNow("later")) == 0.0
    assert box.client.again(NotFound("no ballot")) is None


def test_a_stream_that_ends_early_is_a_line_that_is_lost(box: Box) -> None:
    """The server says that all is well, and has answered one of three."""

    def stop(requests: Requests, _: grpc.ServicerContext) -> Iterator[int]:
        next(requests)
        yield 10

    with pytest.raises(Unavailable, match="early"):
        list(box.upload(stop))


def test_an_answer_too_many_is_refused(box: Box) -> None:
    """An index that belongs to nothing would be taken for the next message's."""

    def babble(requests: Requests, context: grpc.ServicerContext) -> Iterator[int]:
        yield from count(requests, context)
        yield 13

    with pytest.raises(Rejected) as caught:
        list(box.upload(babble))
    assert caught.value.check == "R.answer"


@pytest.mark.parametrize("second", [10, 3])
def test_indices_that_do_not_ascend_are_refused(box: Box, second: int) -> None:
    """Whoever says so has not put the messages down in their order."""

    def back(requests: Requests, _: grpc.ServicerContext) -> Iterator[int]:
        next(requests)
        yield 10
        next(requests)
        yield second

    answers: list[int] = []
    with pytest.raises(Rejected, match=f"{second} after 10"):
        answers.extend(box.upload(back))
    assert answers == [10]


def test_a_server_that_falls_silent_is_left(box: Box) -> None:
    """After `stall` seconds without an answer."""
    over = threading.Event()

    def sleep(requests: Requests, _: grpc.ServicerContext) -> Iterator[int]:
        next(requests)
        yield 10
        over.wait(PATIENCE)

    hasty = DeviceClient(box.channel, box.context, stall=2.0)
    answers = box.upload(sleep, client=hasty)
    assert next(answers) == 10
    with pytest.raises(Unavailable, match="did not go on"):
        next(answers)
    over.set()


def test_an_upload_is_stopped_from_another_thread(box: Box) -> None:
    """By the end of the program, say."""
    over = threading.Event()

    def sleep(requests: Requests, _: grpc.ServicerContext) -> Iterator[int]:
        next(requests)
        yield 10
        over.wait(PATIENCE)

    answers = box.upload(sleep)
    assert next(answers) == 10
    threading.Thread(target=box.client.stop).start()
    with pytest.raises(Unavailable, match="stopped"):
        next(answers)
    over.set()
    box.client.stop()


def test_a_journal_that_cannot_be_read_is_its_own_error(box: Box) -> None:
    """And not one of the line."""

    def failing() -> Iterator[tuple[bytes, bytes]]:
        yield MESSAGES[0]
        raise StoreFailed("cannot read")

    with pytest.raises(StoreFailed, match="cannot read"):
        list(box.upload(count, failing()))
