"""The coordinator's calls."""

from __future__ import annotations

import secrets

import grpc

from rpc.errors import explained
from sailau.v1 import coordinator_pb2, coordinator_pb2_grpc
from trustees.client.place import PROGRAM
from trustees.messages import PostNonceShares

CALL_TIMEOUT = 120.0
"""The server proves what it is sent before it answers: 512 entries take seconds."""


class CoordinatorClient:
    """The coordinator's calls, on a channel of `rpc.role_channel`. Errors are ours."""

    def __init__(self, channel: grpc.Channel, program: bytes | None = None) -> None:
        """`program` tells this program from another one of the same trustee; drawn if None."""
        self._stub = coordinator_pb2_grpc.CoordinatorServiceStub(channel)
        self._program = secrets.token_bytes(PROGRAM) if program is None else program

    def post_artifact(self, data: bytes) -> int:
        """Put a signed statement on the record; returns its index."""
        request = coordinator_pb2.PostArtifactRequest(artifact=data, program=self._program)
        with explained():
            return int(self._stub.PostArtifact(request, timeout=CALL_TIMEOUT).index)

    def attend(self) -> None:
        """Say that this trustee is there; R.program if another program of it is."""
        request = coordinator_pb2.AttendRequest(program=self._program)
        with explained():
            self._stub.Attend(request, timeout=5.0)

    def post_nonce_shares(self, message: PostNonceShares) -> None:
        """Hand over parts of challenged ballots' nonces."""
        shares = [
            coordinator_pb2.NonceShare(confirmation_code=code, partial_decryption=element)
            for code, element in message.shares
        ]
        request = coordinator_pb2.PostNonceSharesRequest(
            session=message.session, shares=shares, program=self._program
        )
        with explained():
            self._stub.PostNonceShares(request, timeout=CALL_TIMEOUT)
