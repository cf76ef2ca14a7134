"""An election in which everything happens that can happen on the way to a result.

    world = play_everything()

Operations of every kind in many phases, a complaint and its answer, a drill before and one
during the polls, an accusation, ballots of every fate, a session of the tallies that is given
up, one that is combined, a challenged ballot opened through its nonces and one opened in a
session of its own.
"""

from __future__ import annotations

from dataclasses import replace

from crypto.parameters import TOY
from record.accusations import accusation_of
from record.artifacts import Action, Operation, Purpose, Role, ShareComplaint
from record.state import Phase
from tests.ballots import Fate, Plain, submit
from tests.decrypting import (
    Session,
    close_devices,
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
NOON = 1_764_849_600
"""2025-12-04 12:00 UTC, in seconds."""
SERVER_STARTED = Operation(Role.SERVER, Action.SERVER_STARTED, "The election begins.", NOON)
SERVER_STOPPED = Operation(Role.SERVER, Action.SERVER_STOPPED, "New disks.", NOON, "server-1")
KEYS_USED = Operation(Role.SERVER, Action.KEYS_USED, "To count.", NOON, "", "server\nlog")
CONFIGURED = Operation(Role.SERVER, Action.CONFIGURED, "At first.", NOON, "", "group: 0.1 s")
RECOVERED = Operation(Role.SERVER, Action.RECOVERED, "A disk failed.", NOON, MISSING)
CHECKED = Operation(Role.SERVER, Action.CHECKED, "Before opening.", NOON, "", "disk: ok\nclock: ok")
NOTED = Operation(Role.ADMINISTRATOR, Action.NOTED, "Observers are here.", NOON, "hall 1")
OPERATIONS = (
    SERVER_STARTED,
    SERVER_STOPPED,
    KEYS_USED,
    CONFIGURED,
    RECOVERED,
    CHECKED,
    NOTED,
)
"""One of each action."""


def play_everything(privacy_floor: int = 0) -> World:
    """The whole election, checked and proved artifact by artifact; trustee 1 is accused."""
    document = manifest_document()
    if privacy_floor:
        document["privacy_floor"] = privacy_floor
    world = World.create(TOY[-1], manifest=manifest_bytes(document), until=Phase.COMMITMENT)
    play_operations(world, SERVER_STARTED, CONFIGURED)
    world.play_commitments()
    world.play_keys()
    play_operations(world, NOTED)
    world.play_shares()
    world.append(ShareComplaint(3, 1))
    world.append(answer(world, 1, 3))
    world.play_confirmations()
    _interrupted(Session(world, (1, 2), Purpose.DRILL))
    play_operations(world, CHECKED)
    world.append(replace(world.keys.opening(), reason="as planned", time=NOON))
    _given_up(Session(world, (1, 3), Purpose.DRILL))
    accuse(world, 1)
    for plain in VOTES:
        submit(world, plain)
    play_operations(world, SERVER_STOPPED, RECOVERED)
    close_devices(world, [MISSING], NOON)
    world.append(replace(world.state.counts(), reason="as planned", time=NOON))
    play_operations(world, replace(NOTED, reason="The count begins."))
    play_tallies(world)
    play_operations(world, KEYS_USED)
    _given_up(Session(world, (2, 3)))
    play_openings(world)
    play_operations(world, replace(NOTED, reason="The protocol is signed on paper, too."))
    play_result(world, NOON)
    return world


def play_operations(world: World, *operations: Operation) -> None:
    """The roles that they name say them."""
    for operation in operations:
        world.append(operation)


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


def _interrupted(session: Session) -> None:
    """An operation stands in the middle of a round, and the others do not mind it."""
    session.world.append(session.statement())
    session.play_round(session.commitments)
    first, *others = session.available
    for part in session.shares(first):
        session.world.append(part)
    play_operations(session.world, replace(SERVER_STARTED, reason="The power was cut."))
    for i in others:
        for part in session.shares(i):
            session.world.append(part)
    session.play_round(session.responses)


def _given_up(session: Session) -> None:
    """The session gets no farther than its first round."""
    session.world.append(session.statement())
    session.play_round(session.commitments)
