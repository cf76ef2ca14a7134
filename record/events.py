"""What was done to run the election, in the order of the record.

An event is an artifact that says so: an operation, a step of the key ceremony, the beginning
and end of a device or of the polls. Ballots, casts and challenges are no events: a list of them
with times beside it is what the record takes care not to be (docs/security.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crypto.errors import Rejected
from record.artifacts import (
    Accusation,
    Action,
    Artifact,
    CeremonyAbandoned,
    DecryptionSession,
    Device,
    DeviceClose,
    DeviceMissing,
    Election,
    EncryptedShares,
    KeyCommitment,
    KeyConfirmation,
    Opening,
    Operation,
    PollsClose,
    Result,
    Role,
    ShareAnswer,
    ShareComplaint,
    Statement,
    TrusteeKeys,
    parse_artifact,
)
from record.transcript import Transcript


class Disposition(StrEnum):
    """How it went, in the words of SP 1500-101."""

    SUCCESS = "success"
    FAILURE = "failure"
    NONE = "na"


@dataclass(frozen=True, slots=True)
class Sort:
    """What all events of an Id have in common: a group of Ids, and the event in words."""

    type: str
    description: str
    disposition: Disposition = Disposition.SUCCESS


_CEREMONY, _POLLS, _COUNT, _OPERATION = "key-ceremony", "polls", "count", "operation"

_STATEMENTS: Mapping[type[Statement], Sort] = {
    Election: Sort("setup", "the election is fixed"),
    KeyCommitment: Sort(_CEREMONY, "a trustee commits to its keys"),
    TrusteeKeys: Sort(_CEREMONY, "a trustee publishes its keys"),
    EncryptedShares: Sort(_CEREMONY, "a trustee sends its shares"),
    ShareComplaint: Sort(_CEREMONY, "a trustee complains of a share", Disposition.FAILURE),
    ShareAnswer: Sort(_CEREMONY, "a trustee answers a complaint"),
    KeyConfirmation: Sort(_CEREMONY, "a trustee confirms the keys"),
    CeremonyAbandoned: Sort(_CEREMONY, "the key ceremony is given up", Disposition.FAILURE),
    Accusation: Sort("misconduct", "a trustee is accused", Disposition.FAILURE),
    Opening: Sort(_POLLS, "the polls open"),
    Device: Sort(_POLLS, "a device begins its chain"),
    DeviceClose: Sort(_POLLS, "a device closes its chain"),
    DeviceMissing: Sort(_POLLS, "a device is declared missing", Disposition.FAILURE),
    PollsClose: Sort(_POLLS, "the polls close"),
    DecryptionSession: Sort(_COUNT, "a decryption session begins"),
    Result: Sort(_COUNT, "the result is signed"),
}
_ACTIONS: Mapping[Action, Sort] = {
    Action.SERVER_STARTED: Sort(_OPERATION, "the server begins to write to the log"),
    Action.SERVER_STOPPED: Sort(_OPERATION, "the server ends", Disposition.NONE),
    Action.KEYS_USED: Sort(_OPERATION, "a key store is unlocked"),
    Action.CONFIGURED: Sort(_OPERATION, "the server's settings", Disposition.NONE),
    Action.RECOVERED: Sort(_OPERATION, "the database is filled up from a published record"),
    Action.CHECKED: Sort(_OPERATION, "the installation is checked", Disposition.NONE),
    Action.NOTED: Sort(_OPERATION, "the administrator notes something", Disposition.NONE),
}


@dataclass(frozen=True, slots=True)
class Event:
    """An artifact that is an event.

    `id` says of what kind; `role` and `name` whose key has signed it; `time` is in seconds, 0 if
    the artifact does not say it; `digest` is the SHA-256 of its bytes, as in its entry of the
    log; `details` are what else it says, by name.
    """

    index: int
    id: str
    sort: Sort
    role: Role
    name: str
    time: int
    digest: str
    details: Mapping[str, Any]


def event_of(transcript: Transcript, index: int, artifact: Artifact) -> Event | None:
    """Artifact `index` of the transcript as an event; None if it is none."""
    statement = artifact.statement
    if isinstance(statement, Operation):
        sort, kind = _ACTIONS[statement.action], statement.action.name.lower()
    elif type(statement) in _STATEMENTS:
        sort, kind = _STATEMENTS[type(statement)], artifact.name
    else:
        return None
    if isinstance(statement, Election):
        administrator = transcript.context.single_key(Role.ADMINISTRATOR)
        role, name = administrator.role, administrator.name
    else:
        signer = transcript.signer(statement)
        role, name = signer.role, signer.name
    return Event(
        index,
        kind,
        sort,
        role,
        name,
        getattr(statement, "time", 0),
        hashlib.sha256(artifact.data).hexdigest(),
        {key: value for key, value in _details(statement).items() if value != ""},
    )


def _details(statement: Statement) -> dict[str, Any]:
    """What an event says beside its Id, by name; what is empty is left out later."""
    match statement:
        case Operation():
            return {
                "reason": statement.reason,
                "subject": statement.subject,
                "details": statement.details,
            }
        case Opening() | CeremonyAbandoned():
            return {"reason": statement.reason}
        case DeviceMissing():
            return {"reason": statement.reason, "subject": statement.device}
        case PollsClose():
            return {
                "reason": statement.reason,
                "submitted": statement.submitted,
                "cast": statement.cast,
                "challenged": statement.challenged,
                "spoiled": statement.spoiled,
            }
        case ShareComplaint():
            return {"of_trustee": statement.sender}
        case ShareAnswer():
            return {"to_trustee": statement.recipient}
        case Accusation():
            return {"trustee": statement.trustee, "check": statement.check}
        case DecryptionSession():
            # Not the code of a challenged ballot: that belongs to a voter.
            return {
                "session": statement.session,
                "purpose": statement.purpose.name.lower(),
                "trustees": list(statement.trustees),
            }
    return {}


def read_events(artifacts: Iterable[bytes]) -> tuple[Transcript, list[Event]]:
    """Follow a record from artifact 0 to its end; the transcript, and its events.

    Raises Malformed and Rejected for what is no record in order, signed by its roles. Proofs
    are not looked at.
    """
    transcript: Transcript | None = None
    events: list[Event] = []
    for index, data in enumerate(artifacts):
        if transcript is None:
            artifact = parse_artifact(data, None)
            transcript = Transcript(artifact)
        else:
            artifact = transcript.parse(data)
            transcript.append(artifact)
        event = event_of(transcript, index, artifact)
        if event is not None:
            events.append(event)
    if transcript is None:
        raise Rejected("R.nothing", "the record is empty")
    return transcript, events
