"""Ports for the tests' servers, each given out once.

A server of the tests listens on a port that was chosen before it starts, and on the same one
after a restart. So a port stays its owner's between two starts too, when nobody listens on it.
Test processes that run side by side share the ports below by the hundred: a process owns a
hundred for as long as it lives, by a lock that ends with it however it ends.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"

_HUNDREDS = range(20_000, 32_000, 100)
"""Under the ports that systems give to callers."""

_owned: list[IO[bytes]] = []
"""The locks, held until the process ends."""


def free_port() -> int:
    """A port that no other test has or gets, and on which nobody listens."""
    for port in _ports():
        with socket.socket() as candidate:
            try:
                candidate.bind((HOST, port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"all ports from {_HUNDREDS.start} to {_HUNDREDS.stop} are given out")


def free_ports() -> tuple[int, int]:
    """Two of them."""
    return free_port(), free_port()


@cache
def _ports() -> Iterator[int]:
    return (
        port for hundred in _HUNDREDS if _own(hundred) for port in range(hundred, hundred + 100)
    )


def _own(hundred: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"sailau-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = (folder / str(hundred)).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    _owned.append(lock)
    return True
