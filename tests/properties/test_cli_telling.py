"""What a trustee's program tells: lines, and a bar where somebody looks."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from cli import common, telling
from cli.telling import Telling
from crypto.errors import Rejected
from record.artifacts import Purpose
from record.state import Round, SessionState
from rpc.errors import NobodyThere, Unavailable
from trustees.client import Disconnected
from trustees.messages import Computing, Refusing, Sending, Waiting


def told(monkeypatch: pytest.MonkeyPatch, *events: object, terminal: bool) -> str:
    """What stands on standard error after these events."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, highlight=False)
    for module in (common, telling):
        monkeypatch.setattr(module, "errors", console)
    with Telling() as tell:
        for event in events:
            tell(event)  # type: ignore[arg-type]
    return out.getvalue()


WORK = [Computing("commitments", done, 120_000) for done in range(0, 120_001, 512)]


def test_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal long work is a line for every tenth, and nothing else."""
    events = [Waiting("the polls to close"), *WORK, Sending("commitments", 1, 235), *WORK[:2]]
    lines = told(monkeypatch, *events, terminal=False).splitlines()
    assert lines[0] == "waiting for the polls to close"
    assert lines[1] == "computing the commitments: 0 of 120000"
    counted = [line for line in lines if line.startswith("computing")]
    assert 10 <= len(counted) <= 12
    assert "sending commitments (1 of 235)" in lines


def test_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal it is a bar; a line after it ends it."""
    shown = told(monkeypatch, *WORK[:100], Waiting("the others"), terminal=True)
    assert "computing the commitments" in shown
    assert "/120000" in shown
    assert "waiting for the others" in shown
    assert shown.count("\n") < 30


def test_two_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a bar of its own, and names are text, never markup."""
    other = [Computing("[bold]responses", done, 1000) for done in (0, 500)]
    shown = told(monkeypatch, *WORK[:3], *other, terminal=True)
    assert "computing the [bold]responses" in shown


def test_a_drill_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Its rounds have the words of the count, so each line says that it is a drill."""
    session = SessionState(3, (1, 2), 1, Purpose.DRILL)
    state = SimpleNamespace(session=session, drill=session)
    with Telling(1) as tell:
        tell.state = lambda: state  # type: ignore[assignment, return-value]
        tell(Sending("commitments"))
        tell(Disconnected(NobodyThere("nobody answers")))
        for i in (1, 2):
            for round_ in Round:
                session.parts[round_, i] = [9]
        for _ in range(2):
            tell(Waiting("the polls to open"))
    assert capsys.readouterr().err.splitlines() == [
        "drill 3: sending commitments",
        "not connected: nobody answers",
        "drill 3: answered; your share of the key works",
        "waiting for the polls to open",
        "waiting for the polls to open",
    ]


def test_the_count_is_no_drill(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither is a drill that is held without this trustee."""
    for session in (SessionState(4, (1, 2), 1), SessionState(4, (2, 3), 1, Purpose.DRILL)):
        state = SimpleNamespace(session=session, drill=session)
        with Telling(1) as tell:
            tell.state = lambda state=state: state  # type: ignore[misc]
            tell(Sending("commitments"))
        assert capsys.readouterr().err == "sending commitments\n"


def test_the_addresses_of_a_name_are_one_problem() -> None:
    """Tried in turn, they are told once; another error with the same words is another one."""
    one, two = (NobodyThere(f"nobody answers at {place}") for place in ("[::1]:1", "127.0.0.1:1"))
    assert Disconnected(one).kind == Disconnected(two).kind
    assert Disconnected(Unavailable("nobody answers at 127.0.0.1:1")).kind != Disconnected(two).kind


def test_a_refusal_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told once: by whoever ends the program with it."""
    reason = Rejected("P.key-store", "an old copy")
    with Telling() as tell:
        tell(Refusing(reason))
    assert tell.refused is reason
    assert capsys.readouterr().err == ""
