"""Devices without a network, as programs: prepared, killed, uploaded, closed."""

from __future__ import annotations

import json
import random
import resource
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ballotbox.device_standing import read_standing
from cli.prepared import PREPARED
from record.state import Phase
from tests.system.programs import Place, Program, Result, call, refused

pytestmark = pytest.mark.system

REFUSED, UNUSABLE, UNREACHABLE = 1, 2, 3
VOTE = {"unit": "hall", "selections": {"mayor": {"asel": 1}, "council": {"north": 2}}}


def order(then: str = "cast") -> dict[str, Any]:
    """A voter's order."""
    return {**VOTE, "then": then}


def answers(result: Result) -> list[dict[str, Any]]:
    """What a device said, which ended well."""
    assert result.code == 0, result
    return [json.loads(line) for line in result.out.splitlines()]


def vote(place: Place, *orders: object, options: tuple[str, ...] = ("--offline",)) -> Result:
    """Device 1 with these orders, in this process."""
    stdin = b"".join(json.dumps(o).encode() + b"\n" for o in orders)
    receipts = ("--receipts", place.root / "receipts")
    return call("device", "run", *place.home("device-1"), *receipts, *options, stdin=stdin)


def status(place: Place) -> dict[str, Any]:
    """`device status` of device 1: no key, no network."""
    found: dict[str, Any] = call(
        "device", "status", "--home", place.root / "device-1", "--json"
    ).json()
    return found


def prepared(place: Place) -> Program:
    """The server, and device 1 prepared with it."""
    server = place.serve()
    done = call("device", "prepare", *place.home("device-1"))
    assert (done.code, done.err) == (0, "")
    assert "box-1 can work without a network" in done.out
    return server


def look_up(place: Place, code: str) -> dict[str, Any]:
    """What the board says of a ballot."""
    found: dict[str, Any] = call("receipt", "look-up", code, *place.public, "--json").json()
    return found


def test_an_offline_day(at: Callable[[str], Place], monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared in the morning, without a network all day, uploaded and closed in the evening."""
    place = at("open")
    monkeypatch.setattr("cli.device_open.ANSWER", 2.0)  # nobody is there to be waited for
    device = ("--home", place.root / "device-1")
    server = prepared(place)
    assert (status(place)["prepared"], status(place)["begun"]) == (True, False)
    server.kill()
    again = call("device", "prepare", *place.home("device-1"))
    refused(Result(again.code, again.out, again.err.splitlines()[-1]), UNREACHABLE, "is kept")

    said = vote(place, order("cast"), order("challenge"), order("abandon"))
    one, two, three = answers(said)
    assert [a["status"] for a in (one, two, three)] == ["cast", "challenged", "submitted"]
    for answer in (one, two, three):
        assert answer["provisional"] is True
        assert not {"receipt", "index"} & set(answer)
        assert answer["look_up"].endswith(f"#code={answer['confirmation_code']}")
        assert answer["after"] == "2026-06-08"
    assert two["challenge"]["confirmation_code"] == two["confirmation_code"]
    assert said.err.splitlines()[0].startswith("offline: codes are provisional")
    assert "6 messages wait to be uploaded" in said.err.splitlines()[-1]
    slip = (
        place.root / "receipts" / f"{one['confirmation_code'][:16]}.provisional.txt"
    ).read_text()
    assert "NOT YET on the public board" in slip
    assert one["display"][:19] in slip
    (later,) = answers(vote(place, {"code": three["confirmation_code"], "then": "cast"}))
    assert (later["status"], later["provisional"]) == ("cast", True)
    (asked,) = answers(vote(place, {"code": two["confirmation_code"], "then": "receipt"}))
    assert (asked["status"], asked["provisional"]) == ("challenged", True)

    # Without --offline it finds out by itself, and closes its chain all the same.
    closed = call("device", "close", *place.home("device-1"))
    assert (closed.code, "provisional" in closed.err) == (0, False), closed
    assert "closed on this device alone" in closed.out
    assert f"sailau device upload --home {place.root / 'device-1'}" in closed.out
    found = status(place)
    names = ("ballots", "cast", "challenged", "waiting", "waiting_ballots", "closed")
    assert [found[name] for name in names] == [3, 2, 1, 8, 3, True]
    assert "8 (3 ballots)" in call("device", "status", *device).out
    unsent = call("device", "upload", *place.home("device-1"), "--wait", "0")
    assert (unsent.code, "8 messages wait" in unsent.err.splitlines()[-1]) == (UNREACHABLE, True)

    monkeypatch.undo()
    place.serve()
    late = call("election", "close", *place.admin, "--missing", "box-2=not delivered")
    refused(late, REFUSED, "box-1", "sailau device upload")
    done = call("device", "upload", *place.home("device-1"), "--json")
    # Proved is the decision on the last ballot; only the end of the chain stands behind it.
    assert done.json() == {
        **{"device": "box-1", "uploaded": 8, "waiting": 0, "closed": True},
        "proved": place.status().size - 2,
    }
    assert "uploaded 8 of 8" in done.err
    assert call("device", "upload", *place.home("device-1")).out.startswith("Nothing waited")
    for answer, fate in ((one, "cast"), (two, "challenged"), (three, "cast")):
        assert look_up(place, answer["confirmation_code"])["status"] == fate
    wrong = call("election", "close", *place.admin, "--missing", "box-1=x", "--missing", "box-2=x")
    refused(wrong, UNUSABLE, "box-1 has closed its chain", "Nothing was published")
    ended = call("election", "close", *place.admin, "--missing", "box-2=not delivered")
    assert "3 ballots, 2 cast, 1 challenged, 0 spoiled" in ended.out, ended
    place.reach(Phase.TALLIED)


def test_the_line_is_lost_and_found(at: Callable[[str], Place]) -> None:
    """A running device goes offline by itself, catches up by itself, and gives receipts again."""
    place = at("open")
    server = place.serve()
    device = place.device(1, order())
    device.until(lambda: len(device.lines()) == 1)
    server.kill()
    device.feed(order(), order("challenge"))
    device.until(lambda: len(device.lines()) == 3)
    device.until(lambda: b"offline" in device.err.read_bytes())
    server = place.serve()
    device.until(lambda: b"everything is on the record" in device.err.read_bytes())
    code = json.loads(device.lines()[1])["confirmation_code"]
    device.feed(order(), {"code": code, "then": "receipt"})
    first, second, third, fourth, receipt = answers(device.wait())
    assert [a.get("provisional") for a in (first, second, third, fourth)] == [
        None,
        True,
        True,
        None,
    ]
    assert all("receipt" in a for a in (first, fourth, receipt))
    told = [line.partition(" ")[0] for line in device.err.read_text().splitlines()]
    assert told == ["offline", "online:", "online:"]
    assert look_up(place, code)["status"] == "cast"
    now = place.status()
    assert (now.submitted, now.cast, now.challenged) == (4, 3, 1)


def test_a_full_disk_in_the_middle_of_a_ballot(at: Callable[[str], Place]) -> None:
    """The voter gets an error and nothing is kept; with room again the device goes on."""
    place = at("open")
    prepared(place).kill()
    program = place.start("device", "run", *place.home("device-1"), "--offline")
    program.feed(order("abandon"))
    program.until(lambda: len(program.lines()) == 1)
    code = json.loads(program.lines()[0])["confirmation_code"]
    before = resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (16 << 10, -1))
    program.feed(order(), {"code": code, "then": "cast"})
    program.until(lambda: len(program.lines()) == 3)
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, before)
    journal = place.root / "device-1/journal.sqlite"
    assert read_standing(journal).ballots == 1
    program.feed({"code": code, "then": "cast"}, order("challenge"))
    first, full, undecided, decided, last = answers(program.wait())
    assert (first["status"], full["field"], undecided["field"]) == ("submitted", "journal", "code")
    assert "nothing was kept of this ballot" in full["error"]
    assert "disk" in undecided["error"]
    assert (decided["status"], last["status"]) == ("cast", "challenged")
    place.serve()
    done = call("device", "upload", *place.home("device-1"), "--json")
    assert (done.json()["uploaded"], done.json()["waiting"]) == (5, 0)
    now = place.status()
    assert (now.submitted, now.cast, now.challenged) == (2, 1, 1)


def killed_again_and_again(place: Place, kills: int) -> list[str]:
    """Device 1 votes offline while it is killed; returns the codes that voters were told."""
    told: list[str] = []
    for _ in range(kills):
        program = place.start("device", "run", *place.home("device-1"), "--offline")
        program.feed(*(order(random.choice(["cast", "challenge"])) for _ in range(40)))
        program.until(lambda p=program: len(p.lines()) >= 1)  # type: ignore[misc]
        random_pause()
        program.kill()
        told += [json.loads(line)["confirmation_code"] for line in program.lines()]
    return told


def random_pause(most: float = 0.3) -> None:
    """Until some other moment."""
    threading.Event().wait(random.random() * most)


def check_kills(place: Place, votes: int, uploads: int) -> None:
    """Every code that was ever told is on the board once, whoever was killed when."""
    prepared(place).kill()
    told = killed_again_and_again(place, votes)
    assert len(set(told)) == len(told) >= votes
    journal = place.root / "device-1/journal.sqlite"
    server = place.serve()
    for n in range(uploads):
        before = read_standing(journal).waiting
        program = place.start("device", "upload", *place.home("device-1"))
        program.until(lambda b=before: read_standing(journal).waiting < b)  # type: ignore[misc]
        if n % 2:
            server.kill()
            server = place.serve()
        random_pause(0.1)
        if program.running():
            program.kill()
        if not read_standing(journal).waiting:
            break
    place.run("device", "close", *place.home("device-1"))
    standing = read_standing(journal)
    assert (standing.waiting, standing.closed) == (0, True)
    now = place.status()
    assert now.submitted == standing.ballots >= len(told)
    assert (now.cast, now.challenged) == (standing.cast, standing.challenged)
    for code in random.sample(told, min(len(told), 5)):
        assert look_up(place, code)["status"] in ("cast", "challenged")
    missing = ("--missing", "box-2=not delivered")
    place.run("election", "close", *place.admin, *missing)
    place.reach(Phase.TALLIED)


@pytest.mark.slow
def test_killed_while_voting_and_while_uploading(at: Callable[[str], Place]) -> None:
    """SIGKILL to the device in its offline day, to it and to the server while it uploads."""
    check_kills(at("open"), votes=1, uploads=2)


@pytest.mark.slow
def test_killed_many_times(at: Callable[[str], Place]) -> None:
    """The same for longer."""
    check_kills(at("open"), votes=12, uploads=12)


def test_what_was_prepared_is_proved_again_if_it_was_touched(at: Callable[[str], Place]) -> None:
    """One bit of a proof changed, and the device does not begin; with a network it is repaired."""
    place = at("open")
    server = prepared(place)
    file = place.root / "device-1" / PREPARED
    good = file.read_bytes()
    # Within the first trustee's keys, whose artifact comes after the commitments.
    place_of_keys = good.rindex(b"trustee") if b"trustee" in good[2000:] else len(good) // 2
    for at_byte in {len(good) // 2, place_of_keys}:
        file.write_bytes(good[:at_byte] + bytes([good[at_byte] ^ 1]) + good[at_byte + 1 :])
        assert vote(place, order()).code in (REFUSED, UNUSABLE)
    file.write_bytes(good[:-1])
    refused(vote(place, order()), UNUSABLE, "sailau device prepare")
    assert not status(place)["begun"]
    done = call("device", "prepare", *place.home("device-1"))
    assert done.code == 0
    assert "read from the server again" in done.err
    assert file.read_bytes() == good
    server.kill()
    assert answers(vote(place, order()))[0]["provisional"]


def test_what_offline_devices_refuse(at: Callable[[str], Place]) -> None:
    """Never prepared, and a journal that is gone."""
    place = at("open")
    refused(vote(place, order()), UNREACHABLE, "never prepared")
    prepared(place).kill()
    assert answers(vote(place, order()))[0]["provisional"]
    (place.root / "device-1/journal.sqlite").unlink()
    refused(vote(place, order()), UNUSABLE, "is gone")


def test_a_device_that_was_given_up_too_early(at: Callable[[str], Place]) -> None:
    """The polls closed without it: its provisional ballots are gone, and it says so."""
    place = at("open")
    prepared(place).kill()
    (lost,) = answers(vote(place, order()))
    place.serve()
    missing = [f"--missing={label}=not delivered" for label in ("box-1", "box-2")]
    closed = call("election", "close", *place.admin, *missing)
    assert "0 ballots" in closed.out, closed
    for command in (
        call("device", "upload", *place.home("device-1")),
        vote(place, order(), options=()),
        call("device", "close", *place.home("device-1")),
    ):
        refused(command, REFUSED, "polls have closed")
    assert (status(place)["ballots"], status(place)["waiting"]) == (1, 3)
    unknown = call("receipt", "look-up", lost["confirmation_code"], *place.public)
    assert unknown.code == REFUSED
    assert "no ballot" in unknown.err.lower() + unknown.out.lower()
