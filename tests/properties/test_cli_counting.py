"""What `sailau election tally` does while sessions begin, stand still and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import cast

import pytest

from ballotbox.client import ElectionStatus, TrusteeStanding
from cli import counting
from cli.administrator import Administrator
from cli.counting import Count
from crypto.errors import Malformed, Rejected
from crypto.parameters import TOY
from record.artifacts import Artifact, Purpose
from record.state import Phase
from record.transcript import Transcript
from rpc.errors import Unavailable
from tests.decrypting import Session, play_election
from tests.world import World

PATIENCE = 120.0
PARTS = 2
EVERYBODY = (1, 2, 3, 4)
QUORUM = 2


@dataclass
class Clock:
    """Time that passes when somebody sleeps."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Hall:
    """A server with trustees that work a part a second; `slow` ones stop after so many parts.

    A session of all its parts is the end of the election, unless `closed` says otherwise.
    """

    clock: Clock
    present: set[int] = field(default_factory=lambda: set(EVERYBODY))
    excluded: set[int] = field(default_factory=set)
    slow: dict[int, int] = field(default_factory=dict)
    session: int = 0
    trustees: tuple[int, ...] = ()
    purpose: Purpose = Purpose.TALLY
    began: float = 0.0
    started: list[tuple[int, ...]] = field(default_factory=list)
    on_status: Callable[[Hall], None] = lambda hall: None

    @property
    def context(self) -> SimpleNamespace:
        """What artifact 0 fixes."""
        named = SimpleNamespace(name="Somebody")
        return SimpleNamespace(trustees=len(EVERYBODY), quorum=QUORUM, trustee_key=lambda i: named)

    @property
    def board(self) -> Hall:
        """It answers for all clients."""
        return self

    client = board

    def sent(self, i: int) -> int:
        """Parts that trustee i has sent, of all rounds; nobody runs ahead of a round."""
        able = {
            x: min(int(self.clock.now - self.began), self.slow.get(x, 3 * PARTS))
            for x in self.trustees
        }
        behind = min(able.values())
        return min(able[i], PARTS * (behind // PARTS + 1))

    def status(self) -> ElectionStatus:
        """How things stand."""
        self.on_status(self)
        standing = tuple(self._standing(i) for i in self.trustees)
        done = bool(standing) and all(s.session_responses == PARTS for s in standing)
        phase = Phase.COUNTED if done else Phase.TALLIED
        size = 50 + sum(s.session_sent for s in standing)
        here = tuple(sorted(self.present))
        return ElectionStatus(
            phase, size, 9, 5, 3, (), (), (), here, self.session, self.trustees, (),
            tuple(sorted(self.excluded)), self.purpose, standing=standing,
        )  # fmt: skip

    def _standing(self, i: int) -> TrusteeStanding:
        sent = self.sent(i)
        rounds = [max(0, min(PARTS, sent - n * PARTS)) for n in range(3)]
        return TrusteeStanding(
            i,
            session_commitments=rounds[0],
            session_shares=rounds[1],
            session_responses=rounds[2],
            session_parts=PARTS,
        )

    def start_decryption(self, trustees: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """Begin a session."""
        self.started.append(tuple(trustees))
        self.begin(tuple(trustees) or tuple(sorted(self.present - self.excluded)))
        return self.session, self.trustees

    def begin(self, trustees: tuple[int, ...]) -> None:
        """The next session."""
        self.session += 1
        self.trustees, self.began = trustees, self.clock.now


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Hall:
    """Everybody is there and nothing has begun."""
    clock = Clock()
    monkeypatch.setattr(counting, "time", clock)
    return Hall(clock)


def count(hall: Hall, *trustees: int, wait: float = 3600.0) -> None:
    """`sailau election tally`."""
    deadline = hall.clock.now + wait
    Count(cast(Administrator, hall), trustees, deadline, PATIENCE).run()


def test_one_session_is_enough(hall: Hall) -> None:
    """All that are there, or those that are named, decrypt in one session."""
    count(hall)
    assert hall.started == [()]


def test_named_trustees_are_waited_for(hall: Hall) -> None:
    """Nothing begins before they are there, and then with them alone."""
    hall.present = {1, 2, 4}
    begin = hall.clock.now

    def comes(hall: Hall) -> None:
        if hall.clock.now > begin + 30:
            hall.present.add(3)

    hall.on_status = comes
    count(hall, 3, 1)
    assert hall.started == [(1, 3)]
    assert hall.clock.now > begin + 30


def test_a_trustee_that_makes_no_progress_is_left_out(hall: Hall) -> None:
    """It is there, the others wait for it: after the time that was given they go on without."""
    hall.slow = {2: 3}
    begin = hall.clock.now
    count(hall)
    assert hall.started == [(), (1, 3, 4)]
    assert PATIENCE < hall.clock.now - begin < PATIENCE + 60


def test_two_that_make_no_progress(hall: Hall) -> None:
    """Whoever was left out stays out, as long as the others are enough."""

    def later(hall: Hall) -> None:
        if hall.session == 2:
            hall.slow[1] = 1

    hall.slow = {2: 1}
    hall.on_status = later
    count(hall)
    assert hall.started == [(), (1, 3, 4), (3, 4)]


def test_without_enough_others_all_begin_again(hall: Hall) -> None:
    """One that was restored from a backup does nothing in a session that it cannot go on with."""
    hall.present = {1, 2}
    hall.slow = {2: 2}

    def next_one(hall: Hall) -> None:
        if hall.session == 2:
            hall.slow.clear()

    hall.on_status = next_one
    count(hall)
    assert hall.started == [(), ()]
    assert hall.trustees == (1, 2)


def test_a_slow_round_of_all_is_no_standstill(hall: Hall) -> None:
    """Nobody is left out while nobody waits, however long it takes."""
    hall.slow = dict.fromkeys(EVERYBODY, 0)
    begin = hall.clock.now

    def work(hall: Hall) -> None:
        if hall.clock.now > begin + 5 * PATIENCE:
            hall.slow.clear()

    hall.on_status = work
    count(hall)
    assert hall.started == [()]


def test_as_much_time_as_the_others_took(hall: Hall) -> None:
    """Whoever needs twice as long as the others for a long round is not left out."""
    begin = hall.clock.now
    hall.slow = dict.fromkeys(EVERYBODY, 0)

    def work(hall: Hall) -> None:
        hall.slow = {
            i: 0 if hall.clock.now < begin + (900 if i == 4 else 500) else 99 for i in EVERYBODY
        }

    hall.on_status = work
    count(hall)
    assert hall.started == [()]


def test_a_trustee_that_disappears(hall: Hall) -> None:
    """Half a minute later the others begin again."""
    hall.slow = {3: 2}

    def goes(hall: Hall) -> None:
        if hall.session == 1 and hall.sent(3) == 2:
            hall.present.discard(3)

    hall.on_status = goes
    count(hall)
    assert hall.started == [(), ()]
    assert hall.trustees == (1, 2, 4)


def test_after_an_accusation_the_server_goes_on(hall: Hall) -> None:
    """The session of a culprit is over; the command does not begin one beside the server's."""
    hall.slow = {2: 2}
    begin = hall.clock.now

    def accuse(hall: Hall) -> None:
        if hall.session == 1 and hall.clock.now > begin + 10:
            hall.excluded = {2}
        if hall.session == 1 and hall.clock.now > begin + 300:
            hall.begin((1, 3, 4))

    hall.on_status = accuse
    count(hall)
    assert hall.started == [()]
    assert hall.trustees == (1, 3, 4)


def test_too_few_are_left(hall: Hall) -> None:
    """It is said at once that nobody can open the totals any more."""
    hall.excluded = {1, 2, 3}
    with pytest.raises(Rejected, match=r"1 trustees are left.*nobody can open.*Nothing is damaged"):
        count(hall)
    assert hall.started == []


def test_nobody_comes(hall: Hall) -> None:
    """The time is over; it can be run again."""
    hall.present = {1}
    call = r"1 trustees came.*needs 2\. Call trustee 2, Somebody; trustee 3, .*run this again"
    with pytest.raises(Unavailable, match=call):
        count(hall, wait=60)
    assert hall.started == []


@pytest.mark.parametrize("trustees", [(1,), (1, 5), (0, 1)])
def test_trustees_that_cannot_be(hall: Hall, trustees: tuple[int, ...]) -> None:
    """Fewer than the quorum, or others than there are."""
    with pytest.raises(Malformed):
        count(hall, *trustees)


# --- when a session is complete and the election is not counted


@cache
def world(purpose: Purpose = Purpose.TALLY) -> World:
    """A complete election; or one whose first challenged ballot has had its session."""
    if purpose is Purpose.TALLY:
        return play_election(TOY[-1])
    played = play_election(TOY[-1], until=Phase.TALLIED)
    session = Session(played, (1, 2))
    session.play()
    for tally in session.decrypted_tallies():
        played.append(tally)
    Session(played, (1, 2), Purpose.BALLOT, played.state.challenged[0]).play()
    return played


@dataclass
class Server:
    """An administrator's connection to a server whose record does not grow by itself."""

    world: World
    clock: Clock
    left_out: tuple[str, ...]
    started: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def context(self) -> object:
        """What artifact 0 fixes."""
        return self.world.context

    @property
    def board(self) -> Server:
        """It answers for all clients."""
        return self

    client = board

    def _kept(self, artifact: Artifact) -> bool:
        return artifact.name not in self.left_out

    def transcript(self, *, prove_until: Phase) -> Transcript:
        """The record, as far as it is kept."""
        assert prove_until is Phase.COMMITMENT
        transcript = Transcript(self.world.artifacts[0])
        for artifact in self.world.artifacts[1:]:
            if self._kept(artifact):
                transcript.append(artifact)
        return transcript

    def read_on(self, transcript: Transcript) -> None:
        """There is nothing new."""

    def status(self) -> ElectionStatus:
        """Everybody is there and has sent everything; after a further session it is counted."""
        phase = Phase.COUNTED if self.started else Phase.TALLIED
        everybody = tuple(range(1, self.world.context.trustees + 1))
        session = everybody[: self.world.context.quorum]
        notices = ("It cannot be opened.",)
        return ElectionStatus(phase, 50, 9, 5, 3, (), (), (), everybody, 1, session, notices)

    def start_decryption(self, trustees: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """Begin another session."""
        self.started.append(tuple(trustees))
        return 2, (1, 2, 3)


def count_on(
    monkeypatch: pytest.MonkeyPatch, played: World, *left_out: str, wait: float = 300.0
) -> tuple[Server, float]:
    """Count on a record that ends without these artifacts; how long it took."""
    clock = Clock()
    monkeypatch.setattr(counting, "time", clock)
    server, begin = Server(played, clock, (*left_out, "result")), clock.now
    Count(cast(Administrator, server), (), begin + wait, PATIENCE).run()
    return server, clock.now - begin


def test_another_session_begins_when_one_came_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete session without counts is followed by one with all who are there."""
    left_out = "decrypted_tally", "challenged_ballot_decryption"
    server, took = count_on(monkeypatch, world(), *left_out)
    assert server.started == [()]
    assert took >= 60


def test_a_closed_ballot_gets_a_session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts are out, a challenged ballot is closed: the server is asked for another."""
    server, took = count_on(monkeypatch, world(), "challenged_ballot_decryption")
    assert server.started == [()]
    assert took < 30


def test_a_ballot_that_nothing_opens_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has had its session: the reason is told instead of trying for ever."""
    with pytest.raises(Rejected, match=r"counts are on the board.*It cannot be opened") as caught:
        count_on(monkeypatch, world(Purpose.BALLOT))
    assert caught.value.check == "R.challenged"


def test_a_session_under_way_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record lacks responses, whatever the status says: it waits, until its time is over."""
    left_out = "decryption_responses", "decrypted_tally", "challenged_ballot_decryption"
    with pytest.raises(Unavailable):
        count_on(monkeypatch, world(), *left_out, wait=100)
