"""Results: sums, names, shares in per cent, and the comparison with what was expected."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import DecryptedOption, DecryptedTally
from record.state import Phase
from tally.results import Difference, Results, as_json, compare, counts, results
from tests.decrypting import play_election
from tests.world import World

WORLD = World.create(TOY[-1], until=Phase.KEYS)
CELLS = (("centre", "president", 3), ("centre", "council", 2), ("village", "president", 3))
votes = st.tuples(*(st.tuples(*[st.integers(0, 10**8)] * n) for _, _, n in CELLS))


def tallies(numbers: tuple[tuple[int, ...], ...]) -> list[DecryptedTally]:
    made = []
    for (unit, contest, _), row in zip(CELLS, numbers, strict=True):
        labels = [o.label for o in WORLD.context.manifest.contest(contest).options]
        options = tuple(
            DecryptedOption(label, count, mpz(1), mpz(0), mpz(0))
            for label, count in zip(labels, row, strict=True)
        )
        made.append(DecryptedTally(unit, contest, sum(row) + 1, options))
    return made


def found(numbers: tuple[tuple[int, ...], ...], language: str = "en") -> Results:
    return results(WORLD.context, tallies(numbers), language)


A = ((3, 1, 0), (4, 4), (0, 0, 2))


def test_totals_and_units() -> None:
    """Totals and parents are sums of what was decrypted, in the manifest's order."""
    r = found(A)
    assert [c.label for c in r.contests] == ["president", "council"]
    assert [o.votes for o in r.contests[0].options] == [3, 1, 2]
    assert (r.contests[0].ballots, r.contests[0].votes) == (8, 6)
    city, centre, village = r.units
    assert (city.label, centre.parent, village.parent) == ("city", "city", None)
    assert city.contests == centre.contests
    assert [c.label for c in village.contests] == ["president"]
    assert counts(r) == {
        "centre": {
            "president": {"abai": 3, "beimbet": 1, "gulnar": 0},
            "council": {"yes": 4, "no": 4},
        },
        "village": {"president": {"abai": 0, "beimbet": 0, "gulnar": 2}},
    }


def test_as_decrypted() -> None:
    """The same from a whole election."""
    world = play_election(TOY[-1])
    r = results(world.context, world.state.decrypted_tallies, "en")
    assert world.state.result is not None
    expected = [[o.count for o in c.options] for c in world.state.result.contests]
    assert [[o.votes for o in c.options] for c in r.contests] == expected
    assert [c.ballots for c in r.contests] == [c.ballots for c in world.state.result.contests]


@pytest.mark.parametrize(
    ("language", "name"), [("kk", "Abai (kk)"), ("ru-KZ", "Abai (ru)"), ("fr", "Abai (kk)")]
)
def test_names(language: str, name: str) -> None:
    """Names are in the language that was asked for, or in the manifest's first one."""
    assert found(A, language).contests[0].options[0].name == name


@given(votes)
def test_shares(numbers: tuple[tuple[int, ...], ...]) -> None:
    """Shares are rounded parts of the contest's votes, and zero where nobody voted."""
    for contest in found(numbers).contests:
        total = sum((o.percent for o in contest.options), Decimal(0))
        if contest.votes == 0:
            assert total == 0
            continue
        assert abs(total - 100) <= Decimal("0.005") * len(contest.options)
        for option in contest.options:
            exact = Decimal(100) * option.votes / contest.votes
            assert abs(option.percent - exact) <= Decimal("0.005")


def test_json() -> None:
    """The JSON form has labels, names, numbers, and nothing else."""
    document = json.loads(json.dumps(as_json(found(A))))
    option = document["units"][1]["contests"][0]["options"][0]
    assert option == {"label": "abai", "name": "Abai (en)", "votes": 3, "percent": 75.0}
    assert set(document) == {"label", "name", "language", "contests", "units"}


@given(votes)
def test_compare_equal(numbers: tuple[tuple[int, ...], ...]) -> None:
    """What was counted does not differ from itself, nor from itself without its zeroes."""
    r = found(numbers)
    expected = counts(r)
    assert compare(r, expected) == ()
    sparse = {
        unit: {c: {o: v for o, v in options.items() if v} for c, options in contests.items()}
        for unit, contests in expected.items()
    }
    assert compare(r, sparse) == ()


@given(votes, st.sampled_from(CELLS), st.integers(-5, 5).filter(bool))
def test_compare_different(
    numbers: tuple[tuple[int, ...], ...], cell: tuple[str, str, int], delta: int
) -> None:
    """One different count is one difference, with its place and both numbers."""
    unit, contest, _ = cell
    r = found(numbers)
    expected = counts(r)
    option = next(iter(expected[unit][contest]))
    had = expected[unit][contest][option]
    expected[unit][contest][option] = had + delta
    assert compare(r, expected) == (Difference(unit, contest, option, had + delta, had),)


def test_compare_unknown_place() -> None:
    """A count that was expected where there is none is a difference."""
    expected = counts(found(A))
    expected["moon"] = {"president": {"abai": 1}}
    assert compare(found(A), expected) == (Difference("moon", "president", "abai", 1, None),)
