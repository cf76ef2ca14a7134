"""The verifier's reading of a manifest: one broken rule at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from verifier.manifest import parse_manifest


def text(word: str) -> dict[str, str]:
    """The same word in both languages."""
    return {"kk": word, "ru": word}


MANIFEST: dict[str, Any] = {
    "format": "sailau-manifest/1",
    "label": "test",
    "name": text("test"),
    "languages": ["kk", "ru"],
    "dates": {"opens": "2005-12-04", "closes": "2005-12-04"},
    "chaining": "simple",
    "contests": [
        {
            "label": label,
            "name": text(label),
            "selection_limit": 2,
            "option_limit": 1,
            "options": [{"label": option, "name": text(option)} for option in ("a", "b", "c")],
        }
        for label in ("president", "council")
    ],
    "ballot_styles": [
        {"label": "full", "name": text("full"), "contests": ["council", "president"]},
        {"label": "short", "name": text("short"), "contests": ["president"]},
    ],
    "units": [
        {"label": "city", "name": text("city"), "parent": None, "ballot_styles": []},
        {"label": "one", "name": text("one"), "parent": "city", "ballot_styles": ["full"]},
        {"label": "two", "name": text("two"), "parent": "city", "ballot_styles": ["short"]},
    ],
    "devices": [
        {"label": "box", "information": "Hall 1", "units": ["one", "two"]},
    ],
}


def encoded(document: Any) -> bytes:
    """A manifest file."""
    return json.dumps(document).encode()


def test_a_good_manifest_is_read() -> None:
    """Contests of a style stand in manifest order; cells go by unit, then contest."""
    manifest, problems = parse_manifest(encoded(MANIFEST))
    assert problems == ()
    assert manifest is not None
    assert [c.label for c in manifest.styles["full"]] == ["president", "council"]
    assert list(manifest.cells()) == [
        ("one", "president"),
        ("one", "council"),
        ("two", "president"),
    ]
    assert manifest.devices["box"].units == {"one", "two"}


@pytest.mark.parametrize("floor", [1, 30, 1_000_000])
def test_a_privacy_floor_may_be_there(floor: int) -> None:
    """It is optional; without it there is none."""
    manifest, problems = parse_manifest(encoded({**MANIFEST, "privacy_floor": floor}))
    assert problems == ()
    assert manifest is not None
    assert manifest.privacy_floor == floor
    without, _ = parse_manifest(encoded(MANIFEST))
    assert without is not None
    assert without.privacy_floor == 0
    assert without.parents == {"one": "city", "two": "city"}


@pytest.mark.parametrize(("ballots", "seconds"), [(1, 1), (1000, 60)])
def test_groups_may_be_there(ballots: int, seconds: int) -> None:
    """They are optional, and no check needs them."""
    groups = {"ballots": ballots, "seconds": seconds}
    manifest, problems = parse_manifest(encoded({**MANIFEST, "groups": groups}))
    assert problems == ()
    assert manifest is not None
    assert manifest.label == MANIFEST["label"]


Change = Callable[[dict[str, Any]], object]

BROKEN: dict[str, Change] = {
    "another format": lambda m: m.update(format="sailau-manifest/2"),
    "an unknown member": lambda m: m.update(extra=1),
    "a missing member": lambda m: m.pop("dates"),
    "an unknown language": lambda m: m["languages"].append("de"),
    "a text without a language": lambda m: m["name"].pop("ru"),
    "a text with a language too many": lambda m: m["name"].update(en="x"),
    "a date that is none": lambda m: m["dates"].update(opens="2005-02-30"),
    "a date in short": lambda m: m["dates"].update(opens="2005-2-3"),
    "closing before opening": lambda m: m["dates"].update(opens="2005-12-05"),
    "an unknown chaining": lambda m: m.update(chaining="double"),
    "no contest": lambda m: m.update(contests=[]),
    "a contest twice": lambda m: m["contests"][1].update(label="president"),
    "an option twice": lambda m: m["contests"][0]["options"][1].update(label="a"),
    "a label with outer space": lambda m: m.update(label=" test"),
    "an empty label": lambda m: m.update(label=""),
    "a label of 101": lambda m: m.update(label="x" * 101),
    "a label with a tab": lambda m: m.update(label="a\tb"),
    "half a surrogate pair": lambda m: m["devices"][0].update(information="\ud800"),
    "information of 501": lambda m: m["devices"][0].update(information="x" * 501),
    "option_limit above selection_limit": lambda m: m["contests"][0].update(option_limit=3),
    "selection_limit above the options": lambda m: m["contests"][0].update(selection_limit=4),
    "a limit of 0": lambda m: m["contests"][0].update(option_limit=0),
    "a limit of 1001": lambda m: m["contests"][0].update(selection_limit=1001),
    "a limit that is true": lambda m: m["contests"][0].update(option_limit=True),
    "a limit with a fraction": lambda m: m["contests"][0].update(option_limit=1.5),
    "a style without contests": lambda m: m["ballot_styles"][0].update(contests=[]),
    "a style of an unknown contest": lambda m: m["ballot_styles"][0].update(contests=["x"]),
    "a style that repeats a contest": lambda m: m["ballot_styles"][0].update(
        contests=["council", "council"]
    ),
    "a style twice": lambda m: m["ballot_styles"][1].update(label="full"),
    "a unit of an unknown parent": lambda m: m["units"][1].update(parent="x"),
    "a unit of an unknown style": lambda m: m["units"][1].update(ballot_styles=["x"]),
    "a unit with nothing": lambda m: m["units"][1].update(ballot_styles=[]),
    "a parent with styles": lambda m: m["units"][0].update(ballot_styles=["full"]),
    "parents in a cycle": lambda m: m["units"].extend(
        [
            {"label": "x", "name": text("x"), "parent": "y", "ballot_styles": []},
            {"label": "y", "name": text("y"), "parent": "x", "ballot_styles": []},
        ]
    ),
    "a unit twice": lambda m: m["units"][2].update(label="one"),
    "a device of an unknown unit": lambda m: m["devices"][0].update(units=["x"]),
    "no device": lambda m: m.update(devices=[]),
    "a list that is none": lambda m: m.update(units={}),
    "a text that is none": lambda m: m.update(label=7),
    "a floor of 0": lambda m: m.update(privacy_floor=0),
    "a floor above a million": lambda m: m.update(privacy_floor=1_000_001),
    "a floor that is none": lambda m: m.update(privacy_floor=None),
    "a floor that is true": lambda m: m.update(privacy_floor=True),
    "a floor with a fraction": lambda m: m.update(privacy_floor=10.0),
    "a floor in letters": lambda m: m.update(privacy_floor="10"),
    "groups that are none": lambda m: m.update(groups=None),
    "groups that are a number": lambda m: m.update(groups=20),
    "groups without an end": lambda m: m.update(groups={"ballots": 20}),
    "groups without a size": lambda m: m.update(groups={"seconds": 30}),
    "groups by the minute": lambda m: m.update(groups={"ballots": 20, "seconds": 3, "minutes": 1}),
    "groups of 0": lambda m: m.update(groups={"ballots": 0, "seconds": 30}),
    "groups of 1001": lambda m: m.update(groups={"ballots": 1001, "seconds": 30}),
    "groups with a fraction": lambda m: m.update(groups={"ballots": 2.0, "seconds": 30}),
    "groups of true": lambda m: m.update(groups={"ballots": True, "seconds": 30}),
    "groups in letters": lambda m: m.update(groups={"ballots": "20", "seconds": 30}),
    "groups of 0 seconds": lambda m: m.update(groups={"ballots": 20, "seconds": 0}),
    "groups of 61 seconds": lambda m: m.update(groups={"ballots": 20, "seconds": 61}),
    "groups of half a second": lambda m: m.update(groups={"ballots": 20, "seconds": 0.5}),
}


SAID = {
    "another format": "format",
    "an unknown member": "'extra' is unknown",
    "a missing member": "'dates' is missing",
    "an unknown language": "'de' is not",
    "a text without a language": "'ru' is missing",
    "a text with a language too many": "'en' is unknown",
    "a date that is none": "dates.opens",
    "a date in short": "dates.opens",
    "closing before opening": "opens is after closes",
    "an unknown chaining": "chaining",
    "no contest": "contests: an empty list",
    "a contest twice": "contests: a label stands twice",
    "an option twice": "options: a label stands twice",
    "a label with outer space": "label: not a label",
    "an empty label": "label: not a label",
    "a label of 101": "label: not a label",
    "a label with a tab": "label: not a label",
    "half a surrogate pair": "surrogate",
    "information of 501": "above 500",
    "option_limit above selection_limit": "option_limit is above",
    "selection_limit above the options": "selection_limit is above",
    "a limit of 0": "not between 1",
    "a limit of 1001": "not between 1",
    "a limit that is true": "not a whole number",
    "a limit with a fraction": "not a whole number",
    "a style without contests": "contests: an empty list",
    "a style of an unknown contest": "no contest 'x'",
    "a style that repeats a contest": "contests: a label stands twice",
    "a style twice": "ballot_styles: a label stands twice",
    "a unit of an unknown parent": "no unit 'x', parent",
    "a unit of an unknown style": "no ballot style 'x'",
    "a unit with nothing": "neither children",
    "a parent with styles": "children and ballot styles",
    "parents in a cycle": "cycle",
    "a unit twice": "units: a label stands twice",
    "a device of an unknown unit": "no unit 'x'",
    "no device": "devices: an empty list",
    "a list that is none": "units: not a list",
    "a text that is none": "label: not a string",
    "a floor of 0": "privacy_floor: not between 1",
    "a floor above a million": "privacy_floor: not between 1",
    "a floor that is none": "privacy_floor: not a whole number",
    "a floor that is true": "privacy_floor: not a whole number",
    "a floor with a fraction": "privacy_floor: not a whole number",
    "a floor in letters": "privacy_floor: not a whole number",
    "groups that are none": "groups: not an object",
    "groups that are a number": "groups: not an object",
    "groups without an end": "groups: the member 'seconds' is missing",
    "groups without a size": "groups: the member 'ballots' is missing",
    "groups by the minute": "groups: the member 'minutes' is unknown",
    "groups of 0": "groups.ballots: not between 1 and 1000",
    "groups of 1001": "groups.ballots: not between 1 and 1000",
    "groups with a fraction": "groups.ballots: not a whole number",
    "groups of true": "groups.ballots: not a whole number",
    "groups in letters": "groups.ballots: not a whole number",
    "groups of 0 seconds": "groups.seconds: not between 1 and 60",
    "groups of 61 seconds": "groups.seconds: not between 1 and 60",
    "groups of half a second": "groups.seconds: not a whole number",
}
"""What is said of each."""


@pytest.mark.parametrize("name", BROKEN)
def test_every_broken_rule_is_found(name: str) -> None:
    """Each rule of docs/record.md, broken by itself, is reported once and by its path."""
    document = copy.deepcopy(MANIFEST)
    BROKEN[name](document)
    _, problems = parse_manifest(encoded(document))
    assert len([problem for problem in problems if SAID[name] in problem]) == 1, problems


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xef\xbb\xbf" + encoded(MANIFEST),
        encoded(MANIFEST).replace(b'"label": "test"', b'"label": "test", "label": "test"'),
        encoded(MANIFEST).replace(b'"selection_limit": 2', b'"selection_limit": NaN'),
        json.dumps(MANIFEST).encode("utf-16"),
        b"\xff",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_a_json_file_is_no_manifest(data: bytes) -> None:
    """Nothing, a byte order mark, a member twice, NaN, UTF-16, depth, huge numbers."""
    manifest, problems = parse_manifest(data)
    assert manifest is None
    assert len(problems) == 1


def test_a_limit_has_no_fraction_and_no_exponent() -> None:
    """1.0 and 1e0 are not whole numbers, whatever JSON Schema says."""
    for number in (b"1.0", b"1e0"):
        data = encoded(MANIFEST).replace(b'"option_limit": 1', b'"option_limit": ' + number, 1)
        assert number in data
        _, problems = parse_manifest(data)
        assert any("not a whole number" in problem for problem in problems), problems
