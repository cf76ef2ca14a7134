"""What the administrator says beside the statements: reasons, times, notes, and the event log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.system.conftest import Held
from tests.system.programs import Place, call, refused

pytestmark = pytest.mark.system

REFUSED, UNUSABLE = 1, 2
LONG = "ж" * 1001


def events(place: Place) -> list[dict[str, Any]]:
    """The administrator's events, from the server that runs."""
    result = place.run("election", "events", *place.public)
    log = json.loads(result.out)
    (device,) = (d for d in log["Device"] if d["Id"] == "administrator")
    found: list[dict[str, Any]] = device["Event"]
    return found


def said(event: dict[str, Any]) -> dict[str, Any]:
    """Its Details."""
    details: dict[str, Any] = json.loads(event["Details"])
    return details


def test_notes_and_reasons(at: Callable[[str], Place]) -> None:
    """A note, the opening and the close stand there with reason and time."""
    place = at("open")
    place.serve()
    before = datetime.now(UTC).replace(second=0, microsecond=0)
    note = "the hall opened late: its key was away"
    result = place.run("election", "note", f" {note} ", "--subject", "hall", *place.admin)
    assert "on the record (artifact " in result.out
    place.run("device", "close", *place.home("device-1"))
    reason = ("--reason", "a storm")
    missing = ("--missing", f"{_label(place, 2)}=power failure")
    place.run("election", "close", *place.admin, *missing, *reason)
    found = {event["Id"]: event for event in events(place)}
    assert said(found["opening"]) == {"reason": "as planned"}
    assert said(found["noted"]) == {"reason": note, "subject": "hall"}
    assert said(found["device_missing"])["reason"] == "power failure"
    assert said(found["polls_close"])["reason"] == "a storm"
    for name in ("noted", "device_missing", "polls_close"):
        assert before <= datetime.fromisoformat(found[name]["TimeStamp"]) <= datetime.now(UTC)


def _label(place: Place, n: int) -> str:
    invitation = json.loads((place.root / f"device-{n}" / "invitation.json").read_text())
    return str(invitation["name"])


def test_words_that_cannot_stand_there(at: Callable[[str], Place]) -> None:
    """They are refused before anything is published."""
    place = at("open")
    place.serve()
    size = place.status().size
    missing = ("--missing", f"{_label(place, 2)}={LONG}")
    for problem, command in (
        ("TEXT: is empty", ("note", " ")),
        ("has 2002 bytes", ("note", LONG)),
        ("is not a label", ("note", "late", "--subject", "hall\n2")),
        ("has 2002 bytes", ("close", "--reason", LONG)),
        ("has 2002 bytes", ("close", *missing)),
        ("has 2002 bytes", ("open", "--reason", LONG)),
    ):
        name, *rest = command
        result = call("election", name, *rest, *place.admin)
        refused(result, UNUSABLE, problem)
    assert place.status().size == size


def test_the_published_times(held: Held) -> None:
    """The verifier shows the administrator's acts; the record's end has a time of its own."""
    report = call("verify", held.record, "--json", "--quiet").json()
    acts = [act for act in report["operations"] if act["who"] == "administrator"]
    assert [(act["action"], act["reason"]) for act in acts] == [
        ("opening", "as planned"),
        ("polls_close", "as planned"),
        ("result", ""),
    ]
    times = [datetime.fromisoformat(act["time"]) for act in acts]
    assert times == sorted(times)
    assert {time.second for time in times} == {0}
