"""SIGKILL at any moment, and start again: everything is completed, and nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from record.checkpoint import parse_verifier_key
from record.state import Phase
from tests.system.programs import Place, Program, call

pytestmark = pytest.mark.system

VOTERS: dict[int, list[dict[str, Any]]] = {
    n: [
        {
            "unit": "hall",
            "style": "full",
            "selections": {"mayor": {"asel": 1}, "council": {option: 1 + n % 2}},
            "then": then,
        }
        for option, then in zip(
            ("north", "south", "east", "west", "north"),
            ("cast", "challenge", "cast", "abandon", "cast"),
            strict=True,
        )
    ]
    for n in (1, 2)
}
"""By device."""


def test_ceremony(at: Callable[[str], Place]) -> None:
    """Trustees and the server die between and within the rounds; the keys come about."""
    place = at("made")
    server = place.serve()
    first = place.trustee(1)
    place.wait(lambda status: status.trustees_done == (1,))
    first.kill()
    running = [place.trustee(i) for i in (1, 2, 3)]
    place.reach(Phase.SHARES)
    running[2].kill()
    place.wait(lambda s: s.phase > Phase.SHARES or {1, 2} <= set(s.trustees_done))
    server.kill()
    running[0].kill()
    place.serve()
    running[0], running[2] = place.trustee(1), place.trustee(3)
    place.reach(Phase.CONFIRMATION)
    running[1].kill()
    running[1] = place.trustee(2)
    place.reach(Phase.READY)
    place.open()
    missing = [f"--missing={label}=not delivered" for label in ("box-1", "box-2")]
    place.run("election", "close", *place.admin, *missing)
    place.reach(Phase.TALLIED)
    check_record(place, "--until", "close")
    status = place.status()
    # The election, 3 commitments, 3 keys, 3 shares, 3 confirmations, opening, 2 missing,
    # close, 4 tallies; the server's settings, and two acts of each of its two starts.
    assert (status.size, status.submitted) == (26, 0)
    place.check_outputs()


@pytest.mark.slow
def test_voting_and_count(at: Callable[[str], Place]) -> None:
    """The server, a device and trustees die on the way; no vote is lost and none counts twice."""
    place = at("open")
    server = place.serve()
    devices = {n: place.device(n, *orders) for n, orders in VOTERS.items()}
    devices[1].until(lambda: len(devices[1].lines()) >= 1)
    server.kill()
    server = place.serve()
    devices[2].until(lambda: len(devices[2].lines()) >= 2)
    devices[2].kill()
    answers = {2: go_on(place, devices[2])}
    ended = devices[1].wait()
    assert ended.code == 0, ended
    answers[1] = [json.loads(line) for line in ended.out.splitlines()]
    check_answers(answers)
    place.close()
    count(place, server)
    published = publish(place)
    check_results(published)
    check_receipts(place, answers)


def go_on(place: Place, killed: Program) -> list[dict[str, Any]]:
    """Start the second device again: it says what it has of the voter it was with."""
    answers = [json.loads(line) for line in killed.lines()]
    program = place.device(2)
    program.until(lambda: b"the last ballot was" in program.err.read_bytes())
    said = program.err.read_text().partition("the last ballot was ")[2].splitlines()[0]
    code, _, status = said.partition(": ")
    assert status in ("cast", "challenged", "not decided")
    known = [answer["confirmation_code"] for answer in answers]
    if code not in known:
        then = VOTERS[2][len(answers)]["then"]
        if then == "abandon":
            answers.append({"confirmation_code": code, "status": "submitted"})
        else:
            program.feed({"code": code, "then": then})
    program.feed(*VOTERS[2][len(answers) + (code not in [*known, *_codes(answers)]) :])
    result = program.wait()
    assert result.code == 0, result
    return [*answers, *(json.loads(line) for line in result.out.splitlines())]


def _codes(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["confirmation_code"] for answer in answers]


def check_answers(answers: dict[int, list[dict[str, Any]]]) -> None:
    """One ballot a voter, with the fate that the voter wanted."""
    fates = {"cast": "cast", "challenge": "challenged", "abandon": "submitted"}
    for n, orders in VOTERS.items():
        assert [a["status"] for a in answers[n]] == [fates[o["then"]] for o in orders]
    codes = _codes(answers[1]) + _codes(answers[2])
    assert len(set(codes)) == len(codes) == 10


def count(place: Place, server: Program) -> None:
    """A trustee dies for good, another one and the server come back."""
    running = {i: place.trustee(i) for i in (1, 2)}
    dying = place.cheat("silent-about-decryption", 3)  # or session 1 might come to its end
    place.wait(lambda status: len(status.trustees_present) == 3)
    tally = place.start("election", "tally", *place.admin)
    place.wait(lambda status: status.session == 1)
    dying.kill()
    # Begun again without it, once it is clear that it does not come back.
    place.wait(lambda status: status.session == 2)
    running[1].kill()
    place.wait(lambda s: s.phase > Phase.TALLIED or 2 in s.trustees_done)
    running[1] = place.trustee(1)
    place.wait(lambda s: s.phase > Phase.TALLIED or 1 in s.trustees_done)
    server.kill()
    place.serve()
    ended = tally.wait()
    assert ended.code == 0, ended
    assert "session 1: trustees 1, 2, 3\n" in ended.err
    assert "session 2: trustees 1, 2\n" in ended.err
    for trustee in running.values():
        ended = trustee.wait()
        assert (ended.code, ended.out.splitlines()[-1]) == (0, "Nothing is left to do."), ended


def publish(place: Place) -> dict[str, Any]:
    """The results; the record is verified."""
    out = ("--out", place.root / "record", "--json")
    published: dict[str, Any] = place.run("election", "publish", *place.admin, *out).json()
    verdict = place.run("verify", place.root / "record", "--json", "--quiet").json()
    assert verdict["verdict"] == "verified"
    assert verdict["counts"]["ballots"] == {
        "submitted": 10, "cast": 6, "challenged": 2, "spoiled": 2,
    }  # fmt: skip
    return published


def check_results(published: dict[str, Any]) -> None:
    """What those who cast wanted, and nothing else."""
    wanted: Counter[str] = Counter()
    for order in (o for orders in VOTERS.values() for o in orders if o["then"] == "cast"):
        for options in order["selections"].values():
            wanted.update(options)
    counts = {o["option"]: o["count"] for t in published["totals"] for o in t["options"]}
    assert +Counter(counts) == wanted


def check_receipts(place: Place, answers: dict[int, list[dict[str, Any]]]) -> None:
    """Every receipt that a voter holds is kept; challenges can be audited, whoever died."""
    record = ("--record", place.root / "record")
    receipts = {f.name[:16]: f for f in (place.root / "receipts").glob("*.tlog-proof")}
    challenged = []
    for answer in answers[1] + answers[2]:
        code = answer["confirmation_code"]
        found = call("receipt", "look-up", code, *record, "--json").json()
        status = answer["status"]
        assert found["status"] == ("spoiled" if status == "submitted" else status)
        if status == "challenged":
            challenged.append(place.root / "receipts" / f"{code[:16]}.challenge.json")
        if "receipt" in answer:
            assert receipts[code[:16]].read_text() == answer["receipt"]["tlog_proof"]
    for file in receipts.values():
        assert call("receipt", "verify", file, *record).code == 0
    assert call("receipt", "audit", *challenged, *record).code == 0


def check_record(place: Place, *options: str) -> None:
    """The record, as anybody can read it from the server, is verified."""
    invitation = json.loads((place.root / "election/administrator/invitation.json").read_text())
    with place.board() as board:
        board.export(parse_verifier_key(invitation["log_key"]), place.root / "record")
    result = place.run("verify", place.root / "record", "--json", "--quiet", *options)
    assert result.json()["verdict"] == "verified"
