"""What the server says about its own running, and when it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ballotbox.board import Board
from ballotbox.errors import StoreFailed, StoreNotLeading
from ballotbox.store import SqliteStore
from cli.serve_acts import Acts, Start, checked, settings_text, starting, stopping
from crypto.parameters import TOY
from record.artifacts import Action, CeremonyAbandoned, Operation, Role
from record.state import Phase, State
from record.wire import MAX_DETAILS, MAX_TEXT
from tests.world import World

NOW = 1_780_000_030.7
MINUTE = 1_780_000_020
SETTINGS = {"workers": "2", "database": "sqlite"}
KEYS = ("log", "server", "tls")
START = Start(SETTINGS, keys=KEYS)


@pytest.fixture
def world() -> World:
    return World.create(TOY[-1], until=Phase.COMMITMENT)


def said(world: World, acts: tuple[Operation, ...]) -> list[tuple[Action, str]]:
    """Put them on the record, and give actions and reasons."""
    for act in acts:
        world.append(act)
    return [(act.action, act.reason) for act in acts]


def test_the_first_start(world: World) -> None:
    """Keys, settings, start; all in one minute, by the server, and nothing finer."""
    acts = starting(world.state, START, NOW)
    assert {(act.role, act.time, act.subject) for act in acts} == {(Role.SERVER, MINUTE, "")}
    assert [act.details for act in acts] == ["log\nserver\ntls", "database: sqlite\nworkers: 2", ""]
    assert said(world, acts) == [
        (Action.KEYS_USED, "first start"),
        (Action.CONFIGURED, "first settings"),
        (Action.SERVER_STARTED, "first start"),
    ]
    assert world.state.configuration == settings_text(SETTINGS)


def test_how_the_last_one_ended(world: World) -> None:
    """Settings are said again only if they are others."""
    said(world, starting(world.state, START, NOW))
    orderly = "start after an orderly end"
    killed = "start again after an end that was not orderly"
    assert said(world, starting(world.state, START, NOW + 60)) == [
        (Action.KEYS_USED, killed),
        (Action.SERVER_STARTED, killed),
    ]
    said(world, stopping(world.state, "stopped by SIGTERM", NOW + 120))
    other = replace(START, settings={**SETTINGS, "workers": "3"})
    assert said(world, starting(world.state, other, NOW + 180)) == [
        (Action.KEYS_USED, orderly),
        (Action.CONFIGURED, "other settings than before"),
        (Action.SERVER_STARTED, orderly),
    ]


def test_reasons_that_are_given(world: World) -> None:
    """The operator's words, a take-over, a recovery, a check."""
    (_, _, started) = starting(world.state, replace(START, reason="New disks."), NOW)
    assert started.reason == "New disks."
    (_, _, started) = starting(world.state, replace(START, took_over=True), NOW)
    assert started.reason == "took over from another server"
    (_, _, recovered, started) = starting(world.state, replace(START, recovered=7), NOW)
    assert recovered.action is Action.RECOVERED
    assert "7 artifacts" in recovered.reason
    (_, _, started) = starting(world.state, replace(START, purpose="only to check"), NOW)
    assert started.reason == "first start, only to check"
    (found,) = checked(world.state, ["disk: ok", "clock: warning"], NOW)
    assert (found.action, found.details) == (Action.CHECKED, "disk: ok\nclock: warning")
    world.append(found)
    both = replace(START, took_over=True, reason="é" * (MAX_TEXT // 2))
    (_, _, started) = starting(world.state, both, NOW)
    assert started.reason.startswith("took over from another server: é")
    world.append(started)


@pytest.mark.parametrize("reason", ["", "Жаңа диск. " * 180])
def test_many_starts_in_a_minute(world: World, reason: str) -> None:
    """Each is on the record, in words of its own that the record takes (R.duplicate)."""
    reason = reason.encode()[:MAX_TEXT].decode(errors="ignore")
    for _ in range(4):
        said(world, starting(world.state, replace(START, reason=reason), NOW))
    started = [act for act in world.state.operations if act.action is Action.SERVER_STARTED]
    assert len({act.reason for act in started}) == 4
    assert all(len(act.reason.encode()) <= MAX_TEXT for act in started)


def test_nothing_once_the_election_is_over(world: World) -> None:
    """The record takes nothing more."""
    world.append(CeremonyAbandoned("nobody came"))
    assert world.state.phase is Phase.ABORTED
    assert starting(world.state, START, NOW) == ()
    assert stopping(world.state, "stopped", NOW) == ()
    complete = State(world.context, phase=Phase.COMPLETE)
    assert starting(complete, START, NOW) == ()
    assert starting(State(world.context, phase=Phase.COUNTED), START, NOW)


def test_long_settings_fit() -> None:
    """However long the names of witnesses are."""
    text = settings_text(dict.fromkeys(map(str, range(8)), "x" * 50_000))
    assert len(text.encode()) <= MAX_DETAILS


@pytest.fixture
def board(world: World, tmp_path: Path) -> Iterator[Board]:
    store = SqliteStore.create(tmp_path / "board.db", world.context.base_hash)
    yield Board.open(
        store,
        world.artifacts[0],
        server_key=world.role_key(Role.SERVER),
        log_key=world.secrets.log,
    )
    store.close()


def actions(board: Board) -> list[Action]:
    found = (board.read(index).statement for index in range(board.size()))
    return [one.action for one in found if isinstance(one, Operation)]


def test_written_later_if_not_now(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is full nothing is lost, and nothing ends the server."""
    acts = Acts(board, START, lambda: NOW)

    def full(*_: object) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(board.store, "append", full)
        acts.started()
        acts.write()
        assert actions(board) == []
    acts.write()
    assert actions(board) == [Action.KEYS_USED, Action.CONFIGURED, Action.SERVER_STARTED]
    with monkeypatch.context() as patch:
        patch.setattr(board.store, "append", full)
        acts.stopped("stopped by SIGTERM")
    assert actions(board)[-1] is Action.SERVER_STARTED


def test_an_end_is_never_kept_from_ending(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong, and not a word while another server may write."""
    acts = Acts(board, START, lambda: NOW)
    acts.started()
    monkeypatch.setattr(board, "publish", lambda _: 1 / 0)
    acts.stopped("stopped")
    monkeypatch.undo()
    board.pause()
    acts.stopped("stopped")
    board.resume()
    assert actions(board)[-1] is Action.SERVER_STARTED


def test_leading_again(board: Board) -> None:
    """It says whether another server wrote meanwhile; the keys were unlocked before."""
    acts = Acts(board, START, lambda: NOW)
    acts.started()
    acts.lost()
    acts.leads_again()
    acts.lost()
    board.publish(Operation(Role.SERVER, Action.SERVER_STOPPED, "another", MINUTE))
    acts.leads_again()
    reasons = [act.reason for act in board.transcript.state.operations if "again" in act.reason]
    assert sorted(reasons) == [
        "leads again: another server wrote meanwhile",
        "leads again: the database was away",
    ]
    assert actions(board).count(Action.KEYS_USED) == 1


def test_a_lead_that_is_lost_again_at_once_ends_nothing(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next time it says so."""
    acts = Acts(board, START, lambda: NOW)
    acts.started()
    acts.lost()

    def gone(*_: object) -> Sequence[bytes]:
        raise StoreNotLeading("the database is away")

    with monkeypatch.context() as patch:
        for name in ("append", "read"):
            patch.setattr(board.store, name, gone)
        with pytest.raises(StoreNotLeading):
            board.publish(Operation(Role.SERVER, Action.SERVER_STOPPED, "another", MINUTE))
        acts.leads_again()
    board.resume()
    acts.leads_again()
    assert actions(board)[-2:] == [Action.SERVER_STARTED] * 2
