"""The manifest: strict parsing and the rules of docs/record.md.

`parse_manifest` says everything that is wrong with a manifest, each with its path, and
still returns one if its shape allows: a broken rule need not end the verification.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from verifier.manifest_rules import MAX_FLOOR, MAX_SECONDS, Rules, ShapeError, load_json

FORMAT = "sailau-manifest/1"
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
    parents: dict[str, str]
    """By label: the unit that a unit belongs to; missing if it belongs to none."""
    devices: dict[str, Device]
    privacy_floor: int = 0
    """The least number of cast ballots in what is decrypted; 0 if there is no such rule."""

    def contest(self, label: str) -> Contest | None:
        """Find a contest by label."""
        return next((contest for contest in self.contests if contest.label == label), None)

    def cells(self) -> dict[Cell, Contest]:
        """Return what there is to tally: every unit with every contest on one of its styles.

        `small_units` says which units are then counted together.
        """
        cells: dict[Cell, Contest] = {}
        for unit, styles in self.units.items():
            contests = {c.index: c for style in styles for c in self.styles.get(style, ())}
            for i in sorted(contests):
                cells[unit, contests[i].label] = contests[i]
            if len(cells) > MAX_CELLS:
                raise ShapeError(f"there are more than {MAX_CELLS} tallies to make")
        return cells


def _texts(rules: Rules, value: Any, path: str, languages: list[str]) -> dict[str, str]:
    texts = rules.members(value, path, tuple(languages))
    return {
        language: rules.text(text, f"{path}.{language}")
        for language, text in texts.items()
        if language in languages
    }


def _dates(rules: Rules, value: Any) -> None:
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


def _contest(rules: Rules, value: Any, path: str, index: int, languages: list[str]) -> Contest:
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
    rules: Rules, value: Any, contests: tuple[Contest, ...], languages: list[str]
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
    rules: Rules, value: Any, styles: dict[str, tuple[Contest, ...]], languages: list[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Return the units' styles and their parents."""
    units: dict[str, tuple[str, ...]] = {}
    parents: dict[str, str] = {}
    labels = []
    for i, raw in enumerate(rules.items(value, "units")):
        path = f"units[{i}]"
        item = rules.members(raw, path, ("label", "name", "parent", "ballot_styles"))
        _texts(rules, item["name"], f"{path}.name", languages)
        label = rules.label(item["label"], f"{path}.label")
        labels.append(label)
        if item["parent"] is not None:
            parents[label] = rules.label(item["parent"], f"{path}.parent")
        taken = item["ballot_styles"]
        # Only here may a list be empty: a unit with children takes no ballots.
        named = rules.labels(taken, f"{path}.ballot_styles") if taken != [] else []
        for style in named:
            rules.require(style in styles, path, f"there is no ballot style {style!r}")
        units[label] = tuple(named)
    rules.unique(labels, "units")
    _tree(rules, units, parents)
    return units, parents


def _tree(rules: Rules, units: dict[str, tuple[str, ...]], parents: dict[str, str]) -> None:
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


def _devices(rules: Rules, value: Any, units: dict[str, tuple[str, ...]]) -> dict[str, Device]:
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
        rules.require(len(information) <= 500, path, "information is above 500 characters")
        devices[label] = Device(label, information, frozenset(served))
    rules.unique(labels, "devices")
    return devices


def _privacy_floor(rules: Rules, top: dict[str, Any]) -> int:
    if "privacy_floor" not in top:
        return 0
    return rules.limit(top["privacy_floor"], "privacy_floor", MAX_FLOOR)


def _check_groups(rules: Rules, top: dict[str, Any]) -> None:
    """Check how the board groups what voters do; nothing in a record shows whether it does."""
    if "groups" in top:
        groups = rules.members(top["groups"], "groups", ("ballots", "seconds"))
        rules.limit(groups["ballots"], "groups.ballots")
        rules.limit(groups["seconds"], "groups.seconds", MAX_SECONDS)


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
_OPTIONAL = ("privacy_floor", "groups")


def _build(rules: Rules, data: bytes) -> Manifest:
    top = rules.members(load_json(data), "manifest", _MEMBERS, _OPTIONAL)
    _check_groups(rules, top)
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
    units, parents = _units(rules, top["units"], styles, languages)
    manifest = Manifest(
        label=rules.label(top["label"], "label"),
        name=name,
        chaining="none" if top["chaining"] == "none" else "simple",
        contests=contests,
        styles=styles,
        units=units,
        parents=parents,
        devices=_devices(rules, top["devices"], units),
        privacy_floor=_privacy_floor(rules, top),
    )
    manifest.cells()
    return manifest


def parse_manifest(data: bytes) -> tuple[Manifest | None, tuple[str, ...]]:
    """Parse a manifest file: what it says, and every rule it breaks (none if valid).

    The manifest is None if its shape is so wrong that it says nothing.
    """
    rules = Rules()
    build: Callable[[Rules, bytes], Manifest] = _build
    try:
        return build(rules, data), tuple(rules.problems)
    except ShapeError as error:
        return None, (*rules.problems, str(error))
