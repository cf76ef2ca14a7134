"""Results: sums, names, shares in per cent, and the comparison with what was expected."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.results import results_json, show_results
from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import DecryptedOption, DecryptedTally
from record.small_units import partition
from record.state import Phase
from tally.results import Difference, Expected, Results, as_json, compare, results
from tests.ballots import Plain
from tests.decrypting import play_election
from tests.world import World, manifest_bytes, manifest_document

WORLD = World.create(TOY[-1], until=Phase.KEYS)
CELLS = (("centre", "president", 3), ("centre", "council", 2), ("village", "president", 3))
votes = st.tuples(*(st.tuples(*[st.integers(0, 10**8)] * n) for _, _, n in CELLS))


def tally(
    units: tuple[str, ...], contest: str, row: tuple[int, ...], ballots: int
) -> DecryptedTally:
    labels = [o.label for o in WORLD.context.manifest.contest(contest).options]
    options = tuple(
        DecryptedOption(label, count, mpz(1), mpz(0), mpz(0))
        for label, count in zip(labels, row, strict=True)
    )
    return DecryptedTally(units, contest, ballots, options)


def found(numbers: tuple[tuple[int, ...], ...], language: str = "en") -> Results:
    tallies, cast = [], {}
    for (unit, contest, _), row in zip(CELLS, numbers, strict=True):
        tallies.append(tally((unit,), contest, row, sum(row) + 1))
        cast[unit, WORLD.context.manifest.contest(contest).index] = sum(row) + 1
    return results(WORLD.context, tallies, cast, language)


def expected_of(numbers: tuple[tuple[int, ...], ...]) -> dict[str, dict[str, dict[str, int]]]:
    """The same as expectations."""
    made: dict[str, dict[str, dict[str, int]]] = {}
    for (unit, contest, _), row in zip(CELLS, numbers, strict=True):
        options = [o.label for o in WORLD.context.manifest.contest(contest).options]
        made.setdefault(unit, {})[contest] = dict(zip(options, row, strict=True))
    return made


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
    assert [(one.units, one.contest.label) for one in r.sets] == [
        ((unit,), contest) for unit, contest, _ in CELLS
    ]
    assert not any(c.together_with or c.withheld for u in r.units for c in u.contests)


def test_as_decrypted() -> None:
    """The same from a whole election."""
    world = play_election(TOY[-1])
    r = results(world.context, world.state.decrypted_tallies, world.state.cast_in, "en")
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
    assert set(document) == {
        "label", "name", "language", "privacy_floor", "contests", "units", "sets",
    }  # fmt: skip


@given(votes)
def test_compare_equal(numbers: tuple[tuple[int, ...], ...]) -> None:
    """What was counted does not differ from itself, nor from itself without its zeroes."""
    r = found(numbers)
    expected = expected_of(numbers)
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
    expected = expected_of(numbers)
    option = next(iter(expected[unit][contest]))
    had = expected[unit][contest][option]
    expected[unit][contest][option] = had + delta
    assert compare(r, expected) == (Difference((unit,), contest, option, had + delta, had),)


def test_compare_unknown_place() -> None:
    """A count that was expected where there is none is a difference."""
    expected = expected_of(A)
    expected["moon"] = {"president": {"abai": 1}}
    assert compare(found(A), expected) == (Difference(("moon",), "president", "abai", 1, None),)


# --- small units

DOCUMENT = manifest_document()
DOCUMENT["units"] += [
    {**DOCUMENT["units"][2], "label": "hamlet", "parent": "city", "ballot_styles": ["full"]}
]
SMALL = World.create(
    TOY[-1], manifest=manifest_bytes({**DOCUMENT, "privacy_floor": 10}), until=Phase.KEYS
)
"""Units centre and hamlet in the city, and the village; nothing below ten ballots."""


def small(**president: int) -> tuple[list[DecryptedTally], dict[tuple[str, int], int]]:
    """Tallies for these numbers of ballots with `president`; each votes for `abai`."""
    cast = {(unit, 1): ballots for unit, ballots in president.items()}
    sets = partition(SMALL.context.manifest, cast)
    return [
        tally(tuple(u.label for u in s.units), s.contest.label, (s.ballots, 0, 0), s.ballots)
        for s in sets
        if s.contest.label == "president"
    ], cast


def at(r: Results) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Ballots with `president` in each place, and whose they are besides."""
    return {u.label: (u.contests[0].ballots, u.contests[0].together_with) for u in r.units}


def test_counted_together_below_a_parent() -> None:
    """Two units of the city: each has the other's votes with its own, the city has its own."""
    r = results(SMALL.context, *small(centre=30, hamlet=4, village=12), "en")
    assert at(r) == {
        "city": (34, ()),
        "centre": (34, ("hamlet",)),
        "village": (12, ()),
        "hamlet": (34, ("centre",)),
    }
    assert r.contests[0].ballots == 46


def test_counted_together_across_parents() -> None:
    """A city too small for itself has the village's votes with its own, and says so."""
    r = results(SMALL.context, *small(centre=5, hamlet=4, village=12), "en")
    assert at(r) == {
        "city": (21, ("village",)),
        "centre": (21, ("village", "hamlet")),
        "village": (21, ("centre", "hamlet")),
        "hamlet": (21, ("centre", "village")),
    }


def test_withheld_contests() -> None:
    """A contest below the floor has a number of ballots and nothing else."""
    tallies, cast = small(centre=30, hamlet=20, village=12)
    r = results(SMALL.context, tallies, {**cast, ("centre", 2): 7, ("hamlet", 2): 2}, "en")
    council = r.contests[1]
    assert (council.withheld, council.ballots, council.options) == (True, 9, ())
    assert [(u.label, c.ballots) for u in r.units for c in u.contests if c.withheld] == [
        ("city", 9),
        ("centre", 7),
        ("hamlet", 2),
    ]


def votes_for(**president: int) -> Expected:
    return {unit: {"president": {"abai": n}} for unit, n in president.items()}


def test_compare_adds_up_what_is_counted_together() -> None:
    """What is expected of joined units is compared as one, and nothing that is withheld."""
    numbers = {"centre": 30, "hamlet": 4, "village": 12}
    r = results(SMALL.context, *small(**numbers), "en")
    assert compare(r, votes_for(**numbers)) == ()
    assert compare(r, {**votes_for(**numbers), "hamlet": {"council": {"yes": 3}}}) == (
        Difference(("centre", "hamlet"), "president", "abai", 30, 34),
    )
    wrong = votes_for(centre=29, hamlet=4, village=12)
    assert compare(r, wrong) == (Difference(("centre", "hamlet"), "president", "abai", 33, 34),)


def test_small_units_from_a_whole_election() -> None:
    """What is shown adds up in an election that was held with a floor."""
    manifest = manifest_bytes({**manifest_document(), "privacy_floor": 3})
    votes = [Plain({"president": (1, 0, 0)}, style="short")] * 3
    votes += [Plain({"president": (0, 0, 1)}, device="ballot-box-2", unit="village", style="short")]
    world = play_election(TOY[-1], [*votes, Plain({"council": (2, 1)})], manifest=manifest)
    state = world.state
    r = results(world.context, state.decrypted_tallies, state.cast_in, "en")
    assert [(one.units, one.contest.ballots) for one in r.sets] == [(("centre", "village"), 5)]
    assert [o.votes for o in r.contests[0].options] == [3, 0, 1]
    assert r.contests[1].withheld


def test_json_of_the_program() -> None:
    """`sailau election publish --json` says who is counted with whom, and what is not opened."""
    tallies, cast = small(centre=30, hamlet=4, village=12)
    document = json.loads(
        json.dumps(results_json(SMALL.context, tallies, {**cast, ("centre", 2): 3}))
    )
    assert document["privacy_floor"] == 10
    assert [(t["units"], t["ballots"]) for t in document["tallies"]] == [
        (["centre", "hamlet"], 34),
        (["village"], 12),
    ]
    rows = {(u["unit"], u["contest"]): u for u in document["units"]}
    assert list(rows) == [
        ("centre", "president"), ("centre", "council"), ("village", "president"),
        ("hamlet", "president"), ("hamlet", "council"),
    ]  # fmt: skip
    assert rows["hamlet", "president"]["together_with"] == ["centre"]
    assert rows["hamlet", "president"]["options"][0] == {"option": "abai", "count": 34}
    council = {"contest": "council", "ballots": 3, "withheld": True, "options": []}
    assert rows["centre", "council"] == {"unit": "centre", "together_with": [], **council}
    president, withheld = document["totals"]
    assert (president["ballots"], president["withheld"]) == (46, False)
    assert withheld == council


def test_tables_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """The same for people."""
    tallies, cast = small(centre=30, hamlet=4, village=12)
    show_results(SMALL.context, tallies, {**cast, ("centre", 2): 3})
    said = " ".join(capsys.readouterr().out.split())
    assert "34 ballots, counted together with: Centre (en)" in said
    assert said.count("fewer than 10 ballots in the whole election: not opened") == 4
