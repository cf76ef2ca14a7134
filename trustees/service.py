"""The coordinator over gRPC: sailau.v1.CoordinatorService on the roles' listener."""

from __future__ import annotations

import grpc

from crypto.errors import Malformed, Rejected
from identity.roles import Role
from record.artifacts import PART
from record.artifacts import Role as SigningRole
from record.log import Log
from rpc.caller import require
from rpc.errors import Denied
from sailau.v1 import coordinator_pb2, coordinator_pb2_grpc
from trustees.attendance import PROGRAM_BYTES
from trustees.coordinator import Coordinator

SERVICE_NAME = "sailau.v1.CoordinatorService"


class CoordinatorServicer(coordinator_pb2_grpc.CoordinatorServiceServicer):
    """For trustees only, each in its own name. Errors become statuses in `rpc`."""

    def __init__(self, log: Log, coordinator: Coordinator) -> None:
        self._log = log
        self._coordinator = coordinator

    def PostArtifact(
        self, request: coordinator_pb2.PostArtifactRequest, context: grpc.ServicerContext
    ) -> coordinator_pb2.PostArtifactResponse:
        """Put a statement of the caller on the record."""
        i = self._caller(context)
        self._coordinator.attend(i, _program(request.program))
        artifact = self._coordinator.parse(i, request.artifact)
        named = getattr(artifact.statement, "trustee", i)
        if named != i:
            raise Denied(f"the {artifact.name} is trustee {named}'s; the certificate is {i}'s")
        return coordinator_pb2.PostArtifactResponse(index=self._coordinator.post(i, artifact))

    def Attend(
        self, request: coordinator_pb2.AttendRequest, context: grpc.ServicerContext
    ) -> coordinator_pb2.AttendResponse:
        """Note that the caller is there; one program a trustee."""
        self._coordinator.attend(self._caller(context), _program(request.program))
        return coordinator_pb2.AttendResponse()

    def PostNonceShares(
        self, request: coordinator_pb2.PostNonceSharesRequest, context: grpc.ServicerContext
    ) -> coordinator_pb2.PostNonceSharesResponse:
        """Store the caller's parts of challenged ballots' nonces."""
        trustee = self._caller(context)
        if len(request.shares) > PART:
            raise Malformed("shares", f"has {len(request.shares)} entries, more than {PART}")
        self._coordinator.attend(trustee, _program(request.program))
        shares = [(s.confirmation_code, s.partial_decryption) for s in request.shares]
        self._coordinator.post_nonce_shares(trustee, request.session, shares)
        return coordinator_pb2.PostNonceSharesResponse()

    def _caller(self, context: grpc.ServicerContext) -> int:
        """The index of the trustee whose certificate this is; raises Denied."""
        name = require(context, Role.TRUSTEE).name
        try:
            key = self._log.transcript.context.role_key(SigningRole.TRUSTEE, name)
        except Rejected:
            raise Denied(f"no trustee of this election is named {name!r}") from None
        return key.index


def _program(name: bytes) -> bytes:
    """What tells a trustee's programs apart, if it is as long as it has to be; it is kept."""
    if len(name) != PROGRAM_BYTES:
        raise Malformed("program", f"has {len(name)} bytes instead of {PROGRAM_BYTES}")
    return name


def add_to(server: grpc.Server, servicer: CoordinatorServicer) -> None:
    """Serve it."""
    coordinator_pb2_grpc.add_CoordinatorServiceServicer_to_server(servicer, server)
