"""The manifest: strict parsing and the rules of docs/record.md.

`parse_manifest` says everything that is wrong with a manifest, each with its path, and
still returns one if its shape allows: a broken rule need not end the verification.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

FORMAT = "sailau-manifest/1"
MAX_LIMIT = 1000
MAX_CELLS = 1 << 20
"""Tallies, one for each unit and contest; a bound on what a hostile manifest can ask for."""

Cell = tuple[str, str]
"""Labels of a unit and a contest."""

_LANGUAGES = ("kk", "ru", "en")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Contest:
    """A contest: its index (from 1), limits L and R, and the labels of its options."""

    index: int
    label: str
    selection_limit: int
    option_limit: int
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """A device: S_device, and the units it may serve."""

    label: str
    information: str
    units: frozenset[str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the checks need of a manifest; dictionaries keep its order."""

    label: str
    name: dict[str, str]
    chaining: str
    contests: tuple[Contest, ...]
    styles: dict[str, tuple[Contest, ...]]
    """By label: the contests of the style in manifest order."""
    units: dict[str, tuple[str, ...]]
    """By label: the styles a unit takes; none for a unit with children."""
    devices: dict[str, Device]

    def contest(self, label: str) -> Contest | None:
        """Find a contest by label."""
        return next((contest for contest in self.contests if contest.label == label), None)

    def cells(self) -> dict[Cell, Contest]:
        """Return what is tallied: every unit with every contest on one of its styles."""
        cells: dict[Cell, Contest] = {}
        for unit, styles in self.units.items():
            contests = {c.index: c for style in styles for c in self.styles.get(style, ())}
            for i in sorted(contests):
                cells[unit, contests[i].label] = contests[i]
            if len(cells) > MAX_CELLS:
                raise _Shape(f"there are more than {MAX_CELLS} tallies to make")
        return cells


class _Shape(Exception):
    """The manifest's shape is so wrong that nothing can be built from it."""


class _Rules:
    """Collects broken rules with their paths."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def broken(self, path: str, problem: str) -> None:
        self.problems.append(f"{path}: {problem}")

    def require(self, holds: bool, path: str, problem: str) -> None:
        if not holds:
            self.broken(path, problem)

    def members(self, value: Any, path: str, names: tuple[str, ...]) -> dict[str, Any]:
        """Return an object that has exactly these members."""
        if not isinstance(value, dict):
            raise _Shape(f"{path}: not an object")
        for name in names:
            if name not in value:
                raise _Shape(f"{path}: the member {name!r} is missing")
        for name in value:
            self.require(name in names, path, f"the member {name[:100]!r} is unknown")
        return value

    def items(self, value: Any, path: str) -> list[Any]:
        """Return a list with something in it."""
        if not isinstance(value, list):
            raise _Shape(f"{path}: not a list")
        self.require(bool(value), path, "an empty list")
        return value

    def text(self, value: Any, path: str) -> str:
        """Return a string that UTF-8 can hold."""
        if not isinstance(value, str):
            raise _Shape(f"{path}: not a string")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _Shape(f"{path}: half a surrogate pair")
        return value

    def label(self, value: Any, path: str) -> str:
        """Return a label."""
        label = self.text(value, path)
        good = (
            1 <= len(label) <= 100
            and label == label.strip()
            and not any(unicodedata.category(character) == "Cc" for character in label)
        )
        self.require(good, path, "not a label of 1 to 100 characters without outer space")
        return label

    def labels(self, value: Any, path: str) -> list[str]:
        """Return a list of references: labels that do not repeat."""
        labels = [
            self.label(item, f"{path}[{i}]") for i, item in enumerate(self.items(value, path))
        ]
        self.unique(labels, path)
        return labels

    def unique(self, labels: list[str], path: str) -> None:
        """Require that no label stands twice."""
        self.require(len(set(labels)) == len(labels), path, "a label stands twice")

    def limit(self, value: Any, path: str) -> int:
        """Return a limit, 1 to 1,000."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise _Shape(f"{path}: not a whole number")
        if not 1 <= value <= MAX_LIMIT:
            raise _Shape(f"{path}: not between 1 and {MAX_LIMIT}")
        return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a member stands twice in one object")
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _load(data: bytes) -> Any:
    if data.startswith(b"\xef\xbb\xbf"):
        raise _Shape("it begins with a byte order mark")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise _Shape("it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _Shape(f"it is not JSON: {str(error)[:200]}") from error


def _texts(rules: _Rules, value: Any, path: str, languages: list[str]) -> dict[str, str]:
    texts = rules.members(value, path, tuple(languages))
    return {
        language: rules.text(text, f"{path}.{language}")
        for language, text in texts.items()
        if language in languages
    }


def _dates(rules: _Rules, value: Any) -> None:
    dates = rules.members(value, "dates", ("opens", "closes"))
    days = []
    for name in ("opens", "closes"):
        text = rules.text(dates[name], f"dates.{name}")
        try:
            days.append(date.fromisoformat(text if _DATE.fullmatch(text) else ""))
        except ValueError:
            rules.broken(f"dates.{name}", "not a date YYYY-MM-DD")
            return
    rules.require(days[0] <= days[1], "dates", "opens is after closes")


def _contest(rules: _Rules, value: Any, path: str, index: int, languages: list[str]) -> Contest:
    members = ("label", "name", "selection_limit", "option_limit", "options")
    item = rules.members(value, path, members)
    _texts(rules, item["name"], f"{path}.name", languages)
    options = []
    for i, raw in enumerate(rules.items(item["options"], f"{path}.options")):
        option = rules.members(raw, f"{path}.options[{i}]", ("label", "name"))
        options.append(rules.label(option["label"], f"{path}.options[{i}].label"))
        _texts(rules, option["name"], f"{path}.options[{i}].name", languages)
    rules.unique(options, f"{path}.options")
    selection = rules.limit(item["selection_limit"], f"{path}.selection_limit")
    option_limit = rules.limit(item["option_limit"], f"{path}.option_limit")
    rules.require(option_limit <= selection, path, "option_limit is above selection_limit")
    rules.require(
        selection <= option_limit * len(options), path, "selection_limit is above what can be given"
    )
    label = rules.label(item["label"], f"{path}.label")
    return Contest(index, label, selection, option_limit, tuple(options))


def _styles(
    rules: _Rules, value: Any, contests: tuple[Contest, ...], languages: list[str]
) -> dict[str, tuple[Contest, ...]]:
    known = {contest.label for contest in contests}
    styles: dict[str, tuple[Contest, ...]] = {}
    labels = []
    for i, raw in enumerate(rules.items(value, "ballot_styles")):
        path = f"ballot_styles[{i}]"
        item = rules.members(raw, path, ("label", "name", "contests"))
        _texts(rules, item["name"], f"{path}.name", languages)
        named = set(rules.labels(item["contests"], f"{path}.contests"))
        for label in sorted(named):
            rules.require(label in known, path, f"there is no contest {label!r}")
        labels.append(rules.label(item["label"], f"{path}.label"))
        styles[labels[-1]] = tuple(contest for contest in contests if contest.label in named)
    rules.unique(labels, "ballot_styles")
    return styles


def _units(
    rules: _Rules, value: Any, styles: dict[str, tuple[Contest, ...]], languages: list[str]
) -> dict[str, tuple[str, ...]]:
    units: dict[str, tuple[str, ...]] = {}
    parents: dict[str, str] = {}
    labels = []
    for i, raw in enumerate(rules.items(value, "units")):
        path = f"units[{i}]"
        names: tuple[str, ...] = ("label", "name", "parent")
        if isinstance(raw, dict) and "ballot_styles" in raw:
            names += ("ballot_styles",)
        item = rules.members(raw, path, names)
        _texts(rules, item["name"], f"{path}.name", languages)
        label = rules.label(item["label"], f"{path}.label")
        labels.append(label)
        if item["parent"] is not None:
            parents[label] = rules.label(item["parent"], f"{path}.parent")
        taken = item.get("ballot_styles")
        # A unit with children may leave the member out or leave it empty.
        named = rules.labels(taken, f"{path}.ballot_styles") if taken not in (None, []) else []
        for style in named:
            rules.require(style in styles, path, f"there is no ballot style {style!r}")
        units[label] = tuple(named)
    rules.unique(labels, "units")
    _tree(rules, units, parents)
    return units


def _tree(rules: _Rules, units: dict[str, tuple[str, ...]], parents: dict[str, str]) -> None:
    for label, parent in parents.items():
        rules.require(parent in units, "units", f"there is no unit {parent!r}, parent of {label!r}")
    inner = set(parents.values())
    for label, styles in units.items():
        if label in inner:
            rules.require(not styles, "units", f"{label!r} has children and ballot styles")
        else:
            rules.require(
                bool(styles), "units", f"{label!r} has neither children nor ballot styles"
            )
    safe: set[str] = set()
    for label in units:
        path: set[str] = set()
        here: str | None = label
        while here is not None and here not in safe and here not in path:
            path.add(here)
            here = parents.get(here)
        if here in path:
            rules.broken("units", f"the parents of {here!r} form a cycle")
            return
        safe.update(path)


def _devices(rules: _Rules, value: Any, units: dict[str, tuple[str, ...]]) -> dict[str, Device]:
    devices: dict[str, Device] = {}
    labels = []
    for i, raw in enumerate(rules.items(value, "devices")):
        path = f"devices[{i}]"
        item = rules.members(raw, path, ("label", "information", "units"))
        label = rules.label(item["label"], f"{path}.label")
        labels.append(label)
        served = rules.labels(item["units"], f"{path}.units")
        for unit in served:
            rules.require(unit in units, path, f"there is no unit {unit!r}")
        information = rules.text(item["information"], f"{path}.information")
        rules.require(1 <= len(information) <= 500, path, "information is not 1 to 500 characters")
        devices[label] = Device(label, information, frozenset(served))
    rules.unique(labels, "devices")
    return devices


_MEMBERS = (
    "format",
    "label",
    "name",
    "languages",
    "dates",
    "chaining",
    "contests",
    "ballot_styles",
    "units",
    "devices",
)


def _build(rules: _Rules, data: bytes) -> Manifest:
    top = rules.members(_load(data), "manifest", _MEMBERS)
    rules.require(top["format"] == FORMAT, "format", f"not {FORMAT!r}")
    languages = rules.labels(top["languages"], "languages")
    for language in languages:
        rules.require(language in _LANGUAGES, "languages", f"{language!r} is not kk, ru or en")
    name = _texts(rules, top["name"], "name", languages)
    _dates(rules, top["dates"])
    rules.require(top["chaining"] in ("simple", "none"), "chaining", "not 'simple' or 'none'")
    contests = tuple(
        _contest(rules, raw, f"contests[{i}]", i + 1, languages)
        for i, raw in enumerate(rules.items(top["contests"], "contests"))
    )
    rules.unique([contest.label for contest in contests], "contests")
    styles = _styles(rules, top["ballot_styles"], contests, languages)
    units = _units(rules, top["units"], styles, languages)
    manifest = Manifest(
        label=rules.label(top["label"], "label"),
        name=name,
        chaining="none" if top["chaining"] == "none" else "simple",
        contests=contests,
        styles=styles,
        units=units,
        devices=_devices(rules, top["devices"], units),
    )
    manifest.cells()
    return manifest


def parse_manifest(data: bytes) -> tuple[Manifest | None, tuple[str, ...]]:
    """Parse a manifest file: what it says, and every rule it breaks (none if valid).

    The manifest is None if its shape is so wrong that it says nothing.
    """
    rules = _Rules()
    build: Callable[[_Rules, bytes], Manifest] = _build
    try:
        return build(rules, data), tuple(rules.problems)
    except _Shape as error:
        return None, (*rules.problems, str(error))
