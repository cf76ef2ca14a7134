"""Published files read over HTTP: bounded in length and in time.

urllib3 keeps connections, follows redirects, waits and tries again, and unpacks; all
of its errors, and all answers but a file, are `Unreachable` here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from crypto.errors import Malformed
from observers.errors import Denied, NotThere, Unreachable
from observers.source import Source, Stream

_CHUNK = 1 << 16
_CONNECT, _READ = 10.0, 30.0
"""Seconds for a connection, and for the next bytes on it."""
_WHOLE = 600.0
"""Seconds for one file in all."""
_GONE = (404, 410)
_BUSY = (429, 502, 503, 504)


class _HttpStream(Stream):
    def __init__(self, response: urllib3.BaseHTTPResponse, url: str) -> None:
        self._response, self._url = response, url
        self._deadline = time.monotonic() + _WHOLE

    def read(self, size: int) -> bytes:
        if time.monotonic() > self._deadline:
            # A byte now and then would otherwise keep us for ever.
            raise Unreachable(f"{self._url}: not complete after {_WHOLE:.0f} seconds")
        try:
            return self._response.read1(size)
        except (HTTPError, HTTPException, OSError) as error:
            raise Unreachable(f"{self._url}: breaks off: {_reason(error)}") from None


class HttpSource(Source):
    """Files below a URL, over connections that are kept."""

    def __init__(self, url: str, connections: int = 1) -> None:
        super().__init__(url)
        self._pool = _pool(url, connections)

    def close(self) -> None:
        self._pool.clear()

    @contextmanager
    def open(self, path: str, offset: int = 0) -> Iterator[Stream]:
        url = f"{self.name}/{path}"
        response = self._get(url, offset)
        try:
            stream = _HttpStream(response, url)
            if offset and response.status != 206:
                _skip(stream, offset)
            yield stream
        finally:
            # What was not read to its end cannot carry another request.
            if not response.closed:
                response.close()
            response.release_conn()

    def _get(self, url: str, offset: int) -> urllib3.BaseHTTPResponse:
        # A range of compressed bytes would not be the range that is wanted.
        headers = {"Accept-Encoding": "identity" if offset else "gzip, identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            response = self._pool.request("GET", url, headers=headers, preload_content=False)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise Unreachable(f"{url}: {_reason(error)}") from None
        if response.status == 200 or (offset and _continues(response, offset)):
            return response
        with suppress(HTTPError, HTTPException, OSError):
            response.drain_conn()
        response.release_conn()
        if response.status in _GONE:
            raise NotThere(f"{url}: the server has no such file")
        if response.status == 416:
            raise Malformed(url, f"has fewer than {offset + 1} bytes")
        if offset and response.status == 206:
            return self._get(url, 0)  # a range, but another one than was asked for
        denied = 400 <= response.status < 500 and response.status not in _BUSY
        failure = Denied if denied else Unreachable
        raise failure(f"{url}: the server answers {response.status}")


def _continues(response: urllib3.BaseHTTPResponse, offset: int) -> bool:
    """Whether an answer is the rest of the file from `offset` on, as it is."""
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
    return response.status == 206 and begins and "Content-Encoding" not in response.headers


def _skip(stream: Stream, count: int) -> None:
    while count and (part := stream.read(min(count, _CHUNK))):
        count -= len(part)


def _pool(url: str, connections: int) -> urllib3.PoolManager:
    retries = Retry(
        total=4,
        connect=2,
        redirect=3,
        backoff_factor=0.5,
        backoff_max=10,
        retry_after_max=30,
        status_forcelist=_BUSY,
        raise_on_status=False,
    )
    timeout = Timeout(connect=_CONNECT, read=_READ)
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    headers = {"User-Agent": "sailau-observer"}
    if proxy and not proxy_bypass(parts.netloc):
        return urllib3.ProxyManager(
            proxy, maxsize=connections, retries=retries, timeout=timeout, headers=headers
        )
    return urllib3.PoolManager(
        maxsize=connections, retries=retries, timeout=timeout, headers=headers
    )


def _reason(error: Exception) -> str:
    """The innermost cause in a few words: the outer ones repeat the URL."""
    cause = getattr(error, "reason", None) or error
    words = (
        cause.args[0] if getattr(cause, "args", ()) and isinstance(cause.args[0], str) else cause
    )
    return f"{type(cause).__name__}: {words}" if str(words) else type(cause).__name__
