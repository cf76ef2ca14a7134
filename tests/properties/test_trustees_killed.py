"""Programs that are killed at every point at which something is written or said."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from crypto.parameters import TOY
from record.artifacts import (
    DecryptedBallot,
    Purpose,
)
from record.state import Phase
from tests.ballots import Fate, Plain
from tests.cheating import FalseComplaint, WrongShare
from tests.decrypting import EXPECTED
from tests.trustee_machines import (
    DictStore,
    Hall,
    OtherNonce,
    after_nonces,
    ceremony,
    counts,
    fork,
    same,
    tallied,
)
from tests.world import World, manifest_bytes
from trustees import vault
from trustees.machine import Trustee
from trustees.messages import (
    ConfirmationDue,
    PostArtifact,
    PostNonceShares,
    Refusing,
    Step,
)


@cache
def the_tallied() -> Hall:
    """An election up to its tallies; fork it before going on."""
    return tallied(TOY[-1], 3, 2)


def from_snapshot(hall: Hall, i: int, values: dict[str, bytes]) -> Trustee:
    """Trustee i, killed when its store held these values, and back."""
    store = DictStore(dict(values))
    trustee = hall.make(i, store)
    for artifact in hall.world.data():
        trustee.receive(artifact)
    return trustee


def killed_after_each_write(hall: Hall, i: int, writes: int, expected: Step) -> None:
    """Since so many `writes`: what comes after the last one is `expected`, again and again.

    A message that is not in the store yet has not left either, so that after an earlier
    write another one may come; but there is one, and no refusal.
    """
    *earlier, last = hall.stores[i].history[writes:] or [hall.stores[i].values]
    for values in earlier:
        assert not isinstance(from_snapshot(hall, i, values).step().event, Refusing)
    for _ in range(2):
        again = after_nonces(from_snapshot(hall, i, last))
        assert again.event == expected.event
        assert same(again.message, expected.message)


def turn_with_restarts(hall: Hall, i: int) -> bool:
    """Killed after every write, and after every message, which is then sent twice."""
    writes = hall.stores[i].writes
    step = hall.step(i)
    if isinstance(step.event, ConfirmationDue):
        killed_after_each_write(hall, i, writes, step)
        hall.restart(i)
        assert hall.step(i).event == step.event
        hall.confirm(i)
        for values in hall.stores[i].history:
            if vault.SENT_CONFIRMATION in values:
                other = from_snapshot(hall, i, values).step()
                assert same(other.message, hall.step(i).message)
        hall.restart(i)
        return True
    if step.message is None:
        killed_after_each_write(hall, i, writes, step)
        return False
    if not isinstance(step.message, PostNonceShares):
        killed_after_each_write(hall, i, writes, step)
    hall.post(i, step.message)
    if isinstance(step.message, PostArtifact):
        # The answer was lost: the program posts the same again and nothing comes of it.
        size = hall.log.size()
        hall.restart(i)
        hall.post(i, step.message)
        assert hall.log.size() == size
    return True


def run_with_restarts(hall: Hall) -> None:
    while any(turn_with_restarts(hall, i) for i in hall.trustees):
        pass


def test_killed_in_the_ceremony() -> None:
    """A ceremony in which every program dies after every write and every word."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    run_with_restarts(hall)
    assert hall.world.state.phase is Phase.READY
    kinds = [type(a.statement).__name__ for a in hall.world.artifacts[1:]]
    assert kinds == [
        name
        for name in ("KeyCommitment", "TrusteeKeys", "EncryptedShares", "KeyConfirmation")
        for _ in range(3)
    ]


def test_killed_while_complaining() -> None:
    """The same with a wrong share: the complaint comes out the same, until the end."""
    hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
    hall.cheat(2, WrongShare())
    while any(turn_with_restarts(hall, i) for i in (1, 3)) or hall.turn(2):
        pass
    assert hall.world.state.phase is Phase.ABORTED
    assert set(hall.world.state.complaints) == {(1, 2)}


def test_killed_while_answering() -> None:
    """The same with a false complaint: so does the answer, also after the confirmation."""
    for first in ((1, 2), (3,)):
        hall = Hall(World.begin(TOY[-1], manifest_bytes(), 3, 2))
        hall.cheat(3, FalseComplaint())
        while hall.world.state.phase < Phase.CONFIRMATION:
            assert any(hall.turn(i) for i in hall.trustees)
        while any(hall.turn(i) for i in first):
            pass
        while any(turn_with_restarts(hall, i) for i in (1, 2)) or hall.turn(3):
            pass
        assert hall.world.state.phase is Phase.READY
        assert hall.world.state.complaints[3, 1] is not None


def test_killed_in_a_drill() -> None:
    """A drill in which every program dies after every write and every word."""
    hall = ceremony(TOY[-1], 3, 2)
    hall.attend(1, 3)
    hall.coordinator.start_drill()
    run_with_restarts(hall)
    drill = hall.world.state.drill
    assert drill is not None
    assert drill.answered() == (1, 3)


def test_killed_in_a_decryption() -> None:
    """A decryption in which every program dies after every write and every word."""
    hall = fork(the_tallied())
    hall.attend(1, 3)
    hall.coordinator.start_decryption()
    run_with_restarts(hall)
    hall.tabulator.step()
    assert counts(hall.world) == EXPECTED


SEALED = Plain({"president": (0, 0, 1), "council": (1, 2)}, fate=Fate.CHALLENGE)


def test_killed_in_the_session_of_a_ballot() -> None:
    """A challenged ballot whose nonce opens nothing is decrypted in a session of its own."""
    votes = [Plain(style="short"), replace(SEALED, encryptor=OtherNonce)]
    hall = tallied(TOY[-1], 3, 2, votes)
    hall.decrypt((1, 3))
    hall.tabulator.step()
    assert hall.world.state.opened == 0
    tallies = {i: hall.stores[i].values.get(vault.TALLY) for i in hall.trustees}
    hall.attend(1, 2)
    assert hall.coordinator.start_decryption((1, 2)) == (2, (1, 2))
    session = hall.world.state.session
    assert session is not None
    assert session.purpose is Purpose.BALLOT
    run_with_restarts(hall)
    assert hall.tabulator.step()
    assert hall.world.state.phase is Phase.COUNTED
    opened = hall.world.artifacts[-1].statement
    assert isinstance(opened, DecryptedBallot)
    assert [tuple(o.count for o in c.options) for c in opened.contests] == [(0, 0, 1), (1, 2)]
    assert {i: hall.stores[i].values.get(vault.TALLY) for i in hall.trustees} == tallies
    # Trustee 2 had verified nothing before; the others need not do it again.
    assert hall.verdicts == [None, None, *[None] * (len(hall.verdicts) - 2)]
