"""The tabulator: counts what was cast, opens what was challenged, from wherever it stopped."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import pytest

from ballotbox.errors import StoreNotLeading
from crypto.elgamal import PublicKey
from crypto.errors import Rejected
from crypto.parameters import TOY
from crypto.sealing import SealedNonce, seal_nonce
from record.artifacts import (
    Accusation,
    Ballot,
    ChallengedBallotDecryption,
    DecryptedBallot,
    DecryptedTally,
    Purpose,
    Statement,
)
from record.state import Phase
from record.transcript import Transcript
from tally.opening import MOST_SETS, open_ballot
from tally.tabulator import Tabulator
from tests.ballots import Encryptor, Fate, Plain
from tests.decrypting import EXPECTED, VOTES, Session, play_election, play_result
from tests.trustee_machines import MemoryLog, NonceShares
from tests.world import World, manifest_bytes, manifest_document


class OtherNonce(Encryptor):
    """A device that seals another nonce than it encrypts with, with a good proof."""

    def encrypted_nonce(self) -> SealedNonce:
        """Random bytes under K-hat."""
        return seal_nonce(self.keys.data_key, self.h_i, secrets.token_bytes(32))


@dataclass
class Room:
    """A closed election, where its nonce shares are kept, and the tabulator."""

    world: World
    nonce_shares: NonceShares = field(default_factory=NonceShares)
    checkpoints: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log = MemoryLog(self.world)
        self.tabulator = Tabulator(self.log, self.nonce_shares, self._sign_checkpoint)

    def _sign_checkpoint(self) -> None:
        self.checkpoints.append(self.log.size())

    def fork(self) -> Room:
        """The same, to go on differently."""
        artifacts = list(self.world.artifacts)
        world = World(self.world.secrets, artifacts, Transcript(artifacts[0]))
        for artifact in artifacts[1:]:
            world.transcript.append(artifact)
        return Room(world, NonceShares(dict(self.nonce_shares.rows)))

    def give_nonce_shares(self, session: int, trustees: Sequence[int]) -> None:
        """These trustees give their parts of every challenged ballot's nonce."""
        world = self.world
        for code in world.state.challenged:
            for i in trustees:
                c0 = ballot_of(world, code).encrypted_nonce.c0
                m = world.group.power(c0, world.secrets.data_shares[i])
                self.nonce_shares.rows[session, code, i] = world.group.encode_element(m)

    def decrypt(self, trustees: Sequence[int], giving: Sequence[int] | None = None) -> Session:
        """A session for the tallies, all rounds; `giving` give shares of nonces, too."""
        session = Session(self.world, trustees)
        session.play()
        self.give_nonce_shares(session.number, trustees if giving is None else giving)
        return session

    def decrypt_ballot(self, trustees: Sequence[int]) -> Session:
        """A session for the next challenged ballot that is not open."""
        code = self.world.state.challenged[self.world.state.opened]
        session = Session(self.world, trustees, Purpose.BALLOT, code)
        session.play()
        return session


def ballot_of(world: World, code: bytes) -> Ballot:
    """A submitted ballot."""
    ballot = world.read(world.state.ballots[code].index).statement
    assert isinstance(ballot, Ballot)
    return ballot


def closed(
    n: int = 3, k: int = 2, votes: Sequence[Plain] = VOTES, manifest: bytes | None = None
) -> Room:
    """An election whose polls have just closed."""
    return Room(
        play_election(TOY[-1], votes, trustees=n, quorum=k, manifest=manifest, until=Phase.CLOSED)
    )


@cache
def the_tallied(n: int = 3, k: int = 2) -> Room:
    """An election up to its tallies; fork it before going on."""
    room = closed(n, k)
    room.tabulator.step()
    assert room.world.state.phase is Phase.TALLIED
    return room


def answered(n: int = 3, k: int = 2, chosen: tuple[int, ...] = (1, 2)) -> Room:
    """A room in which a session is over and nothing is published yet."""
    room = the_tallied(n, k).fork()
    room.decrypt(chosen)
    return room


def counts(world: World) -> dict[tuple[str, str], tuple[int, ...]]:
    """What was decrypted, by units and contest."""
    return {
        (" ".join(t.units), t.contest): tuple(o.count for o in t.options)
        for t in world.state.decrypted_tallies
    }


def openings(world: World) -> list[list[list[int]]]:
    """The values in the opened ballots, by their nonces or by a session, in order."""
    found: list[list[list[int]]] = []
    for artifact in world.artifacts:
        match artifact.statement:
            case ChallengedBallotDecryption(_, contests):
                found.append([[s.value for s in c.selections] for c in contests])
            case DecryptedBallot(_, decrypted):
                found.append([[o.count for o in c.options] for c in decrypted])
    return found


OPENED = [[[0, 1, 0], [0, 2]], [[0, 0, 0]]]
"""What the challenged ballots among VOTES hold."""


def test_counts_and_openings() -> None:
    """Every tally is what was cast, every challenged ballot opens to what was chosen."""
    room = answered()
    assert room.tabulator.step()
    assert counts(room.world) == EXPECTED
    assert openings(room.world) == OPENED
    assert room.world.state.phase is Phase.COUNTED
    assert not room.tabulator.step()
    assert room.tabulator.notices() == ()


def test_nothing_cast() -> None:
    """An election without a ballot has tallies of nothing, and they decrypt to zeroes."""
    room = closed(2, 2, [])
    room.tabulator.step()
    room.decrypt((1, 2))
    room.tabulator.step()
    assert set(counts(room.world).values()) == {(0, 0, 0), (0, 0)}
    play_result(room.world)


def test_nothing_is_due_before_the_close() -> None:
    """While the polls are open, and before a session is over, nothing is published."""
    world = World.create(TOY[-1])
    tabulator = Tabulator(MemoryLog(world), NonceShares(), lambda: None)
    assert not tabulator.step()
    room = the_tallied().fork()
    assert not room.tabulator.step()
    session = Session(room.world, (1, 2))
    room.world.append(session.statement())
    session.play_round(session.commitments)
    assert not room.tabulator.step()
    assert room.tabulator.notices() == ()


def test_checkpoint_after_the_tallies() -> None:
    """A checkpoint is signed when all tallies are there, and once the election is complete."""
    room = answered()
    size = the_tallied().log.size()
    room.tabulator.step()
    assert the_tallied().checkpoints == [size]
    play_result(room.world)
    room.tabulator.step()
    room.tabulator.step()
    assert room.checkpoints[1:] == [room.log.size()]


class Dying(MemoryLog):
    """A log that takes so many statements and then fails."""

    def __init__(self, world: World, left: int) -> None:
        super().__init__(world)
        self.left = left

    def publish(self, statement: Statement) -> int:
        """Sign as the server, or fail."""
        if self.left == 0:
            raise OSError("the disk is full")
        self.left -= 1
        return super().publish(statement)


@pytest.mark.parametrize("left", range(6))
def test_killed_between_any_two_statements(left: int) -> None:
    """A tabulator that dies between any two statements is continued by the next one."""
    room = answered()
    dying = Tabulator(Dying(room.world, left), room.nonce_shares, lambda: None)
    if left < 5:
        with pytest.raises(OSError, match="disk is full"):
            dying.step()
    else:
        dying.step()
    room.tabulator.step()
    assert counts(room.world) == EXPECTED
    assert room.world.state.phase is Phase.COUNTED


@pytest.mark.parametrize("left", range(4))
def test_killed_between_encrypted_tallies(left: int) -> None:
    """The encrypted tallies are resumed after those that are there already."""
    shut = the_tallied().fork()
    del shut.world.artifacts[-3:]
    room = shut.fork()
    assert room.world.state.phase is Phase.CLOSED
    dying = Tabulator(Dying(room.world, left), room.nonce_shares, lambda: None)
    if left < 3:
        with pytest.raises(OSError, match="disk is full"):
            dying.step()
    room.tabulator.step()
    assert room.world.data()[:-3] == shut.world.data()
    assert room.world.state.encrypted_tallies == the_tallied().world.state.encrypted_tallies


def test_in_a_thread() -> None:
    """`run` notices what happens, goes on after a failure, and stops when told to."""
    room = answered()
    stop = threading.Event()
    thread = threading.Thread(target=room.tabulator.run, args=(stop,))
    thread.start()
    size = room.log.size()
    while room.world.state.phase is not Phase.COUNTED:
        size = room.log.wait(size, 1.0)
    stop.set()
    thread.join(timeout=120)
    assert not thread.is_alive()
    assert counts(room.world) == EXPECTED


def test_failure_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A failure in the thread shows in the notices and in the log, and is tried again."""
    room = answered()
    stop = threading.Event()
    words = secrets.token_hex(16)

    def fail() -> None:
        stop.set()
        raise OSError(words)

    tabulator = Tabulator(room.log, room.nonce_shares, fail)
    tabulator.run(stop)
    assert "tried again: OSError" in tabulator.notices()[0]
    assert "the tally failed" in caplog.text
    assert words not in caplog.text + tabulator.notices()[0]


def test_a_log_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that fails over is no end of the tally: the thread asks again."""
    room = answered()
    stop = threading.Event()
    size, asked = room.log.size, iter([StoreNotLeading("read anew")])

    def away() -> int:
        for error in asked:
            raise error
        return size()

    monkeypatch.setattr(room.log, "size", away)
    monkeypatch.setattr("tally.tabulator.PAUSE_AFTER_FAILURE", 0.0)
    thread = threading.Thread(target=room.tabulator.run, args=(stop,))
    thread.start()
    known = size()
    while room.world.state.phase is not Phase.COUNTED and thread.is_alive():
        known = room.log.wait(known, 1.0)
    stop.set()
    thread.join(timeout=120)
    assert not thread.is_alive()
    assert counts(room.world) == EXPECTED


# --- nonce shares


def spoil(room: Room, trustee: int, codes: slice = slice(None)) -> None:
    """Trustee's nonce shares become members of the subgroup that are wrong."""
    group = room.world.group
    for code in room.world.state.challenged[codes]:
        key = (1, code, trustee)
        m = group.parse_element(room.nonce_shares.rows[key], "m")
        room.nonce_shares.rows[key] = group.encode_element(m * group.g % group.p)


@pytest.mark.parametrize(("n", "k", "bad"), [(3, 2, {1}), (3, 2, {2}), (5, 3, {1, 4}), (5, 3, {2})])
def test_wrong_shares_are_left_out(n: int, k: int, bad: set[int]) -> None:
    """With enough right shares every ballot opens, and it is told that some were wrong."""
    room = answered(n, k, tuple(range(1, n + 1)))
    for i in bad:
        spoil(room, i)
    room.tabulator.step()
    assert room.world.state.phase is Phase.COUNTED
    assert counts(room.world) == EXPECTED
    (notice,) = room.tabulator.notices()
    assert notice.startswith("Some shares of challenged ballots' nonces are wrong")


def test_too_many_wrong_shares() -> None:
    """With too few right shares the tallies are published all the same, and the ballot waits."""
    room = answered(2, 2)
    spoil(room, 2, slice(1, 2))
    for _ in range(2):
        room.tabulator.step()
        (notice,) = room.tabulator.notices()
        code = room.world.state.challenged[1]
        assert code.hex() in notice
        assert "ballot-box-2" in notice
        assert "session for this ballot is due" in notice
    assert openings(room.world) == OPENED[:1]
    assert counts(room.world) == EXPECTED
    assert room.world.state.phase is Phase.TALLIED


def other_nonce(n: int = 3, k: int = 2) -> Room:
    """The first of three challenged ballots has another nonce sealed in it."""
    votes = (
        *VOTES[:1],
        Plain(
            {"president": (0, 0, 1), "council": (1, 2)}, fate=Fate.CHALLENGE, encryptor=OtherNonce
        ),
        Plain({"president": (1, 0, 0)}, fate=Fate.CHALLENGE),
        Plain(fate=Fate.CHALLENGE, style="short", encryptor=OtherNonce),
    )
    room = closed(n, k, votes)
    room.tabulator.step()
    return room


def test_device_that_seals_another_nonce() -> None:
    """No set of shares opens a ballot whose device cheated; it is named, and the counts go on."""
    room = other_nonce()
    room.decrypt((1, 2))
    room.tabulator.step()
    (notice,) = room.tabulator.notices()
    assert room.world.state.challenged[0].hex() in notice
    assert "ballot-box-1" in notice
    assert room.world.state.opened == 0
    assert counts(room.world)["centre", "president"] == (1, 0, 0)


def test_missing_shares_are_waited_for() -> None:
    """Without nonce shares of a quorum nothing is published, so that a session can follow."""
    room = answered()
    code = room.world.state.challenged[0]
    kept = room.nonce_shares.rows.pop((1, code, 2))
    assert not room.tabulator.step()
    assert room.tabulator.notices()[0].startswith("Waiting for the shares")
    assert "trustees 2;" in room.tabulator.notices()[0]
    other = room.fork()
    room.nonce_shares.rows[1, code, 2] = kept
    assert room.tabulator.step()
    other.decrypt((1, 3))
    assert other.tabulator.step()
    assert counts(room.world) == counts(other.world) == EXPECTED
    assert openings(room.world) == openings(other.world) == OPENED


def test_missing_shares_are_waited_for_once() -> None:
    """A session that brings no more shares is enough for the tallies; the ballots wait."""
    room = the_tallied().fork()
    room.decrypt((1, 2), giving=(1,))
    assert not room.tabulator.step()
    room.decrypt((1, 3), giving=(1,))
    assert room.tabulator.step()
    assert counts(room.world) == EXPECTED
    assert "only 1 trustees have given" in room.tabulator.notices()[0]
    # They still come in time.
    room.give_nonce_shares(2, (3,))
    assert room.tabulator.step()
    assert openings(room.world) == OPENED


def test_missing_shares_are_not_waited_for_when_nobody_is_left() -> None:
    """In a session of all trustees there is nobody else to wait for."""
    room = the_tallied().fork()
    room.decrypt((1, 2, 3), giving=(2,))
    assert room.tabulator.step()
    assert counts(room.world) == EXPECTED
    assert room.world.state.opened == 0


def test_shares_of_earlier_sessions_count() -> None:
    """A share is the same in every session: two sessions make a quorum of shares."""
    room = the_tallied().fork()
    room.decrypt((1, 2), giving=(1,))
    assert not room.tabulator.step()
    room.decrypt((2, 3), giving=(3,))
    assert room.tabulator.step()
    assert openings(room.world) == OPENED


def test_shares_of_a_session_to_come_do_not_count() -> None:
    """What is kept for a session that has not begun is left alone."""
    room = answered()
    rows = room.nonce_shares.rows
    moved = {(2, code, i): m for (_, code, i), m in rows.items()}
    rows.clear()
    rows.update(moved)
    assert not room.tabulator.step()


# --- a ballot that its nonce does not open


def test_sessions_of_ballots() -> None:
    """Each closed ballot is decrypted in its own session; those between are opened as ever."""
    room = other_nonce()
    room.decrypt((1, 2))
    room.tabulator.step()
    room.decrypt_ballot((2, 3))
    assert room.tabulator.step()
    opened = [[[0, 0, 1], [1, 2]], [[1, 0, 0], [0, 0]]]
    assert openings(room.world) == opened
    assert room.world.state.challenged[2].hex() in room.tabulator.notices()[0]
    room.decrypt_ballot((1, 3))
    assert room.tabulator.step()
    assert openings(room.world) == [*opened, [[0, 0, 0]]]
    assert room.tabulator.notices() == ()
    assert room.world.state.phase is Phase.COUNTED
    play_result(room.world)


def test_nothing_is_said_while_the_session_of_a_ballot_runs() -> None:
    """Until its responses are complete there is nothing to do and nothing to ask for."""
    room = other_nonce()
    room.decrypt((1, 2))
    room.tabulator.step()
    code = room.world.state.challenged[0]
    session = Session(room.world, (1, 2), Purpose.BALLOT, code)
    room.world.append(session.statement())
    for round_ in (session.commitments, session.shares):
        session.play_round(round_)
        assert not room.tabulator.step()
        assert room.tabulator.notices() == ()
    session.play_round(session.responses)
    restarted = Tabulator(room.log, room.nonce_shares, lambda: None)
    assert restarted.step()
    assert room.world.state.opened == 2


def test_session_of_a_ballot_that_is_over() -> None:
    """When a trustee of the session is accused, another session is asked for."""
    room = other_nonce()
    room.decrypt((1, 2))
    room.tabulator.step()
    session = Session(room.world, (1, 2), Purpose.BALLOT, room.world.state.challenged[0])
    room.world.append(session.statement())
    root = room.world.state.round_root
    session.play_round(session.commitments)
    good = session.commitments(2)[0]
    changed = (bytes(32), *good.commitments[1:])
    wrong = replace(good, commitments=changed, transcript=root)
    message = room.world.sign(wrong).data
    room.world.append(Accusation(trustee=2, check="R.equivocation", message=message))
    room.tabulator.step()
    assert "session for this ballot is due" in room.tabulator.notices()[0]
    room.decrypt_ballot((1, 3))
    assert room.tabulator.step()
    assert room.world.state.opened == 2


def test_a_value_out_of_range_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A ballot that decrypts to what no proof allows stops nothing but itself."""
    votes = (
        *VOTES[:1],
        Plain({"president": (5, 0, 0)}, fate=Fate.CHALLENGE, encryptor=OtherNonce),
    )
    world = play_election(TOY[-1], votes, alter=lambda _, statement: statement, until=Phase.CLOSED)
    room = Room(world)
    room.tabulator.step()
    room.decrypt((1, 2))
    room.tabulator.step()
    assert counts(world)["centre", "president"] == (1, 0, 0)
    room.decrypt_ballot((1, 2))
    for _ in range(2):
        assert not room.tabulator.step()
        (notice,) = room.tabulator.notices()
        assert world.state.challenged[0].hex() in notice
        assert "ballot-box-1" in notice
        assert "a number that no option can have" in notice
    assert len(caplog.records) == 1


def test_many_trustees_are_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 184,756 quorums of ten among twenty at most 64 are tried, and each is left out of some."""
    world = the_tallied().world
    ballot = ballot_of(world, world.state.challenged[0])
    shares = dict.fromkeys(range(1, 21), world.group.g)
    tried: list[tuple[int, ...]] = []

    def no_nonce(_: object, chosen: tuple[int, ...]) -> None:
        tried.append(chosen)

    monkeypatch.setattr("tally.opening._Attempt.open", no_nonce)
    context = replace(world.context, election=replace(world.context.election, quorum=10))
    first = tuple(range(11, 21))
    assert open_ballot(context, world.keys, ballot, shares, first) is None
    assert tried[0] == first
    assert len(tried) == len(set(tried)) <= MOST_SETS + 1
    assert all(len(set(chosen)) == 10 and list(chosen) == sorted(chosen) for chosen in tried)
    for i in shares:
        assert any(i not in chosen for chosen in tried)


# --- small units


def with_floor(floor: int, votes: Sequence[Plain] = VOTES) -> Room:
    """An election with a privacy floor, its encrypted tallies published."""
    manifest = manifest_bytes({**manifest_document(), "privacy_floor": floor})
    room = closed(votes=votes, manifest=manifest)
    room.tabulator.step()
    return room


def test_small_units_are_counted_together() -> None:
    """The village's one ballot is counted with the centre's three."""
    room = with_floor(2)
    room.decrypt((1, 3))
    room.tabulator.step()
    assert counts(room.world) == {
        ("centre village", "president"): (1, 2, 0),
        ("centre", "council"): (2, 2),
    }
    play_result(room.world)


def test_a_contest_that_is_withheld() -> None:
    """A contest with too few ballots is not decrypted, and the election is complete without."""
    room = with_floor(3)
    room.decrypt((1, 3))
    room.tabulator.step()
    assert counts(room.world) == {("centre village", "president"): (1, 2, 0)}
    play_result(room.world)
    result = room.world.state.result
    assert result is not None
    assert [(c.contest, c.ballots, len(c.options)) for c in result.contests] == [
        ("president", 4, 3),
        ("council", 2, 0),
    ]


def test_everything_is_withheld_and_nothing_challenged() -> None:
    """With too few ballots in all the election is counted as soon as the polls close."""
    room = with_floor(100, VOTES[:1])
    assert room.world.state.phase is Phase.COUNTED
    play_result(room.world)
    room.tabulator.step()
    assert room.checkpoints == [room.log.size()]


@pytest.mark.parametrize("through_nonces", [True, False])
def test_everything_is_withheld_but_the_challenged_ballots(through_nonces: bool) -> None:
    """Without a tally to decrypt, the challenged ballots are opened all the same."""
    room = with_floor(100)
    assert room.world.state.encrypted_tallies == []
    assert room.checkpoints == [room.log.size()]
    if through_nonces:
        room.decrypt((1, 2))
        room.tabulator.step()
    else:
        for _ in OPENED:
            room.decrypt_ballot((1, 2))
            room.tabulator.step()
    assert openings(room.world) == OPENED
    assert room.world.state.phase is Phase.COUNTED
    play_result(room.world)


# --- what is published is proved


def test_published_tallies_carry_the_joint_proof() -> None:
    """Another count, value or proof in the place of what is published is refused (10.A-10.C)."""
    room = answered()
    room.tabulator.step()
    first = next(
        n for n, a in enumerate(room.world.artifacts) if isinstance(a.statement, DecryptedTally)
    )
    statement = room.world.artifacts[first].statement
    assert isinstance(statement, DecryptedTally)
    before = answered()
    option, *rest = statement.options
    key: PublicKey = before.world.keys.vote_key
    q = before.world.group.q
    for changes in (
        {"count": option.count + 1},
        {"count": option.count + 1, "value": key.power(option.count + 1)},
        {"challenge": (option.challenge + 1) % q},
        {"response": (option.response + 1) % q},
    ):
        wrong = replace(statement, options=(replace(option, **changes), *rest))
        with pytest.raises(Rejected) as caught:
            before.log.publish(wrong)
        assert caught.value.check in ("10.B", "10.C")
