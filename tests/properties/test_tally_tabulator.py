"""The tabulator: counts what was cast, opens what was challenged, from wherever it stopped."""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace
from functools import cache

import pytest

from crypto.elgamal import PublicKey
from crypto.errors import Rejected
from crypto.parameters import TOY
from crypto.sealing import SealedNonce, seal_nonce
from record.artifacts import ChallengedBallotDecryption, DecryptedTally, Statement
from record.state import Phase
from tally.tabulator import Tabulator
from tests.ballots import Encryptor, Fate, Plain
from tests.decrypting import EXPECTED, VOTES, play_result
from tests.trustee_machines import Hall, MemoryLog, NonceShares, fork, tallied
from tests.world import World


class OtherNonce(Encryptor):
    """A device that seals another nonce than it encrypts with, with a good proof."""

    def encrypted_nonce(self) -> SealedNonce:
        """Random bytes under K-hat."""
        return seal_nonce(self.keys.data_key, self.h_i, secrets.token_bytes(32))


@cache
def the_tallied(n: int = 3, k: int = 2) -> Hall:
    """An election up to its tallies; fork it before going on."""
    return tallied(TOY[-1], n, k)


def answered(n: int = 3, k: int = 2, chosen: tuple[int, ...] = (1, 2)) -> Hall:
    """A hall in which a session is over and nothing is published yet."""
    hall = fork(the_tallied(n, k))
    hall.decrypt(chosen)
    return hall


def counts(world: World) -> dict[tuple[str, str], tuple[int, ...]]:
    return {
        (t.unit, t.contest): tuple(o.count for o in t.options)
        for t in world.state.decrypted_tallies
    }


def test_counts_and_openings() -> None:
    """Every tally is what was cast, every challenged ballot opens to what was chosen."""
    hall = answered()
    assert hall.tabulator.step()
    assert counts(hall.world) == EXPECTED
    opened = [
        a.statement
        for a in hall.world.artifacts
        if isinstance(a.statement, ChallengedBallotDecryption)
    ]
    values = [[[s.value for s in c.selections] for c in o.contests] for o in opened]
    assert values == [[[0, 1, 0], [0, 2]], [[0, 0, 0]]]
    assert not hall.tabulator.step()
    assert hall.tabulator.notices() == ()


def test_nothing_cast() -> None:
    """An election without a ballot has tallies of nothing, and they decrypt to zeroes."""
    hall = tallied(TOY[-1], 2, 2, [])
    hall.decrypt((1, 2))
    hall.tabulator.step()
    assert set(counts(hall.world).values()) == {(0, 0, 0), (0, 0)}
    play_result(hall.world)


def test_nothing_is_due_before_the_close() -> None:
    """While the polls are open, and before a session is over, nothing is published."""
    world = World.create(TOY[-1])
    tabulator = Tabulator(MemoryLog(world), NonceShares(), lambda: None)
    assert not tabulator.step()
    hall = fork(the_tallied())
    assert not hall.tabulator.step()
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    hall.run((1,))
    assert not hall.tabulator.step()


def test_checkpoint_after_the_tallies() -> None:
    """A checkpoint is signed when all tallies are there, and once the election is complete."""
    hall = answered()
    size = the_tallied().log.size()
    hall.tabulator.step()
    assert the_tallied().checkpoints == [size]
    play_result(hall.world)
    hall.tabulator.step()
    hall.tabulator.step()
    assert hall.checkpoints[1:] == [hall.log.size()]


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
    hall = answered()
    dying = Tabulator(Dying(hall.world, left), hall.nonce_shares, lambda: None)
    if left < 5:
        with pytest.raises(OSError, match="disk is full"):
            dying.step()
    else:
        dying.step()
    hall.tabulator.step()
    assert counts(hall.world) == EXPECTED
    assert hall.world.state.phase is Phase.COUNTED


@pytest.mark.parametrize("left", range(4))
def test_killed_between_encrypted_tallies(left: int) -> None:
    """The encrypted tallies are resumed after those that are there already."""
    closed = fork(the_tallied())
    del closed.world.artifacts[-3:]
    hall = fork(closed)
    assert hall.world.state.phase is Phase.CLOSED
    dying = Tabulator(Dying(hall.world, left), hall.nonce_shares, lambda: None)
    if left < 3:
        with pytest.raises(OSError, match="disk is full"):
            dying.step()
    hall.tabulator.step()
    assert hall.world.data()[:-3] == closed.world.data()
    assert hall.world.state.encrypted_tallies == the_tallied().world.state.encrypted_tallies


def test_in_a_thread() -> None:
    """`run` notices what happens, goes on after a failure, and stops when told to."""
    hall = answered()
    stop = threading.Event()
    thread = threading.Thread(target=hall.tabulator.run, args=(stop,))
    thread.start()
    size = hall.log.size()
    while hall.world.state.phase is not Phase.COUNTED:
        size = hall.log.wait(size, 1.0)
    stop.set()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert counts(hall.world) == EXPECTED


def test_failure_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A failure in the thread shows in the notices and in the log, and is tried again."""
    hall = answered()
    stop = threading.Event()
    words = secrets.token_hex(16)

    def fail() -> None:
        stop.set()
        raise OSError(words)

    tabulator = Tabulator(hall.log, hall.nonce_shares, fail)
    tabulator.run(stop)
    assert "tried again: OSError" in tabulator.notices()[0]
    assert "the tally failed" in caplog.text
    assert words not in caplog.text + tabulator.notices()[0]


# --- nonce shares


def spoil(hall: Hall, trustee: int, codes: slice = slice(None)) -> None:
    """Trustee's nonce shares become members of the subgroup that are wrong."""
    group = hall.world.group
    for code in hall.world.state.challenged[codes]:
        key = (1, code, trustee)
        m = group.parse_element(hall.nonce_shares.rows[key], "m")
        hall.nonce_shares.rows[key] = group.encode_element(m * group.g % group.p)


@pytest.mark.parametrize(("n", "k", "bad"), [(3, 2, {1}), (3, 2, {2}), (5, 3, {1, 4}), (5, 3, {2})])
def test_wrong_shares_are_left_out(n: int, k: int, bad: set[int]) -> None:
    """With enough right shares every ballot opens, and it is told that some were wrong."""
    hall = answered(n, k, tuple(range(1, n + 1)))
    for i in bad:
        spoil(hall, i)
    hall.tabulator.step()
    assert hall.world.state.phase is Phase.COUNTED
    assert counts(hall.world) == EXPECTED
    (notice,) = hall.tabulator.notices()
    assert notice.startswith("Some shares of challenged ballots' nonces are wrong")


def test_too_many_wrong_shares() -> None:
    """With too few right shares the ballot stays closed, loudly; the tallies are published."""
    hall = answered(2, 2)
    spoil(hall, 2, slice(1, 2))
    for _ in range(2):
        hall.tabulator.step()
        (notice,) = hall.tabulator.notices()
        code = hall.world.state.challenged[1]
        assert code.hex() in notice
        assert "ballot-box-2" in notice
        assert "cannot be completed" in notice
    assert hall.world.state.opened == 1
    assert counts(hall.world) == EXPECTED
    assert hall.world.state.phase is Phase.TALLIED


def test_device_that_seals_another_nonce() -> None:
    """No set of shares opens a ballot whose device cheated; it is named."""
    votes = (
        *VOTES[:1],
        Plain({"president": (1, 0, 0)}, fate=Fate.CHALLENGE, encryptor=OtherNonce),
        Plain({"president": (1, 0, 0)}, fate=Fate.CHALLENGE),
    )
    hall = tallied(TOY[-1], 3, 2, votes)
    hall.decrypt((1, 2, 3))
    hall.tabulator.step()
    (notice,) = hall.tabulator.notices()
    assert hall.world.state.challenged[0].hex() in notice
    assert "ballot-box-1" in notice
    assert hall.world.state.opened == 0
    assert counts(hall.world)["centre", "president"] == (1, 0, 0)


def test_missing_shares_are_waited_for() -> None:
    """Without nonce shares of a quorum nothing is published, so that a session can follow."""
    hall = answered()
    code = hall.world.state.challenged[0]
    kept = hall.nonce_shares.rows.pop((1, code, 2))
    assert not hall.tabulator.step()
    assert hall.tabulator.notices()[0].startswith("Waiting for the shares")
    assert "trustees 2;" in hall.tabulator.notices()[0]
    hall.attend(1, 3)
    other = fork(hall)
    hall.nonce_shares.rows[1, code, 2] = kept
    assert hall.tabulator.step()
    other.decrypt((1, 3))
    assert other.tabulator.step()
    assert counts(hall.world) == counts(other.world) == EXPECTED


def test_shares_of_another_session_do_not_count() -> None:
    """Shares are taken from the session that is on and from its trustees alone."""
    hall = answered()
    rows = hall.nonce_shares.rows
    moved = {(2, code, i): m for (_, code, i), m in rows.items()}
    strangers = {(1, code, 3): m for (_, code, i), m in rows.items() if i == 1}
    rows.clear()
    rows.update(moved | strangers)
    assert not hall.tabulator.step()


# --- what is published is proved


def test_published_tallies_carry_the_joint_proof() -> None:
    """Another count, value or proof in the place of what is published is refused (10.A-10.C)."""
    hall = answered()
    hall.tabulator.step()
    first = next(
        n for n, a in enumerate(hall.world.artifacts) if isinstance(a.statement, DecryptedTally)
    )
    statement = hall.world.artifacts[first].statement
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
