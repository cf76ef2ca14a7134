"""Aggregates: what is decrypted is a partition of the cast ballots, and sums are sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.discrete_log import DiscreteLog
from crypto.errors import Rejected
from crypto.group import mpz
from crypto.parameters import STANDARD, TOY
from record.aggregate import encrypted_tallies, totals
from record.artifacts import (
    Ballot,
    DecryptedOption,
    DecryptedTally,
    EncryptedTally,
    Result,
)
from tests.ballots import Fate, Plain, begin_device, encrypt, submit
from tests.decrypting import cast_ballots, play_election
from tests.world import World, manifest_bytes, manifest_document

PRESIDENT = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
COUNCIL = [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (1, 2), (0, 2)]
PLACES = [
    ("ballot-box-1", "centre", "full"),
    ("ballot-box-1", "centre", "short"),
    ("ballot-box-1", "village", "short"),
    ("ballot-box-2", "village", "short"),
]

plains = st.builds(
    lambda place, president, council, fate: Plain(
        {"president": president, "council": council}, place[0], place[1], place[2], fate
    ),
    st.sampled_from(PLACES),
    st.sampled_from(PRESIDENT),
    st.sampled_from(COUNCIL),
    st.sampled_from(Fate),
)


@cache
def voting_world() -> World:
    """An open election for making ballots that nobody submits. Not to be changed."""
    world = World.create(TOY[-1], manifest=manifest_bytes(manifest_document("none")))
    for label in ("ballot-box-1", "ballot-box-2"):
        begin_device(world, label)
    return world


@cache
def pool() -> tuple[tuple[Plain, Ballot], ...]:
    """One ballot for each place and vote."""
    votes = [
        Plain({"president": p, "council": c}, *place)
        for place in PLACES
        for p, c in zip(PRESIDENT, COUNCIL[3:], strict=True)
    ]
    return tuple((plain, encrypt(voting_world(), plain).ballot) for plain in votes)


chosen = st.lists(st.integers(0, 15), max_size=20)


def expected_counts(votes: list[Plain]) -> dict[tuple[str, str], tuple[int, ...]]:
    """What some ballots come to, cell by cell."""
    counts: Counter[tuple[str, str, int]] = Counter()
    for plain in votes:
        contests = {"president": 3, "council": 2} if plain.style == "full" else {"president": 3}
        for contest, options in contests.items():
            values = plain.values.get(contest) or (0,) * options
            for j, value in enumerate(values):
                counts[plain.unit, contest, j] += value
    cells = (("centre", "president", 3), ("centre", "council", 2), ("village", "president", 3))
    return {(u, c): tuple(counts[u, c, j] for j in range(size)) for u, c, size in cells}


def opened(world: World, tally: EncryptedTally) -> tuple[int, ...]:
    """The counts in a tally, by the secret key that nobody ever computes but here."""
    group = world.group
    s = sum((p.coefficients[0] for p in world.secrets.vote_polynomials.values()), mpz(0)) % group.q
    logarithm = DiscreteLog(group, world.keys.vote_key.element)
    return tuple(
        logarithm.find(c.beta * group.inverse(group.power(c.alpha, s)) % group.p, 1000)
        for c in tally.options
    )


def by_cell(
    world: World, tallies: Sequence[EncryptedTally]
) -> dict[tuple[str, str], tuple[int, ...]]:
    """The counts by unit and contest, where nothing is joined."""
    assert all(len(t.units) == 1 for t in tallies)
    return {(t.units[0], t.contest): opened(world, t) for t in tallies}


@given(chosen)
def test_tallies_hold_the_sums(numbers: list[int]) -> None:
    """Each cell opens to the sum of its ballots, and says how many they are."""
    world = voting_world()
    picked = [pool()[i] for i in numbers]
    tallies = encrypted_tallies(world.context, (b for _, b in picked))
    votes = [plain for plain, _ in picked]
    assert by_cell(world, tallies) == expected_counts(votes)
    for tally in tallies:
        mine = [v for v in votes if v.unit in tally.units]
        mine = [v for v in mine if tally.contest == "president" or v.style == "full"]
        assert tally.ballots == len(mine)


@given(chosen, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_tallies(numbers: list[int], random: object) -> None:
    """The ballots may come in any order."""
    world = voting_world()
    ballots = [pool()[i][1] for i in numbers]
    shuffled = ballots[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert encrypted_tallies(world.context, ballots) == encrypted_tallies(world.context, shuffled)


@given(chosen, chosen)
def test_tallies_of_parts_multiply(left: list[int], right: list[int]) -> None:
    """The tallies of two halves multiply and add to the tally of both."""
    world, p = voting_world(), voting_world().group.p
    ballots = [[pool()[i][1] for i in numbers] for numbers in (left, right, left + right)]
    first, second, both = (encrypted_tallies(world.context, b) for b in ballots)
    for a, b, c in zip(first, second, both, strict=True):
        assert a.ballots + b.ballots == c.ballots
        for x, y, z in zip(a.options, b.options, c.options, strict=True):
            assert (x.alpha * y.alpha % p, x.beta * y.beta % p) == (z.alpha, z.beta)


def test_no_ballots() -> None:
    """Where nobody has voted, A = B = 1 in every cell."""
    tallies = encrypted_tallies(voting_world().context, [])
    assert [(t.units, t.contest, len(t.options)) for t in tallies] == [
        (("centre",), "president", 3),
        (("centre",), "council", 2),
        (("village",), "president", 3),
    ]
    assert {(t.ballots, x) for t in tallies for c in t.options for x in (c.alpha, c.beta)} == {
        (0, mpz(1))
    }


@settings(max_examples=10)
@given(st.lists(plains, max_size=8), st.sampled_from(["simple", "none"]))
def test_whole_elections(votes: list[Plain], chaining: str) -> None:
    """Through a whole election, what comes out is what was cast, and nothing else counts."""
    world = play_election(TOY[-1], votes, chaining=chaining)
    cast = [v for v in votes if v.fate is Fate.CAST]
    assert len(list(cast_ballots(world))) == len(cast)
    counts = {
        (t.units[0], t.contest): tuple(o.count for o in t.options)
        for t in world.state.decrypted_tallies
    }
    assert counts == expected_counts(cast)
    result = world.state.result
    assert result is not None
    for contest in result.contests:
        cells = [c for (_, label), c in counts.items() if label == contest.contest]
        assert [o.count for o in contest.options] == [sum(x) for x in zip(*cells, strict=True)]


def test_the_real_group() -> None:
    """With the standard parameters, three ballots multiply to what their sum opens to."""
    world = World.create(STANDARD, trustees=1, quorum=1)
    votes = [
        Plain({"president": (0, 0, 1), "council": (1, 2)}),
        Plain({"president": (1, 0, 0)}, style="short"),
        Plain({"president": (0, 0, 1)}, unit="village", style="short"),
    ]
    ballots = [submit(world, plain).ballot for plain in votes]
    tallies = encrypted_tallies(world.context, ballots)
    assert by_cell(world, tallies) == expected_counts(votes)


# --- small units


@cache
def small_world(floor: int) -> World:
    """The open election of `voting_world`, with a privacy floor. Not to be changed."""
    document = {**manifest_document("none"), "privacy_floor": floor}
    world = World.create(TOY[-1], manifest=manifest_bytes(document))
    for label in ("ballot-box-1", "ballot-box-2"):
        begin_device(world, label)
    return world


@given(chosen, st.integers(1, 12))
def test_joined_tallies_are_products(numbers: list[int], floor: int) -> None:
    """A set's tally is the product of its units', and nothing below the floor is there."""
    context = small_world(floor).context
    ballots = [pool()[i][1] for i in numbers]
    p = context.group.p
    alone = {(t.units[0], t.contest): t for t in encrypted_tallies(voting_world().context, ballots)}
    for tally in encrypted_tallies(context, ballots):
        parts = [alone.pop((unit, tally.contest)) for unit in tally.units]
        assert tally.ballots == sum(t.ballots for t in parts) >= floor
        for j, option in enumerate(tally.options):
            alpha = beta = mpz(1)
            for part in parts:
                alpha = alpha * part.options[j].alpha % p
                beta = beta * part.options[j].beta % p
            assert (option.alpha, option.beta) == (alpha, beta)
    for contest in ("president", "council"):
        assert sum(t.ballots for (_, c), t in alone.items() if c == contest) < floor


def test_joined_tallies_open_to_the_sums() -> None:
    """One ballot of the village disappears among the three of the centre."""
    world = small_world(2)
    votes = [
        Plain({"president": (0, 0, 1), "council": (1, 2)}),
        Plain({"president": (1, 0, 0)}, style="short"),
        Plain({"president": (0, 0, 1)}, style="short"),
        Plain({"president": (0, 1, 0)}, unit="village", style="short"),
    ]
    tallies = encrypted_tallies(world.context, [encrypt(world, plain).ballot for plain in votes])
    assert [(t.units, t.contest, t.ballots) for t in tallies] == [
        (("centre", "village"), "president", 4)
    ]
    assert opened(world, tallies[0]) == (1, 1, 2)


# --- ballots that were never verified


@pytest.mark.parametrize("what", ["unit", "contest", "fewer", "more", "none"])
def test_ballots_that_do_not_fit(what: str) -> None:
    """A ballot that fits no cell is refused by name, and not an accident."""
    ballot = pool()[0][1]
    first, *rest = ballot.contests
    selections = first.selections
    wrong = {
        "unit": replace(ballot, unit="nowhere"),
        "contest": replace(ballot, contests=(replace(first, index=99), *rest)),
        "fewer": replace(ballot, contests=(replace(first, selections=selections[:-1]), *rest)),
        "more": replace(ballot, contests=(replace(first, selections=selections * 2), *rest)),
        "none": replace(ballot, contests=(replace(first, selections=()), *rest)),
    }[what]
    with pytest.raises(Rejected) as caught:
        encrypted_tallies(voting_world().context, [pool()[1][1], wrong])
    assert (caught.value.check, caught.value.culprit) == ("R.ballot", "device ballot-box-1")


# --- totals


def decrypted(units: str, contest: str, ballots: int, counts: list[int]) -> DecryptedTally:
    """A decrypted tally with these counts and nothing proved."""
    one = mpz(1)
    options = tuple(DecryptedOption(f"o{j}", n, one, one, one) for j, n in enumerate(counts))
    return DecryptedTally(tuple(units.split()), contest, ballots, options)


counts_of = st.lists(st.integers(0, 10**9), min_size=3, max_size=3)


@given(st.lists(st.tuples(st.integers(0, 10**9), counts_of), max_size=10))
def test_totals(cells: list[tuple[int, list[int]]]) -> None:
    """Totals are sums of counts and of ballots, contest by contest."""
    tallies = [decrypted(f"u{i}", "president", n, c) for i, (n, c) in enumerate(cells)]
    result = totals(voting_world().context, iter(tallies), {})
    president, council = result.contests
    assert president.ballots == sum(n for n, _ in cells)
    expected = [sum(c[j] for _, c in cells) for j in range(3)]
    assert [o.count for o in president.options] == expected
    assert [o.option for o in president.options] == ["abai", "beimbet", "gulnar"]
    assert (council.ballots, [o.count for o in council.options]) == (0, [0, 0])


def test_totals_keep_contests_apart() -> None:
    """A contest gets its own tallies only, in the order of the manifest."""
    tallies = [decrypted("u", "council", 5, [4, 3]), decrypted("u", "president", 7, [1, 2, 3])]
    result = totals(voting_world().context, tallies, {})
    assert isinstance(result, Result)
    assert [(c.contest, c.ballots) for c in result.contests] == [("president", 7), ("council", 5)]
    assert [o.count for o in result.contests[1].options] == [4, 3]


def test_totals_below_the_floor() -> None:
    """A contest with too few ballots is there with their number and without options."""
    tallies = [decrypted("centre village", "president", 7, [1, 2, 3])]
    cast = {("centre", 1): 6, ("village", 1): 1, ("centre", 2): 4}
    president, council = totals(small_world(5).context, tallies, cast).contests
    assert (president.ballots, [o.count for o in president.options]) == (7, [1, 2, 3])
    assert (council.contest, council.ballots, council.options) == ("council", 4, ())
    nothing = totals(small_world(5).context, [], {})
    assert [(c.ballots, c.options) for c in nothing.contests] == [(0, ()), (0, ())]
