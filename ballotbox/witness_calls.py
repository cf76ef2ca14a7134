"""One call to a witness over HTTP, and its answer in a bounded time and size."""

from __future__ import annotations

import time
from dataclasses import dataclass

import urllib3
from urllib3.util import Timeout

from crypto.errors import SailauError
from record.note import MAX_BYTES


class WitnessFailed(SailauError):
    """A witness did not answer, or not with a cosignature."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Its status, its content type without parameters, its Date (empty: none), and its body."""

    status: int
    kind: str
    date: str
    body: bytes


def connections(connect: float, read: float) -> urllib3.PoolManager:
    """One connection, kept; seconds to make it, and for the next bytes on it."""
    return urllib3.PoolManager(
        maxsize=1,
        retries=False,
        timeout=Timeout(connect=connect, read=read),
        headers={"User-Agent": "sailau-board"},
    )


def call(pool: urllib3.PoolManager, url: str, body: bytes | None, seconds: float) -> Reply:
    """POST `body`, or GET without one; whoever drips is given up after so many seconds.

    Raises WitnessFailed, urllib3's HTTPError, OSError.
    """
    method = "GET" if body is None else "POST"
    response = pool.request(method, url, body=body, preload_content=False, redirect=False)
    deadline, parts = time.monotonic() + seconds, bytearray()
    try:
        while part := response.read1(1 << 16):
            parts += part
            if len(parts) > MAX_BYTES or time.monotonic() > deadline:
                response.close()
                raise WitnessFailed("its answer is too long or takes too long")
    finally:
        response.release_conn()
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    return Reply(response.status, kind, response.headers.get("Date", ""), bytes(parts))
