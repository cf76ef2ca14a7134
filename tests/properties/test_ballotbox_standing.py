"""What the server tells of the trustees, phase by phase."""

from __future__ import annotations

import pytest

from ballotbox.standing import phase_name, phase_of, standing, trustees_done
from crypto.parameters import TOY
from record.artifacts import CeremonyAbandoned, Purpose, ShareComplaint
from record.state import Phase
from sailau.v1 import bulletin_board_pb2
from tests.decrypting import Session
from tests.world import World, manifest_bytes


def test_phases_have_names() -> None:
    """Each phase is one of the schema's, which numbers them otherwise, and comes back."""
    for phase in Phase:
        number = bulletin_board_pb2.Phase.Value(phase_name(phase))
        assert phase_of(number) is phase
    for number in (0, 12, 99, -1):
        with pytest.raises(ValueError, match=r"."):
            phase_of(number)


def test_the_ceremony() -> None:
    """Who has committed, shown its keys, sent shares, complained and confirmed."""
    world = World.begin(TOY[-1], manifest_bytes(), 3, 2)
    assert trustees_done(world.state) == []
    world.append(world.commitment(2))
    assert trustees_done(world.state) == [2]
    assert [s.committed for s in standing(world.state)] == [False, True, False]
    for i in (1, 3):
        world.append(world.commitment(i))
    assert trustees_done(world.state) == []
    world.append(world.trustee_keys(3))
    assert [s.keys for s in standing(world.state)] == [False, False, True]
    for i in (1, 2):
        world.append(world.trustee_keys(i))
    world.play_shares()
    assert all(s.shares and not s.confirmed for s in standing(world.state))
    world.append(ShareComplaint(3, 1))
    assert [tuple(s.complaints) for s in standing(world.state)] == [(), (), (1,)]
    world.append(CeremonyAbandoned("It rains."))
    assert trustees_done(world.state) == []
    assert [s.trustee for s in standing(world.state)] == [1, 2, 3]


def test_a_drill() -> None:
    """Parts of each round, of those who are asked."""
    world = World.create(TOY[-1], until=Phase.READY)
    session = Session(world, (1, 3), Purpose.DRILL)
    world.append(session.statement())
    assert [s.session_parts for s in standing(world.state)] == [1, 0, 1]
    session.play_round(session.commitments)
    world.append(session.shares(3)[0])
    assert trustees_done(world.state) == [3]
    first, second, third = standing(world.state)
    assert (first.session_commitments, first.session_shares) == (1, 0)
    assert (third.session_commitments, third.session_shares) == (1, 1)
    assert second.session_commitments == 0
