"""The list of checks against the program and the page that explains it."""

from __future__ import annotations

import re
from pathlib import Path

from verifier.catalogue import CHECKS

ROOT = Path(__file__).parents[2]
_ID = re.compile(r'"((?:1[0-9]|[1-9])\.[A-G]|R\.[a-z-]+)"')

IDS = {check.id for check in CHECKS}


def used() -> set[str]:
    """Every check id that the verifier's source names, those made of parts included."""
    sources = [p.read_text() for p in (ROOT / "verifier").glob("*.py") if p.stem != "catalogue"]
    # Only an accusation can show it: the record holds the first of two statements.
    shown = {"R.equivocation"}
    # Why a dispute proves nothing, by the ids of the other program that judges it.
    shown |= {"R.cosignature", "R.inclusion", "R.receipt", "R.dispute"}
    made = {f"{number}.{letter}" for number in "67" for letter in "BCD"}
    return {name for source in sources for name in _ID.findall(source)} - shown | made


def test_ids_are_unique() -> None:
    """No id stands twice."""
    assert len(IDS) == len(CHECKS)


def test_the_catalogue_is_what_the_program_checks() -> None:
    """Every id in the source is in the catalogue, and the other way round, 13.A apart.

    13.A is about contest data, of which this record has none.
    """
    assert used() | {"13.A"} == set(IDS)


def test_every_lettered_check_is_there() -> None:
    """Verifications 1-11, 13 and 14 with all their letters."""
    letters = {1: "ABCDEF", 2: "ABC", 3: "AB", 4: "A", 5: "AB", 6: "ABCD", 7: "ABCD"}
    letters |= {8: "ABCDEFG", 9: "AB", 10: "ABC", 11: "ABCD", 13: "AB", 14: "ABCDEF"}
    expected = {f"{number}.{letter}" for number, all_ in letters.items() for letter in all_}
    assert expected == {name for name in IDS if not name.startswith("R.")}


def test_the_page_explains_every_check() -> None:
    """docs/verification.md has a table row for each id and for no other."""
    page = (ROOT / "docs" / "verification.md").read_text()
    page, programs = page.split("\n## Ids that only programs use\n")
    assert not set(re.findall(r"`(R\.[a-z-]+)`", programs)) & set(IDS)
    rows = re.findall(r"^\| `([0-9]+\.[A-G]|R\.[a-z-]+)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(IDS)
