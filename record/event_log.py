"""A record as an event log of NIST SP 1500-101, Election Event Logging, version 1.0 (JSON).

What the format demands is taken from the publication's own schema: the file
NIST_V1_election_event_logging.json and the tables of Election_Event_Logging_UML_documentation.md
in the repository usnistgov/ElectionEventLogging. A log has devices, a device its events; an
event has an Id, a Type, a Sequence, a Disposition and a TimeStamp, and may have more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from record.artifacts import Role, RoleKey
from record.events import Event
from record.transcript import Transcript


def event_log(
    transcript: Transcript, events: Sequence[Event], generated: datetime
) -> dict[str, Any]:
    """The document, ready for JSON; `transcript` has gone through the whole record.

    An event whose artifact says no time has that of the last one before it that does, or
    else of the first after it, and its Details say so. If none says any, no event has a
    TimeStamp, which each must have, and there are none.
    """
    context = transcript.context
    dated = _dated(events)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for event, of in dated:
        by_name.setdefault(event.name, []).append(_event(event, of))
    about = {
        "label": context.manifest.label,
        "log_key": context.election.log_key,
        "size": transcript.state.size,
        "root": transcript.state.tree.root().hex(),
        "events_without_any_time": len(events) - len(dated),
    }
    return {
        "@type": "EventLogging.ElectionEventLog",
        "GeneratedTime": _stamp(int(generated.timestamp())),
        "ElectionId": context.base_hash.hex(),
        "Details": _text(about),
        "Device": [
            {**_device(transcript, key), "Event": by_name.get(key.name, [])}
            for key in context.election.role_keys
        ],
    }


def _dated(events: Sequence[Event]) -> list[tuple[Event, Event]]:
    """Each event with the one whose time it has, itself if it says one."""
    known = next((event for event in events if event.time), None)
    if known is None:
        return []
    dated = []
    for event in events:
        known = event if event.time else known
        dated.append((event, known))
    return dated


def _event(event: Event, of: Event) -> dict[str, Any]:
    details = dict(event.details)
    if of is not event:
        details |= {"time": "not said", "time_of_artifact": of.index}
    found = {
        "@type": "EventLogging.Event",
        "Id": event.id,
        "Type": event.sort.type,
        "Sequence": str(event.index),
        "TimeStamp": _stamp(of.time),
        "Disposition": event.sort.disposition.value,
        "Description": event.sort.description,
        "Hash": event.digest,
    }
    if event.role in (Role.ADMINISTRATOR, Role.TRUSTEE):
        found["UserId"] = event.name
    return found | ({"Details": _text(details)} if details else {})


def _device(transcript: Transcript, key: RoleKey) -> dict[str, Any]:
    """Whoever has a key of the election; DeviceType knows no trustees and no boards."""
    device = {"@type": "EventLogging.Device", "Id": key.name, "HashType": "sha-256"}
    match key.role:
        case Role.ADMINISTRATOR:
            return device | {"Type": "ems"}
        case Role.SERVER:
            return device | {"Type": "other", "OtherType": "bulletin board"}
        case Role.TRUSTEE:
            about = _text({"trustee": key.index})
            return device | {"Type": "other", "OtherType": "trustee", "Details": about}
        case Role.DEVICE:
            about = _text({"information": transcript.context.manifest.device(key.name).information})
            return device | {"Type": "electronic-cast", "Details": about}
    raise AssertionError(f"there is no role {key.role}")


def _text(values: Mapping[str, Any]) -> str:
    """Details are a string; this one is JSON."""
    return json.dumps(values, ensure_ascii=False)


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
