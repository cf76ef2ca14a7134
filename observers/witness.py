"""What a witness answers (C2SP tlog-witness), decided without network, disk or clock.

    answer = decide(request, logs, latest, cosign)

`latest` is what the witness last cosigned for the request's origin, `cosign` signs a
checkpoint's text. Whoever calls this holds `latest` locked until the head in an answer
200 is on the disk: two requests that are judged by the same head would let the second
roll back the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crypto.errors import InvalidProof, Malformed, Rejected
from record.add_checkpoint import SIZE_TYPE, AddCheckpoint, parse_add_checkpoint
from record.checkpoint import SignedCheckpoint, VerifierKey, verify_log_signatures
from record.merkle import EMPTY_ROOT, verify_consistency
from record.note import NoteSignature, signatures_by
from record.policy import Log

TEXT_TYPE = "text/plain; charset=utf-8"

KnownLogs = Mapping[str, tuple[VerifierKey, ...]]
"""The keys that are trusted for each origin."""
Cosign = Callable[[str], NoteSignature]
"""Signs the text of a checkpoint, with the time of now."""


@dataclass(frozen=True, slots=True)
class Latest:
    """What a witness last cosigned for a log: size, root (32 bytes), and its own note of it.

    The note carries the log's signatures that were verified and the witness's own.
    """

    size: int
    root: bytes
    note: bytes


NEVER = Latest(0, EMPTY_ROOT, b"")
"""Before the first cosignature."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and content type; `latest` is what has to be stored before it is sent.

    `contradiction` says that the log signed two trees of one size.
    """

    status: int
    body: bytes
    content_type: str = TEXT_TYPE
    latest: Latest | None = None
    contradiction: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose log is known and has signed it."""

    parsed: AddCheckpoint
    origin: str
    signed: SignedCheckpoint
    keys: tuple[VerifierKey, ...]


def known_logs(logs: Sequence[Log]) -> KnownLogs:
    """The keys by origin: several lines of one name are several keys of one log."""
    found: dict[str, tuple[VerifierKey, ...]] = {}
    for log in logs:
        found[log.key.name] = (*found.get(log.key.name, ()), log.key)
    return found


def admit(body: bytes, logs: KnownLogs) -> Request | Answer:
    """The request in a body, or the answer 400, 404 or 403 to it.

    Needs nothing that is stored: requests of strangers cost a signature check.
    """
    try:
        parsed = parse_add_checkpoint(body)
    except Malformed as error:
        return _refusal(400, str(error))
    origin = parsed.signed.checkpoint.origin
    keys = logs.get(origin)
    if keys is None:
        return _refusal(404, "this log is not known here")
    try:
        verify_log_signatures(parsed.signed, keys)
    except Rejected as error:
        return _refusal(403, error.problem)
    if parsed.old_size > parsed.signed.checkpoint.size:
        return _refusal(400, "the old size is larger than the checkpoint's")
    return Request(parsed, origin, parsed.signed, keys)


def decide(request: Request, latest: Latest, cosign: Cosign) -> Answer:
    """The answer 409, 422 or 200 to an admitted request, when `latest` was cosigned last."""
    head, parsed = request.signed.checkpoint, request.parsed
    if parsed.old_size != latest.size:
        return Answer(409, b"%d\n" % latest.size, SIZE_TYPE)
    if head.size == 0 and head.root != EMPTY_ROOT:
        return _refusal(422, "the empty tree has another root")
    if head.size == latest.size and head.root != latest.root:
        return _refusal(422, "another root was cosigned for this size", contradiction=True)
    try:
        verify_consistency(latest.size, latest.root, head.size, head.root, parsed.proof)
    except InvalidProof as error:
        return _refusal(422, error.problem)
    signature = cosign(request.signed.text)
    note = _own_note(request, signature)
    return Answer(200, signature.line().encode(), latest=Latest(head.size, head.root, note))


def _own_note(request: Request, signature: NoteSignature) -> bytes:
    """The checkpoint with the log's verified signatures and ours, and nobody else's."""
    signatures = [
        line for key in request.keys for line in signatures_by(request.signed.signatures, key)
    ]
    lines = "".join(line.line() for line in [*signatures, signature])
    return f"{request.signed.text}\n{lines}".encode()


def _refusal(status: int, problem: str, *, contradiction: bool = False) -> Answer:
    return Answer(status, f"{problem}\n".encode(), contradiction=contradiction)
