"""The voters of the demo: what each chooses and does, drawn by a seed.

The shares are those of the Central Election Commission's final result of 4 December
2005. This randomness is for play; no key or nonce comes from it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from record.manifest import Manifest

SHARES = {
    "nazarbayev": 91.15,
    "tuyakbay": 6.61,
    "baimenov": 1.61,
    "abilkasymov": 0.34,
    "yeleusizov": 0.28,
}
CONTEST = "president"
CHALLENGED, ABANDONED = 0.05, 0.03
AT_THE_HOSPITAL = 40
"""One voter of so many votes at the last polling place: too few to be counted alone."""


@dataclass(frozen=True, slots=True)
class Voter:
    """One encrypted ballot and what becomes of it: cast, challenge or abandon."""

    unit: str
    device: str
    choice: str
    then: str


def draw(manifest: Manifest, ballots: int, seed: int) -> list[Voter]:
    """`ballots` voters, in turn at the polling places, each with the unit's first device.

    The last place has few of them, the first of whom is the third voter.
    """
    source = random.Random(seed)
    units = [u for u in manifest.units if u.takes_ballots]
    device = {u.label: next(d.label for d in manifest.devices if u.label in d.units) for u in units}
    options = list(SHARES)
    thens = _actions(ballots)
    source.shuffle(thens)
    voters = []
    for number, then in enumerate(thens):
        small = number % AT_THE_HOSPITAL == 2
        unit = units[-1 if small else number % (len(units) - 1)].label
        choice = source.choices(options, weights=list(SHARES.values()))[0]
        voters.append(Voter(unit, device[unit], choice, then))
    return voters


def _actions(ballots: int) -> list[str]:
    """Some challenge and some leave, also in a small election."""
    challenged = max(round(ballots * CHALLENGED), min(1, ballots - 1))
    abandoned = max(round(ballots * ABANDONED), min(1, max(ballots - 2, 0)))
    cast = ballots - challenged - abandoned
    return ["cast"] * cast + ["challenge"] * challenged + ["abandon"] * abandoned


def expected(voters: list[Voter], units: Collection[str]) -> dict[str, int]:
    """What the count of `units` together must be: the choices of those who cast there."""
    counts = Counter(v.choice for v in voters if v.unit in units and v.then == "cast")
    return {option: counts[option] for option in SHARES}


def actions(voters: list[Voter], units: Collection[str]) -> dict[str, int]:
    """How many in `units` cast, challenged and left."""
    counts = Counter(v.then for v in voters if v.unit in units)
    return {
        "cast": counts["cast"],
        "challenged": counts["challenge"],
        "spoiled": counts["abandon"],
    }
