"""The event log of a record: what NIST SP 1500-101 demands of it, and what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from cli.events import events as command
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.archive import pack_zip
from record.artifacts import Action, CeremonyAbandoned, Operation, Role, Statement
from record.event_log import event_log
from record.events import read_events
from record.state import Phase
from record.wire import MAX_TIME
from tests.decrypting import play_election
from tests.everything import NOON, NOTED, play_everything
from tests.publishing import publish
from tests.world import World

GENERATED = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
TIME = "2025-12-04T12:00:00Z"


# --- the format, written down from the members and enumerations of SP 1500-101, version 1.0


def _object(name: str, required: list[str], members: dict[str, Any]) -> dict[str, Any]:
    known = {"@type": {"const": f"EventLogging.{name}"}, **members}
    return {
        "type": "object",
        "required": ["@type", *required],
        "additionalProperties": False,
        "properties": known,
    }


TEXT = {"type": "string"}
DATE_TIME = {"type": "string", "format": "date-time"}
EVENT = _object(
    "Event",
    ["Disposition", "Id", "Sequence", "TimeStamp", "Type"],
    {
        "Description": TEXT,
        "Details": TEXT,
        "Disposition": {"enum": ["failure", "na", "other", "success"]},
        "Hash": TEXT,
        "Id": TEXT,
        "OtherDisposition": TEXT,
        "Sequence": TEXT,
        "Severity": TEXT,
        "TimeStamp": DATE_TIME,
        "Type": TEXT,
        "UserId": TEXT,
    },
)
DEVICE = _object(
    "Device",
    ["Id"],
    {
        "Details": TEXT,
        "Event": {"type": "array", "items": EVENT},
        "HashType": {"enum": ["md6", "other", "sha-256", "sha-512"]},
        "Id": TEXT,
        "Manufacturer": TEXT,
        "Model": TEXT,
        "OtherHashType": TEXT,
        "OtherType": TEXT,
        "Type": {
            "enum": [
                *("adjudication", "ballot-activation", "ballot-printing", "blank-ballot-printing"),
                *("bmd", "dre", "dre-controller", "electronic-cast", "electronic-cast-paper"),
                *("electronic-poll-book", "ems", "other", "scan-batch", "scan-single"),
                *("transmission-receiving", "transmission-sending"),
            ]
        },
        "Version": TEXT,
    },
)
SCHEMA = _object(
    "ElectionEventLog",
    ["GeneratedTime"],
    {
        "Details": TEXT,
        "Device": {"type": "array", "items": DEVICE},
        "ElectionId": TEXT,
        "GeneratedTime": DATE_TIME,
    },
)
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    """RFC 3339 with an offset, as JSON Schema has it."""
    if not isinstance(value, str) or len(value) < 20 or value[10] != "T":
        return False
    return datetime.fromisoformat(value).tzinfo is not None


def validate(document: Any) -> None:
    """Raise ValidationError unless it is an event log of SP 1500-101."""
    Draft202012Validator(SCHEMA, format_checker=FORMATS).validate(document)


# --- the log of an election in which everything happens


@cache
def complete() -> World:
    """Not to be changed."""
    return play_everything()


def log_of(world: World) -> Any:
    """The world's record as a log, gone through JSON."""
    transcript, events = read_events(map(bytes, world.data()))
    return json.loads(json.dumps(event_log(transcript, events, GENERATED)))


def all_events(document: Any) -> list[dict[str, Any]]:
    """The events of all devices, in the order of the record; `_device` says whose each is."""
    found = [
        {**event, "_device": device["Id"]}
        for device in document["Device"]
        for event in device["Event"]
    ]
    return sorted(found, key=lambda event: int(event["Sequence"]))


def begun(*statements: Statement) -> World:
    """An election whose key ceremony has begun, and then these statements."""
    world = World.create(TOY[-1], until=Phase.KEYS)
    for statement in statements:
        world.append(statement)
    return world


def test_the_format() -> None:
    """Required members, enumerations, nothing unknown: whatever the record has in it."""
    validate(log_of(complete()))
    validate(log_of(begun(CeremonyAbandoned("It \x1b rains.\nTruly.", NOON))))
    validate(log_of(begun()))


def _alterations() -> Iterator[tuple[str, Any]]:
    for member in ("@type", "GeneratedTime"):
        yield f"log without {member}", lambda d, m=member: d.pop(m)
    for member in ("@type", "Id"):
        yield f"device without {member}", lambda d, m=member: d["Device"][0].pop(m)
    for member in ("@type", "Disposition", "Id", "Sequence", "TimeStamp", "Type"):
        yield (
            f"event without {member}",
            lambda d, m=member: d["Device"][0]["Event"][0].pop(m),
        )
    yield "a number for Sequence", lambda d: d["Device"][0]["Event"][0].update(Sequence=1)
    yield "another disposition", lambda d: d["Device"][0]["Event"][0].update(Disposition="ok")
    yield "no time", lambda d: d["Device"][0]["Event"][0].update(TimeStamp="noon")
    yield "no zone", lambda d: d["Device"][0]["Event"][0].update(TimeStamp="2025-12-04T12:00:00")
    yield "another device type", lambda d: d["Device"][0].update(Type="trustee")
    yield "another hash", lambda d: d["Device"][0].update(HashType="sha256")
    yield "an unknown member", lambda d: d.update(Time=1)


ALTERATIONS = dict(_alterations())


@pytest.mark.parametrize("name", ALTERATIONS)
def test_the_test_of_the_format_can_fail(name: str) -> None:
    """The schema above refuses what the standard does not have."""
    document = log_of(complete())
    ALTERATIONS[name](document)
    with pytest.raises(ValidationError):
        validate(document)


def test_the_log() -> None:
    """It names the election by H_B, and the log that it was made from."""
    world, document = complete(), log_of(complete())
    assert document["ElectionId"] == world.context.base_hash.hex()
    assert document["GeneratedTime"] == "2026-01-02T03:04:05Z"
    assert json.loads(document["Details"]) == {
        "label": "test-election",
        "log_key": str(world.log_key),
        "size": len(world.artifacts),
        "root": world.state.tree.root().hex(),
        "events_without_any_time": 0,
    }


def test_devices_are_those_who_have_keys() -> None:
    """In the order of the election artifact, with a type that the standard knows."""
    devices = [
        (d["Id"], d["Type"], d.get("OtherType"), d["HashType"])
        for d in log_of(complete())["Device"]
    ]
    assert devices == [
        ("administrator", "ems", None, "sha-256"),
        ("server", "other", "bulletin board", "sha-256"),
        *((f"trustee-{i}", "other", "trustee", "sha-256") for i in (1, 2, 3)),
        ("ballot-box-1", "electronic-cast", None, "sha-256"),
        ("ballot-box-2", "electronic-cast", None, "sha-256"),
    ]


EVENTS = {
    "election": ("setup", "success"),
    "key_commitment": ("key-ceremony", "success"),
    "trustee_keys": ("key-ceremony", "success"),
    "encrypted_shares": ("key-ceremony", "success"),
    "share_complaint": ("key-ceremony", "failure"),
    "share_answer": ("key-ceremony", "success"),
    "key_confirmation": ("key-ceremony", "success"),
    "ceremony_abandoned": ("key-ceremony", "failure"),
    "accusation": ("misconduct", "failure"),
    "opening": ("polls", "success"),
    "device": ("polls", "success"),
    "device_close": ("polls", "success"),
    "device_missing": ("polls", "failure"),
    "polls_close": ("polls", "success"),
    "decryption_session": ("count", "success"),
    "result": ("count", "success"),
    "server_started": ("operation", "success"),
    "server_stopped": ("operation", "na"),
    "keys_used": ("operation", "success"),
    "configured": ("operation", "na"),
    "recovered": ("operation", "success"),
    "checked": ("operation", "na"),
    "noted": ("operation", "na"),
}
"""The Ids of events, with Type and Disposition (docs/administrators.md)."""

NO_EVENTS = {
    *("ballot", "cast", "challenge", "encrypted_tally", "decryption_commitments"),
    *("decryption_shares", "decryption_responses", "decrypted_tally"),
    *("challenged_ballot_decryption", "decrypted_ballot"),
}


def test_which_artifacts_are_events() -> None:
    """Every artifact is one, once, in the order of the record, but for ballots and numbers."""
    world = complete()
    found = all_events(log_of(world))
    wanted = [i for i, a in enumerate(world.artifacts) if a.name not in NO_EVENTS]
    assert [int(event["Sequence"]) for event in found] == wanted
    for event in found:
        artifact = world.artifacts[int(event["Sequence"])]
        statement = artifact.statement
        if isinstance(statement, Operation):
            assert event["Id"] == statement.action.name.lower()
        else:
            assert event["Id"] == artifact.name
        assert event["Hash"] == hashlib.sha256(artifact.data).hexdigest()
        assert (event["Type"], event["Disposition"]) == EVENTS[event["Id"]]
        assert event["Description"]
    kinds = {event["Id"] for event in found}
    assert kinds == EVENTS.keys() - {"ceremony_abandoned"}
    assert {a.name.lower() for a in Action} < kinds


def test_nothing_of_any_ballot() -> None:
    """No confirmation code stands in the log, not even of a ballot with its own session."""
    world = complete()
    text = json.dumps(log_of(world))
    assert len(world.state.ballots) == 5
    for code in world.state.ballots:
        assert code.hex() not in text
    sessions = [e for e in all_events(log_of(world)) if e["Id"] == "decryption_session"]
    assert "ballot" in {json.loads(e["Details"])["purpose"] for e in sessions}


def test_who_did_it() -> None:
    """An event stands with whose key has signed it; people are users."""
    world = complete()
    for event in all_events(log_of(world)):
        artifact = world.artifacts[int(event["Sequence"])]
        if event["Id"] == "election":
            role, name = Role.ADMINISTRATOR, "administrator"
        else:
            signer = world.transcript.signer(artifact.statement)
            role, name = signer.role, signer.name
        assert event["_device"] == name
        person = role in (Role.ADMINISTRATOR, Role.TRUSTEE)
        assert event.get("UserId") == (name if person else None)


def details_of(document: Any, kind: str) -> list[dict[str, Any]]:
    """What the events of an Id say, in order."""
    return [json.loads(e["Details"]) for e in all_events(document) if e["Id"] == kind]


def test_details() -> None:
    """Reasons, subjects, details and counts, as JSON; what is not said is left out."""
    document = log_of(complete())
    assert details_of(document, "keys_used") == [{"reason": "To count.", "details": "server\nlog"}]
    assert details_of(document, "opening") == [{"reason": "as planned"}]
    assert details_of(document, "noted")[0] == {
        "reason": "Observers are here.",
        "subject": "hall 1",
    }
    assert details_of(document, "device_missing") == [
        {"reason": "It was stolen.", "subject": "ballot-box-2"}
    ]
    assert details_of(document, "polls_close") == [
        {"reason": "as planned", "submitted": 5, "cast": 2, "challenged": 2, "spoiled": 1}
    ]
    result = next(e for e in all_events(document) if e["Id"] == "result")
    assert "Details" not in result
    assert details_of(document, "share_complaint")[0]["of_trustee"] == 1
    assert details_of(document, "share_answer")[0]["to_trustee"] == 3
    accusation = details_of(document, "accusation")[0]
    assert (accusation["trustee"], accusation["check"]) == (1, "R.equivocation")
    session = details_of(document, "decryption_session")[0]
    assert (session["session"], session["purpose"]) == (1, "drill")
    assert session["trustees"] == [1, 2]


# --- times


def times(*statements: Statement) -> list[tuple[str, str, int | None]]:
    """Id, TimeStamp, and whose artifact's time it is, after artifact 0 and three commitments."""
    found = all_events(log_of(begun(*statements)))
    return [
        (e["Id"], e["TimeStamp"], json.loads(e.get("Details", "{}")).get("time_of_artifact"))
        for e in found
    ]


def test_times_that_are_said() -> None:
    """They are the event's own, in UTC; so is the last that the record can say."""
    later = replace(NOTED, time=MAX_TIME)
    assert times(NOTED, later)[-2:] == [
        ("noted", TIME, None),
        ("noted", "9999-12-31T23:59:00Z", None),
    ]


def test_times_that_are_not_said() -> None:
    """An event without one has the last before it; the first ones have the first after them."""
    world = begun(NOTED)
    keys = world.trustee_keys(1)
    world.append(keys)
    world.append(replace(NOTED, time=NOON - 120))
    world.append(world.trustee_keys(2))
    found = all_events(log_of(world))
    expected = [
        *(("election", TIME, 4), *[("key_commitment", TIME, 4)] * 3),
        ("noted", TIME, None),
        ("trustee_keys", TIME, 4),
        # A clock may be wrong, or another's: nothing is put in order here.
        ("noted", "2025-12-04T11:58:00Z", None),
        ("trustee_keys", "2025-12-04T11:58:00Z", 6),
    ]
    details = [json.loads(e.get("Details", "{}")) for e in found]
    shown = zip(found, details, strict=True)
    assert [(e["Id"], e["TimeStamp"], d.get("time_of_artifact")) for e, d in shown] == expected
    said = {e["Id"]: d.get("time") for e, d in zip(found, details, strict=True)}
    assert said == {
        **dict.fromkeys(("election", "key_commitment", "trustee_keys"), "not said"),
        "noted": None,
    }


def test_a_record_without_times() -> None:
    """A time stamp may not be left out and is not made up: there are no events, and it is said."""
    world = play_election(TOY[-1])
    document = log_of(world)
    assert all_events(document) == []
    assert json.loads(document["Details"])["events_without_any_time"] > 10
    validate(document)


# --- records that are none


def test_an_empty_record() -> None:
    """There is nothing to be read."""
    with pytest.raises(Rejected, match="empty"):
        read_events([])


def test_a_record_out_of_order() -> None:
    """Events are those of a record; order and signatures are looked at."""
    data = [bytes(x) for x in complete().data()]
    with pytest.raises(Rejected) as caught:
        read_events([*data[:5], data[3]])
    assert caught.value.check == "R.equivocation"
    forged = bytearray(data[1])
    forged[-1] ^= 1
    with pytest.raises(Rejected) as caught:
        read_events([data[0], bytes(forged)])
    assert caught.value.check == "R.signature"
    with pytest.raises(Malformed):
        read_events([data[0], b"no artifact"])


# --- the command


def test_the_command(tmp_path: Path) -> None:
    """A directory or a .zip; to a file or to standard output."""
    world = complete()
    publish(world, tmp_path / "record")
    pack_zip(tmp_path / "record", tmp_path / "record.zip")
    printed = CliRunner().invoke(command, [str(tmp_path / "record")])
    assert printed.exit_code == 0, printed.output
    out = tmp_path / "events.json"
    written = CliRunner().invoke(command, [str(tmp_path / "record.zip"), "--out", str(out)])
    assert written.exit_code == 0, written.output
    assert f"events of {len(world.artifacts)} artifacts to {out}." in written.output
    one, other = json.loads(printed.output), json.loads(out.read_text())
    validate(one)
    assert {**one, "GeneratedTime": ""} == {**other, "GeneratedTime": ""}
    assert {**one, "GeneratedTime": ""} == {**log_of(world), "GeneratedTime": ""}


def test_the_command_says_what_it_leaves_out(tmp_path: Path) -> None:
    """A record without any time has no events in the file."""
    publish(begun(), tmp_path / "record")
    arguments = [str(tmp_path / "record"), "--out", str(tmp_path / "events.json")]
    written = CliRunner().invoke(command, arguments)
    assert written.exit_code == 0, written.output
    assert "0 events of 4 artifacts" in written.output
    assert "4 have no time" in written.output


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--server", "localhost:1"],
        ["--authority", __file__],
        ["RECORD", "--server", "localhost:1", "--authority", __file__],
    ],
)
def test_the_command_needs_a_record(arguments: list[str], tmp_path: Path) -> None:
    """One place to read from, and for a server the certificate to know it by."""
    chosen = [str(tmp_path) if a == "RECORD" else a for a in arguments]
    found = CliRunner().invoke(command, chosen)
    assert found.exit_code == 2
    assert "give RECORD, or --server" in found.output
