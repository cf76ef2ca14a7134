"""The privacy floor in the rules of the record: what is tallied, and what is never decrypted.

Which sets the units make is `test_small_units`' business; here the record holds to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.elgamal import accumulate
from crypto.parameters import TOY
from record.artifacts import (
    ContestResult,
    DecryptionSession,
    EncryptedTally,
    OptionResult,
    Result,
)
from record.state import Phase
from record.tally_rules import check_aggregates
from tests.ballots import Fate, Plain
from tests.decrypting import (
    Session,
    opening,
    play_decryption,
    play_election,
    play_result,
    play_tallies,
    tallies,
)
from tests.everything import play_everything
from tests.refusing import refuse
from tests.world import World, manifest_bytes, manifest_document

SERVER = "server"
UNITS = ("north", "south", "east", "west")
FULL = {"president": (1, 0, 0), "council": (1, 1)}


def manifest(floor: int) -> bytes:
    """Two districts of two precincts each, one device for all."""
    document = manifest_document()
    precinct = document["units"][1]
    document["units"] = [
        {**precinct, "label": "uptown", "parent": None, "ballot_styles": []},
        *({**precinct, "label": label, "parent": "uptown"} for label in UNITS[:2]),
        {**precinct, "label": "downtown", "parent": None, "ballot_styles": []},
        *({**precinct, "label": label, "parent": "downtown"} for label in UNITS[2:]),
    ]
    document["devices"] = [{**document["devices"][0], "units": list(UNITS)}]
    document["privacy_floor"] = floor
    return manifest_bytes(document)


def voted(full: Sequence[int], short: Sequence[int] = (0, 0, 0, 0)) -> list[Plain]:
    """So many cast ballots of each style in each of the four precincts."""
    votes: list[Plain] = []
    for label, fulls, shorts in zip(UNITS, full, short, strict=True):
        votes += [Plain(FULL, unit=label)] * fulls
        votes += [Plain(FULL, unit=label, style="short")] * shorts
    return votes


def election(floor: int, votes: Sequence[Plain], until: Phase = Phase.COMPLETE) -> World:
    """An election under this privacy floor; where nothing is decrypted the close leads on."""
    world = play_election(TOY[-1], votes, manifest=manifest(floor), until=Phase.CLOSED)
    if world.state.phase is Phase.CLOSED and until > Phase.CLOSED:
        play_tallies(world)
    if world.state.phase is Phase.TALLIED and until > Phase.TALLIED:
        play_decryption(world)
    if world.state.phase is Phase.COUNTED and until > Phase.COUNTED:
        play_result(world)
    return world


def shown(found: Sequence[Any]) -> list[tuple[str, str, int]]:
    """The units of each tally in one text, its contest and its ballots."""
    return [(" ".join(t.units), t.contest, t.ballots) for t in found]


# --- sets


def test_small_units_are_counted_together() -> None:
    """A precinct below the floor joins its sibling; whole sets are tallied and decrypted."""
    world = election(3, voted((4, 1, 3, 3), (0, 2, 0, 0)))
    expected = [
        ("north", "president", 4),
        ("north south", "council", 5),
        ("south", "president", 3),
        ("east", "president", 3),
        ("east", "council", 3),
        ("west", "president", 3),
        ("west", "council", 3),
    ]
    assert shown(world.state.encrypted_tallies) == expected
    assert shown(world.state.decrypted_tallies) == expected
    check_aggregates(world.state, world.read)
    result = world.state.result
    assert result is not None
    assert [(c.ballots, [o.count for o in c.options]) for c in result.contests] == [
        (13, [13, 0, 0]),
        (11, [11, 11]),
    ]


def _product(world: World, *parts: EncryptedTally) -> EncryptedTally:
    """Several tallies in one."""
    units = tuple(u for u in UNITS if any(u in part.units for part in parts))
    options = tuple(
        accumulate(world.group, column) for column in zip(*(p.options for p in parts), strict=True)
    )
    return EncryptedTally(units, parts[0].contest, sum(p.ballots for p in parts), options)


def test_other_sets_are_refused() -> None:
    """Neither a part of a set, nor two sets in one, nor a set that is small, is tallied."""
    votes = voted((2, 1, 1, 4))
    single = tallies(play_election(TOY[-1], votes, manifest=manifest(1), until=Phase.CLOSED))
    assert [t.ballots for t in single[::2]] == [2, 1, 1, 4]
    world = election(3, votes, Phase.CLOSED)
    good = tallies(world)
    assert shown(good) == [
        ("north south", "president", 3),
        ("north south", "council", 3),
        ("east west", "president", 5),
        ("east west", "council", 5),
    ]
    north, _, south, _, east, _, west, _ = single
    for wrong in (north, south, east, west):
        refuse(world, wrong, "R.small-units", SERVER)
    for parts in ((north, south, east), (north, south, east, west), (north, east), (east, west)):
        refuse(world, _product(world, *parts), "R.small-units", SERVER)
    refuse(world, replace(good[0], units=("south", "north")), "R.small-units", SERVER)
    refuse(world, replace(good[0], units=()), "R.small-units", SERVER)
    refuse(world, replace(good[0], units=("north", "south", "south")), "R.small-units", SERVER)
    refuse(world, replace(good[0], ballots=2), "R.tally-cells", SERVER)
    refuse(world, good[1], "R.tally-cells", SERVER)
    refuse(world, good[2], "R.small-units", SERVER)
    for tally in good:
        world.append(tally)
    assert world.state.phase is Phase.TALLIED
    check_aggregates(world.state, world.read)


def test_sets_follow_from_what_was_cast() -> None:
    """Challenged and spoiled ballots are not counted, and make no unit large enough."""
    votes = voted((3, 2, 3, 3))
    for fate in (Fate.CHALLENGE, Fate.SPOIL):
        votes += [Plain(FULL, unit="south", fate=fate)] * 2
    world = election(3, votes, Phase.CLOSED)
    sets = {" ".join(u.label for u in s.units) for s in world.state.tally_sets()}
    assert sets == {"north south", "east", "west"}


# --- contests that are not decrypted


def test_a_contest_that_is_withheld() -> None:
    """Fewer ballots than the floor hold it: no tally, no count, only their number."""
    world = election(5, voted((2, 0, 2, 0), (1, 2, 1, 2)), Phase.CLOSED)
    none_of_it = tallies(election(1, voted((2, 0, 2, 0)), Phase.CLOSED))
    council = _product(world, *(t for t in none_of_it if t.contest == "council"))
    good = tallies(world)
    assert shown(good) == [
        ("north south", "president", 5),
        ("east west", "president", 5),
    ]
    refuse(world, council, "R.tally-cells", SERVER)
    play_tallies(world)
    refuse(world, council, "R.order")
    session = Session(world)
    assert {p.contest for p in session.places} == {1}
    session.play()
    opened = session.decrypted_tallies()
    for tally in opened:
        refuse(world, replace(tally, contest="council"), "R.tally-cells", SERVER)
        world.append(tally)
    _wrong_results(world, 10, 4)
    play_result(world)
    result = world.state.result
    assert result is not None
    assert result.contests[1] == ContestResult("council", 4, ())


def _wrong_results(world: World, presidents: int, councils: int) -> None:
    president = ContestResult(
        "president",
        presidents,
        tuple(
            OptionResult(o, n)
            for o, n in zip(("abai", "beimbet", "gulnar"), (presidents, 0, 0), strict=True)
        ),
    )
    council = ContestResult("council", councils, ())
    shown_anyway = (OptionResult("yes", councils), OptionResult("no", councils))
    for contests in (
        (president,),
        (council, president),
        (president, replace(council, ballots=0)),
        (president, replace(council, ballots=councils + 1)),
        (president, replace(council, options=shown_anyway)),
        (president, replace(council, options=shown_anyway[:1])),
        (replace(president, options=()), council),
    ):
        refuse(world, Result(contests), "R.result", "administrator")


@pytest.mark.parametrize("votes", [[], voted((1, 1, 1, 1))])
def test_an_election_in_which_nothing_is_decrypted(votes: list[Plain]) -> None:
    """With every contest below the floor the close leads straight to the result."""
    world = election(5, votes, Phase.CLOSED)
    assert world.state.phase is Phase.COUNTED
    assert world.state.tally_sets() == ()
    refuse(world, DecryptionSession(1, (1, 2)), "R.order")
    play_result(world)
    assert world.transcript.phase is Phase.COMPLETE
    assert world.state.result == Result(
        (ContestResult("president", len(votes), ()), ContestResult("council", len(votes), ()))
    )
    check_aggregates(world.state, world.read)


def test_challenged_ballots_where_nothing_is_decrypted() -> None:
    """They are opened all the same; a session of the tallies has nothing to say."""
    challenged = Plain(FULL, unit="east", fate=Fate.CHALLENGE)
    world = election(9, [*voted((1, 1, 1, 1)), challenged], Phase.CLOSED)
    assert world.state.phase is Phase.TALLIED
    assert world.state.tally_places() == ()
    session = Session(world)
    world.append(session.statement())
    assert session.places == ()
    assert world.state.session is not None
    assert world.state.session.round() is None
    world.append(opening(world, world.state.challenged[0]))
    assert world.transcript.phase is Phase.COUNTED
    play_result(world)


@pytest.mark.parametrize(("floor", "decrypted"), [(0, 3), (1, 3), (2, 1), (3, 0)])
def test_whatever_else_happens(floor: int, decrypted: int) -> None:
    """Complaints, drills, accusations and sessions of ballots are no concern of the floor's.

    Two ballots are cast, in two units; one of them holds the contest `council`.
    """
    world = play_everything(floor)
    assert world.state.phase is Phase.COMPLETE
    assert len(world.state.decrypted_tallies) == decrypted


@settings(max_examples=15)
@given(
    st.integers(1, 6),
    st.tuples(*[st.integers(0, 4)] * 4),
    st.tuples(*[st.integers(0, 2)] * 4),
)
def test_nothing_below_the_floor(floor: int, full: tuple[int, ...], short: tuple[int, ...]) -> None:
    """Whatever was cast: what is decrypted has the floor's ballots, and the sums are right."""
    world = election(floor, voted(full, short))
    cast = {"president": sum(full) + sum(short), "council": sum(full)}
    assert all(t.ballots >= floor for t in world.state.decrypted_tallies)
    for contest, ballots in cast.items():
        units = [u for t in world.state.decrypted_tallies if t.contest == contest for u in t.units]
        assert Counter(units) == (Counter(UNITS) if ballots >= floor else Counter())
    result = world.state.result
    assert result is not None
    president, council = result.contests
    assert (president.ballots, council.ballots) == (cast["president"], cast["council"])
    for found, counts in (
        (president, [cast["president"], 0, 0]),
        (council, [cast["council"]] * 2),
    ):
        assert [o.count for o in found.options] == (counts if found.ballots >= floor else [])
