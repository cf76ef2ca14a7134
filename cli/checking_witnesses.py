"""`serve --check`: asking the witnesses what they know, without having anything signed anew.

They are shown the newest checkpoint that is stored, which is public already. One that
knows it cosigns it once more and tells the time by that; another says how far it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from urllib3.exceptions import HTTPError

from ballotbox.store import StoredCheckpoint
from ballotbox.witness_calls import call, connections
from cli.checking_findings import Finding, ok, problem, warning
from cli.common import counted
from crypto.errors import SailauError
from record.add_checkpoint import PATH, SIZE_TYPE, format_add_checkpoint, parse_known_size
from record.checkpoint import parse_checkpoint
from record.cosignature import parse_answer, verify_cosignature
from record.policy import Policy, Witness

_SECONDS, _WHOLE = 5.0, 10.0
"""Seconds for a connection and for the next bytes on it, and for an answer in all."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Asked:
    """What a witness answered: the size that it knows, and how far its clock is ahead.

    `trouble` says why there is no answer that can be used.
    """

    name: str
    size: int = 0
    ahead: float | None = None
    trouble: str = ""


def ask_witnesses(policy: Policy | None, head: StoredCheckpoint | None) -> tuple[Asked, ...]:
    """Ask all at once, for some seconds at most; without a checkpoint only whether they answer."""
    asked = [one for one in policy.witnesses if one.url] if policy else []
    if not asked:
        return ()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="asking") as pool:
        return tuple(pool.map(lambda one: _ask(one, head), asked))


def _ask(witness: Witness, head: StoredCheckpoint | None) -> Asked:
    try:
        return _answer(witness, head)
    except (SailauError, HTTPError, OSError, ValueError) as error:
        kind = str(error) if isinstance(error, SailauError) else _kind(error)
        return Asked(witness.name, trouble=kind)


def _kind(error: BaseException) -> str:
    """The kind of error alone: its words may hold an address."""
    cause = getattr(error, "reason", None) or error
    return f"it cannot be reached ({type(cause).__name__})"


def _answer(witness: Witness, head: StoredCheckpoint | None) -> Asked:
    body = None if head is None else format_add_checkpoint(head.size, (), head.note)
    url = f"{witness.url.rstrip('/')}/{PATH}"
    begin = time.time()
    with connections(_SECONDS, _SECONDS) as pool:
        reply = call(pool, url, body, _WHOLE)
    now = (begin + time.time()) / 2
    # A date has whole seconds: it is half a second behind, on average.
    ahead = parsedate_to_datetime(reply.date).timestamp() + 0.5 - now if reply.date else None
    if head is None:
        return Asked(witness.name, ahead=ahead)
    if reply.status == 200:
        text = parse_checkpoint(head.note).text
        signed = max(
            verify_cosignature(one, witness.key, text)
            for one in parse_answer(reply.body, witness.key, text)
        )
        return Asked(witness.name, head.size, signed + 0.5 - now)
    if reply.status == 409 and reply.kind == SIZE_TYPE:
        return Asked(witness.name, parse_known_size(reply.body), ahead)
    return Asked(witness.name, ahead=ahead, trouble=f"it answers {reply.status}")


def look_at_witnesses(
    policy: Policy | None, asked: Sequence[Asked], head: StoredCheckpoint | None
) -> Iterator[Finding]:
    """What each knows, and whether those that answer are enough."""
    if policy is None or not asked:
        yield warning(
            "witnesses",
            "none is asked to cosign",
            "Name witnesses in a policy: without any, nobody notices a log with two faces.",
        )
        return
    size = 0 if head is None else head.size
    for one in asked:
        yield _witness(one, size)
    there = [one.name for one in asked if not one.trouble]
    if policy.satisfied(there):
        yield ok("quorum", f"{policy.quorum}: {', '.join(there)}")
    else:
        advice = "Call those who run the witnesses that do not answer."
        yield problem("quorum", f"{policy.quorum} is not to be had", advice)


def _witness(one: Asked, size: int) -> Finding:
    name, cosigned = f"witness {one.name}", counted(one.size, "artifact")
    if one.trouble:
        return warning(name, one.trouble, "Call whoever runs it.")
    if one.size > size:
        return problem(
            name,
            f"it has cosigned {cosigned}, more than the {size} of this database",
            "This is an older copy: restore the newest (docs/operations.md, 'After a restore').",
        )
    if not size:
        return ok(name, "it answers; there is nothing to cosign yet")
    return ok(name, f"it has cosigned {one.size:,} of {counted(size, 'artifact')}")
