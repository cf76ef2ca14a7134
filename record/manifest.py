"""The election manifest: one JSON file as checked, frozen values (spec 3.1.3).

`parse_manifest` is the only road from bytes to a `Manifest`. It refuses whatever
docs/record.md, "The manifest", refuses, with the place of the fault and what to
do about it, so that nothing downstream checks again. The exact bytes are kept:
they, and not a rendering of the values, are hashed into H_B (spec eq. 5).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any, TypeVar

from crypto.errors import Malformed
from record.manifest_rules import Document, rule_complaints
from record.manifest_schema import Complaint, schema_complaints
from record.strict_json import json_path, read_json, shown

MAX_BYTES = 15 * 1024 * 1024
"""A manifest goes into one artifact of at most 16 MiB, beside some keys."""

_MOST_COMPLAINTS = 10


class Chaining(StrEnum):
    """How a device's confirmation codes hang together (spec 3.4.4)."""

    SIMPLE = "simple"
    NONE = "none"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Text(Mapping[str, str]):
    """A text in every language of its manifest: language code to string.

    Iterates in the manifest's order of languages, and equals any mapping with
    the same texts.
    """

    texts: tuple[tuple[str, str], ...]

    def __getitem__(self, language: str) -> str:
        for code, text in self.texts:
            if code == language:
                return text
        raise KeyError(language)

    def __iter__(self) -> Iterator[str]:
        return (code for code, _ in self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def __hash__(self) -> int:
        return hash(frozenset(self.texts))

    def __repr__(self) -> str:
        return f"Text({dict(self.texts)!r})"

    def in_language(self, language: str) -> str:
        """The text in `language` ("kk", "ru-KZ"), or in the manifest's first one."""
        code = language.replace("_", "-").partition("-")[0].lower()
        return self.get(code, self.texts[0][1])


@dataclass(frozen=True, slots=True)
class Option:
    """A selectable option; `index` is its position in its contest, from 1."""

    index: int
    label: str
    name: Text


@dataclass(frozen=True, slots=True)
class Contest:
    """A contest; `selection_limit` is L, `option_limit` R; `index` counts from 1."""

    index: int
    label: str
    name: Text
    selection_limit: int
    option_limit: int
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class BallotStyle:
    """Which contests a ballot has, in the order of the manifest; `index` from 1."""

    index: int
    label: str
    name: Text
    contests: tuple[Contest, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """What results are reported by: a polling place, or a parent of units.

    `parent` and `ballot_styles` are labels; a parent has no ballot styles.
    """

    label: str
    name: Text
    parent: str | None
    ballot_styles: tuple[str, ...]

    @property
    def takes_ballots(self) -> bool:
        """Whether ballots are cast here: a unit without children."""
        return bool(self.ballot_styles)


@dataclass(frozen=True, slots=True)
class ManifestDevice:
    """An encrypting device; `information` is S_device (spec 3.4.3), `units` labels."""

    label: str
    information: str
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """What voters do goes onto the log in groups, so that nobody can tell their order.

    A group is complete with `ballots` ballots, casts and challenges, 1 to 1,000, or `seconds`
    after the first of them, 1 to 60.
    """

    ballots: int
    seconds: int


Labelled = TypeVar("Labelled", Contest, BallotStyle, Unit, ManifestDevice)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest. `source` is the file, byte for byte.

    `privacy_floor` is the least number of cast ballots in what is decrypted, 0 without one;
    `groups` is None where what comes within a tenth of a second is a group.
    """

    label: str
    name: Text
    languages: tuple[str, ...]
    opens: datetime.date
    closes: datetime.date
    chaining: Chaining
    contests: tuple[Contest, ...]
    ballot_styles: tuple[BallotStyle, ...]
    units: tuple[Unit, ...]
    devices: tuple[ManifestDevice, ...]
    privacy_floor: int
    groups: Groups | None
    source: bytes = field(repr=False)
    _contest: Mapping[str, Contest] = field(init=False, repr=False, compare=False)
    _style: Mapping[str, BallotStyle] = field(init=False, repr=False, compare=False)
    _unit: Mapping[str, Unit] = field(init=False, repr=False, compare=False)
    _device: Mapping[str, ManifestDevice] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, items in (
            ("_contest", self.contests),
            ("_style", self.ballot_styles),
            ("_unit", self.units),
            ("_device", self.devices),
        ):
            object.__setattr__(self, name, {item.label: item for item in items})

    def contest(self, label: str, path: str = "contest") -> Contest:
        """The contest of that label; raises Malformed at `path` if there is none."""
        return _look_up(self._contest, label, "contest", path)

    def style(self, label: str, path: str = "ballot_style") -> BallotStyle:
        """The ballot style of that label; raises Malformed at `path` if there is none."""
        return _look_up(self._style, label, "ballot style", path)

    def unit(self, label: str, path: str = "unit") -> Unit:
        """The unit of that label; raises Malformed at `path` if there is none."""
        return _look_up(self._unit, label, "unit", path)

    def device(self, label: str, path: str = "device") -> ManifestDevice:
        """The device of that label; raises Malformed at `path` if there is none."""
        return _look_up(self._device, label, "device", path)

    def contests_of(self, unit: Unit) -> tuple[Contest, ...]:
        """The contests on one of the unit's ballot styles, in the manifest's order."""
        styles = [self._style[label] for label in unit.ballot_styles]
        if len(styles) == 1:
            return styles[0].contests
        wanted = {contest.index for style in styles for contest in style.contests}
        return tuple(self.contests[index - 1] for index in sorted(wanted))

    def cells(self) -> tuple[tuple[Unit, Contest], ...]:
        """Every unit that takes ballots with each of its contests, by unit, then by contest.

        What is tallied where nothing is joined (`record.small_units`), in that order.
        """
        return tuple((unit, contest) for unit in self.units for contest in self.contests_of(unit))


def parse_manifest(data: bytes) -> Manifest:
    """The manifest that a file holds.

    Raises Malformed for the first fault; its `advice` lists up to nine more.
    """
    document = read_json(data, "manifest", MAX_BYTES)
    _refuse(schema_complaints(document))
    if not isinstance(document, dict):
        raise AssertionError("the schema lets only an object pass")
    _refuse(rule_complaints(document))
    return _build(document, data)


def _refuse(complaints: Iterator[Complaint]) -> None:
    found = list(islice(complaints, _MOST_COMPLAINTS + 1))
    if not found:
        return
    first, rest = found[0], found[1:_MOST_COMPLAINTS]
    advice = first.advice
    if rest:
        others = "; ".join(f"{json_path(c.path, 'manifest')}: {c.problem}" for c in rest)
        more = "; and more" if len(found) > _MOST_COMPLAINTS else ""
        advice = f"{advice} Also wrong: {others}{more}."
    raise Malformed(json_path(first.path, "manifest"), first.problem, advice)


def _build(document: Document, source: bytes) -> Manifest:
    languages = tuple(document["languages"])
    contests = tuple(
        _contest(index, item, languages) for index, item in enumerate(document["contests"], 1)
    )
    return Manifest(
        label=document["label"],
        name=_text(document["name"], languages),
        languages=languages,
        opens=datetime.date.fromisoformat(document["dates"]["opens"]),
        closes=datetime.date.fromisoformat(document["dates"]["closes"]),
        chaining=Chaining(document["chaining"]),
        contests=contests,
        ballot_styles=tuple(
            _style(index, item, contests, languages)
            for index, item in enumerate(document["ballot_styles"], 1)
        ),
        units=tuple(_unit(item, languages) for item in document["units"]),
        devices=tuple(_device(item) for item in document["devices"]),
        privacy_floor=int(document.get("privacy_floor", 0)),
        groups=_groups(document.get("groups")),
        source=bytes(source),
    )


def _text(texts: Mapping[str, str], languages: Sequence[str]) -> Text:
    return Text(tuple((language, texts[language]) for language in languages))


def _contest(index: int, item: Mapping[str, Any], languages: Sequence[str]) -> Contest:
    options = (
        Option(place, option["label"], _text(option["name"], languages))
        for place, option in enumerate(item["options"], 1)
    )
    return Contest(
        index=index,
        label=item["label"],
        name=_text(item["name"], languages),
        # The schema's "integer" is a matter of value: 1.0 is one, too.
        selection_limit=int(item["selection_limit"]),
        option_limit=int(item["option_limit"]),
        options=tuple(options),
    )


def _style(
    index: int, item: Mapping[str, Any], contests: Sequence[Contest], languages: Sequence[str]
) -> BallotStyle:
    wanted = frozenset(item["contests"])
    chosen = tuple(contest for contest in contests if contest.label in wanted)
    return BallotStyle(index, item["label"], _text(item["name"], languages), chosen)


def _unit(item: Mapping[str, Any], languages: Sequence[str]) -> Unit:
    name = _text(item["name"], languages)
    return Unit(item["label"], name, item["parent"], tuple(item["ballot_styles"]))


def _groups(item: Mapping[str, Any] | None) -> Groups | None:
    return None if item is None else Groups(int(item["ballots"]), int(item["seconds"]))


def _device(item: Mapping[str, Any]) -> ManifestDevice:
    return ManifestDevice(item["label"], item["information"], tuple(item["units"]))


def _look_up(items: Mapping[str, Labelled], label: str, kind: str, path: str) -> Labelled:
    found = items.get(label)
    if found is None:
        raise Malformed(
            path, f"the manifest has no {kind} {shown(label)}", "Use a label of the manifest."
        )
    return found
