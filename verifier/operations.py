"""What was done to run the election: R.operation, and the reasons and times on the record.

Operations say it by themselves. The openings, closes and so on of an administrator move
the record on and may say why and when as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from verifier.manifest_rules import is_label
from verifier.schema import pb
from verifier.signers import operator
from verifier.wire import MAX_TEXT, Reader

MOST = 10_000
"""Acts kept for the report; beyond that they are only counted."""
ROOM = 32 << 20
"""Characters of what they say that are kept, in all."""
_MAX_DETAILS = 16_000
_MINUTE = 60
_MAX_TIME = 253_402_300_740
"""9999-12-31 23:59 UTC."""

_ROLES = {
    pb.ROLE_ADMINISTRATOR: "administrator",
    pb.ROLE_SERVER: "server",
    pb.ROLE_TRUSTEE: "trustee",
    pb.ROLE_DEVICE: "device",
}
_ACTIONS = {
    pb.ACTION_SERVER_STARTED: ("server_started", "server", False),
    pb.ACTION_SERVER_STOPPED: ("server_stopped", "server", False),
    pb.ACTION_KEYS_USED: ("keys_used", "server", True),
    pb.ACTION_CONFIGURED: ("configured", "server", True),
    pb.ACTION_RECOVERED: ("recovered", "server", False),
    pb.ACTION_CHECKED: ("checked", "server", True),
    pb.ACTION_NOTED: ("noted", "administrator", False),
}
"""Of each action: its name, whose it is, and whether it has details."""

_TIMED = frozenset({"ceremony_abandoned", "opening", "device_missing", "polls_close", "result"})
_MAY_SAY_WHY = frozenset({"opening", "polls_close"})
"""The others have no reason, or must have one, which is checked where they are followed."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done, as its signer says; `time` is ISO 8601, UTC, or None."""

    index: int
    """The artifact that says it."""
    who: str
    action: str
    time: str | None
    reason: str = ""
    subject: str = ""
    details: str = ""


class Operations:
    """Follows what was done, in the order of the record."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.acts: list[Act] = []
        """The first of them, at most MOST and as many as there is ROOM for."""
        self.total = 0
        self._room = ROOM
        self._said: dict[bytes, int] = {}

    def take(self, artifact: pb.Artifact, kind: str, reader: Reader) -> None:
        """Check an operation, or the reason and time of a statement that has them."""
        if kind == "operation":
            _check_form(artifact.operation, reader)
            _check_role(artifact.operation, reader)
            self._check_once(artifact.operation, reader)
            self._operation(artifact.operation, reader)
        elif kind in _TIMED:
            statement = getattr(artifact, kind)
            _check_time(statement.time, reader)
            if kind in _MAY_SAY_WHY:
                reader.check_text(statement.reason, 0, MAX_TEXT, "the reason")
            self._statement(statement, kind, reader)

    def _check_once(self, statement: pb.Operation, reader: Reader) -> None:
        """Check that it was not said before, under another signature (R.duplicate)."""
        digest = sha256(statement.SerializeToString(deterministic=True)).digest()
        number = reader.place.artifact or 0
        earlier = self._said.setdefault(digest, number)
        if earlier != number:
            message = f"artifact {earlier} says the same, with another signature"
            reader.findings.failed("R.duplicate", reader.place, message, "server")

    def _operation(self, statement: pb.Operation, reader: Reader) -> None:
        action, _, _ = _ACTIONS.get(statement.action, ("unknown", "", False))
        self._keep(
            reader,
            action,
            statement.time,
            statement.reason,
            statement.subject,
            statement.details,
        )

    def _statement(self, statement: Any, kind: str, reader: Reader) -> None:
        subject = statement.device if kind == "device_missing" else ""
        reason = "" if kind == "result" else statement.reason
        self._keep(reader, kind, statement.time, reason, subject)

    def _keep(
        self,
        reader: Reader,
        action: str,
        seconds: int,
        reason: str,
        subject: str,
        details: str = "",
    ) -> None:
        self.total += 1
        # What is too long has failed R.encoding already, and need not fill the report.
        texts = reason[:MAX_TEXT], subject[:MAX_TEXT], details[:_MAX_DETAILS]
        self._room -= sum(map(len, texts))
        if len(self.acts) < MOST and self._room >= 0:
            index = reader.place.artifact or 0
            self.acts.append(Act(index, reader.culprit, action, _date(seconds), *texts))


def _check_form(statement: pb.Operation, reader: Reader) -> None:
    """Check the ranges of an operation's fields (R.encoding)."""
    if statement.role not in _ROLES:
        reader.problem(f"there is no role {statement.role}")
    if statement.action not in _ACTIONS:
        reader.problem(f"there is no action {statement.action}")
    reader.check_text(statement.reason, 1, MAX_TEXT, "the reason")
    reader.check_text(statement.details, 0, _MAX_DETAILS, "the details")
    if statement.subject and not is_label(statement.subject):
        reader.problem("the subject is not a label")
    if not statement.time:
        reader.problem("the time is missing")
    _check_time(statement.time, reader)


def _check_role(statement: pb.Operation, reader: Reader) -> None:
    """Check that the action is this role's, and has details if it is to (R.operation)."""
    known = _ACTIONS.get(statement.action)
    role = _ROLES.get(statement.role)
    if known is None or role is None:
        return
    action, actor, detailed = known
    problem = ""
    if role != actor:
        problem = f"{action} is said by the {role}, and is the {actor}'s to say"
    elif bool(statement.details) != detailed:
        problem = f"{action} {'needs' if detailed else 'has no'} details"
    culprit = operator(statement)
    reader.findings.check("R.operation", not problem, reader.place, problem, culprit)


def _check_time(seconds: int, reader: Reader) -> None:
    if seconds % _MINUTE or seconds > _MAX_TIME:
        reader.problem(f"the time {seconds} is not a whole minute, or has no date")


def _date(seconds: int) -> str | None:
    """Return seconds since 1970 as ISO 8601; None if it is not said, or is no date."""
    if not 0 < seconds <= _MAX_TIME:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
