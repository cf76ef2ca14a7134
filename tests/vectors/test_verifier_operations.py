"""The verifier's report on what was done to run the election, by whom and when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from crypto.parameters import TOY
from record.artifacts import Action, CeremonyAbandoned, Operation, Statement
from record.state import Phase
from record.wire import MAX_TIME
from tests.everything import NOON, NOTED, OPERATIONS, play_everything
from tests.publishing import publish
from tests.world import World
from verifier import Report, verify
from verifier.cli import main
from verifier.text import SHOWN, WIDTH, render, render_brief

NAME = TOY[-1].name
TIME = "2025-12-04T12:00:00Z"
EXPECTED = [
    ("server", "server_started", "The election begins.", "", ""),
    ("server", "configured", "At first.", "", "group: 0.1 s"),
    ("administrator", "noted", "Observers are here.", "hall 1", ""),
    ("server", "server_started", "The power was cut.", "", ""),
    ("server", "checked", "Before opening.", "", "disk: ok\nclock: ok"),
    ("administrator", "opening", "as planned", "", ""),
    ("server", "server_stopped", "New disks.", "server-1", ""),
    ("server", "recovered", "A disk failed.", "ballot-box-2", ""),
    ("administrator", "device_missing", "It was stolen.", "ballot-box-2", ""),
    ("administrator", "polls_close", "as planned", "", ""),
    ("administrator", "noted", "The count begins.", "hall 1", ""),
    ("server", "keys_used", "To count.", "", "server\nlog"),
    ("administrator", "noted", "The protocol is signed on paper, too.", "hall 1", ""),
    ("administrator", "result", "", "", ""),
]
"""Who, action, reason, subject and details of what `play_everything` does, in its order."""


@cache
def complete() -> World:
    """An election with operations of every kind. Not to be changed."""
    return play_everything()


def judged(world: World, folder: Path) -> Report:
    """The report on a world's record."""
    publish(world, folder)
    return verify(folder, parameters=NAME)


def noted(statements: Sequence[Statement], folder: Path) -> Report:
    """The report on a record whose key ceremony has just begun, with these statements."""
    world = World.create(TOY[-1], until=Phase.COMMITMENT)
    for statement in statements:
        world.append(statement)
    return judged(world, folder)


def test_operations_of_every_action_in_order(tmp_path: Path) -> None:
    """Each stands with its artifact, and so do the statements that move the record on."""
    report = judged(complete(), tmp_path)
    assert report.verdict == "verified"
    assert [
        (act.who, act.action, act.reason, act.subject, act.details) for act in report.operations
    ] == EXPECTED
    assert {act.time for act in report.operations} == {TIME}
    assert report.operations_total == len(EXPECTED)
    kinds = [complete().artifacts[act.index].name for act in report.operations]
    names = [act.action for act in report.operations]
    assert kinds == [
        "operation" if name in {a.name.lower() for a in Action} else name for name in names
    ]
    said = [a for a in complete().artifacts if isinstance(a.statement, Operation)]
    assert report.checks["R.operation"].passed == len(said)
    assert {a.statement.action for a in said if isinstance(a.statement, Operation)} == set(Action)
    assert len(OPERATIONS) == len(Action)


def test_operations_as_json(tmp_path: Path) -> None:
    """The members of docs/verification.md, and no other."""
    report = judged(complete(), tmp_path)
    shown = json.loads(report.to_json())
    assert shown["operations_total"] == len(EXPECTED)
    assert shown["operations"][0] == {
        "index": 1,
        "who": "server",
        "action": "server_started",
        "time": TIME,
        "reason": "The election begins.",
        "subject": "",
        "details": "",
    }
    assert len(shown["operations"]) == len(EXPECTED)


def test_operations_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each: artifact, time, role, what, to what, why; with --quiet none."""
    report = judged(complete(), tmp_path)
    lines = render(report).splitlines()
    start = lines.index("Operations, with the times that their signers say") + 1
    table = [line.split() for line in lines[start : start + len(EXPECTED)]]
    assert [row[0] for row in table] == [str(act.index) for act in report.operations]
    assert {row[1] for row in table} == {TIME}
    assert " ".join(table[2][2:]) == "administrator noted hall 1: Observers are here."
    assert " ".join(table[-1][2:]) == "administrator result"
    assert "Operations" not in render_brief(report)
    assert main([str(tmp_path), "--quiet", "--parameters", NAME]) == 0
    assert "Observers" not in capsys.readouterr().out


def test_times_that_are_not_said(tmp_path: Path) -> None:
    """Null in JSON; in words for people."""
    report = noted([CeremonyAbandoned("It rains.")], tmp_path)
    (act,) = report.operations
    assert (act.action, act.time, act.reason) == ("ceremony_abandoned", None, "It rains.")
    assert json.loads(report.to_json())["operations"][0]["time"] is None
    assert "(time not said)       administrator  ceremony abandoned: It rains." in render(report)


@pytest.mark.parametrize(
    ("seconds", "shown"), [(60, "1970-01-01T00:01:00Z"), (MAX_TIME, "9999-12-31T23:59:00Z")]
)
def test_the_first_and_the_last_time(seconds: int, shown: str, tmp_path: Path) -> None:
    """Every time that the record allows has a date."""
    report = noted([replace(NOTED, time=seconds)], tmp_path)
    assert not report.checks["R.encoding"].failed
    assert report.operations[0].time == shown


def test_texts_cannot_play_tricks(tmp_path: Path) -> None:
    """Control characters are shown as what they are, long reasons are cut for people only."""
    long = "\x1b[2J" + "ж" * 500
    report = noted([replace(NOTED, reason=long, subject="\u202egnos")], tmp_path)
    assert report.operations[0].reason == long
    text = render(report)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\x1b[2J" in text
    assert "ж" * (WIDTH - 20) in text
    assert "ж" * WIDTH not in text


def test_many_operations(tmp_path: Path) -> None:
    """Beyond what is kept, or shown, they are counted."""
    many = [replace(NOTED, time=NOON + 60 * i) for i in range(SHOWN + 10)]
    with mock.patch("verifier.operations.MOST", SHOWN + 5):
        report = noted(many, tmp_path)
    assert report.checks["R.operation"].passed == len(many)
    assert len(report.operations) == SHOWN + 5
    assert report.operations_total == len(many)
    text = render(report)
    assert text.count("Observers are here.") == SHOWN
    assert "  and 10 more\n" in text
