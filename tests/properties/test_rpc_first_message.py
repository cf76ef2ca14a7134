"""Calls that wait for their one request: who is late, and who ends what."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import grpc
import pytest

import rpc.first_message
from rpc.first_message import FirstMessages
from tests.system.programs import PATIENCE


class Aborted(Exception):
    """What a context's `abort` raises here."""


class Context:
    """As much of a call's context as is needed; `cancel` is gRPC's public way to end it."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.code: grpc.StatusCode | None = None

    def cancel(self) -> None:
        self.ended.set()

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.code = code
        raise Aborted(details)


@pytest.fixture
def context() -> Any:
    """A call."""
    return Context()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr(rpc.first_message, "FIRST_MESSAGE", 0.05)
    monkeypatch.setattr(rpc.first_message, "LOOK", 0.01)


def test_in_time(context: Any) -> None:
    """Nothing happens, and nothing is kept."""
    first = FirstMessages(1)
    first.start()
    with first.awaited(context):
        pass
    first.stop()
    assert not context.ended.is_set()
    assert not first._waiting


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("error", [None, ValueError("the iterator's")])
def test_late(context: Any, error: Exception | None) -> None:
    """The call ends; what came with its end, or in the last moment, is not used."""
    first = FirstMessages(1)
    first.start()

    def wait() -> None:
        with first.awaited(context):
            assert context.ended.wait(PATIENCE)
            if error is not None:
                raise error

    with pytest.raises(Aborted, match="did not come"):
        wait()
    first.stop()
    assert context.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not first._waiting


def test_others_are_not_ended(context: Any) -> None:
    """Who began later has its own time, and who has its request has all time."""
    first = FirstMessages(1)
    later: Any = Context()

    def wait() -> None:
        first.seconds = 0.0
        with first.awaited(context):
            first.seconds = PATIENCE
            with first.awaited(later):
                assert first._late() == [context]

    with first.awaited(later):
        pass
    with pytest.raises(Aborted):
        wait()
    assert later.code is None


@pytest.mark.usefixtures("hasty")
def test_a_call_that_cannot_be_ended(
    context: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Others are still ended after it."""

    def fail() -> None:
        raise ValueError("the call is over")

    first = FirstMessages(1)
    first.start()
    broken: Any = Context()
    monkeypatch.setattr(broken, "cancel", fail)

    def wait() -> None:
        with first.awaited(broken), suppress(Aborted), first.awaited(context):
            assert context.ended.wait(PATIENCE)

    with pytest.raises(Aborted):
        wait()
    first.stop()
    assert "ValueError" in caplog.text


def test_errors_pass(context: Any) -> None:
    """The error of a call that is not late is its own."""
    with pytest.raises(ValueError, match="its own"), FirstMessages(1).awaited(context):
        raise ValueError("its own")


def test_stopping_without_a_start() -> None:
    """A listener may be stopped before it began."""
    FirstMessages(1).stop()
