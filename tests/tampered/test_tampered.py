"""Every way to cheat in the catalogue, and what the verifier says to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sailau.v1 import record_pb2 as pb
from tests.publishing import publish
from tests.tampered.ballots import BALLOTS
from tests.tampered.challenged import CHALLENGED
from tests.tampered.given import GIVEN
from tests.tampered.keys import KEYS
from tests.tampered.kit import TOY_NAME, Forged, Tampering, crowded, honest, kind_of, refusal
from tests.tampered.log import LOG
from tests.tampered.operations import OPERATIONS
from tests.tampered.polls import POLLS
from tests.tampered.tally import TALLY
from tests.tampered.trustees import TRUSTEES
from verifier import Report, verify
from verifier.catalogue import CHECKS
from verifier.findings import Failure

CATALOGUES = (LOG, KEYS, TRUSTEES, OPERATIONS, BALLOTS, POLLS, TALLY, CHALLENGED, GIVEN)
TAMPERINGS = [tampering for catalogue in CATALOGUES for tampering in catalogue.entries]
IDS = {check.id for check in CHECKS}
each = pytest.mark.parametrize("tampering", TAMPERINGS, ids=str)


@each
def test_exactly_this_check_fails(tampering: Tampering, tmp_path: Path) -> None:
    """The named checks fail, and no other, at the place of the lie, and blame the liar."""
    forged = tampering.publish(tmp_path / "record")
    judged(tampering, forged, tampering.judge(tmp_path / "record"))


def judged(tampering: Tampering, forged: Forged, report: Report) -> None:
    """Compare a report with what the catalogue says."""
    assert report.verdict == "refuted"
    assert set(report.failed_ids()) == set(tampering.fails), report.failures
    assert {f.culprit for f in report.failures} == set(tampering.who), report.failures
    for failure in report.failures:
        _in_place(tampering, forged, failure)
    first = dict(report.failures[0].place.items())
    assert {name: first.get(name) for name in tampering.where} == dict(tampering.where)


def _in_place(tampering: Tampering, forged: Forged, failure: Failure) -> None:
    number = failure.place.artifact
    if tampering.at is None:
        assert forged.touched is not None, "say `at` which statement the lie is noticed"
        assert number in forged.touched, failure
    elif not tampering.at:
        assert number is None, failure
    else:
        assert number is not None, failure
        artifact = pb.Artifact.FromString(forged.artifacts[number])
        assert kind_of(artifact) in tampering.at.split(), failure


@each
def test_the_server_says_the_same(tampering: Tampering) -> None:
    """`record.transcript` refuses it by the same id, unless the catalogue says why not."""
    artifacts = tampering.forge(TOY_NAME).artifacts
    assert refusal(artifacts) == tampering.server
    assert tampering.server == tampering.fails[0] or tampering.because


# --- on the real group


STANDARD = [tampering for tampering in TAMPERINGS if tampering.also_standard]


@pytest.mark.parametrize("tampering", STANDARD, ids=str)
def test_the_same_on_the_standard_group(tampering: Tampering, tmp_path: Path) -> None:
    """With 4096 bits instead of 256."""
    forged = tampering.publish(tmp_path / "record", "standard")
    judged(tampering, forged, tampering.judge(tmp_path / "record", "standard"))


# --- the catalogue is complete


NEVER_FAILS = {
    "13.A": "about contest data, of which this record has none: never made",
    "R.tally-membership": "products of the members of 6.A are members, or 9.A or 9.B has failed",
}
NEVER_ALONE = {
    "6.A": "7.A counts the same elements by contest",
    "7.A": "6.A counts the same elements by option",
    "R.challenged-nonce": "that the code comes out of other selections takes a wrong 8.A",
}


def test_every_check_has_its_cheater() -> None:
    """Every id of the verifier's catalogue fails somewhere here, but for those that cannot."""
    failing = {check for tampering in TAMPERINGS for check in tampering.fails}
    assert failing | NEVER_FAILS.keys() == IDS
    assert not failing & NEVER_FAILS.keys()


def test_every_check_fails_alone() -> None:
    """And it fails alone at least once, but for those that cannot."""
    alone = {tampering.fails[0] for tampering in TAMPERINGS if len(tampering.fails) == 1}
    assert alone | NEVER_ALONE.keys() | NEVER_FAILS.keys() == IDS
    assert not alone & NEVER_ALONE.keys()


def test_the_page_says_who_is_to_blame() -> None:
    """Whoever a check blames stands in its row of docs/verification.md, if not as the signer."""
    page = (Path(__file__).parents[2] / "docs" / "verification.md").read_text()
    rows = re.findall(r"^\| `([0-9A-Z]\S+)` \|.*\| ?([a-z, ]*) \|$", page, re.MULTILINE)
    named = {check: set(blame.split(", ")) for check, blame in rows if check in IDS}
    assert named.keys() == IDS
    for tampering in TAMPERINGS:
        if len(tampering.fails) == 1 and "signer" not in named[tampering.fails[0]]:
            roles = {who.split()[0] for who in tampering.who}
            assert roles <= named[tampering.fails[0]], tampering


def test_every_tampering_tells_its_story() -> None:
    """Each has a name of its own and says in words what was done."""
    assert len({str(tampering) for tampering in TAMPERINGS}) == len(TAMPERINGS)
    assert all(tampering.story.endswith((".", "?")) for tampering in TAMPERINGS)


def test_honest_records_are_not_accused(tmp_path: Path) -> None:
    """Where nobody cheats the same two judges find nothing."""
    for number, world in enumerate((honest(), crowded())):
        publish(world, tmp_path / str(number))
        assert verify(tmp_path / str(number), parameters=TOY_NAME).failures == ()
        assert refusal([bytes(data) for data in world.data()]) is None
