"""The sample of tests/vectors is what electionguard itself writes, and it can be imported."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from record.electionguard_manifest import import_manifest
from record.manifest import parse_manifest
from tests.interop.oracle import Load

SAMPLE = Path(__file__).parent.parent / "vectors" / "electionguard_manifest.json"


def test_their_classes_write_the_sample(electionguard: Load) -> None:
    """Their serializer makes of their classes the file that the importer is tested with."""
    written = electionguard("serialize").to_raw(city_election(electionguard("manifest")))
    assert json.loads(written) == json.loads(SAMPLE.read_bytes())


def test_they_find_the_sample_valid(electionguard: Load) -> None:
    """The sample is a manifest that they would hold an election with."""
    assert city_election(electionguard("manifest")).is_valid()


def test_styles_have_the_contests_that_they_give_them(electionguard: Load) -> None:
    """Our ballot styles hold the contests which they put on a ballot of that style."""
    module = electionguard("manifest")
    theirs = module.InternalManifest(city_election(module))
    ours = parse_manifest(import_manifest(SAMPLE.read_bytes())[0])
    for style in ours.ballot_styles:
        expected = {contest.object_id for contest in theirs.get_contests_for(style.label)}
        assert {contest.label for contest in style.contests} == expected


def test_names_are_theirs(electionguard: Load) -> None:
    """In each of our languages that they have too, an option has the name they show for it."""
    names = city_election(electionguard("manifest")).get_selection_names("ru")
    ours = parse_manifest(import_manifest(SAMPLE.read_bytes())[0])
    shown = {
        option.label: option.name["ru"] for contest in ours.contests for option in contest.options
    }
    assert shown["mayor-ospanova"] == names["mayor-ospanova"] == "Айгүл Оспанова"
    assert shown["bridge-yes"] == names["bridge-yes"] == "За"


def city_election(m: Any) -> Any:
    """A city with two districts and three precincts, in their classes (module `manifest`)."""

    def text(**languages: str) -> Any:
        return m.InternationalizedText(
            [m.Language(value, language) for language, value in languages.items()]
        )

    units = m.ReportingUnitType
    return m.Manifest(
        election_scope_id="city-2030",
        spec_version=m.SpecVersion.EG1_0,
        type=m.ElectionType.general,
        start_date=datetime.datetime(2030, 3, 3, 7, tzinfo=datetime.UTC),
        end_date=datetime.datetime(2030, 3, 3, 20, tzinfo=datetime.UTC),
        geopolitical_units=[
            m.GeopoliticalUnit("city", "Qala", units.city),
            m.GeopoliticalUnit("left-bank", "Sol jagalau", units.borough),
            m.GeopoliticalUnit("precinct-1", "School 1", units.precinct),
            m.GeopoliticalUnit("precinct-2", "Theatre", units.precinct),
            m.GeopoliticalUnit("precinct-3", "School 3", units.precinct),
        ],
        parties=[m.Party("green", text(en="Green"), "G", "00ff00", "http://green.example/logo")],
        candidates=[
            m.Candidate(
                "ospanova", text(kk="Айгүл Оспанова", ru="Айгүл Оспанова", en="A. Ospanova")
            ),
            m.Candidate("kim", text(kk="Виктор Ким", ru="Виктор Ким", en="V. Kim"), "green"),
            m.Candidate("write-in", text(en="Somebody else"), is_write_in=True),
            m.Candidate("yes", text(kk="Иә", ru="За", en="For", es="Sí")),
            m.Candidate("no", text(kk="Жоқ", ru="Против", en="Against", es="No")),
            m.Candidate("park", text(kk="Саябақ", ru="Парк", en="Park"), image_uri="park.png"),
            m.Candidate("school", text(kk="Мектеп", ru="Школа", en="School")),
            m.Candidate("clinic", text(kk="Емхана", ru="Поликлиника", en="Clinic")),
        ],
        contests=[
            m.ReferendumContestDescription(
                object_id="bridge",
                sequence_order=2,
                electoral_district_id="left-bank",
                vote_variation=m.VoteVariationType.one_of_m,
                number_elected=1,
                votes_allowed=1,
                name="bridge referendum",
                ballot_selections=[
                    m.SelectionDescription("bridge-no", 1, "no"),
                    m.SelectionDescription("bridge-yes", 0, "yes"),
                ],
                ballot_title=text(ru="Мост через реку", en="A bridge over the river"),
                ballot_subtitle=text(en="Shall it be built?"),
            ),
            m.CandidateContestDescription(
                object_id="mayor",
                sequence_order=1,
                electoral_district_id="city",
                vote_variation=m.VoteVariationType.one_of_m,
                number_elected=1,
                votes_allowed=None,
                name="Mayor",
                ballot_selections=[
                    m.SelectionDescription("mayor-ospanova", 0, "ospanova"),
                    m.SelectionDescription("mayor-kim", 1, "kim"),
                    m.SelectionDescription("mayor-write-in", 2, "write-in"),
                ],
                primary_party_ids=["green"],
            ),
            m.CandidateContestDescription(
                object_id="budget",
                sequence_order=3,
                electoral_district_id="city",
                vote_variation=m.VoteVariationType.approval,
                number_elected=1,
                votes_allowed=2,
                name="Budget",
                ballot_selections=[
                    m.SelectionDescription("budget-park", 0, "park"),
                    m.SelectionDescription("budget-school", 1, "school"),
                    m.SelectionDescription("budget-clinic", 2, "clinic"),
                ],
                ballot_title=text(kk="Бюджет", ru="Бюджет", en="Budget"),
            ),
        ],
        ballot_styles=[
            m.BallotStyle("style-left", ["city", "left-bank", "precinct-1"]),
            m.BallotStyle("style-right", ["precinct-2", "city"], image_uri="right.png"),
            m.BallotStyle("style-right-postal", ["city", "precinct-3"], ["green"]),
        ],
        name=text(kk="Қала сайлауы", ru="Городские выборы", en="City election"),
        contact_information=m.ContactInformation(name="Election commission"),
    )
