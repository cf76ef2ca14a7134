"""An election in which everything happens that can happen on the way to a result.

    world = play_everything()

A complaint and its answer, a drill before and one during the polls, an accusation, ballots
of every fate, a session of the tallies that is given up, one that is combined, a challenged
ballot opened through its nonces and one opened in a session of its own.
"""

from __future__ import annotations

from dataclasses import replace

from crypto.parameters import TOY
from record.accusations import accusation_of
from record.artifacts import Purpose, ShareComplaint
from record.state import Phase
from tests.ballots import Fate, Plain, submit
from tests.decrypting import (
    Session,
    close_polls,
    decrypted_ballot,
    opening,
    play_result,
    play_tallies,
)
from tests.world import World, manifest_bytes, manifest_document
from tests.wrong_statements import answer

FULL = Plain({"president": (1, 0, 0), "council": (2, 1)})
SHORT = Plain({"president": (0, 0, 1)}, style="short")
VOTES = (
    FULL,
    replace(FULL, fate=Fate.CHALLENGE),
    replace(SHORT, fate=Fate.SPOIL),
    replace(SHORT, unit="village"),
    replace(SHORT, fate=Fate.CHALLENGE),
)
MISSING = "ballot-box-2"


def play_everything(privacy_floor: int = 0) -> World:
    """The whole election, checked and proved artifact by artifact; trustee 1 is accused."""
    document = manifest_document()
    if privacy_floor:
        document["privacy_floor"] = privacy_floor
    world = World.create(TOY[-1], manifest=manifest_bytes(document), until=Phase.CONFIRMATION)
    world.append(ShareComplaint(3, 1))
    world.append(answer(world, 1, 3))
    world.play_confirmations()
    Session(world, (1, 2), Purpose.DRILL).play()
    world.play_opening()
    _given_up(Session(world, (1, 3), Purpose.DRILL))
    accuse(world, 1)
    for plain in VOTES:
        submit(world, plain)
    close_polls(world, [MISSING])
    play_tallies(world)
    _given_up(Session(world, (2, 3)))
    play_openings(world)
    play_result(world)
    return world


def play_openings(world: World) -> None:
    """The first challenged ballot through its nonces, the tallies, then the second's session."""
    first, second = world.state.challenged
    world.append(opening(world, first))
    session = Session(world, (2, 3))
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    session = Session(world, (2, 3), Purpose.BALLOT, second)
    session.play()
    world.append(decrypted_ballot(session))


def accuse(world: World, i: int) -> None:
    """Trustee i signs another commitment to keys than the record has, and is accused of it."""
    known = world.state.key_commitments[i]
    other = world.sign(replace(known, commitment=bytes(32)))
    accusation = accusation_of(world.transcript, other.data, i, world.read)
    assert accusation is not None
    world.append(accusation)


def _given_up(session: Session) -> None:
    """The session gets no farther than its first round."""
    session.world.append(session.statement())
    session.play_round(session.commitments)
