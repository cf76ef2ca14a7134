"""The rules of a manifest that no schema can say.

A rule yields complaints in the order of the file, takes a document that the
schema has passed, and looks at nothing that the schema has checked. The table of
docs/record.md, "The manifest", and the paragraph below it are the list of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from record.manifest_schema import Complaint
from record.strict_json import JsonPath, shown

Document = Mapping[str, Any]

MAX_CELLS = 2**20
"""Pairs of a unit and a contest on one of its styles."""


def rule_complaints(document: Document) -> Iterator[Complaint]:
    """What docs/record.md refuses beyond the schema; the schema has passed."""
    yield from _languages(document["languages"])
    yield from _texts(document)
    yield from _dates(document["dates"])
    yield from _labels(document)
    for i, contest in enumerate(document["contests"]):
        yield from _limits(contest, ("contests", i))
    yield from _references(document)
    yield from _tree(document["units"])
    yield from _cells(document)


def _cells(document: Document) -> Iterator[Complaint]:
    contests = {style["label"]: set(style["contests"]) for style in document["ballot_styles"]}
    count = sum(
        len(set().union(*(contests.get(label, set()) for label in unit["ballot_styles"])))
        for unit in document["units"]
    )
    if count > MAX_CELLS:
        problem = f"units and contests make {count} tallies, more than {MAX_CELLS}"
        yield Complaint(("units",), problem, "hold several elections instead of one")


def _languages(languages: Sequence[str]) -> Iterator[Complaint]:
    for i in _repetitions(languages):
        yield Complaint(("languages", i), f"{shown(languages[i])} is listed twice", "Remove one.")


def _texts(document: Document) -> Iterator[Complaint]:
    languages = document["languages"]
    for path, text in _all_texts(document):
        for language in languages:
            if language not in text:
                advice = "Every text is given in every language of `languages`."
                yield Complaint((*path, language), "is missing", advice)
        for language in text:
            if language not in languages:
                advice = f"Remove it or add {shown(language)} to `languages`."
                yield Complaint((*path, language), "is no language of this manifest", advice)


def _all_texts(document: Document) -> Iterator[tuple[JsonPath, Mapping[str, str]]]:
    yield ("name",), document["name"]
    for i, contest in enumerate(document["contests"]):
        yield ("contests", i, "name"), contest["name"]
        for j, option in enumerate(contest["options"]):
            yield ("contests", i, "options", j, "name"), option["name"]
    for listed in ("ballot_styles", "units"):
        for i, item in enumerate(document[listed]):
            yield (listed, i, "name"), item["name"]


def _dates(dates: Mapping[str, str]) -> Iterator[Complaint]:
    known = {}
    for name in ("opens", "closes"):
        try:
            known[name] = datetime.date.fromisoformat(dates[name])
        except ValueError:
            problem = f"is {shown(dates[name])}, a date that no calendar has"
            yield Complaint(("dates", name), problem, "Write it as YYYY-MM-DD.")
    if len(known) == 2 and known["opens"] > known["closes"]:
        problem = f"is {dates['opens']}, after the close on {dates['closes']}"
        yield Complaint(("dates", "opens"), problem, "The polls open before they close.")


def _labels(document: Document) -> Iterator[Complaint]:
    yield from _unique(document["contests"], ("contests",))
    for i, contest in enumerate(document["contests"]):
        yield from _unique(contest["options"], ("contests", i, "options"))
    for listed in ("ballot_styles", "units", "devices"):
        yield from _unique(document[listed], (listed,))


def _unique(items: Sequence[Mapping[str, Any]], path: JsonPath) -> Iterator[Complaint]:
    labels = [item["label"] for item in items]
    for i in _repetitions(labels):
        problem = f"{shown(labels[i])} is the label of an earlier one in this list"
        yield Complaint((*path, i, "label"), problem, "Give each its own label.")


def _limits(contest: Mapping[str, Any], path: JsonPath) -> Iterator[Complaint]:
    selection, option = contest["selection_limit"], contest["option_limit"]
    options = len(contest["options"])
    if option > selection:
        problem = f"is {option}, above the selection limit {selection}"
        advice = "One option cannot take more than the whole contest (3.1.3)."
        yield Complaint((*path, "option_limit"), problem, advice)
    if selection > option * options:
        problem = f"is {selection}, but {options} options take at most {option} each"
        yield Complaint(
            (*path, "selection_limit"), problem, f"The most possible is {option * options}."
        )


def _references(document: Document) -> Iterator[Complaint]:
    contests = _labels_of(document["contests"])
    styles = _labels_of(document["ballot_styles"])
    units = _labels_of(document["units"])
    for i, style in enumerate(document["ballot_styles"]):
        yield from _known(style["contests"], contests, ("ballot_styles", i, "contests"))
    for i, unit in enumerate(document["units"]):
        parent = unit["parent"]
        if parent is not None and parent not in units:
            yield _unknown(parent, ("units", i, "parent"), "unit")
        yield from _known(unit["ballot_styles"], styles, ("units", i, "ballot_styles"))
    for i, device in enumerate(document["devices"]):
        yield from _known(device["units"], units, ("devices", i, "units"))


def _known(labels: Sequence[str], known: frozenset[str], path: JsonPath) -> Iterator[Complaint]:
    for i in _repetitions(labels):
        yield Complaint((*path, i), f"{shown(labels[i])} is listed twice", "Remove one.")
    for i, label in enumerate(labels):
        if label not in known:
            yield _unknown(label, (*path, i), str(path[-1]).removesuffix("s").replace("_", " "))


def _unknown(label: str, path: JsonPath, kind: str) -> Complaint:
    return Complaint(
        path, f"there is no {kind} {shown(label)}", "Correct the label or add what it names."
    )


def _tree(units: Sequence[Mapping[str, Any]]) -> Iterator[Complaint]:
    parents = {unit["label"]: unit["parent"] for unit in units}
    with_children = frozenset(parents.values())
    for i, unit in enumerate(units):
        path = ("units", i, "ballot_styles")
        if unit["label"] in with_children and unit["ballot_styles"]:
            yield Complaint(
                path,
                f"is not empty, but {shown(unit['label'])} is the parent of another unit",
                "Ballots are cast in units without children: leave it empty here.",
            )
        if unit["label"] not in with_children and not unit["ballot_styles"]:
            yield Complaint(path, "is empty", "A unit without children needs a ballot style.")
    index = {unit["label"]: i for i, unit in enumerate(units)}
    for cycle in _cycles(parents):
        round_trip = " > ".join(shown(label) for label in (*cycle[:5], cycle[0]))
        yield Complaint(
            ("units", min(index[label] for label in cycle), "parent"),
            f"leads back to the unit itself: {round_trip}",
            "Give the topmost unit the parent null.",
        )


def _cycles(parents: Mapping[str, str | None]) -> Iterator[list[str]]:
    """Each cycle of the parents once, in time linear in their number."""
    done: set[str] = set()
    for start in parents:
        trail: dict[str, None] = {}
        label: str | None = start
        while label is not None and label in parents and label not in done and label not in trail:
            trail[label] = None
            label = parents[label]
        if label in trail:
            walked = list(trail)
            yield walked[walked.index(label) :]
        done.update(trail)


def _repetitions(values: Iterable[str]) -> Iterator[int]:
    seen: set[str] = set()
    for i, value in enumerate(values):
        if value in seen:
            yield i
        seen.add(value)


def _labels_of(items: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(item["label"] for item in items)
