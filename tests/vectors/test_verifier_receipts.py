"""What is given to the verifier besides a record: what it says of it, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.verify import verify as sailau_verify
from record.archive import ArchiveWriter
from record.checkpoint import verifier_key
from tests.disputing import (
    ALONE,
    LOG,
    POLICY,
    TIME,
    WITNESSES,
    ListTree,
    cosigned,
    entry_dispute,
    prefix_dispute,
    witness_key,
)
from tests.publishing import publish
from tests.tampered.given import data_of, forked, log_note, policy, position, receipt_in
from tests.tampered.kit import TOY_NAME, Files, crowded, flipped, honest
from verifier import Report, verify
from verifier.cli import main
from verifier.exhibits import clock

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """An honest record that is published."""
    publish(honest(), tmp_path / "record")
    return Files(honest(), tmp_path / "record")


def judged(files: Files, **given: Any) -> Report:
    return verify(files.root, parameters=TOY_NAME, **given)


def written(place: Path, data: bytes) -> Path:
    place.write_bytes(data)
    return place


# --- with a record


def test_what_fits_is_said_to_fit(files: Files, tmp_path: Path) -> None:
    """Checkpoints of every size, receipts of every kind, a quorum, and a failed dispute."""
    data = data_of(files.world)
    files.rewrite("checkpoint", lambda note: cosigned(note, 11, 12, 13))
    sizes = (0, 1, len(data) // 2, len(data))
    report = judged(
        files,
        checkpoints=[
            written(tmp_path / f"c{size}", log_note(files, data[:size])) for size in sizes
        ],
        receipts=[
            written(tmp_path / kind, receipt_in(files, data, kind).to_bytes())
            for kind in ("ballot", "cast", "challenge")
        ],
        policy=written(tmp_path / "policy", policy(files, "both")),
        dispute=written(tmp_path / "dispute", entry_dispute().to_bytes()),
    )
    assert report.verdict == "verified", report.failures
    record, *rest = report.given
    assert (record.kind, record.quorum) == ("record", True)
    assert [(c.name, c.key, c.time) for c in record.cosignatures] == [
        ("north", witness_key(11).name, TIME),
        ("south", witness_key(12).name, TIME),
    ]
    dispute = rest.pop()
    assert (dispute.kind, dispute.holds) == ("dispute", False)
    assert all(exhibit.holds for exhibit in rest)
    assert [exhibit.size for exhibit in rest[:4]] == list(sizes)
    assert [exhibit.quorum for exhibit in rest] == [False] * 7
    assert {exhibit.details["acknowledges"] for exhibit in rest[4:]} == {
        "ballot",
        "cast",
        "challenge",
    }
    counts = {name: count.passed for name, count in report.checks.items() if "given" in name}
    assert counts == {
        "R.given-checkpoint": 4,
        "R.given-receipt": 3,
        "R.given-policy": 8,
        "R.given-dispute": 1,
    }


def test_roots_across_a_tile(tmp_path: Path) -> None:
    """Every size around the boundary of a tile, and its last leaf, is known."""
    files = Files(crowded(), tmp_path / "record")
    publish(crowded(), files.root)
    data = data_of(files.world)
    sizes = (255, 256, 257, len(data))
    report = judged(
        files,
        checkpoints=[
            written(tmp_path / f"c{size}", log_note(files, data[:size])) for size in sizes
        ],
    )
    assert report.verdict == "verified", report.failures
    assert all(exhibit.holds for exhibit in report.given)


def test_people_see_who_signed_when(files: Files, tmp_path: Path, capsys: Capture) -> None:
    """The report for people and the one for machines."""
    files.rewrite("checkpoint", lambda note: cosigned(note, 11))
    place = written(tmp_path / "policy", policy(files, "both"))
    data = forked(files, "cast")
    lost = written(tmp_path / "mine.tlog-proof", receipt_in(files, data).to_bytes())
    arguments = [str(files.root), "--parameters", TOY_NAME, "--jobs", "1"]
    arguments += ["--policy", str(place), "--receipt", str(lost)]
    assert main(arguments) == 1
    shown = capsys.readouterr().out
    assert f"cosigned by north ({witness_key(11).name}), {clock(TIME)}" in shown
    assert "the policy's quorum has not signed\n" in shown
    assert "the policy's quorum has not signed, which is asked of the record's" in shown
    assert "another artifact" in shown
    assert "REFUTED: 2 checks failed (R.given-receipt, R.given-policy)" in shown
    assert main([*arguments, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    record, receipt = report["given"]
    assert record["cosignatures"] == [
        {"witness": "north", "key": witness_key(11).name, "time": TIME}
    ]
    assert (record["quorum"], receipt["holds"], receipt["acknowledges"]) == (False, False, "cast")


def test_a_log_key_takes_the_place_of_the_policys_logs(files: Files, tmp_path: Path) -> None:
    """A policy of witnesses alone, and one of another log, serve with an announced key."""
    files.rewrite("checkpoint", lambda note: cosigned(note, 11, 12))
    key = str(files.world.log_key)
    nameless = written(tmp_path / "nameless", policy(files, "both").split(b"\n", 1)[1])
    foreign = written(tmp_path / "foreign", policy(files, "both", LOG))
    assert judged(files, policy=nameless).verdict == "verified"
    assert judged(files, policy=foreign, log_key=key).verdict == "verified"
    assert judged(files, policy=foreign).failed_ids() == ("R.given-policy",)


def test_a_refuted_record_convicts_nobody_else(files: Files, tmp_path: Path) -> None:
    """Under a forged checkpoint the record's tree is nobody's: the log did not sign two."""
    data = data_of(files.world)
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    forged = Files(files.world, tmp_path / "forged")
    publish(files.world, forged.root, forked(files, "challenge"))
    note = log_note(forged, forked(files, "challenge"), stranger)
    forged.rewrite("checkpoint", lambda _: note)
    report = judged(
        forged,
        checkpoints=[written(tmp_path / "c", log_note(files, data))],
        receipts=[written(tmp_path / "r", receipt_in(files, data, "challenge").to_bytes())],
    )
    assert {"R.given-checkpoint", "R.given-receipt"}.isdisjoint(report.failed_ids())
    assert "R.checkpoint" in report.failed_ids()
    assert [exhibit.holds for exhibit in report.given] == [False, False]


def test_an_artifact_that_is_not_its_entrys_is_the_publishers(files: Files, tmp_path: Path) -> None:
    """Bytes altered on the disk are R.entry alone; the receipt cannot be compared there."""
    receipt = written(
        tmp_path / "r", receipt_in(files, data_of(files.world), "challenge").to_bytes()
    )
    artifact = receipt_in(files, data_of(files.world), "challenge").artifact
    files.rewrite("artifacts/000", lambda data: data.replace(artifact, flipped(artifact)))
    report = judged(files, receipts=[receipt])
    assert "R.given-receipt" not in report.checks
    assert "R.entry" in report.failed_ids()
    assert report.given[0].holds is None


def test_receipts_of_an_artifact_that_stands_twice(tmp_path: Path) -> None:
    """The record is refuted by it, and no less readable than without the receipts."""
    files = Files(honest(), tmp_path / "record")
    data = data_of(files.world)
    at = position(data, "cast")
    data.insert(at + 1, data[at])
    publish(files.world, files.root, data)
    given = [
        written(tmp_path / f"receipt-{i}", receipt_in(files, data, "cast", i).to_bytes())
        for i in (at, at + 1)
    ]
    report = judged(files, receipts=given)
    assert "R.duplicate" in report.failed_ids()
    assert [exhibit.holds for exhibit in report.given] == [True, True]
    assert "R.given-receipt" not in report.failed_ids()


def test_nothing_is_compared_with_no_record(tmp_path: Path) -> None:
    """Where there is no election there is no log to blame."""
    publish(honest(), tmp_path / "record", [])
    files = Files(honest(), tmp_path / "record")
    data = data_of(files.world)
    report = judged(
        files,
        checkpoints=[written(tmp_path / "c", log_note(files, data))],
        receipts=[written(tmp_path / "r", receipt_in(files, data).to_bytes())],
        dispute=written(tmp_path / "d", entry_dispute().to_bytes()),
    )
    assert report.failed_ids() == ("R.nothing",)
    assert [exhibit.holds for exhibit in report.given] == [None] * 3


# --- files that are not what they should be


@pytest.mark.parametrize(
    ("option", "content", "problem"),
    [
        ("--checkpoint", b"nothing", "is no checkpoint"),
        ("--receipt", b"nothing", "is no receipt"),
        ("--receipt", b"c2sp.org/tlog-proof@v1\nindex 0\n\n%s" % ListTree([]).note(), "no extra"),
        ("--dispute", b"{}", "is no dispute"),
        ("--policy", b"log x\nquorum none\n", "line 1"),
        ("--policy", b"# comment\n\nquorum both\n", "line 3"),
        ("--policy", b"quorum none", "line 1"),
        ("--policy", ALONE.replace(b"quorum", b"quorums"), "line 2"),
        ("--policy", b"# nobody\n", "no quorum line"),
    ],
)
def test_a_crooked_file_is_named(
    option: str, content: bytes, problem: str, tmp_path: Path, capsys: Capture
) -> None:
    """Exit code 2, the file, and of a policy the line; the record is not even opened."""
    place = written(tmp_path / "given", content)
    assert main(["no-record", option, str(place), "--quiet"]) == 2
    shown = capsys.readouterr().err
    assert str(place) in shown
    assert problem in shown
    assert main(["no-record", option, str(tmp_path / "absent"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verdict"] == "unreadable"


# --- disputes without a record


@pytest.mark.parametrize(
    ("data", "step"),
    [
        (entry_dispute("cast", WITNESSES).to_bytes(), "another leaf hash"),
        (prefix_dispute("ballot").to_bytes(), "consistency proof"),
    ],
    ids=["entry", "prefix"],
)
def test_a_dispute_that_holds(data: bytes, step: str, tmp_path: Path, capsys: Capture) -> None:
    """Exit code 0, who did what, and how it is known; by the log's key or a policy."""
    place = written(tmp_path / "dispute", data)
    trust = written(tmp_path / "policy", POLICY)
    for arguments in (["--log-key", str(LOG)], ["--policy", str(trust)]):
        assert main(["--dispute", str(place), *arguments]) == 0
        shown = capsys.readouterr().out
        assert f"PROVED: the log {LOG.name} contradicts what it signed" in shown
        assert str(LOG) in shown
        assert step in shown
        assert main(["--dispute", str(place), *arguments, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert (answer["format"], answer["verdict"]) == ("sailau-judgement/1", "proved")
        assert (answer["culprit"], answer["log"]) == ("log", LOG.name)
        assert (answer["receipt"]["size"], answer["record"]["size"]) == (5, 7)
        assert len(answer["reasons"]) == 5


def test_witnesses_of_a_dispute_are_listed(tmp_path: Path, capsys: Capture) -> None:
    """With their times, if the policy knows them; the log is convicted without them."""
    trust = written(tmp_path / "policy", POLICY)
    for signers, quorum in ((WITNESSES, True), (WITNESSES[:1], False), ((), False)):
        place = written(tmp_path / "dispute", entry_dispute("cast", signers).to_bytes())
        assert main(["--dispute", str(place), "--policy", str(trust), "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        for side in ("receipt", "record"):
            assert [c["time"] for c in answer[side]["cosignatures"]] == [TIME] * len(signers)
            assert answer[side]["quorum"] is quorum


def test_a_dispute_that_convicts_nobody(tmp_path: Path, capsys: Capture) -> None:
    """Exit code 1 and the reason; a log of another key is not convicted."""
    document = json.loads(entry_dispute().to_bytes())
    wrong = {**document, "hash": "00" * 32}
    place = written(tmp_path / "dispute", json.dumps(wrong).encode())
    assert main(["--dispute", str(place), "--log-key", str(LOG)]) == 1
    assert "NOT PROVED" in capsys.readouterr().out
    assert main(["--dispute", str(place), "--log-key", str(LOG), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["check"]) == ("unproved", "R.dispute")
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key = verifier_key(LOG.name, stranger.public_key().public_bytes_raw())
    place = written(tmp_path / "dispute", entry_dispute().to_bytes())
    assert main(["--dispute", str(place), "--log-key", str(key), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["check"] == "R.checkpoint"


def test_what_is_no_dispute(tmp_path: Path, capsys: Capture) -> None:
    """Exit code 2; so is a policy that names no log."""
    place = written(tmp_path / "dispute", b'{"format": "sailau-dispute/2"}')
    assert main(["--dispute", str(place), "--log-key", str(LOG), "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "unreadable"
    assert "is no dispute" in captured.err
    place.write_bytes(entry_dispute().to_bytes())
    nameless = written(tmp_path / "policy", b"quorum none\n")
    assert main(["--dispute", str(place), "--policy", str(nameless)]) == 2
    assert "names no log" in capsys.readouterr().err


def test_a_fault_of_the_verifier_is_no_judgement(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, never 1: a script must not take it for an acquittal."""

    def broken(*_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("verifier.cli.judge", broken)
    place = written(tmp_path / "dispute", entry_dispute().to_bytes())
    assert main(["--dispute", str(place), "--log-key", str(LOG)]) == 2
    assert "on purpose" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--dispute", "x"],
        ["--dispute", "x", "--log-key", "y"],
        ["--receipt", "x"],
        ["--dispute", "x", "--log-key", str(LOG), "--receipt", "y"],
        ["--dispute", "x", "--log-key", str(LOG), "--until", "close"],
    ],
)
def test_what_needs_a_record(arguments: list[str], capsys: Capture) -> None:
    """Usage, and exit code 2."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_under_the_programs_name(tmp_path: Path) -> None:
    """`sailau verify --dispute FILE` is the same."""
    place = written(tmp_path / "dispute", entry_dispute().to_bytes())
    arguments = ["--dispute", str(place), "--log-key", str(LOG)]
    result = CliRunner().invoke(sailau_verify, arguments)
    assert result.exit_code == 0
    assert "PROVED" in result.output


def test_terminals_are_safe(tmp_path: Path, capsys: Capture) -> None:
    """Whatever a file calls its log and witnesses, nothing of it moves a cursor."""
    place = written(tmp_path / "dispute", entry_dispute("cast", WITNESSES).to_bytes())
    trust = written(tmp_path / "policy", POLICY.replace(b"w11", b"\xc2\x9b31m\xff"))
    assert main(["--dispute", str(place), "--policy", str(trust)]) == 0
    assert all(c.isprintable() or c == "\n" for c in capsys.readouterr().out)


# --- the directory that a running server publishes


def live(folder: Path, groups: list[int], rest: int = 0) -> Files:
    """A record published group by group, with `rest` artifacts that no checkpoint covers."""
    world = crowded()
    data, done = data_of(world), 0
    publication = ArchiveWriter(folder, world.log_key).follow()
    publication.publish(log_note(Files(world, folder), []))
    for size in groups:
        publication.extend(data[done:size])
        done = size
        publication.publish(cosigned(log_note(Files(world, folder), data[:size]), 11))
    publication.close()
    with (folder / f"artifacts/{(done - 1) // 256:03}").open("ab") as file:
        for artifact in data[done : done + rest]:
            file.write(_framed(artifact))
    # What lies beside it: another one's hints, an interrupted write, a mirror's notes.
    (folder / "hints").mkdir()
    (folder / "hints/000").write_bytes(b"\xff" * 100)
    (folder / ".checkpoint.seen").write_bytes(b"x")
    (folder / "artifacts/.000.tmp").write_bytes(b"half")
    return Files(world, folder)


def _framed(data: bytes) -> bytes:
    length, head = len(data), b""
    while length >= 0x80:
        head, length = head + bytes([length & 0x7F | 0x80]), length >> 7
    return head + bytes([length]) + data


def test_an_election_published_live(tmp_path: Path) -> None:
    """In groups, across a tile, with cosignatures and files beside: verified."""
    last = len(crowded().artifacts)
    files = live(tmp_path / "record", [1, 9, 200, 256, 257, last])
    place = written(tmp_path / "policy", policy(files, "north"))
    report = judged(files, policy=place)
    assert report.verdict == "verified", report.failures
    assert report.given[0].quorum


@pytest.mark.parametrize(("size", "rest"), [(200, 0), (200, 7), (256, 0), (270, 3)])
def test_an_election_that_goes_on(size: int, rest: int, tmp_path: Path) -> None:
    """What is there is checked; that it is not over is said, and nothing else."""
    files = live(tmp_path / "record", [1, 9, size], rest)
    report = judged(files, policy=written(tmp_path / "policy", policy(files, "north")))
    assert report.failed_ids() == ("R.complete",), report.failures
    (failure,) = report.failures
    assert "still going on" in failure.message
    assert report.counts.artifacts == size


def test_the_publisher_shows_less_than_the_log_signed(tmp_path: Path) -> None:
    """An election is said to be going on; a monitor knows that the log is further."""
    files = live(tmp_path / "record", [1, 9, 200])
    later = written(tmp_path / "later", log_note(files, data_of(files.world)))
    report = judged(files, checkpoints=[later])
    assert report.failed_ids() == ("R.complete", "R.given-checkpoint")
    assert "cut off" in report.given[0].finding
