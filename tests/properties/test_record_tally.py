"""The rules of the tally: aggregates, decrypted tallies, challenged ballots, the result.

Every rule is broken once, by a statement that is right in everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from crypto.elgamal import Ciphertext
from crypto.errors import Rejected
from crypto.parameters import TOY
from record.aggregate import totals
from record.artifacts import (
    DecryptedTally,
    EncryptedTally,
    Result,
)
from record.state import Phase
from record.tally_rules import check_aggregates
from tests.decrypting import (
    VOTES,
    Session,
    opening,
    play_decryption,
    play_election,
    play_tallies,
    tallies,
)
from tests.refusing import refuse, snapshot
from tests.world import World, manifest_bytes, manifest_document

SERVER = "server"


def closed() -> World:
    """The polls have closed."""
    return play_election(TOY[-1], until=Phase.CLOSED)


def tallied() -> World:
    """All encrypted tallies are there."""
    return play_election(TOY[-1], until=Phase.TALLIED)


def responded() -> tuple[World, Session]:
    """A session is complete; nothing is decrypted yet."""
    world = tallied()
    session = Session(world)
    session.play()
    return world, session


# --- encrypted tallies


def test_encrypted_tallies_in_order() -> None:
    """Every cell once, in the manifest's order, with a ciphertext for each option."""
    world = closed()
    cells = tallies(world)
    assert [(t.units, t.contest, t.ballots) for t in cells] == [
        (("centre",), "president", 3),
        (("centre",), "council", 2),
        (("village",), "president", 1),
    ]
    for position, tally in enumerate(cells):
        for other in cells[:position] + cells[position + 1 :]:
            refuse(world, other, "R.tally-cells", SERVER)
        for options in ((), tally.options[:-1], (*tally.options, tally.options[0])):
            refuse(world, replace(tally, options=options), "R.tally-cells", SERVER)
        for units in ((), ("city",), (*tally.units, "village"), tally.units * 2):
            refuse(world, replace(tally, units=units), "R.tally-cells", SERVER)
        refuse(world, replace(tally, contest="mayor"), "R.tally-cells", SERVER)
        for ballots in (tally.ballots + 1, tally.ballots - 1, 2**53):
            refuse(world, replace(tally, ballots=ballots), "R.tally-cells", SERVER)
        world.append(tally)
    assert world.transcript.phase is Phase.TALLIED
    refuse(world, cells[-1], "R.order")


def test_aggregates() -> None:
    """Verification 9: the count, A and B of every cell are those of the cast ballots."""
    world = closed()
    with pytest.raises(Rejected) as caught:
        check_aggregates(world.state, world.read)
    assert caught.value.check == "R.tally-cells"
    play_tallies(world)
    check_aggregates(world.state, world.read)


def _first_a(tally: EncryptedTally) -> EncryptedTally:
    a, *rest = tally.options
    return replace(tally, options=(Ciphertext(a.beta, a.beta), *rest))


def _last_b(tally: EncryptedTally) -> EncryptedTally:
    *rest, b = tally.options
    return replace(tally, options=(*rest, Ciphertext(b.alpha, b.alpha)))


@pytest.mark.parametrize("cell", [0, 1, 2])
@pytest.mark.parametrize(
    ("change", "check", "where"),
    [
        (_first_a, "9.A", "option 1"),
        (_last_b, "9.B", "option"),
        (lambda t: replace(t, options=t.options[::-1]), "9.A", "option 1"),
    ],
)
def test_wrong_aggregates(
    cell: int, change: Callable[[EncryptedTally], EncryptedTally], check: str, where: str
) -> None:
    """A wrong product passes the order, and is found when the ballots are multiplied."""
    world = closed()
    for position, tally in enumerate(tallies(world)):
        world.append(change(tally) if position == cell else tally)
    before = snapshot(world.state)
    with pytest.raises(Rejected) as caught:
        check_aggregates(world.state, world.read)
    assert (caught.value.check, caught.value.culprit) == (check, SERVER)
    expected = tallies(world)[cell]
    assert f"unit {expected.units[0]}, contest {expected.contest}" in caught.value.where
    assert where in caught.value.where
    assert snapshot(world.state) == before


# --- decrypted tallies


def _option(tally: DecryptedTally, **changes: Any) -> DecryptedTally:
    """The tally with its second option changed."""
    first, second, *rest = tally.options
    return replace(tally, options=(first, replace(second, **changes), *rest))


def test_wrong_decryptions() -> None:
    """t, T, c and v are proved (Verification 10); the server is to blame."""
    world, session = responded()
    key, q, p = world.keys.vote_key, world.group.q, world.group.p
    for tally in session.decrypted_tallies():
        right = tally.options[1]
        for changes, check in (
            ({"count": right.count + 1}, "10.C"),
            ({"count": 2**53}, "10.C"),
            ({"value": right.value * key.element % p}, "10.C"),
            ({"value": p - right.value}, "10.C"),
            ({"count": right.count + 1, "value": key.power(right.count + 1)}, "10.B"),
            ({"challenge": (right.challenge + 1) % q}, "10.B"),
            ({"response": (right.response + 1) % q}, "10.B"),
            ({"challenge": right.response, "response": right.challenge}, "10.B"),
        ):
            error = refuse(world, _option(tally, **changes), check, SERVER)
            assert f"option {right.option}" in error.where
        world.append(tally)


def test_proofs_are_bound_to_their_place() -> None:
    """The proof of another option does not hold, were its count the same."""
    world, session = responded()
    tally = session.decrypted_tallies()[0]
    assert tally.options[0].count == tally.options[1].count == 1
    other = tally.options[0]
    wrong = _option(tally, value=other.value, challenge=other.challenge, response=other.response)
    refuse(world, wrong, "10.B", SERVER)


def test_decrypted_tallies_in_order() -> None:
    """Each encrypted tally once, in order, with its labels and its number of ballots."""
    world, session = responded()
    opened = session.decrypted_tallies()
    for position, tally in enumerate(opened):
        for other in opened[:position] + opened[position + 1 :]:
            refuse(world, other, "R.tally-cells", SERVER)
        refuse(world, replace(tally, ballots=tally.ballots + 1), "R.tally-cells", SERVER)
        refuse(world, replace(tally, contest="mayor"), "R.tally-cells", SERVER)
        refuse(world, replace(tally, units=("nowhere",)), "R.tally-cells", SERVER)
        options = tally.options
        for wrong, check in (
            ((), "11.C"),
            (options[:-1], "11.C"),
            (options[1:], "11.C"),
            ((replace(options[0], option="nobody"), *options[1:]), "11.B"),
            ((*options, replace(options[0], option="nobody")), "11.B"),
            (options[::-1], "R.order"),
            ((*options, options[0]), "R.order"),
        ):
            refuse(world, replace(tally, options=wrong), check, SERVER)
        world.append(tally)
    refuse(world, opened[-1], "R.tally-cells", SERVER)
    assert world.transcript.phase is Phase.TALLIED, "there are challenged ballots left"


# --- challenged ballots


def test_openings_in_order() -> None:
    """Every challenged ballot once, in the order of the challenges, and no other ballot."""
    world = tallied()
    first, second = (opening(world, code) for code in world.state.challenged)
    cast = next(c for c, e in world.state.ballots.items() if c not in world.state.challenged)
    for wrong in (second, opening(world, cast), replace(first, confirmation_code=bytes(32))):
        refuse(world, wrong, "R.challenged", SERVER)
    world.append(first)
    refuse(world, first, "R.challenged", SERVER)
    world.append(second)
    refuse(world, second, "R.challenged", SERVER)
    session = Session(world)
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    assert world.transcript.phase is Phase.COUNTED


def test_wrong_openings() -> None:
    """Values, nonces and labels of an opening are those of the ballot (Verifications 13, 14)."""
    world = tallied()
    good = opening(world, world.state.challenged[0])
    president, council = good.contests
    assert [s.value for s in president.selections] == [0, 1, 0]
    assert [s.value for s in council.selections] == [0, 2]
    q = world.group.q
    yes, no = council.selections

    def contests(*items: Any) -> dict[str, Any]:
        return {"contests": items}

    def options(*items: Any) -> dict[str, Any]:
        return contests(president, replace(council, selections=items))

    moved = replace(yes, value=1, nonce=(yes.nonce - 1) % q)
    for changes, check in (
        (options(yes, replace(no, value=1)), "13.B"),
        (options(replace(yes, value=1), no), "13.B"),
        (options(moved, no), "13.B"),
        (options(yes, replace(no, nonce=(no.nonce + 1) % q)), "13.B"),
        (options(replace(yes, nonce=no.nonce), replace(no, nonce=yes.nonce)), "13.B"),
        (options(yes, replace(no, value=3)), "14.E"),
        (options(replace(yes, value=2**31 - 1), no), "14.E"),
        (options(replace(yes, value=2), no), "14.F"),
        (options(yes), "14.D"),
        (options(), "14.D"),
        (options(replace(yes, option="maybe"), no), "14.C"),
        (options(no, yes), "R.challenged"),
        (options(yes, no, no), "R.challenged"),
        (contests(president), "14.B"),
        (contests(), "14.B"),
        (contests(president, replace(council, contest="mayor")), "14.A"),
        (contests(council, president), "R.challenged"),
        (contests(president, council, council), "R.challenged"),
    ):
        error = refuse(world, replace(good, **changes), check, SERVER)
        assert f"ballot {good.confirmation_code.hex()[:16]}" in error.where
    world.append(good)


def test_the_opening_of_another_ballot() -> None:
    """The nonces of one challenged ballot do not open another of the same style."""
    votes = [replace(VOTES[1]), replace(VOTES[1])]
    world = play_election(TOY[-1], votes, until=Phase.TALLIED)
    first, second = (opening(world, code) for code in world.state.challenged)
    wrong = replace(second, confirmation_code=first.confirmation_code)
    refuse(world, wrong, "13.B", SERVER)


# --- the result


def test_result() -> None:
    """The result is the sum of the decrypted tallies, contest by contest, in order."""
    world = tallied()
    play_decryption(world)
    good = totals(world.context, world.state.decrypted_tallies, world.state.cast_in)
    president, council = good.contests
    assert [o.count for o in president.options] == [1, 2, 0]
    assert (president.ballots, council.ballots) == (4, 2)
    first, *rest = president.options
    for contests in (
        (),
        (president,),
        (council, president),
        (president, council, council),
        (replace(president, ballots=5), council),
        (replace(president, contest="mayor"), council),
        (replace(president, options=(replace(first, count=2), *rest)), council),
        (replace(president, options=(replace(first, option="nobody"), *rest)), council),
        (replace(president, options=tuple(rest)), council),
        (president, replace(council, options=council.options[::-1])),
    ):
        refuse(world, Result(contests), "R.result", "administrator")
    world.append(good)
    assert world.transcript.phase is Phase.COMPLETE
    refuse(world, good, "R.order")


def test_a_contest_on_no_ballot() -> None:
    """A contest that no ballot style has stands in the result with zeroes."""
    document = manifest_document()
    for style in document["ballot_styles"]:
        style["contests"] = ["president"]
    world = play_election(TOY[-1], [VOTES[0]], manifest=manifest_bytes(document))
    result = world.state.result
    assert result is not None
    _, council = result.contests
    assert (council.ballots, [o.count for o in council.options]) == (0, [0, 0])


def test_places() -> None:
    """Ciphertexts are counted in the order of the tallies, whenever one looks."""
    world = closed()
    sizes = [len(world.state.tally_places())]
    for tally in tallies(world):
        world.append(tally)
        sizes.append(len(world.state.tally_places()))
    assert sizes == [0, 3, 5, 8]
    indices = [(p.contest, p.option) for p in world.state.tally_places()]
    assert indices == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (1, 1), (1, 2), (1, 3)]
