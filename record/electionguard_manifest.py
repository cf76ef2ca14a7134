"""Manifests of electionguard 1.x, turned into ours.

The two formats say different things, so the result is a draft for somebody to
finish: `import_manifest` returns, beside the manifest, a sentence for everything
that it left out, filled in or decided. What it decides:

- Contests and options stand in the order of `sequence_order`. The selection limit
  is `votes_allowed`, or `number_elected` where that is null. The option limit is 1,
  except in a cumulative contest, where one option may take every vote.
- A ballot style has the contests of the geopolitical units that it lists.
- A ballot is counted for a unit here, and 1.x does not say for which. It is the
  most particular one that the style lists: a precinct, polling place or the like
  before any other, then the one that the fewest styles list, then the last. The
  others live on in the contests that they brought along.
- Texts are kept in Kazakh, Russian and English. Where one of the languages that
  occur is missing, another stands in for it.
- There are no devices in 1.x: each unit gets one.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from crypto.errors import Malformed
from record.electionguard_file import DOCUMENT, Item, Notes, read_file
from record.manifest import parse_manifest
from record.strict_json import shown

_LANGUAGES = ("kk", "ru", "en")
_LANGUAGE_CODES = {"kk": "kk", "kaz": "kk", "ru": "ru", "rus": "ru", "en": "en", "eng": "en"}
_PLACES_OF_VOTING = (
    ("ballot_batch", "combined_precinct", "drop_box", "polling_place")
    + ("precinct", "split_precinct", "vote_center", "ward")
)  # fmt: skip
_ADDED_UP = ("approval", "majority", "n_of_m", "one_of_m", "plurality", "super_majority")
_CUMULATIVE = "cumulative"
_HIGHEST_LIMIT = 1000

Texts = dict[str, str]


def import_manifest(data: bytes) -> tuple[bytes, list[str]]:
    """Turn an electionguard 1.x manifest (JSON) into a manifest of ours.

    Returns the manifest, indented JSON in UTF-8 that `parse_manifest` has accepted,
    and what a person has to know about it, one sentence each. The same input gives
    the same output. Raises `Malformed`, with the place in the file, for what is no
    electionguard manifest or cannot become one of ours.
    """
    notes = Notes()
    document = _Import(read_file(data, notes), notes).document()
    result = (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
    try:
        parse_manifest(result)
    except Malformed as error:
        raise Malformed(DOCUMENT, f"makes no manifest of ours: {error}") from error
    return result, notes.sentences()


class _Import:
    """One import. The lists that others refer to are read first."""

    def __init__(self, source: Item, notes: Notes) -> None:
        self._source = source
        self._notes = notes
        self._units = source.labelled("geopolitical_units")
        self._candidates = source.labelled("candidates")
        contests = source.labelled("contests")
        if not contests:
            raise source.malformed("is missing or empty", "contests", advice="Add a contest.")
        self._contests = dict(sorted(contests.items(), key=lambda pair: _order(pair[1])))
        self._styles = source.labelled("ballot_styles")
        self._districts = {
            label: self._known_unit(contest, contest.string("electoral_district_id"))
            for label, contest in self._contests.items()
        }
        self._languages = self._find_languages()
        self._listed = Counter(
            unit
            for style in self._styles.values()
            for unit in set(style.strings("geopolitical_unit_ids"))
        )

    def document(self) -> dict[str, Any]:
        """Our manifest, member by member."""
        source = self._source
        scope = source.string("election_scope_id")
        document: dict[str, Any] = {
            "format": "sailau-manifest/1",
            "label": scope,
            "name": self._text(source, "name", scope),
            "languages": list(self._languages),
            "dates": self._dates(),
            "chaining": "simple",
            "contests": [self._contest(*pair) for pair in self._contests.items()],
        }
        styles = self._ballot_styles()
        document["ballot_styles"] = list(styles.values())
        document["units"] = self._units_of(styles)
        document["devices"] = self._devices(unit["label"] for unit in document["units"])
        self._note_idle_candidates()
        self._notes.add("1.x has no chaining mode: it is simple")
        self._notes.add("1.x has no privacy floor: there is none, however small a unit is")
        source.leave_out("The election's type and version are left out", "type", "spec_version")
        source.leave_out("Parties are left out", "parties")
        source.leave_out("Contact information is left out", "contact_information")
        source.leave_out_the_rest()
        return document

    # --- texts

    def _find_languages(self) -> tuple[str, ...]:
        """Those of kk, ru and en in which anything is said."""
        places = [(self._source, "name")]
        places += [(contest, "ballot_title") for contest in self._contests.values()]
        places += [(candidate, "name") for candidate in self._candidates.values()]
        said = {code: _code(code) for item, name in places for code, _ in item.texts(name)}
        others = sorted(code for code, known in said.items() if known is None)
        self._notes.add_places("Texts in other languages than kk, ru and en are left out", others)
        found = tuple(language for language in _LANGUAGES if language in said.values())
        if not found:
            self._notes.add("There is no text in kk, ru or en: the first one is taken for English")
        return found or ("en",)

    def _text(self, item: Item, name: str, otherwise: str) -> Texts:
        """An InternationalizedText in every language of the manifest."""
        all_texts = list(item.texts(name))
        known: Texts = {}
        for code, text in all_texts:
            known.setdefault(_code(code) or "", text)
        if not all_texts:
            self._notes.add_places(
                "A label or a plain name stands in for a text", [item.place(name)]
            )
            return self._everywhere(otherwise)
        first = next((known[code] for code in self._languages if code in known), all_texts[0][1])
        for language in self._languages:
            if language not in known:
                sentence = f"Another language stands in for a text in {language}"
                self._notes.add_places(sentence, [item.place(name)])
        return {language: known.get(language, first) for language in self._languages}

    def _everywhere(self, text: str) -> Texts:
        return dict.fromkeys(self._languages, text)

    # --- dates and contests

    def _dates(self) -> dict[str, str]:
        opens, closes = self._date("start_date"), self._date("end_date")
        if opens > closes:
            raise self._source.malformed(f"is {opens}, after the end on {closes}", "start_date")
        return {"opens": opens.isoformat(), "closes": closes.isoformat()}

    def _date(self, name: str) -> datetime.date:
        written = self._source.string(name)
        try:
            moment = datetime.datetime.fromisoformat(written)
        except ValueError:
            advice = "Write it as 2020-03-01T08:00:00+00:00."
            raise self._source.malformed(f"is {shown(written)}", name, advice=advice) from None
        if moment != datetime.datetime.combine(moment.date(), datetime.time()):
            sentence = "Of a time only the date is kept, as it is written"
            self._notes.add_places(sentence, [self._source.place(name)])
        return moment.date()

    def _contest(self, label: str, item: Item) -> dict[str, Any]:
        selections = item.labelled("ballot_selections")
        ordered = sorted(selections.items(), key=lambda pair: _order(pair[1]))
        options = [self._option(*pair) for pair in ordered]
        if not options:
            raise item.malformed("is empty", "ballot_selections", advice="Add an option.")
        selection_limit, option_limit = self._limits(item, len(options))
        name = item.string("name")
        if item.get("ballot_title"):
            item.leave_out("A contest has its ballot title for a name; its own is left out", "name")
        item.leave_out("Subtitles are left out", "ballot_subtitle")
        item.leave_out("Parties are left out", "primary_party_ids")
        contest = {
            "label": label,
            "name": self._text(item, "ballot_title", name),
            "selection_limit": selection_limit,
            "option_limit": option_limit,
            "options": options,
        }
        item.leave_out_the_rest()
        return contest

    def _option(self, label: str, item: Item) -> dict[str, Any]:
        named = item.string("candidate_id")
        candidate = self._candidates.get(named)
        item.leave_out_the_rest()
        if candidate is None:
            sentence = "There is no such candidate: the label stands in for the name"
            self._notes.add_places(sentence, [item.place("candidate_id")])
            return {"label": label, "name": self._everywhere(named)}
        candidate.leave_out("Parties are left out", "party_id")
        candidate.leave_out("Images are left out", "image_uri")
        candidate.leave_out(
            "A write-in is an ordinary option here, and what is written is not recorded",
            "is_write_in",
        )
        candidate.leave_out_the_rest()
        return {"label": label, "name": self._text(candidate, "name", named)}

    def _note_idle_candidates(self) -> None:
        selections = (one.items("ballot_selections") for one in self._contests.values())
        offered = {item.string("candidate_id") for items in selections for item in items}
        idle = [item.place() for name, item in self._candidates.items() if name not in offered]
        self._notes.add_places("Candidates that no contest offers are left out", idle)

    def _limits(self, item: Item, options: int) -> tuple[int, int]:
        """(L, R) of the contest."""
        elected = _limit(item, "number_elected")
        votes = elected if item.get("votes_allowed") is None else _limit(item, "votes_allowed")
        if votes != elected:
            sentence = "votes_allowed is the selection limit, although number_elected is another"
            self._notes.add_places(sentence, [item.place("votes_allowed")])
        variation = item.string("vote_variation")
        if variation not in (*_ADDED_UP, _CUMULATIVE):
            sentence = f"Votes are added up, one for an option: there is nothing like {variation}"
            self._notes.add_places(sentence, [item.place("vote_variation")])
        most = votes if variation == _CUMULATIVE else 1
        if votes > most * options:
            self._notes.add_places("More votes than options: the limit is lowered", [item.place()])
        return min(votes, most * options), most

    # --- ballot styles, units, devices

    def _ballot_styles(self) -> dict[str, dict[str, Any]]:
        """Those that have a contest, by label."""
        styles = {}
        for label, item in self._styles.items():
            listed = {
                self._known_unit(item, unit) for unit in item.strings("geopolitical_unit_ids")
            }
            contests = [name for name, unit in self._districts.items() if unit in listed]
            item.leave_out("Parties are left out", "party_ids")
            item.leave_out("Images are left out", "image_uri")
            item.leave_out_the_rest()
            if contests:
                name = self._everywhere(label)
                styles[label] = {"label": label, "name": name, "contests": contests}
            else:
                sentence = "Ballot styles without a contest are left out"
                self._notes.add_places(sentence, [item.place()])
        if not styles:
            raise self._source.malformed("there is none with a contest", "ballot_styles")
        self._notes.add("Ballot styles have no names in 1.x: their labels stand in")
        return styles

    def _units_of(self, styles: Iterable[str]) -> list[dict[str, Any]]:
        """The units for which ballots of these styles are counted."""
        taken: dict[str, list[str]] = {}
        for style in styles:
            taken.setdefault(self._unit_of(style), []).append(style)
        units = []
        for label, item in self._units.items():
            item.leave_out("Types of units are left out", "type")
            item.leave_out("Contact information is left out", "contact_information")
            name = self._everywhere(item.string("name"))
            item.leave_out_the_rest()
            if label in taken:
                unit = {"label": label, "name": name, "parent": None}
                units.append(unit | {"ballot_styles": taken[label]})
            else:
                sentence = "Units for which no ballot is counted are left out"
                self._notes.add_places(sentence, [item.place()])
        self._notes.add("Units have a name in one language and no parents in 1.x")
        return units

    def _unit_of(self, style: str) -> str:
        """The most particular unit that the style lists."""
        listed = self._styles[style].strings("geopolitical_unit_ids")
        if len(listed) > 1:
            sentence = "Of several units, ballots are counted for the most particular one"
            self._notes.add_places(sentence, [self._styles[style].place("geopolitical_unit_ids")])
        return min(reversed(listed), key=self._generality)

    def _generality(self, unit: str) -> tuple[bool, int]:
        return self._units[unit].get("type") not in _PLACES_OF_VOTING, self._listed[unit]

    def _devices(self, units: Iterable[str]) -> list[dict[str, Any]]:
        self._notes.add("1.x names no devices: each unit has one that stands for the real ones")
        return [
            {"label": f"device-{i}", "information": f"Device {i} at {unit}", "units": [unit]}
            for i, unit in enumerate(units, start=1)
        ]

    def _known_unit(self, item: Item, unit: str) -> str:
        if unit not in self._units:
            raise item.malformed(f"names {shown(unit)}, which is no geopolitical unit")
        return unit


def _order(item: Item) -> int:
    return item.integer("sequence_order")


def _limit(item: Item, name: str) -> int:
    limit = item.integer(name)
    if not 1 <= limit <= _HIGHEST_LIMIT:
        raise item.malformed(f"is {limit}", name, advice=f"Limits are from 1 to {_HIGHEST_LIMIT}.")
    return limit


def _code(language: str) -> str | None:
    """kk, ru or en for a language tag like "kk-KZ" or "rus"; otherwise None."""
    return _LANGUAGE_CODES.get(language.replace("_", "-").partition("-")[0].lower())
