"""Manifests of electionguard 1.x become ours, and what is lost on the way is said.

The sample was written by electionguard's own classes; tests/interop compares.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import Malformed
from record.electionguard_manifest import import_manifest
from record.manifest import Manifest, parse_manifest

SAMPLE = json.loads((Path(__file__).parent / "electionguard_manifest.json").read_bytes())

Change = Callable[[dict[str, Any]], object]


def imported(change: Change = lambda _: None) -> tuple[Manifest, list[str]]:
    """The sample with one change, imported."""
    document = copy.deepcopy(SAMPLE)
    change(document)
    data, notes = import_manifest(json.dumps(document).encode())
    return parse_manifest(data), notes


def labels(items: Any) -> list[str]:
    """The labels of a list, in order."""
    return [item.label for item in items]


def test_the_election_is_carried_over() -> None:
    """Label, name, languages and dates are those of the file."""
    manifest, _ = imported()
    assert manifest.label == "city-2030"
    assert manifest.name == {
        "kk": "Қала сайлауы",
        "ru": "Городские выборы",
        "en": "City election",
    }
    document = json.loads(import_manifest(json.dumps(SAMPLE).encode())[0])
    assert document["languages"] == ["kk", "ru", "en"]
    assert document["dates"] == {"opens": "2030-03-03", "closes": "2030-03-03"}


def test_contests_and_options_stand_in_sequence_order() -> None:
    """sequence_order decides, not the order in the file."""
    manifest, _ = imported()
    assert labels(manifest.contests) == ["mayor", "bridge", "budget"]
    assert labels(manifest.contests[1].options) == ["bridge-yes", "bridge-no"]


def test_limits_are_votes_allowed_or_number_elected() -> None:
    """votes_allowed is the limit; number_elected is where it is null; an option takes one vote."""
    manifest, notes = imported()
    limits = [(one.selection_limit, one.option_limit) for one in manifest.contests]
    assert limits == [(1, 1), (1, 1), (2, 1)]
    assert (
        "votes_allowed is the selection limit, although number_elected is another: "
        "contests[2].votes_allowed."
    ) in notes


def test_styles_have_the_contests_of_their_units() -> None:
    """A style has the contests whose electoral district it lists."""
    manifest, _ = imported()
    contests = {style.label: labels(style.contests) for style in manifest.ballot_styles}
    assert contests == {
        "style-left": ["mayor", "bridge", "budget"],
        "style-right": ["mayor", "budget"],
        "style-right-postal": ["mayor", "budget"],
    }


def test_ballots_are_counted_for_precincts() -> None:
    """Of a style's units the precinct takes its ballots, wherever it stands in the list."""
    manifest, notes = imported()
    taken = [(unit.label, unit.parent, unit.ballot_styles) for unit in manifest.units]
    assert taken == [
        ("precinct-1", None, ("style-left",)),
        ("precinct-2", None, ("style-right",)),
        ("precinct-3", None, ("style-right-postal",)),
    ]
    left_out = "Units for which no ballot is counted are left out"
    assert f"{left_out}: geopolitical_units[0], geopolitical_units[1]." in notes


def test_without_precincts_the_least_shared_unit_counts() -> None:
    """Where no type tells, the unit that the fewest styles list takes the ballots."""

    def only_districts(document: dict[str, Any]) -> None:
        for unit in document["geopolitical_units"]:
            unit["type"] = "other"

    manifest, _ = imported(only_districts)
    assert manifest.units[1].ballot_styles == ("style-right",)
    assert "city" not in labels(manifest.units)


def test_each_unit_gets_a_device() -> None:
    """1.x has no devices, so every unit has one, and a sentence says so."""
    manifest, notes = imported()
    assert [device.units for device in manifest.devices] == [(u.label,) for u in manifest.units]
    assert "1.x names no devices: each unit has one that stands for the real ones." in notes


def test_missing_languages_are_filled_in_and_told() -> None:
    """A text that has no Kazakh shows another language, and the notes name the place."""
    manifest, notes = imported()
    assert manifest.contests[1].name["kk"] == "Мост через реку"
    assert any("text in kk: candidates[2].name, contests[0].ballot_title" in note for note in notes)
    assert "Texts in other languages than kk, ru and en are left out: es." in notes


def test_regional_codes_are_languages() -> None:
    """en-US and rus are English and Russian."""

    def recode(document: dict[str, Any]) -> None:
        document["name"]["text"] = [
            {"value": "Election", "language": "en-US"},
            {"value": "Выборы", "language": "rus"},
        ]

    manifest, _ = imported(recode)
    assert (manifest.name["en"], manifest.name["ru"]) == ("Election", "Выборы")


def test_a_foreign_election_is_taken_for_english() -> None:
    """Without any text in our languages the first text of each stands as English."""
    foreign = json.loads(json.dumps(SAMPLE).replace('"language": "', '"language": "x'))
    data, notes = import_manifest(json.dumps(foreign).encode())
    assert json.loads(data)["languages"] == ["en"]
    assert json.loads(data)["name"] == {"en": "Қала сайлауы"}
    assert "There is no text in kk, ru or en: the first one is taken for English." in notes


@pytest.mark.parametrize(
    "told",
    [
        "Parties are left out: candidates[1].party_id, ",
        "Contact information is left out: contact_information.",
        "Images are left out: candidates[5].image_uri, ballot_styles[1].image_uri.",
        "Subtitles are left out: contests[0].ballot_subtitle.",
        "A write-in is an ordinary option here, and what is written is not recorded: ",
        "Types of units are left out: ",
        "Of a time only the date is kept, as it is written: start_date, end_date.",
        "The election's type and version are left out: type, spec_version.",
        "1.x has no chaining mode: it is simple.",
    ],
)
def test_what_is_lost_is_told(told: str) -> None:
    """Each thing that our format has no place for is named."""
    assert any(note.startswith(told) for note in imported()[1])


def test_the_result_is_deterministic_and_readable() -> None:
    """The same bytes give the same bytes: indented, with Cyrillic letters as letters."""
    data = json.dumps(SAMPLE).encode()
    result, notes = import_manifest(data)
    assert (result, notes) == import_manifest(data)
    assert "Айгүл Оспанова".encode() in result
    assert result.startswith(b'{\n  "format": ')
    assert result.endswith(b"}\n")


def set_contest(**members: object) -> Change:
    """A change of the contest `budget`, which has three options."""
    return lambda document: document["contests"][2].update(members)


@pytest.mark.parametrize(
    ("change", "limits", "told"),
    [
        (set_contest(votes_allowed=9), (3, 1), "More votes than options: the limit is lowered"),
        (set_contest(votes_allowed=5, vote_variation="cumulative"), (5, 5), "votes_allowed is the"),
        (set_contest(vote_variation="rcv"), (2, 1), "Votes are added up, one for an option: there"),
        (set_contest(votes_allowed=None, number_elected=3), (3, 1), None),
    ],
)
def test_other_limits(change: Change, limits: tuple[int, int], told: str | None) -> None:
    """Cumulative contests, limits above the options and unknown variations, each with its note."""
    manifest, notes = imported(change)
    contest = manifest.contests[2]
    assert (contest.selection_limit, contest.option_limit) == limits
    if told is None:
        assert not any("limit" in note for note in notes)
    else:
        assert any(note.startswith(told) and "contests[2]" in note for note in notes)


def test_dangling_candidates_keep_their_label() -> None:
    """electionguard lets a selection name no candidate; the label is its name then."""
    manifest, notes = imported(lambda document: document["candidates"].pop(0))
    assert manifest.contests[0].options[0].name["kk"] == "ospanova"
    expected = "There is no such candidate: the label stands in for the name: "
    assert f"{expected}contests[1].ballot_selections[0].candidate_id." in notes


def test_idle_styles_candidates_and_members_are_told() -> None:
    """A style without contests, a candidate without a contest and an unknown member are named."""

    def add(document: dict[str, Any]) -> None:
        document["ballot_styles"].append(
            {"object_id": "idle", "geopolitical_unit_ids": ["precinct-3"]}
        )
        document["candidates"].append({"object_id": "idle", "name": {"text": []}})
        document["contests"][0]["colour"] = "red"

    manifest, notes = imported(add)
    assert len(manifest.ballot_styles) == 3
    assert "Ballot styles without a contest are left out: ballot_styles[3]." in notes
    assert "Candidates that no contest offers are left out: candidates[8]." in notes
    assert "Members that are unknown here are left out: contests[0].colour." in notes


def put(path: str, value: object) -> Change:
    """A change: put `value` at a dotted path."""

    def change(document: dict[str, Any]) -> None:
        node: Any = document
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            node = node[step]
        node[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("election_scope_id", None, "election_scope_id"),
        ("election_scope_id", 7, "election_scope_id"),
        ("start_date", "soon", "start_date"),
        ("start_date", "2031-01-01T00:00:00Z", "start_date"),
        ("end_date", None, "end_date"),
        ("contests", None, "contests"),
        ("geopolitical_units", None, "contests[1]"),
        ("contests", {}, "contests"),
        ("contests.0", "bridge", "contests[0]"),
        ("contests.0.object_id", "mayor", "contests[1].object_id"),
        ("contests.0.object_id", "", "contests[0].object_id"),
        ("contests.0.object_id", "x" * 101, "contests[0].object_id"),
        ("contests.0.sequence_order", "1", "contests[0].sequence_order"),
        ("contests.0.sequence_order", True, "contests[0].sequence_order"),
        ("contests.0.electoral_district_id", "moon", "contests[0]"),
        ("contests.0.ballot_selections", [], "contests[0].ballot_selections"),
        (
            "contests.0.ballot_selections.0.candidate_id",
            None,
            "contests[0].ballot_selections[0].candidate_id",
        ),
        ("contests.0.number_elected", 0, "contests[0].number_elected"),
        ("contests.0.votes_allowed", 1001, "contests[0].votes_allowed"),
        ("contests.0.name", None, "contests[0].name"),
        ("contests.0.ballot_title", "Bridge", "contests[0].ballot_title"),
        ("contests.0.ballot_title.text.0.value", 1, "contests[0].ballot_title.text[0].value"),
        ("ballot_styles", [], "ballot_styles"),
        ("ballot_styles.0.geopolitical_unit_ids", ["moon"], "ballot_styles[0]"),
        ("ballot_styles.0.geopolitical_unit_ids", [1], "ballot_styles[0].geopolitical_unit_ids[0]"),
        ("geopolitical_units.0.name", None, "geopolitical_units[0].name"),
        ("geopolitical_units.0.object_id", "left-bank", "geopolitical_units[1].object_id"),
        ("election_scope_id", "a\nb", "the electionguard manifest"),
    ],
)
def test_malformed_manifests_are_refused_with_their_place(
    path: str, value: object, field: str
) -> None:
    """Whatever cannot become a manifest is refused, and the place in the file is named."""
    with pytest.raises(Malformed) as caught:
        imported(put(path, value))
    assert caught.value.field == field


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{", b'{"a":1,"a":2}', b"\xef\xbb\xbf{}"])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    """Bytes that are no JSON object in UTF-8 are malformed, never another error."""
    with pytest.raises(Malformed):
        import_manifest(data)
