"""Trustees that cheat, as real programs: named to everybody, proved by the record alone, left out.

    python -m tests.system.test_cheating odd-messages trustee run --home DIR ...

is `sailau trustee run` with a cheat of this file in it (those of `tests.cheating` have names
there). Every cheat alone, in memory: `tests/properties/test_trustees_cheats.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import verdicts
from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import (
    Accusation,
    Artifact,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    KeyConfirmation,
    Purpose,
    ShareAnswer,
    ShareComplaint,
    TrusteeStatement,
    sign_statement,
)
from record.checkpoint import Checkpoint, VerifierKey, sign_checkpoint
from record.state import Phase, Round
from tests import cheating
from tests.cheating import Cheat, CheatingTrustee, said, saying
from tests.publishing import publish
from tests.system.conftest import Held
from tests.system.programs import ROOT, Place, Program, Result, call, refused
from tests.trustee_machines import Hall, after_nonces, ceremony, fork, play_until, tallied
from tests.world import World
from tests.wrong_statements import answer, complained
from trustees.client import program
from trustees.messages import ConfirmationDue, PostArtifact, Sending, Step, Waiting
from trustees.record_copy import FileCopy
from verifier import Report, verify

pytestmark = pytest.mark.system

REFUSED, ABORTED = 1, 4
CULPRIT, NAME = 2, "trustee 2, Болат"


# --- cheats of this file


class OneByOne(Cheat):
    """Sends messages that the record does not take, each once, and then goes on honestly."""

    def __init__(self) -> None:
        """The messages are made when the time has come."""
        self._left: Iterator[bytes] | None = None

    def due(self, trustee: CheatingTrustee, step: Step) -> bool:
        """Whether the time has come."""
        raise NotImplementedError

    def messages(self, trustee: CheatingTrustee, step: Step) -> Iterator[bytes]:
        """What to send."""
        raise NotImplementedError

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """The next of them."""
        if self._left is None and self.due(trustee, step):
            self._left = self.messages(trustee, step)
        data = None if self._left is None else next(self._left, None)
        return step if data is None else Step(Sending("an oddity"), PostArtifact("oddity", data))


def signed(trustee: CheatingTrustee, statement: TrusteeStatement) -> bytes:
    """As it would be sent now."""
    message = saying(trustee, statement).message
    assert isinstance(message, PostArtifact)
    return message.data


class OddMessages(OneByOne):
    """Before it confirms: what nobody asked for, what is not due, and what is no message."""

    def due(self, trustee: CheatingTrustee, step: Step) -> bool:
        """Everything else of the ceremony is done."""
        return isinstance(step.event, ConfirmationDue)

    def messages(self, trustee: CheatingTrustee, step: Step) -> Iterator[bytes]:
        """None of them proves that this trustee broke the protocol."""
        desk = trustee.desk
        group, i, state = desk.context.group, desk.index, desk.state
        (xi, *_) = desk.vault.share_nonces(group) or ()
        yield signed(trustee, ShareAnswer(i, 1, xi))
        yield signed(trustee, ShareComplaint(i, i))
        yield signed(trustee, ShareComplaint(i, 9))
        yield signed(trustee, KeyConfirmation(i, desk.context.base_hash, bytes(32)))
        yield signed(trustee, state.trustee_keys[i])
        yield signed(trustee, state.encrypted_shares[i])
        yield signed(trustee, DecryptionCommitments(1, i, 0, (bytes(32),)))
        other = bytes(32)  # another election's H_B
        complaint = ShareComplaint(i, 1, state.round_root)
        yield sign_statement(complaint, group, other, desk.role_key).data
        yield b"\x12" + bytes(1_900_000)


class OddParts(OneByOne):
    """In a decryption: a gap, a round that is not due, and another session's responses."""

    def due(self, trustee: CheatingTrustee, step: Step) -> bool:
        """The first commitments are due."""
        return isinstance(said(trustee, step), DecryptionCommitments)

    def messages(self, trustee: CheatingTrustee, step: Step) -> Iterator[bytes]:
        """Nothing of it is a contradiction or a wrong proof."""
        statement = said(trustee, step)
        assert isinstance(statement, DecryptionCommitments)
        i, number, some = trustee.desk.index, statement.session, (mpz(5),)
        yield signed(trustee, replace(statement, first=512))
        yield signed(trustee, replace(statement, commitments=statement.commitments[:-1]))
        yield signed(trustee, replace(statement, session=number + 1))
        yield signed(trustee, DecryptionResponses(number, i, 0, some))
        yield signed(trustee, DecryptionResponses(number + 1, i, 0, some))


HERE = {"odd-messages": OddMessages, "odd-parts": OddParts}


# --- what tests ask for


def start(place: Place, name: str, i: int = CULPRIT) -> Program:
    """Trustee i's program with a cheat in it."""
    module = "tests.system.test_cheating" if name in HERE else "tests.cheating"
    return place.cheat(name, i, module)


def status(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = call("election", "status", *place.admin[:2], "--json").json()
    return found


def published(place: Place) -> Path:
    """The record as `election publish` writes it."""
    out = place.root / "record"
    result = call("election", "publish", *place.admin, "--out", out)
    assert result.code == 0, result
    return out


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], dict[str, Any]]:
    """The report of a copy of the verifier, from the record and nothing else."""
    folder = tmp_path_factory.mktemp("copied")
    shutil.copytree(ROOT / "verifier", folder / "verifier")
    shutil.copy(ROOT / "proto/sailau/v1/record_pb2.py", folder)

    def run(record: Path) -> dict[str, Any]:
        command = [sys.executable, "-m", "verifier", str(record), "--json", "--quiet"]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        report: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if report["verdict"] == "verified" else REFUSED)
        return report

    return run


def conduct(report: dict[str, Any]) -> list[tuple[int, str]]:
    """Who is proved to have done what."""
    return [(m["trustee"], m["check"]) for m in report["misconduct"]]


def failures(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Which checks fail, and who is to blame."""
    return [(f["check"], f["culprit"]) for f in report["failures"]]


def restart(place: Place, *options: str) -> Result:
    """The same election without the culprit, in `again/`."""
    passphrase = ("--server-passphrase-file", place.key("server")[1])
    out = ("--yes", "--out", place.root / "again", "--without", str(CULPRIT))
    return call("election", "restart", *place.admin, *out, *passphrase, *options)


# --- the ceremony


def test_a_share_that_does_not_fit_and_a_false_answer(
    at: Callable[[str], Place], judged: Callable[[Path], dict[str, Any]]
) -> None:
    """The receiver complains, the answer decides, everybody ends and knows who it was."""
    place = at("made")
    with place.running():
        place.serve()
        everybody = [place.trustee(1), start(place, "false-answer"), place.trustee(3)]
        for trustee in everybody:
            ended = trustee.wait()
            assert ended.code == ABORTED, ended
            assert f"{NAME}, broke the protocol" in ended.err.splitlines()[-1]
        found = status(place)
        assert found["phase"] == "ABORTED"
        assert [t["accused"] for t in found["trustees"]] == [None, "R.share-answer", None]
        assert NAME in found["notices"][0]
        report = judged(published(place))
        assert report["verdict"] == "refuted"
        assert failures(report) == [("R.complete", f"trustee {CULPRIT}")]
        assert conduct(report) == [(CULPRIT, "R.share-answer")]
        again = restart(place)
        assert again.code == 0, again


def test_a_share_that_is_never_opened(
    at: Callable[[str], Place], judged: Callable[[Path], dict[str, Any]]
) -> None:
    """Silence proves nothing, but who is silent is named, and the election goes on without it."""
    place = at("made")
    with place.running():
        place.serve()
        honest = [place.trustee(i) for i in (1, 3)]
        start(place, "silent-about-share")
        place.wait(lambda now: 3 in now.trustees_done and bool(now.of(1).complaints))
        found = status(place)
        assert found["trustees"][0]["complaints"] == [CULPRIT]
        assert any(f"{CULPRIT}, Болат" in notice for notice in found["notices"])
        watched = call("election", "ceremony", *place.admin[:2])
        assert f"the share from {NAME} is wrong" in " ".join(watched.out.split())
        again = restart(place)
        assert again.code == 0, again
        assert [trustee.wait().code for trustee in honest] == [ABORTED, ABORTED]
        report = judged(published(place))
        assert failures(report) == [("R.complete", "administrator")]
        assert conduct(report) == []


@pytest.mark.slow
def test_what_proves_nothing(at: Callable[[str], Place]) -> None:
    """Odd messages are refused, leave no trace, and hold nobody up."""
    place = at("made")
    with place.running():
        server = place.serve()
        honest = [place.trustee(i, "--until", "confirmed") for i in (1, 3)]
        odd = start(place, "odd-messages")
        place.reach(Phase.READY)
        assert [trustee.wait().code for trustee in honest] == [0, 0]
        said_by_server = odd.err.read_text()
        for check in ("R.share-answer", "R.complaint", "R.confirmation", "R.order", "R.signature"):
            assert check in said_by_server, check
        found = status(place)
        # The election, four rounds of three, and the server's keys, settings and start.
        assert found["size"] == 1 + 4 * 3 + 3
        assert [t["accused"] for t in found["trustees"]] == [None] * 3
        assert [t["complaints"] for t in found["trustees"]] == [[]] * 3
        assert server.running()
        assert refused(call("election", "tally", *place.admin), REFUSED, "not closed")


# --- the decryption


@pytest.mark.slow
def test_a_wrong_response(
    held: Held, at: Callable[[str], Place], judged: Callable[[Path], dict[str, Any]]
) -> None:
    """The others finish by themselves, also beside one that sends what nobody wants."""
    place = at("voted")
    with place.running():
        place.serve()
        place.close()
        honest, odd = place.trustee(1), start(place, "odd-parts", 3)
        culprit = start(place, "wrong-response")
        place.wait(lambda now: len(now.trustees_present) == 3)
        tally = call("election", "tally", *place.admin)
        assert tally.code == 0, tally
        assert tally.err.count("session ") == 1
        assert f"{NAME[0].upper()}{NAME[1:]}, is left out" in tally.err
        assert [honest.wait().code, odd.wait().code] == [0, 0]
        assert "R.session" in odd.err.read_text()
        ended = culprit.wait()
        assert ended.code == REFUSED
        assert "R.decryption-share" in ended.err.splitlines()[-1]
        found = status(place)
        assert found["trustees_excluded"] == [CULPRIT]
        assert (found["session"], found["session_trustees"]) == (2, [1, 3])
        report = judged(published(place))
    assert (report["verdict"], failures(report)) == ("verified", [])
    assert conduct(report) == [(CULPRIT, "R.decryption-share")]
    # What is counted is what is counted without a cheat.
    assert report["totals"] == judged(held.record)["totals"]


# --- nobody is framed (in memory, with toy parameters)


@pytest.mark.parametrize("purpose", [Purpose.TALLY, Purpose.DRILL])
def test_a_session_that_the_board_takes_back(purpose: Purpose) -> None:
    """Left out of a session, a trustee does not sign other commitments in the one before."""
    hall = tallied(TOY[-1], 3, 2) if purpose is Purpose.TALLY else ceremony(TOY[-1], 3, 2)
    number = hall.world.state.last_session + 1
    hall.log.publish(DecryptionSession(number, (1, 2, 3), purpose))
    branch = fork(hall)
    play_until(hall, Round.COMMITMENTS, (1,))
    hall.log.publish(DecryptionSession(number + 1, (2, 3), purpose))
    assert isinstance(hall.step(1).event, Waiting)
    branch.stores[1] = hall.stores[1].copy()
    branch.restart(1)
    branch.feed(1)
    assert after_nonces(branch.trustees[1]).message is None


class LaxWorld(World):
    """The record of a server that takes decryptions as they are."""

    def append_artifact(self, artifact: Artifact) -> Artifact:
        """Check and take; prove nothing."""
        self.transcript.check(artifact)
        self.artifacts.append(artifact)
        self.transcript.take(artifact)
        return artifact


def verified(world: World, directory: Path, artifacts: Sequence[bytes]) -> Report:
    """What the verifier says of these artifacts under a good checkpoint."""
    publish(world, directory, artifacts)
    return verify(directory, parameters="toy-64-256")


def blamed(report: Report) -> set[str]:
    """Who is to blame for what fails, and who is proved to have cheated."""
    culprits = {f.culprit for f in report.failures if f.check != "R.complete"}
    return culprits | {f"trustee {m.trustee}" for m in report.misconduct}


def test_a_response_to_what_is_no_element(tmp_path: Path) -> None:
    """The server lets an M_2 outside the subgroup through: what trustee 1 answers is no fault."""
    held = tallied(TOY[-1], 3, 2)
    world = held.world
    hall = Hall(LaxWorld(world.secrets, world.artifacts, world.transcript), held.stores)
    hall.cheat(2, cheating.OutsideShareOfDecryption())
    hall.decrypt((1, 2))
    report = verified(world, tmp_path / "plain", world.data())
    assert blamed(report) == {"trustee 2"}
    response = next(
        n
        for n, a in enumerate(world.artifacts)
        if isinstance(a.statement, DecryptionResponses) and a.statement.trustee == 1
    )
    accusation = world.sign(Accusation(1, world.artifacts[response].data, "R.decryption-share"))
    framed = [*world.data()[:response], accusation.data]
    assert blamed(verified(world, tmp_path / "framed", framed)) == {"trustee 2", "server"}


def test_an_order_that_is_the_servers(tmp_path: Path) -> None:
    """Leaving artifacts out, or exchanging them, puts nobody else in the wrong."""
    world = complained()
    world.append(answer(world))
    *before, _, answered = world.data()
    assert blamed(verified(world, tmp_path / "answer", [*before, answered])) == {"server"}
    hall = tallied(TOY[-1], 3, 2)
    hall.decrypt((1, 2))
    names = [a.name for a in hall.world.artifacts]
    data = hall.world.data()
    shares = names.index("decryption_shares")
    data[shares - 1], data[shares] = data[shares], data[shares - 1]
    assert blamed(verified(hall.world, tmp_path / "parts", data)) == {"server"}


class FastBoard:
    """A board on which others go on while one trustee computes."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    def checkpoint(self, _: VerifierKey) -> tuple[bytes, Checkpoint]:
        """Of everything there is."""
        world = self._hall.world
        tree = world.state.tree
        checkpoint = Checkpoint(world.log_key.name, tree.size, tree.root())
        return sign_checkpoint(checkpoint, world.secrets.log), checkpoint

    def read(self, first: int = 0, limit: int = 0) -> Iterator[bytes]:
        """As the board's client."""
        data = self._hall.world.data()[first:]
        return iter(data[:limit] if limit else data)


@pytest.mark.parametrize("other", [False, True])
def test_a_record_that_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, other: bool
) -> None:
    """While a trustee checks the tallies others post; a checkpoint of another record is refused."""
    monkeypatch.setattr(verdicts, "check_invited", lambda *_: None)
    hall = tallied(TOY[-1], 3, 2)
    hall.attend(1, 2)
    hall.coordinator.start_decryption((1, 2))
    data = hall.world.data()
    copy = FileCopy(tmp_path / "copy")
    for artifact in [*data[:-1], data[1]] if other else data:
        copy.append(artifact)
    play_until(hall, Round.COMMITMENTS, (2,))
    board: Any = FastBoard(hall)
    invitation: Any = SimpleNamespace(log_key=str(hall.world.log_key))
    reason = verdicts.verify_copy(board, invitation, copy, threading.Event())
    assert (reason is None) is not other
    assert "another record" in (reason or "another record")


if __name__ == "__main__":
    cheating.CHEATS = {**cheating.CHEATS, **HERE}
    program.PAUSE_AFTER_REFUSAL = 0.0
    cheating.main()
