"""The device's end of an upload, where it is stopped before it has begun."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ballotbox.client import Uploading
from rpc.errors import Unavailable


class Cancelled(grpc.RpcError):
    """How gRPC ends a call that was cancelled."""


class Call:
    """A server that answers nothing, until the call is cancelled."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        assert self.over.wait(60)
        raise Cancelled
        yield

    def cancel(self) -> None:
        """End it."""
        self.over.set()


class Stub:
    """Makes the call, while another thread stops the upload."""

    def __init__(self) -> None:
        self.uploading: Uploading | None = None

    def Upload(self, _: object) -> Call:
        """The call is on its way, and nobody has it yet."""
        assert self.uploading is not None
        self.uploading.stop()
        return Call()


def test_an_upload_that_is_stopped_as_it_begins_ends() -> None:
    """Not only when the server has been silent for too long: the program ends meanwhile."""
    stub = Stub()
    stub.uploading = Uploading(stub, (), stall=1.0)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="was stopped"):
        list(stub.uploading)
