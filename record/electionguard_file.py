"""An electionguard 1.x manifest as it stands in its file: reading, and taking notes.

Nothing here knows what the members mean; see electionguard_manifest.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from crypto.errors import Malformed
from record.manifest import MAX_BYTES
from record.strict_json import JsonPath, json_path, read_json, shown

DOCUMENT = "the electionguard manifest"

_LONGEST_LABEL = 100
_MOST_PLACES = 3


class Notes:
    """What to tell the user: each sentence once, with the places that it is about."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, sentence: str) -> None:
        """Say this once, about no place in particular. Without its full stop."""
        self._places.setdefault(sentence, [])

    def add_places(self, sentence: str, places: Iterable[str]) -> None:
        """Say this about these places; say nothing if there are none."""
        if listed := list(places):
            self._places.setdefault(sentence, []).extend(listed)

    def sentences(self) -> list[str]:
        """In the order in which they were first said."""
        return [_with_places(sentence, places) for sentence, places in self._places.items()]


class Item:
    """A JSON object of the file. It knows its place, and which members were read."""

    def __init__(self, value: object, path: JsonPath, notes: Notes) -> None:
        self._path = path
        self._notes = notes
        if not isinstance(value, dict):
            raise self.malformed(f"is {shown(value)}, not an object")
        self._members: Mapping[str, object] = value
        self._read: set[str] = set()

    def place(self, *steps: str | int) -> str:
        """The place of a member, or of the object itself, for people."""
        return json_path((*self._path, *steps), DOCUMENT)

    def malformed(self, problem: str, *steps: str | int, advice: str = "") -> Malformed:
        """An error about a member, or about the object itself."""
        return Malformed(self.place(*steps), problem, advice)

    def get(self, name: str) -> object:
        """A member's value; null and absence are the same to electionguard."""
        self._read.add(name)
        return self._members.get(name)

    def string(self, name: str) -> str:
        """A member that has to be a string."""
        value = self.get(name)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def integer(self, name: str) -> int:
        """A member that has to be a whole number."""
        value = self.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "a whole number")
        return value

    def label(self) -> str:
        """The object_id, which becomes a label of ours."""
        label = self.string("object_id")
        if not 0 < len(label) <= _LONGEST_LABEL or label != label.strip():
            advice = "It becomes a label: 1 to 100 characters, no white space at either end."
            raise self.malformed(f"is {shown(label)}", "object_id", advice=advice)
        return label

    def strings(self, name: str) -> list[str]:
        """A list of strings; empty if the member is absent."""
        values = self._values(name)
        for i, value in enumerate(values):
            if not isinstance(value, str):
                raise self.malformed(f"is {shown(value)}, not a string", name, i)
        return [value for value in values if isinstance(value, str)]

    def items(self, name: str) -> list[Item]:
        """A list of objects; empty if the member is absent."""
        values = enumerate(self._values(name))
        return [Item(value, (*self._path, name, i), self._notes) for i, value in values]

    def labelled(self, name: str) -> dict[str, Item]:
        """A list of objects by their object_id, in the order of the file."""
        found: dict[str, Item] = {}
        for item in self.items(name):
            label = item.label()
            if label in found:
                advice = "electionguard wants them unique, too."
                raise item.malformed(f"{shown(label)} is there twice", "object_id", advice=advice)
            found[label] = item
        return found

    def texts(self, name: str) -> Iterator[tuple[str, str]]:
        """The (language, text) pairs of an InternationalizedText that say something."""
        value = self.get(name)
        if value is None:
            return
        for entry in Item(value, (*self._path, name), self._notes).items("text"):
            language = entry.string("language") if entry.get("language") else "en"
            text = entry.string("value")
            if text.strip():
                yield language, text

    def leave_out(self, sentence: str, *names: str) -> None:
        """Note those of the members that say something."""
        told = [name for name in names if self.get(name) not in (None, "", [], {}, False)]
        self._notes.add_places(sentence, (self.place(name) for name in told))

    def leave_out_the_rest(self) -> None:
        """Note the members that nobody has asked for."""
        self.leave_out(
            "Members that are unknown here are left out",
            *(name for name in self._members if name not in self._read),
        )

    def _values(self, name: str) -> list[object]:
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return value

    def _wrong(self, name: str, wanted: str) -> Malformed:
        value = self.get(name)
        if value is None:
            return self.malformed("is missing", name, advice=f"It has to be {wanted}.")
        return self.malformed(f"is {shown(value)}, not {wanted}", name)


def read_file(data: bytes, notes: Notes) -> Item:
    """The object that the file holds. Raises `Malformed`."""
    return Item(read_json(data, DOCUMENT, MAX_BYTES), (), notes)


def _with_places(sentence: str, places: list[str]) -> str:
    if not places:
        return f"{sentence}."
    more = len(places) - _MOST_PLACES
    rest = f" and {more} more" if more > 0 else ""
    return f"{sentence}: {', '.join(places[:_MOST_PLACES])}{rest}."
