"""The manifest: the demo election, and one broken rule at a time."""

from __future__ import annotations

import copy
import datetime
import json
import pickle
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from cli.manifest import manifest as check_manifest
from crypto.errors import Malformed
from record.manifest import MAX_BYTES, Chaining, Groups, Manifest, parse_manifest

EXAMPLE = Path(__file__).parents[2] / "cli" / "demo" / "manifest.json"


def small() -> dict[str, Any]:
    """Two contests, two styles, a tree of units, two devices, two languages."""

    def text(word: str) -> dict[str, str]:
        return {"kk": word, "en": word}

    def contest(label: str, limits: tuple[int, int], options: str) -> dict[str, Any]:
        return {
            "label": label,
            "name": text(label),
            "selection_limit": limits[0],
            "option_limit": limits[1],
            "options": [{"label": o, "name": text(o)} for o in options],
        }

    def style(label: str, *contests: str) -> dict[str, Any]:
        return {"label": label, "name": text(label), "contests": list(contests)}

    def unit(label: str, parent: str | None, *styles: str) -> dict[str, Any]:
        named = {"label": label, "name": text(label)}
        return {**named, "parent": parent, "ballot_styles": list(styles)}

    return {
        "format": "sailau-manifest/1",
        "label": "small",
        "name": {"en": "Small", "kk": "Кіші"},
        "languages": ["kk", "en"],
        "dates": {"opens": "2005-12-03", "closes": "2005-12-04"},
        "chaining": "none",
        "contests": [contest("c1", (1, 1), "ab"), contest("c2", (4, 2), "abc")],
        "ballot_styles": [style("both", "c2", "c1"), style("second", "c2")],
        "units": [
            unit("top", None),
            unit("left", "top", "second", "both"),
            unit("right", "top", "second"),
        ],
        "devices": [
            {"label": "d1", "information": "first", "units": ["left", "right"]},
            {"label": "d2", "information": "", "units": ["right"]},
        ],
    }


def parse(document: Any) -> Manifest:
    return parse_manifest(json.dumps(document, ensure_ascii=False).encode())


def refusal(document: Any) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse(document)
    return caught.value


# --- What is accepted --------------------------------------------------------------


def test_the_example_says_what_it_is() -> None:
    """cli/demo/manifest.json parses to the election of 4 December 2005."""
    data = EXAMPLE.read_bytes()
    manifest = parse_manifest(data)
    assert manifest.source == data
    assert manifest.label == "kz-president-2005-12-04"
    assert manifest.languages == ("kk", "ru", "en")
    assert manifest.opens == manifest.closes == datetime.date(2005, 12, 4)
    assert manifest.chaining is Chaining.SIMPLE
    (contest,) = manifest.contests
    assert (contest.selection_limit, contest.option_limit) == (1, 1)
    assert [o.label for o in contest.options] == [
        "nazarbayev",
        "tuyakbay",
        "baimenov",
        "abilkasymov",
        "yeleusizov",
    ]
    assert [o.index for o in contest.options] == [1, 2, 3, 4, 5]
    assert contest.options[1].name == {
        "kk": "Жармахан Тұяқбай",
        "ru": "Жармахан Туякбай",
        "en": "Zharmakhan Tuyakbay",
    }
    places = [unit.label for unit, _ in manifest.cells()]
    assert places == ["almaty-1", "almaty-2", "almaty-3"]
    assert [device.units for device in manifest.devices] == [(place,) for place in places]


def test_every_label_of_the_example_is_ascii() -> None:
    """The example's labels can be typed on any keyboard."""
    manifest = parse_manifest(EXAMPLE.read_bytes())
    labels = [manifest.label]
    labels += [unit.label for unit in manifest.units]
    labels += [device.label for device in manifest.devices]
    labels += [style.label for style in manifest.ballot_styles]
    for contest in manifest.contests:
        labels += [contest.label, *(option.label for option in contest.options)]
    assert all(label.isascii() for label in labels)


def test_the_schema_is_a_schema() -> None:
    """The published schema is valid JSON Schema 2020-12 and closed at every object."""
    schema = json.loads(resources.files("record").joinpath("manifest.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    objects = [schema, *schema["$defs"].values(), schema["properties"]["dates"]]
    closed = [o["additionalProperties"] for o in objects if o["type"] == "object"]
    assert closed == [False] * 8


def test_a_stock_validator_accepts_the_example() -> None:
    """Somebody with another JSON Schema library can check a manifest with the file alone."""
    schema = json.loads(resources.files("record").joinpath("manifest.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(EXAMPLE.read_bytes()))
    Draft202012Validator(schema).validate(small())


def test_a_style_has_its_contests_in_manifest_order() -> None:
    """The order of the labels in the style does not matter (3.1.3)."""
    manifest = parse(small())
    assert [c.label for c in manifest.style("both").contests] == ["c1", "c2"]
    assert [(s.index, s.label) for s in manifest.ballot_styles] == [(1, "both"), (2, "second")]


def test_cells_are_by_unit_and_then_by_contest() -> None:
    """A unit has every contest on one of its styles, once; a parent has none."""
    cells = [(unit.label, contest.label) for unit, contest in parse(small()).cells()]
    assert cells == [("left", "c1"), ("left", "c2"), ("right", "c2")]


def test_units_keep_parent_and_styles_as_written() -> None:
    """Parents and styles of a unit are labels; a unit with children takes no ballots."""
    manifest = parse(small())
    assert manifest.unit("left").parent == "top"
    assert manifest.unit("left").ballot_styles == ("second", "both")
    assert [u.takes_ballots for u in manifest.units] == [False, True, True]


def test_texts_fall_back_to_the_first_language() -> None:
    """A missing language gives the manifest's first, whatever the order in the text."""
    name = parse(small()).name
    assert list(name) == ["kk", "en"]
    assert name.in_language("en") == name.in_language("en-GB") == "Small"
    assert name.in_language("EN_us") == "Small"
    assert name.in_language("ru") == name.in_language("") == "Кіші"
    assert hash(name) == hash(parse(small()).name)


@pytest.mark.parametrize("kind", ["contest", "style", "unit", "device"])
def test_an_unknown_label_is_a_clear_error(kind: str) -> None:
    """A look-up names its field, the label and what to do."""
    manifest = parse(small())
    with pytest.raises(Malformed, match=r'no (ballot )?\w+ "nowhere"') as caught:
        getattr(manifest, kind)("nowhere", "ballot.place")
    assert caught.value.field == "ballot.place"


def test_a_manifest_is_a_value() -> None:
    """Equal bytes give equal, hashable values that travel between processes."""
    manifest = parse(small())
    assert manifest == parse(small())
    assert hash(manifest) == hash(parse(small()))
    assert pickle.loads(pickle.dumps(manifest)) == manifest
    assert pickle.loads(pickle.dumps(manifest)).unit("left").label == "left"


@pytest.mark.parametrize("number", ["1.0", "1e0", "1.5"])
@pytest.mark.parametrize(
    "field", ["contests[0].selection_limit", "privacy_floor", "groups.seconds"]
)
def test_a_number_has_no_fraction_and_no_exponent(number: str, field: str) -> None:
    """JSON Schema takes 1.0 for an integer, other readers do not: neither do we."""
    document = small()
    places = {"contests[0]": document["contests"][0], "groups": {"ballots": 1}}
    document["groups"] = places["groups"]
    place = places.get(field.rpartition(".")[0], document)
    place[field.rpartition(".")[2]] = "HERE"
    data = json.dumps(document).replace('"HERE"', number).encode()
    with pytest.raises(Malformed) as caught:
        parse_manifest(data)
    assert caught.value.field == field


@pytest.mark.parametrize("floor", [1, 30, 1_000_000])
def test_a_privacy_floor(floor: int) -> None:
    """The floor is a number from 1 to 1,000,000; without one it is 0."""
    assert parse({**small(), "privacy_floor": floor}).privacy_floor == floor
    assert parse(small()).privacy_floor == 0


@pytest.mark.parametrize(("ballots", "seconds"), [(1, 1), (20, 30), (1000, 60)])
def test_groups(ballots: int, seconds: int) -> None:
    """1 to 1,000 artifacts, 1 to 60 seconds; without them there is None."""
    document = {**small(), "groups": {"ballots": ballots, "seconds": seconds}}
    assert parse(document).groups == Groups(ballots, seconds)
    assert parse(small()).groups is None


def test_limits_may_go_to_their_edge() -> None:
    """L = R times the number of options, and 1,000, are still allowed (3.1.3)."""
    document = small()
    document["contests"][1].update(selection_limit=1000, option_limit=1000)
    document["contests"][0].update(selection_limit=2, option_limit=1)
    assert parse(document).contests[1].selection_limit == 1000


def test_labels_may_have_inner_spaces_and_any_letters() -> None:
    """100 characters, inner spaces and combining marks make a label."""
    document = small()
    document["label"] = "Ә ў — 中 " + "x" * 92
    assert len(parse(document).label) == 100


# --- What is refused ---------------------------------------------------------------


def put(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        node: Any = document
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = to

    return change


def groups(**changes: object) -> Callable[[dict[str, Any]], None]:
    """Groups of 20 within 30 seconds, with something else."""
    return put("groups", to={"ballots": 20, "seconds": 30, **changes})


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        node: Any = document
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]

    return change


def again(listed: str) -> Callable[[dict[str, Any]], None]:
    """The second item of a list once more, at its end."""

    def change(document: dict[str, Any]) -> None:
        document[listed].append(copy.deepcopy(document[listed][1]))

    return change


BROKEN: list[tuple[str, Callable[[dict[str, Any]], None], str, str]] = [
    ("no format", drop("format"), "format", "is missing"),
    ("other format", put("format", to="sailau-manifest/2"), "format", "manifest/2"),
    ("unknown member", put("colour", to=1), "colour", "no member"),
    ("strange member", put("a b", to=1), 'manifest["a b"]', "no member"),
    ("no contest name", drop("contests", 0, "name"), "contests[0].name", "is missing"),
    (
        "unknown option member",
        put("contests", 0, "options", 1, "party", to="x"),
        "contests[0].options[1].party",
        "no member",
    ),
    ("label is a number", put("label", to=7), "label", "is 7"),
    ("label is null", put("label", to=None), "label", "is null"),
    ("empty label", put("label", to=""), "label", "is empty"),
    ("label too long", put("label", to="x" * 101), "label", "too long"),
    ("label with tab", put("label", to="a\tb"), "label", '"a\\tb"'),
    ("label ends in newline", put("label", to="ab\n"), "label", '"ab\\n"'),
    ("label with delete", put("label", to="a\x7fb"), "label", '"a\\u007fb"'),
    ("label with C1 control", put("label", to="a\x90b"), "label", '"a\\u0090b"'),
    ("label with line separator", put("label", to="a\u2028b"), "label", '"a\\u2028b"'),
    ("label starts with space", put("label", to=" ab"), "label", '" ab"'),
    ("label ends in no-break space", put("label", to="ab\xa0"), "label", '"ab\\u00a0"'),
    ("label is one space", put("label", to="\u3000"), "label", '"\\u3000"'),
    ("no languages", put("languages", to=[]), "languages", "is empty"),
    ("unknown language", put("languages", 1, to="de"), "languages[1]", '"de"'),
    ("language twice", put("languages", to=["kk", "en", "kk"]), "languages[2]", "twice"),
    ("text lacks a language", drop("units", 1, "name", "en"), "units[1].name.en", "is missing"),
    (
        "text has another language",
        put("contests", 1, "options", 0, "name", "ru", to="x"),
        "contests[1].options[0].name.ru",
        "no language of this manifest",
    ),
    ("text in no language", put("name", "de", to="x"), "name.de", "no member"),
    ("text is a string", put("name", to="Small"), "name", '"Small"'),
    ("date without zero", put("dates", "opens", to="2005-12-3"), "dates.opens", "2005-12-3"),
    ("date of another form", put("dates", "opens", to="20051203"), "dates.opens", "20051203"),
    ("date and newline", put("dates", "opens", to="2005-12-03\n"), "dates.opens", "12-03\\n"),
    ("no such day", put("dates", "closes", to="2005-02-29"), "dates.closes", "no calendar"),
    ("year zero", put("dates", "opens", to="0000-01-01"), "dates.opens", "no calendar"),
    ("opens after close", put("dates", "opens", to="2005-12-05"), "dates.opens", "after"),
    ("chaining unknown", put("chaining", to="double"), "chaining", '"double"'),
    ("no contests", put("contests", to=[]), "contests", "is empty"),
    ("no options", put("contests", 0, "options", to=[]), "contests[0].options", "is empty"),
    ("no styles", put("ballot_styles", to=[]), "ballot_styles", "is empty"),
    ("no units", put("units", to=[]), "units", "is empty"),
    ("no devices", put("devices", to=[]), "devices", "is empty"),
    (
        "style without contests",
        put("ballot_styles", 0, "contests", to=[]),
        "ballot_styles[0].contests",
        "is empty",
    ),
    ("device without units", put("devices", 0, "units", to=[]), "devices[0].units", "is empty"),
    ("contest label twice", again("contests"), "contests[2].label", '"c2"'),
    (
        "option label twice",
        put("contests", 1, "options", 2, "label", to="a"),
        "contests[1].options[2].label",
        '"a"',
    ),
    ("style label twice", again("ballot_styles"), "ballot_styles[2].label", '"second"'),
    ("unit label twice", again("units"), "units[3].label", '"left"'),
    ("device label twice", again("devices"), "devices[2].label", '"d2"'),
    (
        "style of no contest",
        put("ballot_styles", 1, "contests", 0, to="c3"),
        "ballot_styles[1].contests[0]",
        'no contest "c3"',
    ),
    (
        "style with a contest twice",
        put("ballot_styles", 1, "contests", to=["c2", "c2"]),
        "ballot_styles[1].contests[1]",
        "twice",
    ),
    (
        "unit of no style",
        put("units", 1, "ballot_styles", 1, to="third"),
        "units[1].ballot_styles[1]",
        'no ballot style "third"',
    ),
    (
        "unit with a style twice",
        put("units", 1, "ballot_styles", to=["both", "both"]),
        "units[1].ballot_styles[1]",
        "twice",
    ),
    ("unit of no parent", put("units", 1, "parent", to="bottom"), "units[1].parent", "no unit"),
    ("parent left out", drop("units", 1, "parent"), "units[1].parent", "is missing"),
    ("parent is a number", put("units", 1, "parent", to=0), "units[1].parent", "is 0"),
    ("own parent", put("units", 0, "parent", to="top"), "units[0].parent", '"top" > "top"'),
    (
        "parent with styles",
        put("units", 0, "ballot_styles", to=["both"]),
        "units[0].ballot_styles",
        "not empty",
    ),
    (
        "leaf without styles",
        put("units", 2, "ballot_styles", to=[]),
        "units[2].ballot_styles",
        "is empty",
    ),
    ("device of no unit", put("devices", 1, "units", 0, to="x"), "devices[1].units[0]", "no unit"),
    (
        "device with a unit twice",
        put("devices", 0, "units", to=["left", "left"]),
        "devices[0].units[1]",
        "twice",
    ),
    (
        "no selection limit",
        put("contests", 0, "selection_limit", to=0),
        "contests[0].selection_limit",
        "is 0",
    ),
    (
        "limit not whole",
        put("contests", 0, "selection_limit", to=1.5),
        "contests[0].selection_limit",
        "is 1.5",
    ),
    (
        "limit is true",
        put("contests", 0, "option_limit", to=True),
        "contests[0].option_limit",
        "is true or false",
    ),
    (
        "limit above 1,000",
        put("contests", 1, "option_limit", to=1001),
        "contests[1].option_limit",
        "is 1001",
    ),
    ("no privacy at all", put("privacy_floor", to=0), "privacy_floor", "is 0"),
    ("negative privacy", put("privacy_floor", to=-1), "privacy_floor", "is -1"),
    ("too much privacy", put("privacy_floor", to=1_000_001), "privacy_floor", "is 1000001"),
    ("half a floor", put("privacy_floor", to=2.5), "privacy_floor", "is 2.5"),
    ("floor is true", put("privacy_floor", to=True), "privacy_floor", "is true or false"),
    ("floor is a string", put("privacy_floor", to="5"), "privacy_floor", 'is "5"'),
    ("floor is null", put("privacy_floor", to=None), "privacy_floor", "is null"),
    ("floor is a list", put("privacy_floor", to=[5]), "privacy_floor", "is a list"),
    ("groups are null", put("groups", to=None), "groups", "is null"),
    ("groups are a number", put("groups", to=20), "groups", "is 20"),
    ("groups are a list", put("groups", to=[20, 30]), "groups", "is a list"),
    ("groups without an end", put("groups", to={"ballots": 2}), "groups.seconds", "is missing"),
    ("groups without a size", put("groups", to={"seconds": 2}), "groups.ballots", "is missing"),
    (
        "groups by the minute",
        put("groups", to={"ballots": 2, "seconds": 3, "minutes": 1}),
        "groups.minutes",
        "is no member",
    ),
    ("groups of none", groups(ballots=0), "groups.ballots", "is 0"),
    ("groups of fewer", groups(ballots=-1), "groups.ballots", "is -1"),
    ("groups of too many", groups(ballots=1001), "groups.ballots", "is 1001"),
    ("groups of true", groups(ballots=True), "groups.ballots", "is true or false"),
    ("groups in letters", groups(ballots="20"), "groups.ballots", 'is "20"'),
    ("groups of a half", groups(ballots=0.5), "groups.ballots", "is 0.5"),
    ("groups at once", groups(seconds=0), "groups.seconds", "is 0"),
    ("groups of a long time", groups(seconds=61), "groups.seconds", "is 61"),
    ("groups of half a second", groups(seconds=0.5), "groups.seconds", "is 0.5"),
    ("groups of some time", groups(seconds=None), "groups.seconds", "is null"),
    (
        "option limit above selection limit",
        put("contests", 0, "option_limit", to=2),
        "contests[0].option_limit",
        "above the selection limit 1",
    ),
    (
        "selection limit out of reach",
        put("contests", 1, "selection_limit", to=7),
        "contests[1].selection_limit",
        "3 options take at most 2",
    ),
]


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [pytest.param(*row[1:], id=row[0]) for row in BROKEN],
)
def test_a_broken_rule_is_named_with_its_place(
    change: Callable[[dict[str, Any]], None], field: str, problem: str
) -> None:
    """One change to a good manifest gives one error, at the changed place, with advice."""
    document = small()
    assert parse(document)
    broken = copy.deepcopy(document)
    change(broken)
    error = refusal(broken)
    assert error.field == field
    assert problem in error.problem
    assert error.advice.endswith(".")
    assert "Also wrong" not in error.advice


def test_a_cycle_of_parents_is_reported_once() -> None:
    """Three units in a circle make one error, at the first of them."""
    document = small()
    for unit, parent in zip(document["units"], ("right", "top", "left"), strict=True):
        unit.update(parent=parent, ballot_styles=[])
    error = refusal(document)
    assert error.field == "units[0].parent"
    assert error.problem.endswith('"top" > "right" > "left" > "top"')
    assert "Also wrong" not in error.advice


def test_several_errors_come_together() -> None:
    """The first fault is the exception, nine more stand in its text, the rest is counted out."""
    document = small()
    document["units"] = [{"label": "u"} for _ in range(6)]
    error = refusal(document)
    assert error.field == "units[0].name"
    assert error.advice.count("is missing") == 9
    assert "units[3].name: is missing" in error.advice
    assert error.advice.endswith("; and more.")


@pytest.mark.parametrize("document", [[], "text", 3, None, True, {}])
def test_another_json_value_is_no_manifest(document: object) -> None:
    """Whatever JSON value the file holds, the error says what is missing from it."""
    assert refusal(document).field in {"manifest", "format"}


BYTES: list[tuple[str, bytes, str, str]] = [
    ("empty file", b"", "manifest", "is not JSON"),
    ("no JSON", b"<xml/>", "manifest", "line 1, column 1"),
    ("cut off", b'{"format": ', "manifest", "is not JSON"),
    ("two values", b"{} {}", "manifest", "is not JSON: extra data"),
    ("trailing comma", b'{"a": 1,}', "manifest", "is not JSON"),
    ("comment", b"{} // x", "manifest", "is not JSON"),
    ("tab in a string", b'{"a": "\t"}', "manifest", "is not JSON"),
    ("byte order mark", b"\xef\xbb\xbf{}", "manifest", "byte order mark"),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), "manifest", "byte order mark"),
    ("not UTF-8", b'{"label": "\xff"}', "manifest", "is not UTF-8 at byte 11"),
    ("overlong UTF-8", b'{"label": "\xc0\x80"}', "manifest", "is not UTF-8"),
    ("UTF-8 surrogate", b'{"label": "\xed\xa0\x80"}', "manifest", "is not UTF-8"),
    ("deep lists", b"[" * 500_000, "manifest", ""),
    ("deep objects", b'{"a":' * 500_000, "manifest", ""),
    ("deep and closed", b"[" * 100_000 + b"]" * 100_000, "manifest", ""),
    ("member twice", b'{"label": "a", "label": "a"}', "label", "more than once"),
    ("member twice inside", b'{"a": [0, {"b": 1, "b": 2}]}', "a[1].b", "more than once"),
    ("twice by escape", b'{"ab": 1, "\\u0061b": 2}', "ab", "more than once"),
    (
        "twice in what is twice",
        b'{"a": {"b": 1, "b": 2}, "a": 3}',
        "a",
        "more than once",
    ),
    ("half a surrogate pair", b'{"label": "\\ud800"}', "label", "surrogate"),
    ("half a pair in a member", b'{"\\udfff": 1}', "manifest", "surrogate"),
]


@pytest.mark.parametrize(
    ("data", "field", "problem"), [pytest.param(*row[1:], id=row[0]) for row in BYTES]
)
def test_bytes_that_are_no_json_are_refused(data: bytes, field: str, problem: str) -> None:
    """Each way of not being one JSON text in UTF-8 is a Malformed with its place."""
    with pytest.raises(Malformed) as caught:
        parse_manifest(data)
    assert caught.value.field == field
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    "token",
    ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "-" + "1" * 30],
    ids=["NaN", "Infinity", "-Infinity", "1e999", "5,000 digits", "negative"],
)
def test_no_number_is_taken_for_a_limit(token: str) -> None:
    """NaN, Infinity and numbers of any length are refused where they stand."""
    document = small()
    document["contests"][1]["option_limit"] = "here"
    data = json.dumps(document).replace('"here"', token).encode()
    with pytest.raises(Malformed) as caught:
        parse_manifest(data)
    assert caught.value.field == "contests[1].option_limit"
    assert len(str(caught.value)) < 200


def test_a_file_over_the_limit_is_refused_unread() -> None:
    """More than 15 MiB would not fit into an artifact."""
    with pytest.raises(Malformed, match="more than"):
        parse_manifest(b" " * (MAX_BYTES + 1))


def test_a_surrogate_pair_is_one_character() -> None:
    """Both halves together are allowed: JSON writes characters above U+FFFF so."""
    document = small()
    document["label"] = "vote \U0001f5f3"
    data = json.dumps(document).encode()
    assert b"\\ud83d\\uddf3" in data
    assert parse_manifest(data).label == "vote \U0001f5f3"


def test_an_error_stays_short_whatever_the_file_holds() -> None:
    """A member of a million characters does not come back in the error."""
    document = small()
    document["x" * 1_000_000] = "y" * 1_000_000
    document["label"] = "z" * 1_000_000
    assert len(str(refusal(document))) < 1000


def test_too_many_tallies_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest that would make more tallies than the limit is refused, at the limit not."""
    data = EXAMPLE.read_bytes()
    cells = len(parse_manifest(data).cells())
    monkeypatch.setattr("record.manifest_rules.MAX_CELLS", cells)
    parse_manifest(data)
    monkeypatch.setattr("record.manifest_rules.MAX_CELLS", cells - 1)
    with pytest.raises(Malformed) as caught:
        parse_manifest(data)
    assert caught.value.field == "units"


def test_check_shows_the_floor(tmp_path: Path) -> None:
    """`sailau manifest check` says what is not opened, to people and to programs."""
    file = tmp_path / "manifest.json"
    for document, floor in ((small(), 0), ({**small(), "privacy_floor": 30}, 30)):
        file.write_text(json.dumps(document))
        told = CliRunner().invoke(check_manifest, ["check", str(file)])
        assert told.exit_code == 0
        assert ("fewer than 30 cast ballots" in " ".join(told.output.split())) == (floor == 30)
        told = CliRunner().invoke(check_manifest, ["check", "--json", str(file)])
        assert json.loads(told.output)["privacy_floor"] == floor


def test_check_shows_the_groups(tmp_path: Path) -> None:
    """And what is published together."""
    file = tmp_path / "manifest.json"
    some = {"ballots": 20, "seconds": 30}
    for document, expected in ((small(), None), ({**small(), "groups": some}, some)):
        file.write_text(json.dumps(document))
        told = CliRunner().invoke(check_manifest, ["check", str(file)])
        assert told.exit_code == 0
        words = "in groups of 20, or after 30 seconds"
        assert (words in " ".join(told.output.split())) == (expected is not None)
        told = CliRunner().invoke(check_manifest, ["check", "--json", str(file)])
        assert json.loads(told.output)["groups"] == expected
