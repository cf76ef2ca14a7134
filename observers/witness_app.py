"""A witness over HTTP: POST /add-checkpoint, GET /<origin hash>/checkpoint.

Both prefixes of tlog-witness are the root of the server; a web server in front may put
them elsewhere, and speaks TLS.
"""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from observers.errors import WitnessFailed
from observers.witness import TEXT_TYPE, Answer
from observers.witness_store import Witness
from record.add_checkpoint import MAX_BYTES, PATH

LOGGER = logging.getLogger(__name__)


def witness_app(witness: Witness) -> Starlette:
    """The application of an open witness."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse("the request is too long\n", 413)
        answer = await run_in_threadpool(_answer, witness, body)
        return _response(answer.status, answer.body, answer.content_type)

    def checkpoint(request: Request) -> Response:
        note = witness.checkpoint(request.path_params["origin_hash"])
        if note is None:
            return PlainTextResponse("no checkpoint of this log was cosigned\n", 404)
        return _response(200, note, TEXT_TYPE)

    return Starlette(
        routes=[
            Route(f"/{PATH}", add_checkpoint, methods=["POST"]),
            Route("/{origin_hash:str}/checkpoint", checkpoint, methods=["GET"]),
        ]
    )


def _answer(witness: Witness, body: bytes) -> Answer:
    try:
        answer = witness.add_checkpoint(body)
    except (WitnessFailed, OSError) as error:
        # Nothing is signed that could not be stored.
        LOGGER.error("a request was not answered: %s", error)
        return Answer(503, b"the witness cannot store what it would sign\n")
    if answer.contradiction:
        LOGGER.error("a log has signed two trees of one size; both notes are kept")
    return answer


async def _body(request: Request) -> bytes | None:
    """The body, or None if it is longer than any request."""
    parts = bytearray()
    try:
        async for part in request.stream():
            parts += part
            if len(parts) > MAX_BYTES:
                return None
    except ClientDisconnect:
        return b""
    return bytes(parts)


def _response(status: int, body: bytes, content_type: str) -> Response:
    # Set by hand: Starlette would add a charset to text/x.tlog.size.
    headers = {"Content-Type": content_type, "Cache-Control": "no-store"}
    return Response(body, status, headers)
