"""A ceremony that comes to nothing: who is told what, and the election made again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from ballotbox.client import BoardClient
from cli.connect import role_connection
from cli.homes import open_home
from crypto.errors import Rejected, SailauError
from identity.keystore import read_keystore
from record.artifacts import KeyCommitment, sign_statement
from record.state import Phase
from tests.system.programs import Place, Program, call, refused
from trustees.client import CoordinatorClient

pytestmark = pytest.mark.system

REFUSED, UNUSABLE, UNREACHABLE, ABORTED, INTERRUPTED = 1, 2, 3, 4, 130


def restart(place: Place, *options: str | Path) -> tuple[str | Path, ...]:
    """The command that makes the election again in `again/`."""
    server = ("--server-passphrase-file", place.key("server")[1])
    out = ("--out", place.root / "again")
    return "election", "restart", *place.admin, *out, *server, "--yes", *options


def move_to(place: Place) -> None:
    """The new election takes the place of the old one, at its addresses."""
    shutil.move(place.root / "election", place.root / "before")
    shutil.move(place.root / "again", place.root / "election")


def rejoin(place: Place, role: str, *options: str) -> None:
    """Take the new invitation in."""
    name, _, number = role.partition("-")
    wanted = json.loads((place.root / role / "enrolment.json").read_text())["public_key"]
    (file,) = (
        f
        for f in (place.root / "election/invitations").glob(f"{name}-*.json")
        if json.loads(f.read_text())["public_key"] == wanted
    )
    result = call(name, "join", *place.home(role), file, *options)
    assert result.code == 0, (number, result)


def began(place: Place, i: int) -> Program:
    """A trustee that has committed to its keys."""
    program = place.trustee(i)
    place.wait(lambda status: status.of(i).committed)
    return program


@pytest.mark.slow
def test_a_trustee_that_does_not_come(at: Callable[[str], Place], tmp_path: Path) -> None:
    """Given up, told to all, verified as evidence, and held again with somebody else."""
    place = at("made")
    server = place.serve()
    trustees = [began(place, i) for i in (1, 3)]
    watch = place.start("election", "ceremony", *place.admin[:2], "--watch")
    watch.until(lambda: any("not" in line or "ask them" in line for line in watch.lines()))
    new = place.root / "trustee-4"
    place.run("trustee", "init", *place.home("trustee-4"), "--name", "Erlan")
    reason = ("--reason", "Bolat has left the country")
    result = call(*restart(place, "--without", "2", "--trustee", new / "enrolment.json", *reason))
    assert result.code == 0, result
    for trustee in trustees:
        ended = trustee.wait()
        assert ended.code == ABORTED
        last = ended.err.splitlines()[-1]
        assert "has come to nothing" in last
        assert "Bolat has left the country" in last
    shown = watch.wait()
    assert shown.code == ABORTED
    assert "Bolat has left the country" in shown.out
    assert place.status().phase is Phase.ABORTED
    published = place.run("election", "publish", *place.admin, "--out", place.root / "evidence")
    assert "come to nothing" in published.out
    for command in ("open", "close", "tally", "drill"):
        assert call("election", command, *place.admin).code == REFUSED
    server.stop()

    before = (place.root / "trustee-1/keystore").read_bytes()
    move_to(place)
    place.serve()
    for i in (1, 3, 4):
        rejoin(place, f"trustee-{i}")
    for n in (1, 2):
        rejoin(place, f"device-{n}")
    assert (place.root / "trustee-1/keystore").read_bytes() != before
    assert not (place.root / "trustee-1/record.copy").exists()
    names = [t["name"] for t in status_of(place)["trustees"]]
    assert names == ["Aigerim", "Erlan", "Dinara"]
    for i in (1, 3, 4):
        place.trustee(i, "--until", "confirmed")
    place.reach(Phase.READY)
    place.open()
    order = {"unit": "hall", "selections": {"mayor": {"asel": 1}}, "then": "cast"}
    (vote,) = place.vote(1, order)
    assert vote["status"] == "cast"


def status_of(place: Place) -> dict[str, list[dict[str, object]]]:
    status: dict[str, list[dict[str, object]]] = place.run(
        "election", "status", *place.admin[:2], "--json"
    ).json()
    return status


def commit_twice(place: Place, i: int) -> SailauError | None:
    """Sign another commitment than the one on the record, with trustee i's own key."""
    passphrase = Path(place.key(f"trustee-{i}")[1]).read_bytes().strip()
    home = open_home(place.root / f"trustee-{i}", passphrase)
    with home.keystore, role_connection(home, home.invitation()) as channel:
        transcript = BoardClient(channel).transcript()
        state, context = transcript.state, transcript.context
        statement = KeyCommitment(i, bytes(32), state.key_commitments[i].transcript)
        signed = sign_statement(statement, context.group, context.base_hash, home.role_key)
        try:
            CoordinatorClient(channel).post_artifact(signed.data)
        except SailauError as error:
            return error
    return None


def test_a_cheat(at: Callable[[str], Place]) -> None:
    """Accused on the record, named to everybody, left out of the election that is made again."""
    place = at("made")
    place.serve()
    trustees = [began(place, i) for i in (1, 2)]
    trustees.pop().kill()
    place.wait(lambda status: 2 not in status.trustees_present)
    error = commit_twice(place, 2)
    assert isinstance(error, Rejected), error
    assert error.check == "R.equivocation"
    ended = trustees[0].wait()
    assert ended.code == ABORTED
    assert "trustee 2, Болат, broke the protocol" in ended.err.splitlines()[-1]
    shown = call("election", "ceremony", *place.admin[:2])
    assert shown.code == ABORTED
    assert "accused: R.equivocation" in shown.out
    assert "--without 2`" in shown.out
    said = call("election", "ceremony", *place.admin[:2], "--json")
    assert [t["accused"] for t in said.json()["trustees"]] == [None, "R.equivocation", None]
    out = ("--out", place.root / "evidence", "--json")
    published = call("election", "publish", *place.admin, *out).json()
    assert published["accused"] == {"2": "R.equivocation"}
    again = call(*restart(place, "--without", "2"))
    assert again.code == 0, again
    assert "has ended already" in again.err
    late = place.trustee(3).wait()
    assert late.code == ABORTED


def test_what_cannot_be_made_again(at: Callable[[str], Place]) -> None:
    """Nothing is given up before the new election is possible; after the opening it never is."""
    place = at("made")
    place.serve()
    size = place.status().size
    new = place.root / "trustee-1/enrolment.json"
    for code, words, options in (
        (UNUSABLE, "no trustee 4", ("--without", "4")),
        (UNUSABLE, "2 of 1 trustees", ("--without", "1", "--without", "2")),
        (UNUSABLE, "3 of 2 trustees", ("--without", "2", "--quorum", "3")),
        (REFUSED, "", ("--without", "2", "--trustee", new)),
        (UNUSABLE, "--trustee", ("--trustee", place.root / "device-1/enrolment.json")),
    ):
        refused(call(*restart(place, *options)), code, words)
    nothing = call(*restart(place))
    assert nothing.code == UNUSABLE
    assert "say what is to be different" in nothing.err
    unasked = [word for word in restart(place, "--without", "2") if word != "--yes"]
    line = refused(call(*unasked), UNUSABLE, "say --yes")
    assert "the ceremony of town-2026, in which 0 of 3 have confirmed?" in line
    assert not (place.root / "again").exists()
    assert place.status().size == size
    shutil.move(place.root / "election/administrator/plan", place.root / "plan")
    refused(call(*restart(place, "--without", "2")), UNUSABLE, "is missing")
    place = at("open")
    place.serve()
    refused(call(*restart(place, "--without", "2")), REFUSED, "have opened")
    assert not (place.root / "again").exists()


def test_offline(at: Callable[[str], Place]) -> None:
    """Without the old server it goes on only when told to; the same H_B never comes again."""
    place = at("made")
    home = place.root / "election/administrator"
    invitation = json.loads((home / "invitation.json").read_text())
    patience = BoardClient.__init__.__kwdefaults__
    with mock.patch.dict(patience, deadline=0.3):
        stopped = call(*restart(place, "--quorum", "2"))
        result = call(*restart(place, "--quorum", "2", "--offline", "--reason", "nobody hears"))
    assert stopped.code == UNREACHABLE
    assert "add --offline" in stopped.err.splitlines()[-1]
    assert result.code == 0, result
    assert "does not show that it was given up" in result.err
    assert "--reason is not used" in result.err
    assert "empty line at its end" in result.out
    new = json.loads((place.root / "again/administrator/invitation.json").read_text())
    assert new["base_hash"] != invitation["base_hash"]
    assert new["log_key"] != invitation["log_key"]
    assert new["administrator_key"] != invitation["administrator_key"]
    plan = json.loads((home / "plan/plan.json").read_text())
    ports = json.loads((place.root / "again/server/server.json").read_text())
    assert ports == {name: plan[name] for name in ("public_port", "roles_port")}


def test_leaving(at: Callable[[str], Place]) -> None:
    """Who is in a ceremony leaves it only on purpose, and nobody leaves open polls."""
    place = at("made")
    place.serve()
    began(place, 1).kill()
    assert call(*restart(place, "--without", "3")).code == 0
    (mine,) = (place.root / "again/invitations").glob("trustee-1-*.json")
    home = place.root / "trustee-1"
    join = ("trustee", "join", *place.home("trustee-1"), mine)
    kept = (home / "keystore").read_bytes(), (home / "invitation.json").read_bytes()
    line = refused(call(*join), REFUSED, "P.leave", "--leave")
    assert "insist" not in line
    assert kept == ((home / "keystore").read_bytes(), (home / "invitation.json").read_bytes())
    passphrase = Path(place.key("trustee-1")[1]).read_bytes().strip()
    assert any(n.startswith("trustee.") for n in read_keystore(home / "keystore", passphrase))
    assert call(*join, "--leave").code == 0
    # The old server still stands where the new one will: that is said once.
    early = place.trustee(1, "--server", place.addresses()[1])
    early.until(lambda: "not of this election" in early.err.read_text())
    result = early.interrupt()
    assert result.code == INTERRUPTED
    assert result.err.count("the server there is not of this election") == 1
    assert "CERTIFICATE" not in result.err
    left = read_keystore(home / "keystore", passphrase)
    assert not any(name.startswith("trustee.") for name in left)
    # The way back is closed: what was signed in the old one was signed under its H_B.
    back = ("trustee", "join", *place.home("trustee-1"), place.invitation("trustee-1"), "--leave")
    refused(call(*back), REFUSED, "same H_B")

    (other,) = (place.root / "again/invitations").glob("trustee-1-*.json")
    voting = at("voted")
    join = ("trustee", "join", *voting.home("trustee-1"), other, "--leave")
    refused(call(*join), REFUSED, "P.leave", "may be open", "fresh home")
    mine = voting.root / "trustee-1/invitation.json"
    assert mine.read_bytes() == voting.invitation("trustee-1").read_bytes()
