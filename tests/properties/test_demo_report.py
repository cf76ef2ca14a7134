"""The demo's report: what it compares, with any number of ballots, without holding the election."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from importlib.resources import files

import pytest

from cli.demo.election import Outcome
from cli.demo.report import agreed, show, summary
from cli.demo.votes import CONTEST, SHARES, actions, draw, expected
from cli.results import results_json
from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import DecryptedOption, DecryptedTally
from record.manifest import parse_manifest
from record.small_units import partition
from record.state import Phase
from tests.world import World

SOURCE = files("cli.demo").joinpath("manifest.json").read_bytes()
WORLD = World.create(TOY[-1], manifest=SOURCE, until=Phase.KEYS)
MANIFEST = parse_manifest(SOURCE)
PLACES = [unit.label for unit, _ in MANIFEST.cells()]


def outcome(ballots: int) -> Outcome:
    """What a demo finds in which everything goes well."""
    voters = draw(MANIFEST, ballots, 2005)
    cast = Counter((v.unit, 1) for v in voters if v.then == "cast")
    tallies = []
    for one in partition(MANIFEST, cast):
        units = tuple(unit.label for unit in one.units)
        options = tuple(
            DecryptedOption(option, count, mpz(1), mpz(0), mpz(0))
            for option, count in expected(voters, units).items()
        )
        tallies.append(DecryptedTally(units, CONTEST, one.ballots, options))
    counted = {"submitted": ballots, **actions(voters, PLACES)}
    return Outcome(
        MANIFEST,
        2005,
        voters,
        decrypted=results_json(WORLD.context, tallies, cast),
        looked_up={"status": "cast", "confirmation_code": "ab" * 32},
        audited=sum(v.then == "challenge" for v in voters),
        verdict={"verdict": "verified", "counts": {"ballots": counted}},
        altered={"verdict": "refuted", "exit_code": 1, "byte": "artifacts/000, byte 7"},
    )


@pytest.mark.parametrize(
    ("ballots", "sets"),
    [
        (1, []),
        (2, []),
        (9, [PLACES]),
        (20, [["almaty-1"], ["almaty-2", "almaty-3"]]),
        (150, [["almaty-1", "almaty-3"], ["almaty-2"]]),
        (1000, [[place] for place in PLACES]),
    ],
)
def test_who_is_counted_with_whom(ballots: int, sets: list[list[str]]) -> None:
    """The hospital is too small for itself in the usual demo, and not in a large one."""
    found = outcome(ballots)
    assert agreed(found)
    data = json.loads(json.dumps(summary(found)))
    assert sorted(row["units"] for row in data["sets"]) == sets
    assert data["totals"][0]["withheld"] == (sets == [])
    assert [u["unit"] for u in data["units"]] == PLACES


@pytest.mark.parametrize("ballots", [1, 9, 150])
def test_tables(ballots: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Joined units are shown as such, and a contest that is not opened as that."""
    show(outcome(ballots))
    said = " ".join(capsys.readouterr().out.split())
    assert "DIFFERS" not in said
    assert ("not opened" in said) == (ballots == 1)
    assert ("counted together" in said) == (ballots > 1)


def test_disagreements() -> None:
    """Another count, a unit that is missing, a result where there should be none: it is noticed."""
    good = outcome(150)
    first, *rest = good.decrypted["tallies"]
    option, *others = first["options"]
    wrong = {**first, "options": [{**option, "count": option["count"] + 1}, *others]}
    total = good.decrypted["totals"][0]
    for changes in (
        {"tallies": [wrong, *rest]},
        {"tallies": rest},
        {"tallies": [{**first, "ballots": first["ballots"] - 1}, *rest]},
        {"totals": [{**total, "withheld": True, "options": []}]},
        {"totals": [{**total, "ballots": 3}]},
    ):
        bad = replace(good, decrypted={**good.decrypted, **changes})
        assert not agreed(bad)
        summary(bad)
        show(bad)
    assert set(SHARES) == {o["option"] for o in total["options"]}
