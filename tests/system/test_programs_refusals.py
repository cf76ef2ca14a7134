"""What the programs do with what they should not take: an exit code, one line, no change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ballotbox.client import BoardClient
from tests.ports import HOST, free_ports
from tests.system.conftest import Held
from tests.system.programs import (
    DEVICES,
    Place,
    Result,
    call,
    refused,
    wait_until,
)

pytestmark = pytest.mark.system

REFUSED, UNUSABLE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a directory but locks."""
    files = (f for f in directory.rglob("*") if f.is_file() and f.suffix != ".lock")
    return {str(f.relative_to(directory)): f.read_bytes() for f in files}


# --- key stores


def test_wrong_passphrase(at: Callable[[str], Place], tmp_path: Path) -> None:
    """A wrong, an empty and a missing passphrase open nothing; none is repeated."""
    place = at("made")
    home = ("--home", place.root / "device-1")
    before = contents(place.root / "device-1")
    for content, words in (("not the one", "passphrase"), ("", "is empty"), ("a\nb", "one line")):
        file = tmp_path / "passphrase"
        file.write_text(content)
        file.chmod(0o600)
        result = call("device", "close", *home, "--passphrase-file", file)
        line = refused(result, UNUSABLE, words)
        assert "not the one" not in line
    missing = tmp_path / "nothing"
    refused(call("device", "close", *home, "--passphrase-file", missing), UNUSABLE, str(missing))
    refused(call("device", "close", *home), UNUSABLE, "no terminal")
    assert contents(place.root / "device-1") == before


@pytest.mark.parametrize("where", ["first", "middle", "last", "cut", "gone", "open to all"])
def test_bad_keystore(at: Callable[[str], Place], where: str) -> None:
    """A key store with a byte changed, cut off, gone, or readable by others is not used."""
    place = at("made")
    file = place.root / "trustee-1/keystore"
    data = bytearray(file.read_bytes())
    if where in ("first", "middle", "last"):
        data[{"first": 0, "middle": len(data) // 2, "last": -1}[where]] ^= 1
        file.write_bytes(data)
    elif where == "cut":
        file.write_bytes(data[:-1])
    elif where == "gone":
        file.unlink()
    else:
        file.chmod(0o644)
    before = contents(place.root / "trustee-1")
    refused(call("trustee", "run", *place.home("trustee-1"), "--yes"), UNUSABLE, "key")
    assert contents(place.root / "trustee-1") == before


def test_keys_are_never_made_twice(at: Callable[[str], Place]) -> None:
    """`init` does not replace a key store."""
    place = at("made")
    before = contents(place.root / "trustee-1")
    again = call("trustee", "init", *place.home("trustee-1"), "--name", "Aigerim")
    refused(again, UNUSABLE, "exists already")
    assert contents(place.root / "trustee-1") == before


# --- enrolments and invitations


def enrolments(place: Place) -> dict[str, list[str | Path]]:
    """The options with everybody's enrolments, by role."""

    def options(role: str, count: int) -> list[str | Path]:
        files = [place.root / f"{role}-{i + 1}/enrolment.json" for i in range(count)]
        return [part for file in files for part in (f"--{role}", file)]

    return {"trustee": options("trustee", 3), "device": options("device", len(DEVICES))}


def new(place: Place, out: Path, *more: str | Path, **changes: Any) -> Result:
    """`election new` with the enrolments of a place, some things being different."""
    given: dict[str, Any] = {
        "quorum": "2", "host": HOST, "origin": "log.example.org/town",
        "manifest": place.root / "manifest.json", **enrolments(place), **changes,
    }  # fmt: skip
    public, private = free_ports()
    return call(
        *("election", "new", "--out", out, "--quorum", given["quorum"], "--host", given["host"]),
        *("--manifest", given["manifest"], *given["trustee"], *given["device"]),
        *("--public-port", str(public), "--roles-port", str(private)),
        *("--origin", given["origin"]),
        *place.key("administrator"),
        *("--server-passphrase-file", place.key("server")[1]),
        *more,
    )


def test_no_election(at: Callable[[str], Place], tmp_path: Path) -> None:
    """An election with a wrong number, role, name or file is not made, and nothing is written."""
    place, out = at("made"), tmp_path / "new"
    given = enrolments(place)
    forged = json.loads((place.root / "trustee-1/enrolment.json").read_text())
    tampered = tmp_path / "tampered.json"
    tampered.write_text(json.dumps({**forged, "name": "Somebody Else"}))
    unlike = tmp_path / "manifest.json"
    unlike.write_text('{"format": "sailau-manifest/1"}')
    trustee, device = given["trustee"], given["device"]
    cases: list[tuple[int, str, dict[str, Any]]] = [
        (UNUSABLE, "--quorum", {"quorum": "4"}),
        (UNUSABLE, "--trustee", {"trustee": [*trustee[:-1], device[1]]}),
        (UNUSABLE, "--device", {"device": [*device, "--device", trustee[1]]}),
        (UNUSABLE, "--device", {"device": device[:-2]}),
        (UNUSABLE, "--device", {"device": [*device, *device[:2]]}),
        (REFUSED, "enrolment.signature", {"trustee": ["--trustee", tampered]}),
        (REFUSED, "same name", {"trustee": [*trustee[:-2], *trustee[:2]]}),
        (UNUSABLE, "", {"trustee": ["--trustee", unlike]}),
        (UNUSABLE, "label: is missing", {"manifest": unlike}),
        (UNUSABLE, "", {"manifest": tampered}),
        (UNUSABLE, "host", {"host": "a b"}),
        (UNUSABLE, "host", {"host": "vote.example.org:8443"}),
        (UNUSABLE, "host", {"host": "10.0.0.1:8443"}),
        (UNUSABLE, "host", {"host": "[::1]"}),
        (UNUSABLE, "origin", {"origin": "a name with spaces"}),
    ]
    for code, word, changes in cases:
        result = new(place, out, **changes)
        refused(result, code, word)
        assert not out.exists(), result
    usage = new(place, out, quorum="0")
    assert usage.code == UNUSABLE
    assert "--quorum" in usage.err
    out.mkdir()
    (out / "something").touch()
    refused(new(place, out), UNUSABLE, "is not empty")
    assert [f.name for f in out.iterdir()] == ["something"]


def test_toy_parameters(at: Callable[[str], Place], tmp_path: Path) -> None:
    """An election in a toy group is made, with a warning that nobody can overlook."""
    place = at("made")
    plain = new(place, tmp_path / "plain")
    assert (plain.code, plain.err) == (0, "")
    toy = new(place, tmp_path / "toy", "--parameters", "toy-16-32")
    assert toy.code == 0, toy
    assert "WARNING" in toy.err
    assert "Never use them for a vote" in toy.err


def test_invitations(at: Callable[[str], Place], tmp_path: Path) -> None:
    """Somebody else's, another role's, a forged or a second election's invitation is refused."""
    place = at("made")
    assert new(place, tmp_path / "second").code == 0
    (second,) = (tmp_path / "second/invitations").glob("trustee-1-*.json")
    forged = tmp_path / "forged.json"
    mine = json.loads(place.invitation("trustee-1").read_text())
    forged.write_text(
        json.dumps({**mine, "authority": json.loads(second.read_text())["authority"]})
    )
    home = place.root / "trustee-1"
    cases = (
        (REFUSED, "other keys", place.invitation("trustee-2")),
        (REFUSED, "other keys", place.invitation("device-1")),
        (REFUSED, "invitation.certificate", forged),
        (REFUSED, "same H_B", second),
        (UNUSABLE, "", home / "enrolment.json"),
        (UNUSABLE, "", home / "keystore"),
    )
    before = contents(home)
    for code, words, file in cases:
        refused(call("trustee", "join", *place.home("trustee-1"), file), code, words)
    assert contents(home) == before
    (home / "invitation.json").unlink()
    refused(call("trustee", "run", *place.home("trustee-1"), "--yes"), UNUSABLE, "join")
    refused(call("trustee", "status", "--home", home), UNUSABLE, "join")


# --- the server


def damage(name: str, place: Place, other: Path) -> None:
    """Do something to the files of the server."""
    home = place.root / "election/server"
    database = home / "board.sqlite"
    data = bytearray(database.read_bytes())
    if name == "header":
        data[:16] = b"no database here"
    elif name == "page":
        data[8192:8292] = b"\xa5" * 100
    elif name == "artifact":
        middle = data.rindex(b"box-1") - 40
        data[middle] ^= 1
    if name in ("header", "page", "artifact"):
        database.write_bytes(data)
    elif name == "missing":
        database.unlink()
    elif name == "another election":
        shutil.copy(other / "server/board.sqlite", database)
    elif name == "another key store":
        shutil.copy(other / "server/keystore", home / "keystore")
    elif name == "ports":
        (home / "server.json").write_text("[]")
    elif name == "election":
        (home / "election.artifact").write_bytes(b"\xff" * 50)
    elif name == "certificate":
        (home / "server.pem").write_text("no certificate")
    elif name == "another certificate":
        shutil.copy(other / "server/server.pem", home)
    elif name == "no certificate":
        (home / "server.pem").unlink()


DAMAGES = {
    "header": (UNUSABLE, "board.sqlite"),
    "page": (UNUSABLE, "board.sqlite"),
    "artifact": (UNUSABLE, "board.sqlite"),
    "missing": (UNUSABLE, "never begin one anew"),
    "another election": (UNUSABLE, "another election"),
    "another key store": (REFUSED, "server key"),
    "ports": (UNUSABLE, "public_port"),
    "election": (UNUSABLE, "artifact"),
    "certificate": (UNUSABLE, "server.pem"),
    "another certificate": (UNUSABLE, "server.pem"),
    "no certificate": (UNUSABLE, "server.pem"),
}


@pytest.mark.slow
def test_damaged_server(at: Callable[[str], Place], tmp_path: Path) -> None:
    """A server whose files are damaged, lost or another's does not start, and says which."""
    place = at("voted")
    other = tmp_path / "other"
    assert new(place, other).code == 0
    home = place.root / "election/server"
    sound = tmp_path / "sound"
    shutil.copytree(home, sound)
    for name, (code, words) in DAMAGES.items():
        shutil.rmtree(home)
        shutil.copytree(sound, home)
        damage(name, place, other)
        before = contents(home)
        server = place.start("serve", "--home", home, *place.key("server"), "--bind", HOST)
        wait_until(lambda server=server: server.lines() or not server.running())  # type: ignore[misc]
        assert not server.lines(), f"it serves with the damage: {name}"
        refused(server.wait(), code, words)
        after = {k: v for k, v in contents(home).items() if not k.endswith(("-wal", "-shm"))}
        assert after == before, name


def test_one_server(at: Callable[[str], Place]) -> None:
    """A second server on the same home or the same port does not start."""
    place, second = at("made"), at("made")
    server = place.serve()
    home = place.root / "election/server"
    refused(place.attempt("serve", "--home", home, *place.key("server")), UNUSABLE, "in use")
    there = second.root / "election/server"
    shutil.copy(home / "server.json", there)
    result = second.attempt("serve", "--home", there, *second.key("server"), "--bind", HOST)
    refused(result, UNUSABLE, "cannot listen")
    assert server.stop().code == 0


# --- too early, too late


def refused_without_change(place: Place, *cases: tuple[int, str, tuple[str | Path, ...]]) -> None:
    """Run commands that are not due: none puts anything on the record."""
    size = place.status().size
    for code, words, arguments in cases:
        refused(call(*arguments), code, words)
    assert place.status().size == size


def test_before_the_ceremony(at: Callable[[str], Place]) -> None:
    """Before the key ceremony is complete nothing else can be done."""
    place = at("made")
    place.serve()
    place.trustee(1)
    place.wait(lambda status: status.trustees_done == (1,))
    refused_without_change(
        place,
        (REFUSED, "not complete: commitment", ("election", "open", *place.admin)),
        (REFUSED, "drills stand between", ("election", "drill", *place.admin, "--wait", "0")),
        (REFUSED, "not opened", ("election", "close", *place.admin)),
        (REFUSED, "not closed", ("election", "tally", *place.admin)),
        (REFUSED, "not counted", ("election", "publish", *place.admin, "--out", place.root / "r")),
        (REFUSED, "not opened", ("device", "run", *place.home("device-1"))),
        (REFUSED, "not opened", ("device", "close", *place.home("device-1"))),
        (REFUSED, "not opened", ("receipt", "look-up", "ab" * 32, *place.public)),
        (UNUSABLE, "in use", ("trustee", "run", *place.home("trustee-1"), "--yes")),
        (UNUSABLE, "--backup FILE", ("trustee", "run", *place.home("trustee-2"), "--yes")),
        (REFUSED, "", ("election", "open", *place.home("trustee-2"))),
        (REFUSED, "", ("device", "run", *place.home("trustee-2"))),
        (REFUSED, "", ("trustee", "run", *place.home("device-1"), "--yes", "--backup", "b")),
    )
    assert not (place.root / "r").exists()


def test_status_needs_no_key(at: Callable[[str], Place]) -> None:
    """Where things stand is shown without a key, also beside a program that runs."""
    place = at("made")
    place.serve()
    place.trustee(1)
    place.wait(lambda status: status.trustees_done == (1,))
    mine = call("trustee", "status", "--home", place.root / "trustee-1")
    assert (mine.code, mine.err) == (0, "")
    assert "You are trustee 1 of town-2026: commitment" in mine.out
    late = "Waiting for the commitment to its keys of trustee 2, Болат (not connected)."
    assert late in mine.out
    shown = call("election", "status", *place.admin[:2])
    assert (shown.code, shown.err) == (0, "")
    assert "town-2026: commitment" in shown.out
    assert late in shown.out
    said = call("trustee", "status", "--home", place.root / "trustee-2", "--json").json()
    assert (said["trustee"], said["phase"]) == (2, "COMMITMENT")
    assert [t["committed"] for t in said["trustees"]] == [True, False, False]
    assert [t["connected"] for t in said["trustees"]] == [True, False, False]
    ceremony = call("election", "ceremony", *place.admin[:2])
    assert (ceremony.code, ceremony.err) == (0, "")
    assert "round 1 of 4, commitment" in ceremony.out
    assert "ask them to start `sailau trustee run`" in ceremony.out
    assert call("election", "ceremony", *place.admin[:2], "--json").json() == {
        name: value for name, value in said.items() if name != "trustee"
    }


def test_interrupted(at: Callable[[str], Place]) -> None:
    """Ctrl-C is an exit code of its own. Watching does not hold up what is watched."""
    place = at("ready")
    server = place.serve()
    watch = place.start("election", "status", *place.admin[:2], "--watch")
    watch.until(lambda: server.err.read_text().count("GetStatus") >= 2)
    place.open()
    refused(watch.interrupt(), INTERRUPTED, "interrupted")


def test_stopped_trustee(at: Callable[[str], Place]) -> None:
    """A trustee that is told to stop does so at once, and does not claim to be done."""
    place = at("made")
    place.serve()
    trustee = place.trustee(1, "--until", "confirmed")
    place.wait(lambda status: status.trustees_done == (1,))
    result = trustee.stop()
    assert result.code == 0
    assert "The key is confirmed" not in result.out
    assert "Stopped before the end" in result.err
    trustee = place.trustee(1, "--until", "confirmed")
    trustee.until(lambda: "waiting for" in trustee.err.read_text())
    interrupted = trustee.interrupt()
    assert interrupted.code == INTERRUPTED
    assert "another program" not in interrupted.err
    assert "Stopped before the end" in interrupted.err


def test_nobody_to_confirm(at: Callable[[str], Place]) -> None:
    """Without a person and without --yes a trustee confirms nothing."""
    place = at("made")
    place.serve()
    place.trustee(1)
    place.trustee(2)
    third = place.start("trustee", "run", *place.home("trustee-3"))
    result = third.wait()
    assert result.code == UNUSABLE
    assert result.err.splitlines()[-1].startswith("sailau: nobody is there to confirm")
    assert 3 not in place.status().trustees_done
    assert place.status().phase.name == "CONFIRMATION"


def test_during_the_vote(at: Callable[[str], Place]) -> None:
    """The polls do not close over a device that has not, and a refused close changes nothing."""
    place = at("voted")
    place.serve()
    close = ("election", "close", *place.admin)
    refused_without_change(
        place,
        (REFUSED, "box-1, box-2", close),
        (REFUSED, "closed: box-2", (*close, "--missing", "box-1=stolen")),
        (UNUSABLE, "box-3", (*close, *("--missing", "box-1=stolen", "--missing", "box-3=lost"))),
        (REFUSED, "not closed", ("election", "tally", *place.admin)),
        (REFUSED, "not counted", ("election", "publish", *place.admin, "--out", place.root / "r")),
    )
    usage = call(*close, "--missing", "box-1")
    assert usage.code == UNUSABLE
    assert "DEVICE=REASON" in usage.err
    opened = call("election", "open", *place.admin)
    assert (opened.code, opened.out) == (0, "The polls have been opened before.\n")
    assert call("device", "close", *place.home("device-1")).code == 0
    assert call("device", "close", *place.home("device-1")).code == 0
    order = b'{"unit": "hall", "then": "cast"}\n'
    late = call("device", "run", *place.home("device-1"), stdin=order)
    assert late.code == REFUSED
    assert late.err.splitlines()[-1].endswith("at box-1: the device has closed its chain")
    closed = call(*close, "--missing", "box-2=sealed at 16:40")
    assert closed.code == 0, closed
    assert "9 ballots, 6 cast, 2 challenged, 1 spoiled" in closed.out
    assert "have been closed before" in call(*close).out
    for device in ("device-1", "device-2"):
        late = call("device", "run", *place.home(device), stdin=order)
        refused(late, REFUSED, "polls have closed")


def test_after_the_end(at: Callable[[str], Place]) -> None:
    """When all is over devices take no votes; saying again what was done is no error."""
    place = at("end")
    place.serve()
    size = place.status().size
    vote = b'{"unit": "hall", "then": "cast"}\n'
    refused(call("device", "run", *place.home("device-1"), stdin=vote), REFUSED, "have closed")
    again = call("device", "close", *place.home("device-1"))
    assert again.code == 0
    assert "erased" in again.out
    for command in ("open", "close", "tally"):
        assert call("election", command, *place.admin).code == 0
    usage = call("election", "tally", *place.admin, "--trustee", "4", "--trustee", "1")
    refused(usage, UNUSABLE, "--trustee")
    refused(call("election", "tally", *place.admin, "--trustee", "1"), UNUSABLE, "--trustee")
    trustee = place.trustee(3).wait()
    assert (trustee.code, trustee.out) == (0, "Nothing is left to do.\n")
    assert place.status().size == size


def test_not_the_invited_election(at: Callable[[str], Place]) -> None:
    """A server of another election than the invitation's is left at once."""
    place = at("open")
    place.serve()
    for home in ("device-1", "trustee-1", "election/administrator"):
        file = place.root / home / "invitation.json"
        invitation = json.loads(file.read_text())
        file.write_text(json.dumps({**invitation, "base_hash": "ab" * 32}))
    for command in (
        ("device", "run", *place.home("device-1")),
        ("election", "close", *place.admin),
        ("election", "status", *place.admin[:2]),
        ("trustee", "status", "--home", place.root / "trustee-1"),
        ("trustee", "run", *place.home("trustee-1"), "--yes"),
    ):
        refused(call(*command), REFUSED, "another election")


def test_lost_journal(at: Callable[[str], Place]) -> None:
    """A device whose journal is gone cannot go on: the chain on the record is another one's."""
    place = at("voted")
    place.serve()
    (place.root / "device-1/journal.sqlite").unlink()
    size = place.status().size
    vote = b'{"unit": "hall", "then": "cast"}\n'
    result = call("device", "run", *place.home("device-1"), stdin=vote)
    refused(result, REFUSED)
    assert place.status().size == size


def test_no_server(at: Callable[[str], Place]) -> None:
    """A server that cannot be reached is another exit code than one that refuses."""
    place = at("open")
    patience = BoardClient.__init__.__kwdefaults__
    with mock.patch.dict(patience, deadline=0.3):
        for command in (
            ("device", "run", *place.home("device-1")),
            ("election", "close", *place.admin),
            ("election", "status", *place.admin[:2]),
            ("receipt", "look-up", "ab" * 32, *place.public),
        ):
            result = call(*command)
            waiting, line = result.err.strip().splitlines()
            assert waiting.endswith("does not answer yet; still trying")
            refused(replace(result, err=line), UNREACHABLE, f"nobody answers at {HOST}:")


# --- a device's orders

HALL = b'{"unit": "hall", "then": "cast", '
LINES: list[tuple[bytes, str, str]] = [
    (b"{", "line", "not JSON"),
    (b"[]", "line", "not a JSON object"),
    (b'"hall"', "line", "not a JSON object"),
    (b"\xff\xfe{}", "line", ""),
    (b'{"unit": "\xff"}', "line", ""),
    (b'{"unit": "\\ud800"}', "unit", ""),
    (b"[" * 100_000, "line", "nested"),
    (b'{"unit": "hall", "note": "' + b"x" * (1 << 20) + b'"}', "line", ""),
    (b'{"unit": "hall", "unit": "hall"}', "unit", "more than once"),
    (b"{}", "unit", "not a label"),
    (b'{"unit": 7}', "unit", "not a label"),
    (b'{"unit": "moon"}', "unit", ""),
    (b'{"unit": "town"}', "style", "has none"),
    (b'{"unit": "school", "then": "cast", "style": "full"}', "unit", "does not serve"),
    (HALL + b'"style": "mayor-only"}', "ballot_style", ""),
    (HALL + b'"style": "long"}', "", "long"),
    (HALL + b'"style": null}', "style", "not a label"),
    (HALL + b'"selections": []}', "selections", "not an object"),
    (HALL + b'"selections": {"mayor": ["asel"]}}', "selections['mayor']", ""),
    (HALL + b'"selections": {"judge": {}}}', "selections['judge']", "no such contest"),
    (HALL + b'"selections": {"mayor": {"none": 1}}}', "", "no such option"),
    (HALL + b'"selections": {"mayor": {"asel": 2}}}', "", "not in 0..1"),
    (HALL + b'"selections": {"mayor": {"asel": -1}}}', "", "not in 0..1"),
    (HALL + b'"selections": {"mayor": {"asel": true}}}', "", "not a whole number"),
    (HALL + b'"selections": {"mayor": {"asel": 1.0}}}', "", "not a whole number"),
    (HALL + b'"selections": {"mayor": {"asel": 1' + b"0" * 9999 + b"}}}", "", "whole"),
    (HALL + b'"selections": {"mayor": {"asel": 1, "marat": 1}}}', "", "overvote"),
    (HALL + b'"selections": {"council": {"north": 2, "south": 2}}}', "", "overvote"),
    (b'{"unit": "hall", "selections": {}}', "then", "missing"),
    (b'{"unit": "hall", "then": "burn"}', "then", "none of"),
    (b'{"unit": "hall", "then": ["cast"]}', "then", "none of"),
    (b'{"unit": "hall", "when": "now"}', "when", ""),
    (b'{"code": "ab"}', "code", "64"),
    (b'{"code": 7, "then": "cast"}', "code", ""),
    (b'{"code": "' + b"ab" * 32 + b'"}', "then", "missing"),
    (b'{"code": "' + b"ab" * 32 + b'", "then": "abandon"}', "then", "none of"),
    (b'{"code": "' + b"ab" * 32 + b'", "then": "cast"}', "code", "no such ballot"),
]


def test_bad_orders(at: Callable[[str], Place]) -> None:
    """An order that is none is answered with what is wrong with it, and the next goes on."""
    place = at("open")
    place.serve()
    size = place.status().size
    device = place.device(1, *(line for line, _, _ in LINES), b"", {"unit": "hall", "then": "cast"})
    result = device.wait()
    assert (result.code, result.err) == (0, "")
    *answers, last = map(json.loads, result.out.splitlines())
    for (line, field, words), answer in zip(LINES, answers, strict=True):
        assert set(answer) == {"error", "field"}, line[:100]
        assert field in answer["field"], (line[:100], answer)
        assert words in answer["error"], (line[:100], answer)
        assert len(answer["error"]) < 500
    assert last["status"] == "cast"
    # The device begins, one ballot, one cast.
    assert place.status().size == size + 3


def test_decided_later(at: Callable[[str], Place]) -> None:
    """A ballot without a decision gets one in a later run; only one, and only on its device."""
    place = at("open")
    place.serve()
    wait = {"unit": "hall", "selections": {"mayor": {"asel": 1}}, "then": "abandon"}
    one, two = place.vote(1, wait, wait)
    codes = [one["confirmation_code"], two["display"]]
    cast, again, other, challenged = place.vote(
        1,
        {"code": codes[0], "then": "cast"},
        {"code": codes[0], "then": "cast"},
        {"code": codes[0], "then": "challenge"},
        {"code": codes[1], "then": "challenge"},
    )
    assert (cast["status"], cast["receipt"]["kind"]) == ("cast", "cast")
    assert again["status"] == "cast"
    assert "already cast" in other["error"]
    assert challenged["challenge"]["contests"][0]["contest"] == "mayor"
    files = sorted(f.name for f in (place.root / "receipts").iterdir())
    assert f"{two['confirmation_code'][:16]}.challenge.json" in files
    once_more, unknown = place.vote(
        1, {"code": codes[0], "then": "receipt"}, {"code": "ab" * 32, "then": "receipt"}
    )
    assert (once_more["status"], once_more["receipt"]) == ("cast", cast["receipt"])
    assert "no ballot" in unknown["error"]
    (elsewhere,) = place.vote(2, {"code": codes[1], "then": "cast"})
    assert "no such ballot" in elsewhere["error"]
    status = place.status()
    assert (status.submitted, status.cast, status.challenged) == (2, 1, 1)


def test_usage(held: Held) -> None:
    """Wrong usage is exit code 2 and a hint, also of commands that do not exist."""
    for arguments in (
        ("fly",),
        ("election",),
        ("election", "fly"),
        ("device", "run"),
        ("receipt", "look-up", "ab" * 32),
        ("receipt", "look-up", "ab" * 32, "--record", held.record, "--server", "a:1"),
        ("receipt", "audit", "--record", held.record),
    ):
        result = call(*arguments)
        assert result.code == UNUSABLE, arguments
        assert "Usage" in result.err
    assert call("--help").code == 0
    assert call("election", "new", "--help").code == 0
