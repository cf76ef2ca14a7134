"""TLS for the two listeners, and channels to them.

The public listener shows the server's certificate and asks for none. The roles'
listener asks every client for a certificate of the election's authority and ends
the handshake without one.
"""

from __future__ import annotations

import ipaddress

import grpc

from identity.tlskeys import TlsKey

# An artifact is at most 16 MiB (docs/record.md); the rest is for what goes around it.
MAX_MESSAGE = 17 << 20
# No role says as much as that: a ballot is at most 1 MiB, 512 decryption shares have
# 800 KB. A decoder takes up to forty times the size of a message that is all headers.
MAX_REQUEST = 2 << 20
KEEPALIVE_MS = 60_000
KEEPALIVE_TIMEOUT_MS = 20_000
HANDSHAKE_TIMEOUT_MS = 10_000
# A device that was offline for hours tries again soon, not after two minutes.
LONGEST_BACKOFF_MS = 5_000

Options = list[tuple[str, str | int]]


def public_server_credentials(certificate: bytes, key: TlsKey) -> grpc.ServerCredentials:
    """Server TLS only. `certificate` is the server's, PEM."""
    return grpc.ssl_server_credentials([(key.private_pem(), certificate)])


def roles_server_credentials(
    certificate: bytes, key: TlsKey, authority: bytes
) -> grpc.ServerCredentials:
    """Mutual TLS: clients need a certificate by `authority` (PEM)."""
    return grpc.ssl_server_credentials(
        [(key.private_pem(), certificate)], root_certificates=authority, require_client_auth=True
    )


def public_channel(
    address: str, authority: bytes, *, server_name: str | None = None
) -> grpc.Channel:
    """A channel to the public listener at host:port.

    `authority` (PEM) is the only root that is trusted. `server_name` is the name
    to look for in the server's certificate if it is not the address's host.
    """
    return _channel(address, grpc.ssl_channel_credentials(authority), server_name)


def role_channel(
    address: str,
    authority: bytes,
    certificate: bytes,
    key: TlsKey,
    *,
    server_name: str | None = None,
) -> grpc.Channel:
    """A channel to the roles' listener, with a client certificate (PEM) and its key."""
    credentials = grpc.ssl_channel_credentials(authority, key.private_pem(), certificate)
    return _channel(address, credentials, server_name)


def server_options(max_request: int, connections: int) -> Options:
    """Sizes, numbers, patience, keepalive, and no port shared with another process."""
    return [
        *_common_options(sends=MAX_MESSAGE, receives=max_request),
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_MS),
        # By default a second server could take the same port and half of the calls.
        ("grpc.so_reuseport", 0),
        # Without these a server takes the clients' keepalive for an attack.
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 3),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _channel(
    address: str, credentials: grpc.ChannelCredentials, server_name: str | None
) -> grpc.Channel:
    options = _common_options(sends=MAX_REQUEST, receives=MAX_MESSAGE)
    options.append(("grpc.max_reconnect_backoff_ms", LONGEST_BACKOFF_MS))
    if server_name is not None:
        options.append(("grpc.ssl_target_name_override", server_name))
    if _is_loopback(address):
        # A proxy for the outside world must not be asked for this machine.
        options.append(("grpc.enable_http_proxy", 0))
    return grpc.secure_channel(address, credentials, options)


def _common_options(*, sends: int, receives: int) -> Options:
    return [
        ("grpc.max_send_message_length", sends),
        ("grpc.max_receive_message_length", receives),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ]


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
