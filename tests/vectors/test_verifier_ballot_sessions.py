"""Challenged ballots that are opened like tallies: sessions of their own, V10 and V14."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from crypto.parameters import TOY
from record.artifacts import Purpose
from record.state import Phase
from sailau.v1 import record_pb2 as pb
from tests.decrypting import Session, decrypted_ballot, opening, play_on, play_result
from tests.publishing import publish
from tests.tampered.kit import Record
from tests.world import World
from verifier import Report, verify

NAME = "toy-64-256"


@cache
def shut() -> World:
    """The first of two challenged ballots is opened like a tally."""
    world = play_on(World.create(TOY[-1]), until=Phase.TALLIED)
    session = Session(world, (1, 2))
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    first, second = world.state.challenged
    ballot = Session(world, (1, 3), Purpose.BALLOT, first)
    ballot.play()
    world.append(decrypted_ballot(ballot))
    world.append(opening(world, second))
    play_result(world)
    return world


def judged(record: Record, folder: Path) -> Report:
    """The verdict on an edited record."""
    publish(record.world, folder / "record", record.encoded())
    return verify(folder / "record", parameters=NAME)


def test_a_ballot_opened_like_a_tally(tmp_path: Path) -> None:
    """Every check of V10, V14 and R.combination is made of it."""
    report = judged(Record(shut()), tmp_path)
    assert report.failures == ()
    options = 5
    tallies = report.checks["11.C"].passed
    for check in ("10.A", "10.B", "10.C", "R.combination"):
        assert report.checks[check].passed == tallies + options


Q = int(TOY[-1].q).to_bytes(8, "big")


def _option(record: Record) -> Any:
    return record.first("decrypted_ballot").contests[0].options[0]


def _response_of_q(record: Record) -> None:
    _option(record).response = Q


def _other_challenge(record: Record) -> None:
    option = _option(record)
    option.challenge = record.more(option.challenge)


def _counts_exchanged(record: Record) -> None:
    first, second, _ = record.first("decrypted_ballot").contests[0].options
    first.count, second.count = second.count, first.count


def _unknown_contest(record: Record) -> None:
    contests = record.first("decrypted_ballot").contests
    contests.add().CopyFrom(contests[0])
    contests[-1].contest = "mayor"


def _contest_left_out(record: Record) -> None:
    del record.first("decrypted_ballot").contests[-1]


def _unknown_option(record: Record) -> None:
    options = record.first("decrypted_ballot").contests[0].options
    options.add().CopyFrom(options[0])
    options[-1].option = "nobody"
    options[-1].count = 0


def _option_left_out(record: Record) -> None:
    del record.first("decrypted_ballot").contests[0].options[-1]


def _above_the_option_limit(record: Record) -> None:
    options = record.first("decrypted_ballot").contests[1].options
    options[0].count, options[1].count = 3, 0


def _above_the_selection_limit(record: Record) -> None:
    for option in record.first("decrypted_ballot").contests[1].options:
        option.count = 2


def _options_exchanged(record: Record) -> None:
    options = record.first("decrypted_ballot").contests[0].options
    kept = pb.DecryptedOption()
    kept.CopyFrom(options[0])
    options[0].CopyFrom(options[1])
    options[1].CopyFrom(kept)


def _narrow_value(record: Record) -> None:
    option = _option(record)
    option.value = b"\0" + option.value


def _of_the_other_ballot(record: Record) -> None:
    """The ballot whose turn it is gets no session."""
    other = record.last("challenge").confirmation_code
    record.last("decryption_session").confirmation_code = other


def _without_a_code(record: Record) -> None:
    record.last("decryption_session").confirmation_code = b""


def _before_the_responses(record: Record) -> None:
    record.take_out("decryption_responses", -1)


def _tallies_with_a_code(record: Record) -> None:
    code = record.first("challenge").confirmation_code
    record.first("decryption_session").confirmation_code = code


def _opened_twice(record: Record) -> None:
    again = pb.DecryptedBallot()
    again.CopyFrom(record.first("decrypted_ballot"))
    again.contests[0].options[0].count += 1
    record.insert(record.position("decrypted_ballot") + 1, decrypted_ballot=again)


def _never_opened(record: Record) -> None:
    record.take_out("decrypted_ballot")


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("10.A", _response_of_q),
        ("10.B", _other_challenge),
        ("10.C", _counts_exchanged),
        ("14.A", _unknown_contest),
        ("14.B", _contest_left_out),
        ("14.C", _unknown_option),
        ("14.D", _option_left_out),
        ("14.E", _above_the_option_limit),
        ("14.F", _above_the_selection_limit),
        ("R.challenged", _options_exchanged),
        ("R.encoding", _narrow_value),
        ("R.session", _of_the_other_ballot),
        ("R.encoding", _without_a_code),
        ("R.session", _before_the_responses),
        ("R.session", _tallies_with_a_code),
        ("R.challenged", _opened_twice),
        ("R.challenged", _never_opened),
    ],
)
def test_one_thing_wrong_fails_one_check(
    check: str, change: Callable[[Record], None], tmp_path: Path
) -> None:
    """Exactly the named check fails."""
    record = Record(shut())
    change(record)
    report = judged(record, tmp_path)
    assert set(report.failed_ids()) == {check}, report.failures


def test_a_ballots_session_before_the_tallies(tmp_path: Path) -> None:
    """It is R.session, and nothing else but that the record is not finished."""
    world = play_on(World.create(TOY[-1]), until=Phase.TALLIED)
    begun = pb.DecryptionSession(session=1, trustees=[1, 3])
    begun.purpose = pb.SESSION_PURPOSE_BALLOT
    begun.confirmation_code = world.state.challenged[0]
    record = Record(world)
    record.insert(len(world.artifacts), decryption_session=begun)
    assert judged(record, tmp_path).failed_ids() == ("R.complete", "R.session")


def test_shares_by_somebody_who_has_the_whole_key(tmp_path: Path) -> None:
    """A right decryption that does not combine the session is R.combination."""
    world = shut()
    record = Record(world)
    code = world.state.challenged[0]
    session = Session(world, (1, 2), Purpose.BALLOT, code)
    answers = list(session.opened())
    option = record.first("decrypted_ballot").contests[0].options[0]
    option.challenge = record.group.encode_scalar(answers[0][2])
    option.response = record.group.encode_scalar(answers[0][3])
    report = judged(record, tmp_path)
    assert report.failed_ids() == ("R.combination",)
    place = dict(report.failures[0].place.items())
    assert place["ballot"] == code.hex()
