"""HOST:PORT, where the server listens beside gRPC."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ballotbox.errors import StoreFailed
from crypto.errors import Malformed


def host_and_port(listen: str, field: str) -> tuple[str, int]:
    """Both parts, the host without brackets; port 0 leaves it to the system. Raises Malformed."""
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise Malformed(field, f"is {listen!r} and not HOST:PORT")
    return host.strip("[]"), int(port)


@contextmanager
def listening(listen: str, purpose: str, option: str) -> Iterator[None]:
    """Within this block an OSError becomes StoreFailed, which names the option to change."""
    try:
        yield
    except OSError as error:
        problem = f"cannot listen on {listen} for {purpose}: {error.strerror}"
        if error.errno == errno.EADDRINUSE:
            problem += f". Is another program using it? Choose another address with {option}"
        raise StoreFailed(problem) from None
