"""Who is calling: the identity in the client certificate that TLS has verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

import grpc

from crypto.errors import Malformed
from identity.authority import parse_certificate
from identity.roles import Identity, Role
from identity.tlskeys import identity_of
from rpc.errors import Denied, Unauthenticated


def caller(context: grpc.ServicerContext) -> Identity:
    """The role and name of whoever makes this call.

    Raises Unauthenticated on the public listener, where nobody shows a
    certificate, and for a certificate that names no role.
    """
    # The type stubs say bytes; it is a list of them.
    properties = cast(Mapping[str, Sequence[bytes]], context.auth_context())
    certificates = properties.get("x509_pem_cert", ())
    if len(certificates) != 1:
        raise Unauthenticated(
            "this call needs a client certificate of the election",
            "Use the address and the certificate of your invitation.",
        )
    return _identity(certificates[0])


def require(context: grpc.ServicerContext, *roles: Role) -> Identity:
    """The caller, if it has one of these roles; otherwise raises Denied."""
    identity = caller(context)
    if identity.role not in roles:
        wanted = " or ".join(f"{role}s" if role is not Role.SERVER else str(role) for role in roles)
        raise Denied(f"this call is for {wanted}; the certificate is that of {identity}")
    return identity


@lru_cache(maxsize=256)
def _identity(pem: bytes) -> Identity:
    """A connection makes many calls with one certificate. Errors are not cached."""
    try:
        return identity_of(parse_certificate(pem, "certificate"), "certificate")
    except Malformed as error:
        raise Unauthenticated(f"the client certificate names no role: {error.problem}") from None
