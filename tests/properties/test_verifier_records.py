"""Whole records through the verifier: good ones hold, and one fault is one failed check.

The records come from the in-memory election of `tests.decrypting`. Most tampering here is
done on the published protobuf messages: one field is changed, the artifact is signed
again by its role, and the log is made anew around it, so that nothing but the claim
itself is wrong.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

from crypto.parameters import TOY
from record.artifacts import Selection, Statement
from record.manifest import Contest, Option
from sailau.v1 import record_pb2 as pb
from tests.ballots import Encryptor, Fate, Plain
from tests.decrypting import VOTES, play_election
from tests.publishing import publish
from tests.tampered.kit import Record
from tests.world import World
from verifier import Report, verify

ROOT = Path(__file__).parents[2]
NAME = "toy-64-256"
PARAMETERS = next(p for p in TOY if p.q.bit_length() == 64)


@pytest.fixture(scope="module")
def world() -> World:
    """A complete election with ballots of every fate."""
    return play_election(PARAMETERS)


def parsed(world: World) -> list[pb.Artifact]:
    """The world's artifacts as messages of their own."""
    return [pb.Artifact.FromString(bytes(data)) for data in world.data()]


def judged(world: World, folder: Path, artifacts: Sequence[bytes] | None = None) -> Report:
    """The verdict on a record, published for the occasion."""
    shutil.rmtree(folder / "record", ignore_errors=True)
    publish(world, folder / "record", artifacts)
    return verify(folder / "record", parameters=NAME)


# --- good records


def test_a_good_record_is_verified(world: World, tmp_path: Path) -> None:
    """Every check but 13.A and those of other modes is made, and none fails."""
    report = judged(world, tmp_path)
    assert report.failures == ()
    assert report.verdict == "verified"
    idle = {i for i, count in report.checks.items() if not count.passed}
    assert idle == set()
    assert (report.counts.submitted, report.counts.cast) == (len(VOTES), 4)
    assert [(t.contest, t.options) for t in report.totals] == [
        ("president", (("abai", 1), ("beimbet", 2), ("gulnar", 0))),
        ("council", (("yes", 2), ("no", 2))),
    ]


@pytest.mark.parametrize(("trustees", "quorum"), [(1, 1), (2, 1), (4, 4)])
def test_other_quorums_are_verified(trustees: int, quorum: int, tmp_path: Path) -> None:
    """One trustee alone, one of two, all of four."""
    played = play_election(PARAMETERS, trustees=trustees, quorum=quorum)
    assert judged(played, tmp_path).verdict == "verified"


def test_without_chaining(tmp_path: Path) -> None:
    """In mode "none" 8.D is checked, and 8.E to 8.G are not."""
    report = judged(play_election(PARAMETERS, chaining="none"), tmp_path)
    assert report.verdict == "verified"
    assert report.checks["8.D"].passed == len(VOTES)
    assert not {"8.E", "8.F", "8.G"} & set(report.checks)


def test_a_missing_device_is_named(tmp_path: Path) -> None:
    """A device declared missing is reported with its reason."""
    played = play_election(PARAMETERS, missing=["ballot-box-2"])
    report = judged(played, tmp_path)
    assert report.verdict == "verified"
    assert [device for device, _ in report.counts.missing] == ["ballot-box-2"]


def test_an_election_without_ballots(tmp_path: Path) -> None:
    """Nobody came: the keys and the empty tallies are checked all the same."""
    report = judged(play_election(PARAMETERS, votes=()), tmp_path)
    assert report.verdict == "verified"
    assert report.counts.submitted == 0


def test_many_ballots_in_several_processes(tmp_path: Path) -> None:
    """Several files, full tiles, two processes: the same report as with one."""
    fates = (Fate.CAST, Fate.CAST, Fate.CHALLENGE, Fate.SPOIL)
    votes = [Plain({"president": (0, 1, 0)}, fate=fates[i % 4]) for i in range(160)]
    publish(play_election(PARAMETERS, votes=votes), tmp_path / "record")
    one, two = (verify(tmp_path / "record", parameters=NAME, jobs=jobs) for jobs in (1, 2))
    assert one.verdict == "verified"
    assert one.counts.artifacts > 256
    assert one == two


def test_until_close(world: World, tmp_path: Path) -> None:
    """For a trustee the record may end after the encrypted tallies, but not before."""
    artifacts = [bytes(data) for data in world.data()]
    kinds = [a.WhichOneof("statement") for a in parsed(world)]
    end = kinds.index("decryption_session")
    for length, verdict in ((end, "verified"), (end - 1, "refuted")):
        publish(world, tmp_path / str(length), artifacts[:length])
        report = verify(tmp_path / str(length), parameters=NAME, until="close")
        assert report.verdict == verdict
    assert verify(tmp_path / str(end), parameters=NAME).failed_ids() == ("R.complete",)


@pytest.mark.parametrize("prefix", ["", "folder/"])
def test_a_zip_is_a_record(world: World, tmp_path: Path, prefix: str) -> None:
    """With its files at the root or below one folder."""
    publish(world, tmp_path / "record")
    path = tmp_path / "record.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (tmp_path / "record").rglob("*"):
            if file.is_file():
                archive.write(file, prefix + str(file.relative_to(tmp_path / "record")))
    assert verify(path, parameters=NAME).verdict == "verified"


def test_the_copied_verifier_reads_a_record(world: World, tmp_path: Path) -> None:
    """verifier/ and record_pb2.py in an empty folder, with three dependencies, are enough."""
    publish(world, tmp_path / "record")
    folder = tmp_path / "copy"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "verifier", folder / "verifier", ignore=ignore)
    shutil.copy(ROOT / "proto/sailau/v1/record_pb2.py", folder)
    installed = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    done = subprocess.run(
        # -S: without the project itself, however it is installed.
        [sys.executable, "-S", "-m", "verifier", "../record", "--json", "--parameters", NAME],
        cwd=folder,
        env={"PYTHONPATH": installed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "verified"


def test_what_was_announced_elsewhere(world: World, tmp_path: Path) -> None:
    """The log key and the manifest that the caller knows are compared."""
    publish(world, tmp_path / "record")
    election = parsed(world)[0].election
    good = verify(
        tmp_path / "record",
        parameters=NAME,
        log_key=election.log_key,
        manifest=election.manifest,
    )
    assert good.verdict == "verified"
    bad = verify(tmp_path / "record", parameters=NAME, log_key="x", manifest=b"{}")
    assert bad.failed_ids() == ("R.given-log-key", "R.given-manifest")


def test_toy_parameters_are_refuted_unless_asked_for(world: World, tmp_path: Path) -> None:
    """Without the option only 1.B, 1.C and 1.D fail: the rest is checked all the same."""
    publish(world, tmp_path / "record")
    assert verify(tmp_path / "record").failed_ids() == ("1.B", "1.C", "1.D")


# --- one field changed, signed again


def flip(data: bytes) -> bytes:
    """The same bytes but for the last bit."""
    return data[:-1] + bytes([data[-1] ^ 1])


Q = int(PARAMETERS.q).to_bytes(8, "big")
BAD = (int(PARAMETERS.p) - 1).to_bytes(32, "big")  # -1, which is not in the group


def put(path: str, value: object = flip) -> Callable[[Any], None]:
    """Change the field at a dotted path; numbers index lists; a function is applied."""

    def change(statement: Any) -> None:
        *steps, last = path.split(".")
        for step in steps:
            statement = statement[int(step)] if step.isdigit() else getattr(statement, step)
        old = statement[int(last)] if last.isdigit() else getattr(statement, last)
        new = value(old) if callable(value) else value
        if last.isdigit():
            statement[int(last)] = new
        else:
            setattr(statement, last, new)

    return change


def drop(path: str) -> Callable[[Any], None]:
    """Remove the last item of the list at a dotted path."""

    def change(statement: Any) -> None:
        for step in path.split("."):
            statement = statement[int(step)] if step.isdigit() else getattr(statement, step)
        del statement[-1]

    return change


def add(path: str, **fields: object) -> Callable[[Any], None]:
    """Add an item, a copy of the last with some fields changed, to a list."""

    def change(statement: Any) -> None:
        for step in path.split("."):
            statement = statement[int(step)] if step.isdigit() else getattr(statement, step)
        last = statement[-1]
        statement.add().CopyFrom(last)
        for name, value in fields.items():
            setattr(statement[-1], name, value)

    return change


def more(value: int) -> int:
    """One more."""
    return value + 1


Tampering = tuple[str, str, Callable[[Any], None]]

TAMPERINGS: tuple[Tampering, ...] = (
    ("1.A", "election", put("version", "v2.1.1")),
    ("1.B", "election", put("p")),
    ("1.C", "election", put("q")),
    ("1.D", "election", put("g")),
    ("1.E", "election", put("parameter_base_hash")),
    ("1.F", "election", put("base_hash")),
    ("R.checkpoint", "election", put("log_key", "nobody")),
    ("R.role-keys", "election", put("role_keys.1.index", more)),
    ("2.A", "trustee_keys", put("data_commitments.1", BAD)),
    ("2.A", "trustee_keys", put("communication_key", BAD)),
    ("2.B", "trustee_keys", put("vote_proof.responses.0", Q)),
    ("2.C", "trustee_keys", put("vote_proof.challenge")),
    ("2.C", "trustee_keys", put("data_proof.responses.2")),
    ("R.encoding", "trustee_keys", put("communication_key", lambda x: b"\0" + x)),
    ("R.share-proof", "encrypted_shares", put("shares.0.c1")),
    ("R.share-proof", "encrypted_shares", put("shares.1.c0", bytes(32))),
    ("R.confirmation", "key_confirmation", put("base_hash")),
    ("R.confirmation", "key_confirmation", put("key_ceremony_hash")),
    ("3.A", "opening", put("vote_key")),
    ("3.B", "opening", put("data_key")),
    ("4.A", "opening", put("extended_base_hash")),
    ("R.device", "device", put("information", "elsewhere")),
    ("8.C", "device", put("information_hash")),
    ("8.F", "device", put("initial_hash")),
    ("8.F", "device", put("initial_hash", b"")),
    ("5.B", "ballot", put("identifier_hash")),
    ("6.B", "ballot", put("contests.0.selections.0.proof.challenges.0", Q)),
    ("6.C", "ballot", put("contests.0.selections.0.proof.responses.1", Q)),
    ("6.D", "ballot", put("contests.0.selections.0.proof.challenges.1")),
    ("6.D", "ballot", put("contests.0.selections.2.proof.responses.0")),
    ("7.B", "ballot", put("contests.0.limit_proof.challenges.0", Q)),
    ("7.C", "ballot", put("contests.0.limit_proof.responses.1", Q)),
    ("7.D", "ballot", put("contests.1.limit_proof.responses.3")),
    ("R.nonce-proof", "ballot", put("encrypted_nonce.c1")),
    ("8.A", "ballot", put("contests.1.contest_hash")),
    ("8.B", "ballot", put("confirmation_code")),
    ("8.E", "ballot", put("chaining_field")),
    ("R.cast", "cast", put("device", "ballot-box-2")),
    ("R.device-close", "device_close", put("ballots", more)),
    ("8.G", "device_close", put("chaining_field")),
    ("8.G", "device_close", put("closing_hash")),
    ("R.polls-close", "polls_close", put("spoiled", more)),
    ("R.tally-cells", "encrypted_tally", put("ballots", more)),
    ("R.tally-cells", "encrypted_tally", put("units.0", "elsewhere")),
    ("9.A", "encrypted_tally", put("options.0.a")),
    ("9.B", "encrypted_tally", put("options.1.b", BAD)),
    ("R.session", "decryption_session", put("session", more)),
    ("R.session", "decryption_responses", put("first", more)),
    ("R.decryption-commitment", "decryption_commitments", put("commitments.0")),
    ("R.decryption-share", "decryption_shares", put("shares.0.partial_decryption")),
    ("R.decryption-share", "decryption_shares", put("shares.1.a", BAD)),
    ("R.decryption-share", "decryption_responses", put("responses.0")),
    ("10.A", "decrypted_tally", put("options.0.response", Q)),
    ("10.B", "decrypted_tally", put("options.0.challenge")),
    ("10.C", "decrypted_tally", put("options.0.count", more)),
    ("11.A", "decrypted_tally", put("contest", "elsewhere")),
    ("11.B", "decrypted_tally", add("options", option="nobody")),
    ("11.C", "decrypted_tally", drop("options")),
    ("R.tally-cells", "decrypted_tally", put("ballots", more)),
    ("R.challenged", "challenged_ballot_decryption", put("confirmation_code")),
    ("R.challenged", "challenged_ballot_decryption", put("contests.0.selections.0.nonce", Q)),
    ("13.B", "challenged_ballot_decryption", put("contests.0.selections.0.nonce")),
    ("13.B", "challenged_ballot_decryption", put("contests.0.selections.1.value", 0)),
    ("14.A", "challenged_ballot_decryption", add("contests", contest="elsewhere")),
    ("14.B", "challenged_ballot_decryption", drop("contests")),
    ("14.C", "challenged_ballot_decryption", add("contests.0.selections", option="x", value=0)),
    ("14.D", "challenged_ballot_decryption", drop("contests.0.selections")),
    ("14.E", "challenged_ballot_decryption", put("contests.1.selections.1.value", 3)),
    ("14.F", "challenged_ballot_decryption", put("contests.0.selections.0.value", 1)),
    ("R.result", "result", put("contests.0.options.0.count", more)),
    ("R.result", "result", put("contests.1.ballots", more)),
)


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda t: f"{t[0]}-{t[1]}")
def test_one_changed_field_fails_one_check(
    world: World, tmp_path: Path, tampering: Tampering
) -> None:
    """The first artifact of a kind, changed in one field: exactly the named check fails."""
    check, kind, change = tampering
    record = Record(world)
    number = record.position(kind)
    change(getattr(record.artifacts[number], kind))
    report = judged(world, tmp_path, record.encoded())
    assert report.failed_ids() == (check,)
    # What a decryption says is judged only when the round after it comes, and an opening
    # of an unknown ballot leaves another one unopened.
    elsewhere = kind.startswith("decryption_") or check == "R.challenged"
    assert elsewhere or all(f.place.artifact in (None, number) for f in report.failures)


KINDS = ("trustee_keys", "opening", "device", "ballot", "cast", "encrypted_tally", "result")


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_signature_fails_alone(world: World, tmp_path: Path, kind: str) -> None:
    """Whoever makes the statement: R.signature and nothing else."""
    for change in (flip, lambda signature: b""):
        record = Record(world)
        artifact = record.artifacts[record.position(kind)]
        artifact.signature = change(artifact.signature)
        assert judged(world, tmp_path, record.encoded()).failed_ids() == ("R.signature",)


def test_a_repeated_artifact_fails_alone(world: World, tmp_path: Path) -> None:
    """Any artifact published twice is R.duplicate and nothing else."""
    for number in range(0, len(world.artifacts), 3):
        record = Record(world)
        again = pb.Artifact()
        again.CopyFrom(record.artifacts[number])
        record.artifacts.insert(number + 1, again)
        assert judged(world, tmp_path, record.encoded()).failed_ids() == ("R.duplicate",)


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("key_confirmation", "R.order"),
        ("opening", "R.order"),
        ("device_close", "R.polls-close"),
        ("polls_close", "R.order"),
        ("decrypted_tally", "11.D"),
        ("challenged_ballot_decryption", "R.challenged"),
        ("result", "R.complete"),
    ],
)
def test_a_missing_artifact_is_missed(world: World, tmp_path: Path, kind: str, check: str) -> None:
    """A statement left out fails the check of whatever waits for it."""
    record = Record(world)
    record.take_out(kind)
    assert judged(world, tmp_path, record.encoded()).failed_ids() == (check,)


def test_a_late_cast_fails_alone(world: World, tmp_path: Path) -> None:
    """A spoiled ballot cast after the close is R.after-close, and changes nothing."""
    record = Record(world)
    spoiled = record.ballot("spoiled")
    cast = pb.Cast(device=spoiled.device, confirmation_code=spoiled.confirmation_code)
    record.insert(record.position("polls_close") + 1, cast=cast)
    assert judged(world, tmp_path, record.encoded()).failed_ids() == ("R.after-close",)


# --- a device that goes on with what it got wrong


class SameIdentifier(Encryptor):
    """Uses one selection encryption identifier for every ballot."""

    def identifier(self) -> bytes:
        """Always the same."""
        return b"\x05" * 32


class WrongIdentifierHash(Encryptor):
    """Proves and hashes everything under another H_I."""

    def identifier_hash(self) -> bytes:
        """Any hash."""
        return secrets.token_bytes(32)


class WrongContestHash(Encryptor):
    """Makes the code over a wrong contest hash."""

    def contest_hash(self, contest: Contest, selections: Sequence[Selection]) -> bytes:
        """Any hash."""
        return secrets.token_bytes(32)


class WrongCode(Encryptor):
    """Chains on with a code of its own."""

    def confirmation_code(self, contests: Sequence[Any], b_c: bytes) -> bytes:
        """Any hash."""
        return secrets.token_bytes(32)


class WrongChain(Encryptor):
    """Makes the code over a chaining field of its own."""

    def chaining_field(self) -> bytes:
        """The right mode, any hash."""
        return b"\0\0\0\1" + secrets.token_bytes(32)


class Outside(Encryptor):
    """Encrypts with -alpha, which is not in the group, and a proof made for it."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        """Only the proof's commitments could tell: they are not looked at."""
        good = super().selection(contest, option)
        return Selection(mpz(self.group.p) - good.alpha, good.beta, good.proof)


class TooMuch(Encryptor):
    """Encrypts 2 where 1 is the limit, under proofs that cannot hold."""

    def value(self, contest: Contest, option: Option) -> int:
        """Two for the first option of the first contest."""
        return 2 if (contest.index, option.index) == (1, 1) else 0


def _unchecked(world: World, statement: Statement) -> Statement:
    """Change nothing, but have nothing checked on the way into the record either."""
    return statement


@pytest.mark.parametrize(
    ("encryptor", "checks"),
    [
        (SameIdentifier, ("5.A",)),
        (WrongIdentifierHash, ("5.B",)),
        (WrongContestHash, ("8.A",)),
        (WrongCode, ("8.B",)),
        (WrongChain, ("8.E",)),
        (Outside, ("6.A", "7.A")),
        (TooMuch, ("6.D", "7.D")),
    ],
)
def test_a_device_that_goes_on_with_its_fault(
    encryptor: type[Encryptor], checks: tuple[str, ...], tmp_path: Path
) -> None:
    """What follows from a fault is not another failure (6.A and 7.A are the same elements)."""
    votes = [
        Plain({"president": (0, 1, 0)}),
        Plain({"president": (0, 0, 1)}, encryptor=encryptor, fate=Fate.SPOIL),
        Plain({"president": (0, 0, 1)}, encryptor=encryptor, fate=Fate.SPOIL),
        Plain({"president": (1, 0, 0)}),
    ]
    played = play_election(PARAMETERS, votes=votes, alter=_unchecked)
    assert judged(played, tmp_path).failed_ids() == checks


def test_wrong_chaining_without_chaining(tmp_path: Path) -> None:
    """In mode "none" a wrong chaining field is 8.D."""
    votes = [Plain({"president": (0, 1, 0)}, encryptor=WrongChain)]
    played = play_election(PARAMETERS, votes=votes, chaining="none", alter=_unchecked)
    assert judged(played, tmp_path).failed_ids() == ("8.D",)


# --- the files around the artifacts


@pytest.mark.parametrize(
    ("file", "check"),
    [
        ("checkpoint", "R.checkpoint"),
        ("tile/0", "R.tile"),
        ("tile/entries", "R.entry"),
        ("artifacts", "R.entry"),
    ],
)
def test_a_changed_file_is_noticed(world: World, tmp_path: Path, file: str, check: str) -> None:
    """One bit of any file of the record, or the whole file gone."""
    publish(world, tmp_path / "record")
    root = tmp_path / "record" / file
    path = root if root.is_file() else next(p for p in root.rglob("*") if p.is_file())
    data = path.read_bytes()
    path.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
    assert check in verify(tmp_path / "record", parameters=NAME).failed_ids()
    path.unlink()
    assert check in verify(tmp_path / "record", parameters=NAME).failed_ids()
