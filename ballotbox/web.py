"""The published directory over plain HTTP: the files of the record and nothing else.

    server = WebServer(directory, "127.0.0.1:8080")
    server.start()
    ...
    server.stop()

For mirrors, monitors and browsers. A web server in front speaks TLS; any other web
server on the directory does as well (docs/operations.md).
"""

from __future__ import annotations

import gzip
import hmac
import logging
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ballotbox.addresses import host_and_port, listening
from ballotbox.errors import StoreFailed
from ballotbox.http_connections import BoundedServer, Limits

LOGGER = logging.getLogger(__name__)

_INDEX = r"(?:x[0-9]{3}/)*[0-9]{3}"
_WIDTH = r"\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
# What a record has (docs/record.md, "The log"): no other path leads to a file.
_FILES = re.compile(
    rf"checkpoint|tile/(?:entries|[0-9]{{1,2}})/{_INDEX}(?:{_WIDTH})?|(?:artifacts|hints)/{_INDEX}"
)
_ENTRIES, _CHECKPOINT = "tile/entries/", "checkpoint"
_APPENDED = ("artifacts/", "hints/")
_FOR_EVER = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=1, must-revalidate"
_NOT_KEPT = {"Cache-Control": "no-store"}
_NO_TIME = "Thu, 01 Jan 1970 00:00:00 GMT"
_TAG_KEY = secrets.token_bytes(32)
_MAX_PATH = 200
_CHUNK = 1 << 16
_BACKLOG = 1024
_START_SECONDS = 10.0
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0


def web_app(directory: Path) -> Starlette:
    """The application for a directory, which need not be there yet."""

    def file(request: Request) -> Response:
        path = request.path_params["path"]
        if len(path) > _MAX_PATH or not _FILES.fullmatch(path):
            return _not_found()
        return _answer(request, directory / path, path)

    # Whoever checks a record in a browser reads it from another origin than ours.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD"],
        allow_headers=["Range", "If-None-Match"],
        expose_headers=["ETag", "Content-Range", "Accept-Ranges", "Content-Encoding"],
        max_age=86_400,
    )
    return Starlette(
        routes=[Route("/{path:path}", file, methods=["GET", "HEAD"])], middleware=[cors]
    )


def _answer(request: Request, place: Path, path: str) -> Response:
    data = b""
    try:
        if place.is_symlink():
            return _not_found()
        # The checkpoint is replaced at any moment: its length and its bytes from one file.
        with place.open("rb") as opened:
            found = os.fstat(opened.fileno())
            if path == _CHECKPOINT:
                data = opened.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return _not_found()
    except OSError:  # too many files are open, say: nobody is to believe that it is missing
        return PlainTextResponse("this file cannot be read now\n", 503, _NOT_KEPT)
    etag = _tag(path, found)
    headers = {
        "ETag": etag,
        "Cache-Control": _cache_control(path),
        "X-Content-Type-Options": "nosniff",
    }
    squeezed = path.startswith(_ENTRIES) and _takes_gzip(request)
    if path.startswith(_ENTRIES):
        headers["Vary"] = "Accept-Encoding"
    if squeezed:
        headers["ETag"] = etag = f'{etag[:-1]}-gzip"'
    if etag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    kind = _content_type(path)
    if path == _CHECKPOINT:
        return Response(data, 200, headers, kind)
    if squeezed:
        headers["Content-Encoding"] = "gzip"
        return Response(gzip.compress(place.read_bytes(), 6, mtime=0), 200, headers, kind)
    if path.startswith(_APPENDED) and "range" not in request.headers:
        # It may grow while it is sent: no more than the length that was promised.
        headers |= {"Content-Length": str(found.st_size), "Accept-Ranges": "bytes"}
        return StreamingResponse(_first_bytes(place, found.st_size), 200, headers, kind)
    headers["Last-Modified"] = _NO_TIME  # or else it is the file's
    return FileResponse(place, 200, headers, kind, stat_result=found)


def _tag(path: str, found: os.stat_result) -> str:
    """Another for each state of a file. The time in it is nobody's to read.

    Each partial tile is written when its group is published: to the nanosecond that is more
    than the record tells.
    """
    state = f"{path} {found.st_mtime_ns} {found.st_size} {found.st_ino}"
    return f'"{hmac.digest(_TAG_KEY, state.encode(), "sha256")[:16].hex()}"'


def _first_bytes(place: Path, left: int) -> Iterator[bytes]:
    with place.open("rb") as file:
        while left and (part := file.read(min(left, _CHUNK))):
            left -= len(part)
            yield part


def _takes_gzip(request: Request) -> bool:
    """Not for ranges: a range of compressed bytes would not be the one that is wanted."""
    words = request.headers.get("accept-encoding", "").split(",")
    wanted = {word.partition(";")[0].strip().lower() for word in words if "q=0" not in word}
    return "gzip" in wanted and "range" not in request.headers


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _cache_control(path: str) -> str:
    """Tiles and bundles never change, partial ones neither; all others grow."""
    growing = path == _CHECKPOINT or path.startswith(_APPENDED)
    return _SHORT if growing else _FOR_EVER


def _content_type(path: str) -> str:
    return "text/plain; charset=utf-8" if path == _CHECKPOINT else "application/octet-stream"


def _not_found() -> Response:
    # What is not there yet may be there in a second.
    return PlainTextResponse("no such file in this record\n", 404, _NOT_KEPT)


class HttpServer:
    """Answers in a thread of its own, which begins again if it breaks off."""

    def __init__(self, app: Starlette, listener: socket.socket, limits: Limits, what: str) -> None:
        """Own a listening socket; `what` begins the sentence that it is not served."""
        self._app, self._socket, self._limits, self._what = app, listener, limits, what
        host, port = listener.getsockname()[:2]
        self._port = int(port)
        self._url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._server = self._new_server()
        self._problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._url

    @property
    def port(self) -> int:
        """Where it listens, also if that was left to the system."""
        return self._port

    def start(self) -> None:
        """Begin to answer. Raises StoreFailed if it does not."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if self._problem or time.monotonic() > deadline:
                self.stop()
                raise StoreFailed(f"the HTTP server on {self._url} does not start")
            time.sleep(0.01)

    def notices(self) -> tuple[str, ...]:
        """That it does not answer, while it does not: one sentence."""
        if not self._problem or self._server.started:
            return ()
        what = f"{self._what} not served on {self._url}, and it is tried again"
        return (f"{what}: {self._problem}.",)

    def stop(self) -> None:
        """Let answers under way end, for two seconds, and leave the address."""
        self._stop.set()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(10)
        self._socket.close()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stop.is_set():
            begin, error = time.monotonic(), self._serve()
            if self._stop.is_set():
                return
            self._problem = "it has ended" if error is None else type(error).__name__
            self._server = self._new_server()
            LOGGER.error("the HTTP server has broken off: %s", self._problem, exc_info=error)
            if time.monotonic() - begin > _LAST_PAUSE:
                pause = _FIRST_PAUSE
            self._stop.wait(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    def _serve(self) -> BaseException | None:
        """Until it is to stop; returns what kept it from going on."""
        try:
            # It closes what it is given, and the address is to stay ours: meanwhile the
            # system lets those who come wait.
            with self._socket.dup() as mine:
                self._server.run(sockets=[mine])
        except (Exception, SystemExit) as error:  # uvicorn ends its own program
            return error
        return None

    def _new_server(self) -> BoundedServer:
        return BoundedServer(self._app, self._limits)


class WebServer(HttpServer):
    """Serves a directory."""

    def __init__(self, directory: Path, listen: str, limits: Limits | None = None) -> None:
        """Take the address HOST:PORT; port 0 leaves it to the system.

        Raises Malformed for something else, StoreFailed if it cannot be listened on.
        """
        listener = listener_at(listen, "HTTP", "--http")
        super().__init__(web_app(directory), listener, limits or Limits(), "The record is")


def listener_at(listen: str, purpose: str, option: str) -> socket.socket:
    """A socket that listens at HOST:PORT.

    Raises Malformed for something else, StoreFailed, which names `option`, if it cannot.
    """
    host, port = host_and_port(listen, f"{purpose} address")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with listening(listen, purpose, option):
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
