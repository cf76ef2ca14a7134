"""Every way to cheat in the catalogue, and what the verifier says to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sailau.v1 import record_pb2 as pb
from tests.tampered.kit import TOY_NAME, Forged, Tampering, kind_of, refusal
from tests.tampered.ballots import BALLOTS
from tests.tampered.keys import KEYS
from tests.tampered.log import LOG
from tests.tampered.polls import POLLS
from tests.tampered.tally import TALLY
from verifier import Report
from verifier.findings import Failure

CATALOGUES = (LOG, KEYS, BALLOTS, POLLS, TALLY)
TAMPERINGS = [tampering for catalogue in CATALOGUES for tampering in catalogue.entries]
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
    """`record.transcript` refuses the record by the id that the catalogue gives."""
    if tampering.server is None:
        assert tampering.because
        return
    assert refusal(tampering.forge(TOY_NAME).artifacts) == tampering.server
    assert tampering.server == tampering.fails[0] or tampering.because
