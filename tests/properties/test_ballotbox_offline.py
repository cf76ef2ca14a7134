"""A device without a network: its chain reaches the record once and in order, whatever happens."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ballotbox.challenges import audit
from ballotbox.errors import BallotLost, NotConnected
from ballotbox.journal import Kind
from ballotbox.line import FEW, LineState
from crypto.errors import Rejected
from crypto.parameters import TOY
from record.artifacts import Ballot, DeviceMissing
from record.hints import parse_hints
from record.state import Status
from tests.devices import DEVICE, Day, Killed, LineLost, fresh
from tests.system.programs import PATIENCE, wait_until
from tests.world import World

CAST, CHALLENGE, ABANDON = Status.CAST, Status.CHALLENGED, Status.SUBMITTED
FATES = (CAST, CHALLENGE, ABANDON, CAST, CAST, CHALLENGE, CAST)
"""What seven voters want. The line is lost behind the second, and back before the last."""


@cache
def toy_world() -> World:
    """One election for all tests; each works on a copy."""
    return World.create(TOY[-1])


def submit(day: Day) -> bytes:
    """One voter more; the code."""
    return day.terminal.submit("centre", "full", {"council": {"yes": 1}})[0]


# --- a day, step by step; each step may be begun again


def vote(day: Day, voter: int) -> None:
    """What this voter wants is done, once, however often it is begun."""
    codes = day.codes()
    code = codes[voter] if voter < len(codes) else submit(day)
    if day.machine.status(code).decision is not None:
        return
    if FATES[voter] is CAST:
        day.terminal.cast(code)
    elif FATES[voter] is CHALLENGE:
        _, file = day.terminal.challenge(code)
        assert file.confirmation_code == code


def catch_up(day: Day) -> None:
    """The line is back, and everything comes over."""
    day.box.online = True
    while not day.line.catch_up():
        pass


def close(day: Day) -> None:
    """End the chain."""
    if not day.terminal.close():
        catch_up(day)


def lose(day: Day) -> None:
    """From now on nobody answers."""
    day.box.online = False


def steps() -> list[Callable[[Day], None]]:
    """A whole day."""
    voters = [lambda day, n=n: vote(day, n) for n in range(len(FATES))]
    return [
        lambda day: day.terminal.begin(),
        *voters[:2],
        lose,
        *voters[2:6],
        catch_up,
        voters[6],
        close,
    ]


def live(day: Day) -> int:
    """The day, by a person who starts the program again when it dies; how often it died."""
    deaths = 0
    todo = steps()
    while todo:
        try:
            if day._journal is None:
                day.start()
            todo[0](day)
            todo.pop(0)
        except Killed:
            deaths += 1
            day.end()
    return deaths


def check(day: Day) -> None:
    """All voters' ballots, once, in order, with the fates that they wanted."""
    day.check_complete()
    ballots = day.world.state.ballots
    assert [ballots[code].status for code in day.codes()] == list(FATES)
    assert len(ballots) == len(FATES)
    assert day.world.state.devices[DEVICE].closed


class Points:
    """Counts the points at which something is written or said, and strikes at some."""

    def __init__(self, *deadly: int) -> None:
        self.deadly = set(deadly)
        self.seen: list[str] = []

    def __call__(self, point: str) -> None:
        self.seen.append(point)
        if len(self.seen) - 1 in self.deadly:
            raise Killed


def test_a_day_without_harm(tmp_path: Path) -> None:
    """Online, offline, online again: the record has the chain of the device."""
    day = Day(toy_world(), tmp_path)
    assert live(day) == 0
    check(day)
    assert day.events == [LineState.DOWN, LineState.CATCHING_UP, LineState.UP]
    day.end()


def test_killed_at_every_write_and_every_message(tmp_path: Path) -> None:
    """Dead once at each point of the day, the device goes on, and nothing is lost or doubled."""
    day = Day(toy_world(), tmp_path, window=2)
    counting = day.strike = Points()
    live(day)
    day.end()
    assert {"write", "written", "leaves", "taken"} == set(counting.seen)
    for point in range(len(counting.seen)):
        directory = tmp_path / str(point)
        directory.mkdir()
        day = Day(toy_world(), directory, window=2)
        day.strike = Points(point)
        assert live(day) == 1, point
        check(day)
        day.end()


@settings(max_examples=40)
@given(st.data())
def test_killed_again_and_again(data: st.DataObject) -> None:
    """Several deaths a day, at any points."""
    deadly = data.draw(st.sets(st.integers(0, 120), min_size=2, max_size=12))
    with tempfile.TemporaryDirectory() as directory:
        day = Day(toy_world(), Path(directory), data.draw(st.integers(1, 5)))
        day.strike = Points(*deadly)
        live(day)
        check(day)
        day.end()


# --- a bad line


@settings(max_examples=40)
@given(st.data())
def test_a_line_that_breaks_at_any_message(data: st.DataObject) -> None:
    """Requests and answers are lost at random; voters never see more than a missing receipt."""
    losses = data.draw(st.lists(st.integers(0, 2), max_size=40))
    window = data.draw(st.integers(1, 4))
    with tempfile.TemporaryDirectory() as directory:
        day = Day(toy_world(), Path(directory), window)

        def strike(point: str) -> None:
            if point in ("leaves", "taken") and losses and losses.pop() == 1:
                raise LineLost(point)

        day.strike = strike
        day.start()
        day.terminal.begin()
        for voter in range(len(FATES)):
            vote(day, voter)
            if data.draw(st.booleans()) and not day.line.up:
                day.line.catch_up()
        close(day)
        check(day)
        day.end()


def test_without_a_line_nobody_waits_and_nobody_is_asked(tmp_path: Path) -> None:
    """Once it is down, voters get a code without a receipt and no call is made for them."""
    day = Day(toy_world(), tmp_path)
    day.start()
    day.terminal.begin()
    code, receipt = day.terminal.submit("centre", "full", {})
    assert receipt is not None
    assert day.machine.status(code).index == receipt.index
    calls = 0

    def strike(point: str) -> None:
        nonlocal calls
        calls += point == "leaves"
        if point == "leaves":
            raise LineLost(point)

    day.strike = strike
    assert day.terminal.cast(code) is None
    assert calls == 1
    provisional, receipt = day.terminal.submit("centre", "full", {})
    challenged, file = day.terminal.challenge(provisional)
    assert (receipt, challenged, calls) == (None, None, 1)
    ballot = day.machine._ballot(provisional)
    audit(day.world.context, day.world.keys, ballot, file)
    assert day.machine.status(provisional).index is None
    assert day.terminal.receipt(provisional) is None
    day.strike = lambda _: None
    assert day.line.catch_up()
    later = day.terminal.receipt(provisional)
    assert later is not None
    assert day.world.artifacts[later.index].data == day.messages()[-1]
    day.end()


def test_hints_travel_with_their_ballot(tmp_path: Path) -> None:
    """In an upload and in a call of its own; they are forgotten when the server has it."""
    day = Day(toy_world(), tmp_path)
    day.start(LineState.DOWN)
    day.terminal.begin()
    submit(day)
    assert day.line.catch_up()
    submit(day)
    group = day.world.group
    for code in day.codes():
        message = day.journal.submission(code)
        ballot = day.machine._ballot(code)
        hints = parse_hints(day.box.hints[message.data], ballot, group)
        assert len(hints.proofs) > len(ballot.contests)
        assert message.hints == b""
    day.end()


def test_much_that_waits_is_uploaded_and_not_waited_for(tmp_path: Path) -> None:
    """A device that starts with a backlog answers the first voter without sending it all."""
    day = Day(toy_world(), tmp_path)
    day.start(LineState.DOWN)
    day.terminal.begin()
    for _ in range(FEW):
        submit(day)
    day.start()
    before = day.box.arrived
    assert day.terminal.submit("centre", "full", {})[1] is None
    assert (day.box.arrived, day.line.state) == (before, LineState.CATCHING_UP)
    assert day.line.catch_up()
    assert day.box.uploads == 1
    assert day.terminal.submit("centre", "full", {})[1] is not None
    day.check_complete()
    day.end()


def test_ballots_that_come_during_an_upload_follow_in_it(tmp_path: Path) -> None:
    """Voting goes on in another thread of the same device, and nothing overtakes."""
    day = Day(toy_world(), tmp_path)
    day.start(LineState.DOWN)
    day.terminal.begin()
    submit(day)
    more = 20

    def strike(point: str) -> None:
        nonlocal more
        if point == "taken" and more:
            more -= 1
            voter = threading.Thread(target=submit, args=(day,))
            voter.start()
            voter.join(PATIENCE)
            assert not voter.is_alive(), "a voter waits for the upload"

    day.strike = strike
    assert day.line.catch_up()
    assert len(day.codes()) == 21
    day.check_complete()
    day.end()


def test_a_voter_who_comes_at_the_last_moment_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the last look at what waits, and before the line is up: it stays an upload."""
    day = Day(toy_world(), tmp_path)
    day.start(LineState.DOWN)
    day.terminal.begin()
    looks = 0

    def look() -> int:
        nonlocal looks
        found = day.journal.waiting()
        looks += found == 0
        if looks == 2 and found == 0:
            assert day.terminal.submit("centre", "full", {})[1] is None
        return found

    monkeypatch.setattr(day.machine, "waiting", look)
    assert not day.line.catch_up()
    assert day.line.state is LineState.CATCHING_UP
    monkeypatch.undo()
    assert day.line.catch_up()
    assert day.events == [LineState.CATCHING_UP, LineState.UP]
    day.check_complete()
    day.end()


def test_the_background_brings_it_over_when_the_line_is_back(tmp_path: Path) -> None:
    """Nobody calls for it: `working` is enough."""
    day = Day(toy_world(), tmp_path)
    day.start()
    arrived = threading.Event()
    with day.line.working():
        day.terminal.begin()
        lose(day)
        codes = [submit(day) for _ in range(3)]
        assert not day.line.up
        day.box.strike = lambda point: arrived.set() if day.machine.waiting() == 1 else None
        day.box.online = True
        assert arrived.wait(PATIENCE)
        wait_until(lambda: day.line.up)
    assert [day.world.state.ballots[c].status for c in codes] == [ABANDON] * 3
    day.check_complete()
    day.end()


def test_a_mistake_in_the_background_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is down then, and tried again; what waits is kept until it comes over."""
    day = Day(toy_world(), tmp_path)
    day.start()
    seen: list[int] = []

    def fail(*_: object) -> None:
        seen.append(day.machine.waiting())
        raise ZeroDivisionError

    with day.line.working():
        day.terminal.begin()
        lose(day)
        submit(day)
        monkeypatch.setattr(day.machine, "acknowledge", fail)
        day.box.online = True
        wait_until(lambda: bool(seen) and day.line.state is LineState.DOWN)
        assert day.terminal.receipt(day.codes()[0]) is None
        monkeypatch.undo()
        wait_until(lambda: day.line.up)
    assert seen[0] == 1
    day.check_complete()
    day.end()


# --- what the server refuses


def given_up(directory: Path) -> Day:
    """A day on which the line was lost, and the device declared missing before it was back."""
    day = Day(toy_world(), directory)
    day.start()
    day.terminal.begin()
    lose(day)
    submit(day)
    day.world.append(DeviceMissing(DEVICE, "stolen, it seemed"))
    day.box.online = True
    return day


def test_a_device_that_was_declared_missing_stops(tmp_path: Path) -> None:
    """What nobody takes any more is not promised to another voter."""
    day = given_up(tmp_path)
    with pytest.raises(Rejected) as caught:
        day.line.catch_up()
    assert caught.value.check == "R.order"
    for work in (lambda: submit(day), day.terminal.begin, day.line.catch_up):
        with pytest.raises(Rejected):
            work()
    assert len(day.codes()) == 1
    assert day.events[-1] is LineState.REFUSED
    day.end()


def test_the_background_keeps_the_refusal_for_the_next_voter(tmp_path: Path) -> None:
    """Also when nobody was there to be told."""
    day = given_up(tmp_path)
    with day.line.working():
        wait_until(lambda: day.line.state is LineState.REFUSED)
    with pytest.raises(Rejected, match="missing"):
        day.line.check()
    day.end()


def test_after_its_close_a_device_promises_nothing_without_a_line(tmp_path: Path) -> None:
    """The polls may close at any time then, and a decision that comes later is none."""
    day = Day(toy_world(), tmp_path)
    day.start()
    day.terminal.begin()
    codes = [submit(day) for _ in range(4)]
    day.terminal.cast(codes[3])
    assert day.terminal.close()
    assert day.terminal.cast(codes[0]) is not None
    lose(day)
    with pytest.raises(NotConnected, match="before the server had it"):
        day.terminal.challenge(codes[1])
    with pytest.raises(NotConnected, match="only be decided while"):
        day.terminal.cast(codes[2])
    assert day.machine.status(codes[2]).decision is None
    assert day.terminal.cast(codes[3]) is None  # said before: no new promise
    day.box.online = True
    assert day.line.catch_up()
    receipt, _ = day.terminal.challenge(codes[1])
    assert receipt is not None
    assert day.world.state.ballots[codes[1]].status is CHALLENGE
    assert day.world.state.ballots[codes[2]].status is ABANDON
    day.check_complete()
    day.end()


def test_the_end_of_the_chain_waits_like_a_ballot(tmp_path: Path) -> None:
    """Closed without a line: the hash is in the journal, and the polls cannot close over it."""
    day = Day(toy_world(), tmp_path)
    day.start(LineState.DOWN)
    day.terminal.begin()
    submit(day)
    assert not day.terminal.close()
    assert day.machine.closed
    assert DEVICE in day.world.state.unaccounted_devices()
    with pytest.raises(Rejected, match="has closed"):
        submit(day)
    assert day.line.catch_up()
    assert DEVICE not in day.world.state.unaccounted_devices()
    assert [m.kind for m in day.journal.outgoing()] == []
    day.check_complete()
    day.end()


def test_a_ballot_is_answered_by_its_own_receipt(tmp_path: Path) -> None:
    """Also where what was left from before is sent in front of it."""
    day = Day(toy_world(), tmp_path)
    day.start(LineState.DOWN)
    day.terminal.begin()
    submit(day)
    day.start()
    code, receipt = day.terminal.submit("centre", "full", {})
    assert receipt is not None
    assert receipt.confirmation_code == code
    artifact = day.world.artifacts[receipt.index].statement
    assert isinstance(artifact, Ballot)
    assert artifact.confirmation_code == code
    assert day.journal.find(Kind.CLOSE) is None
    day.end()


# --- a server that was put back to an older copy


def put_back(day: Day, size: int) -> World:
    """The server has the first `size` artifacts alone; returns the world with all."""
    all_of_it, older = day.world, fresh(toy_world())
    for artifact in all_of_it.artifacts[len(older.artifacts) : size]:
        older.append_artifact(artifact)
    serve(day, older)
    return all_of_it


def serve(day: Day, world: World) -> None:
    """From now on the server has this."""
    day.world = day.box.world = world
    day.box._known = {artifact.data: i for i, artifact in enumerate(world.artifacts)}


@pytest.mark.parametrize("program", ["started again", "running", "down meanwhile"])
def test_a_server_that_lost_a_ballot_refuses_nobody(tmp_path: Path, program: str) -> None:
    """The device names the ballot, works provisionally, and brings all over once it is back."""
    day = Day(toy_world(), tmp_path)
    day.start()
    day.terminal.begin()
    submit(day)
    size = len(day.world.artifacts)
    lost = submit(day)
    whole = put_back(day, size)
    if program == "started again":
        day.end()
        day.start()
        day.terminal.begin()
        assert day.events == [LineState.DOWN]
    elif program == "down meanwhile":
        lose(day)
        submit(day)
        day.box.online = True
        assert not day.line.catch_up()
    code, receipt = day.terminal.submit("centre", "full", {})
    assert receipt is None
    assert day.machine.status(code).index is None
    assert day.events == [LineState.DOWN]
    if program != "down meanwhile":
        (reason,) = day.reasons
        assert isinstance(reason, BallotLost)
        assert lost.hex() in str(reason)
        assert "tell the administrator" in str(reason)
    assert not day.line.catch_up()
    assert len(day.world.artifacts) == size
    day.line.check()  # nothing was refused for good
    serve(day, whole)
    assert day.line.catch_up()
    day.check_complete()
    day.end()


def test_a_server_that_lost_a_decision_is_told_as_well(tmp_path: Path) -> None:
    """The ballot is there, and whether it counts is not."""
    day = Day(toy_world(), tmp_path)
    day.start()
    day.terminal.begin()
    code = submit(day)
    size = len(day.world.artifacts)
    assert day.terminal.cast(code) is not None
    put_back(day, size)
    day.end()
    day.start()
    day.terminal.begin()
    assert [type(reason) for reason in day.reasons] == [BallotLost]
    assert day.terminal.submit("centre", "full", {})[1] is None
    day.end()
