"""The whole road by the commands of the manuals: what came out is what went in, and it holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ballotbox.receipts import Receipt, parse_receipt
from identity.keystore import Keystore
from sailau.v1 import ballot_box_pb2
from tests.system.conftest import ORDERS, Held
from tests.system.programs import DEVICES, ROOT, Place, Result, call, refused

pytestmark = pytest.mark.system

REFUSED, UNUSABLE = 1, 2
STATUS = {"cast": "cast", "challenge": "challenged", "abandon": "submitted"}


def voted(held: Held) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every order with its answer."""
    answers = held.answers()
    return [pair for n, orders in ORDERS.items() for pair in zip(orders, answers[n], strict=True)]


def receipts(held: Held) -> list[Path]:
    """The receipts that voters took home."""
    return sorted((held.end.root / "receipts").glob("*.tlog-proof"))


def challenges(held: Held) -> list[Path]:
    """The challenge files that voters took home."""
    return sorted((held.end.root / "receipts").glob("*.challenge.json"))


def receipt_of(held: Held, answer: dict[str, Any]) -> Path:
    """The receipt of a ballot."""
    return held.end.root / "receipts" / f"{answer['confirmation_code'][:16]}.tlog-proof"


def with_status(held: Held, status: str) -> dict[str, Any]:
    """The first answer of this kind."""
    return next(a for _, a in voted(held) if a["status"] == status)


# --- what came out


def test_verified(held: Held) -> None:
    """`sailau verify` is content with the directory and with the .zip, and says so in JSON."""
    place = held.end
    with place.running():
        plain = place.run("verify", held.record, "--manifest", place.root / "manifest.json")
        packed = place.run("verify", place.root / "record.zip", "--json", "--quiet").json()
    assert "verified" in plain.out.lower()
    assert packed["verdict"] == "verified"
    assert packed["failures"] == []
    assert packed["counts"]["ballots"] == {
        "submitted": 9, "cast": 6, "challenged": 2, "spoiled": 1,
    }  # fmt: skip
    # What is printed says of each total, too, that nothing of it is withheld.
    published = held.published()["totals"]
    assert [{**total, "withheld": False} for total in packed["totals"]] == published


def test_totals(held: Held) -> None:
    """Each unit's counts are its cast votes, and the totals are their sums."""
    votes: Counter[tuple[str, str, str]] = Counter()
    for order, _ in voted(held):
        if order["then"] == "cast":
            for contest, options in order.get("selections", {}).items():
                for option, number in options.items():
                    votes[order["unit"], contest, option] += number
    published = held.published()
    counted: Counter[tuple[str, str, str]] = Counter()
    for tally in published["units"]:
        for option in tally["options"]:
            counted[tally["unit"], tally["contest"], option["option"]] += option["count"]
    assert +counted == votes
    ballots = {(t["unit"], t["contest"]): t["ballots"] for t in published["units"]}
    assert ballots == {
        ("hall", "mayor"): 4, ("hall", "council"): 4,
        ("school", "mayor"): 2, ("school", "council"): 1,
    }  # fmt: skip
    for total in published["totals"]:
        for option in total["options"]:
            label = total["contest"], option["option"]
            parts = [n for (_, *rest), n in votes.items() if (*rest,) == label]
            assert option["count"] == sum(parts), label


def test_published_for_people(held: Held, at: Callable[[str], Place]) -> None:
    """Publishing again prints tables and writes the same record; one trustee was never needed."""
    place = at("end")
    place.serve()
    again = place.run("election", "publish", *place.admin, "--out", place.root / "record")
    assert "The town: Mayor" in again.out
    mine = sorted(f.relative_to(held.record) for f in held.record.rglob("*") if f.is_file())
    assert mine
    for file in mine:
        assert (place.root / "record" / file).read_bytes() == (held.record / file).read_bytes()
    status = place.run("election", "status", *place.admin[:2], "--json").json()
    assert status["phase"] == "COMPLETE"
    assert status["session_trustees"] == [1, 3]


# --- what voters hold


def test_every_receipt_holds(held: Held) -> None:
    """Every receipt that was given verifies against the record, with the status it promised."""
    files = receipts(held)
    assert len(files) == len(voted(held))
    for order, answer in voted(held):
        file = receipt_of(held, answer)
        if "receipt" in answer:
            assert file.read_text() == answer["receipt"]["tlog_proof"]
        result = call("receipt", "verify", file, "--record", held.record, "--json")
        assert result.code == 0, result
        status = STATUS[order["then"]]
        assert answer["status"] == status
        assert result.json()["status"] == ("spoiled" if status == "submitted" else status)
        assert result.json()["unit"] == order["unit"]


def test_look_up(held: Held) -> None:
    """A code finds its ballot, whatever became of it, in a directory or a .zip; another none."""
    place = held.end
    for status in ("cast", "challenged", "submitted"):
        code = with_status(held, status)["display"]
        result = call("receipt", "look-up", code, "--record", place.root / "record.zip")
        assert result.code == 0
        assert ("spoiled" if status == "submitted" else status) in result.out
    absent = call("receipt", "look-up", "ab" * 32, "--record", held.record, "--json")
    assert absent.code == REFUSED
    assert absent.json()["status"] == "absent"
    refused(call("receipt", "look-up", "ab" * 31, "--record", held.record), UNUSABLE)


def test_audit(held: Held) -> None:
    """Challenged ballots encrypt what their voters chose; it is shown option by option."""
    place = held.end
    with place.running():
        audited = place.run(
            *("receipt", "audit", "--record", held.record, "--json"),
            *challenges(held),
        ).json()
    wanted = {
        answer["confirmation_code"]: order.get("selections", {})
        for order, answer in voted(held)
        if order["then"] == "challenge"
    }
    shown = {a["confirmation_code"]: {c: o for c, o in a["choices"].items() if o} for a in audited}
    assert shown == wanted
    assert all(a["agrees"] for a in audited)


def test_at_the_server(held: Held, at: Callable[[str], Place]) -> None:
    """The server answers a voter as the record does, during the vote and after it."""
    receipt = receipts(held)[0]
    for stage, undecided in (("voted", "submitted"), ("end", "spoiled")):
        place = at(stage)
        server = place.serve()
        code = with_status(held, "submitted")["confirmation_code"]
        found = place.run("receipt", "look-up", code, *place.public, "--json").json()
        assert found["status"] == undecided
        assert call("receipt", "verify", receipt, *place.public).code == 0
        audit = call("receipt", "audit", *challenges(held), *place.public)
        assert audit.code == 0
        assert "council: south (2)" in audit.out
        assert call("receipt", "look-up", "ab" * 32, *place.public).code == REFUSED
        server.stop()


def test_slip(held: Held) -> None:
    """A receipt is printed as a slip in three languages; the code is on it."""
    file = receipts(held)[0]
    code = file.name[:16]
    for language in ("kk", "ru", "en"):
        result = call("receipt", "show", file, "--language", language)
        assert result.code == 0
        assert code[:4].upper() in result.out


def test_any_terminal(held: Held, tmp_path: Path) -> None:
    """A terminal without Kazakh letters shows question marks, and none is steered by a file."""
    place, file = held.end, receipts(held)[0]
    with place.running():
        show = place.start("receipt", "show", file, "--language", "kk", PYTHONIOENCODING="ascii")
        shown = show.wait()
    assert shown.code == 0, shown
    assert "????" in shown.out
    assert "\x1b" not in call("receipt", "show", file, "--election", "\x1b[2J").out


# --- what does not hold


def altered(file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a JSON file with a change."""
    document = json.loads(file.read_text())
    change(document)
    copy = tmp_path / file.name
    copy.write_text(json.dumps(document))
    return copy


def flipped(digits: str) -> str:
    """The last hexadecimal digit changed."""
    return digits[:-1] + ("0" if digits[-1] != "0" else "1")


def contents(receipt: Receipt, **change: Any) -> Receipt:
    """The receipt with something else in its extra line."""
    message = ballot_box_pb2.ReceiptContents.FromString(receipt.proof.extra or b"")
    for name, value in change.items():
        setattr(message, name, value)
    extra = message.SerializeToString(deterministic=True)
    return replace(receipt, proof=replace(receipt.proof, extra=extra))


RECEIPTS: dict[str, tuple[int, Callable[[Receipt], bytes]]] = {
    "another index": (
        REFUSED, lambda r: replace(r.proof, index=r.index - 1).format(),
    ),
    "another kind": (REFUSED, lambda r: contents(r, kind=3).to_bytes()),
    "another ballot": (REFUSED, lambda r: contents(r, confirmation_code=bytes(32)).to_bytes()),
    "another artifact": (REFUSED, lambda r: contents(r, artifact=r.artifact[:-1]).to_bytes()),
    "another election": (REFUSED, lambda r: contents(r, base_hash=bytes(32)).to_bytes()),
    "another path": (
        REFUSED, lambda r: r.under(r.proof.checkpoint, r.proof.hashes[::-1]).to_bytes(),
    ),
    "no path": (REFUSED, lambda r: r.under(r.proof.checkpoint, ()).to_bytes()),
    "another tree": (REFUSED, lambda r: r.to_bytes().replace(b"\n\n", b"\n\nx", 1)),
    "no kind": (UNUSABLE, lambda r: contents(r, kind=0).to_bytes()),
    "short code": (UNUSABLE, lambda r: contents(r, confirmation_code=bytes(31)).to_bytes()),
    "negative index": (UNUSABLE, lambda r: r.to_bytes().replace(b"\nindex ", b"\nindex -")),
    "another format": (UNUSABLE, lambda r: r.to_bytes().replace(b"@v1", b"@v2")),
    "no signature": (UNUSABLE, lambda r: r.to_bytes().partition("\u2014".encode())[0]),
    "nothing": (UNUSABLE, lambda _: b""),
}  # fmt: skip


@pytest.mark.parametrize("name", RECEIPTS)
def test_altered_receipt(held: Held, tmp_path: Path, name: str) -> None:
    """A receipt that does not hold is refused, and one that is no receipt is useless."""
    code, change = RECEIPTS[name]
    original = receipt_of(held, with_status(held, "cast"))
    file = tmp_path / original.name
    file.write_bytes(change(parse_receipt(original.read_bytes())))
    refused(call("receipt", "verify", file, "--record", held.record), code)


def first_option(challenge: dict[str, Any]) -> dict[str, Any]:
    option: dict[str, Any] = challenge["contests"][0]["selections"][0]
    return option


CHALLENGES: dict[str, tuple[int, Callable[[dict[str, Any]], None]]] = {
    "another value": (REFUSED, lambda c: first_option(c).update(value=1)),
    "another nonce": (
        REFUSED, lambda c: first_option(c).update(nonce=flipped(first_option(c)["nonce"])),
    ),
    "another ballot": (REFUSED, lambda c: c.update(confirmation_code="ab" * 32)),
    "another device": (REFUSED, lambda c: c.update(device="box-9")),
    "another election": (REFUSED, lambda c: c.update(base_hash="ab" * 32)),
    "fewer contests": (REFUSED, lambda c: c["contests"].pop()),
    "nonce too large": (UNUSABLE, lambda c: first_option(c).update(nonce="ff" * 32)),
    "no nonce": (UNUSABLE, lambda c: first_option(c).pop("nonce")),
    "half a value": (UNUSABLE, lambda c: first_option(c).update(value=0.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", CHALLENGES)
def test_altered_challenge(held: Held, tmp_path: Path, name: str) -> None:
    """A challenge file that says something else than the ballot does not pass the audit."""
    code, change = CHALLENGES[name]
    answer = with_status(held, "challenged")
    original = held.end.root / "receipts" / f"{answer['confirmation_code'][:16]}.challenge.json"
    file = altered(original, tmp_path, change)
    result = call("receipt", "audit", file, "--record", held.record)
    assert result.code == code, result
    if code == REFUSED:
        assert "DOES NOT AGREE" in result.out
    else:
        refused(result, code, "challenge")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{", b"\0" * 100])
def test_no_file_of_ours(held: Held, tmp_path: Path, content: bytes) -> None:
    """Any other file is said to be none, whatever it holds."""
    file = tmp_path / "file.json"
    file.write_bytes(content)
    for command in (("verify", file), ("audit", file)):
        refused(call("receipt", *command, "--record", held.record), UNUSABLE)
    refused(call("receipt", "show", file), UNUSABLE)


def test_no_record(held: Held, tmp_path: Path) -> None:
    """An empty directory, a .zip that is none and a truncated record are said to be so."""
    code = with_status(held, "cast")["confirmation_code"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.zip").write_bytes(b"PK\3\4 and nothing")
    for path in (tmp_path / "empty", tmp_path / "no.zip"):
        assert call("verify", path, "--quiet").code == UNUSABLE
        refused(call("receipt", "look-up", code, "--record", path), UNUSABLE)
    short = tmp_path / "short"
    shutil.copytree(held.record, short)
    (file,) = (short / "artifacts").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert call("receipt", "look-up", code, "--record", short).code in (REFUSED, UNUSABLE)


# --- the verifier by itself

NEEDED = ("gmpy2", "protobuf", "cryptography")
THEIRS = ("cffi", "pycparser")
"""What `NEEDED` needs."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Result]:
    """`python ARGUMENTS` where there is the verifier's folder, record_pb2.py, and what they need.

    Without `site`, so that neither an installation of ours nor any other package is found.
    """
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(ROOT / "verifier", folder / "verifier")
    shutil.copy(ROOT / "proto/sailau/v1/record_pb2.py", folder)
    packages = tmp_path_factory.mktemp("packages")
    for name in (*NEEDED, *THEIRS):
        for file in _files(name):
            link = packages / file.parts[0]
            if not link.exists():
                link.symlink_to(Path(str(metadata.distribution(name).locate_file(file.parts[0]))))

    def run(*arguments: str | Path) -> Result:
        command = [sys.executable, "-S", *map(str, arguments)]
        environment = {"PYTHONPATH": str(packages), "PATH": os.environ["PATH"], "LANG": "C"}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


def _files(distribution: str) -> list[metadata.PackagePath]:
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return [f for f in files if f.parts[0] != ".."]


def test_verifier_alone(held: Held, alone: Callable[..., Result]) -> None:
    """The folder `verifier/` and record_pb2.py verify the record where nothing of ours is."""
    ours = ["crypto", "record", "identity", "rpc", "ballotbox", "tally", "trustees", "cli"]
    others = ["sailau", "grpc", "click", "jsonschema", "sqlalchemy"]
    absent = f"all(map(lambda n: importlib.util.find_spec(n) is None, {[*ours, *others]!r}))"
    check = alone("-c", f"import importlib.util; raise SystemExit(0 if {absent} else 1)")
    assert check.code == 0, check
    result = alone("-m", "verifier", held.record, "--json", "--quiet", "--jobs", "2")
    assert result.code == 0, result
    assert result.json()["verdict"] == "verified"


def test_verifier_alone_refutes(held: Held, alone: Callable[..., Result], tmp_path: Path) -> None:
    """One bit flipped in a ballot is a refuted record; an empty folder is none."""
    copy = tmp_path / "record"
    shutil.copytree(held.record, copy)
    (file,) = (copy / "artifacts").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert alone("-m", "verifier", copy, "--quiet").code == REFUSED
    (tmp_path / "empty").mkdir()
    unreadable = alone("-m", "verifier", tmp_path / "empty")
    assert unreadable.code == UNUSABLE
    assert "Traceback" not in unreadable.err


# --- what nobody may find in an output


def test_no_secret_in_any_output(held: Held) -> None:
    """Keys, passphrases and nonces of ballots are in no output but the voter's own."""
    place = held.end
    place.check_outputs()
    secrets = [secret for role in _homes(place) for secret in _secrets(place, role)]
    assert len(secrets) > 15
    opened = [json.loads(f.read_text()) for f in challenges(held)]
    nonces = [
        option["nonce"] for c in opened for contest in c["contests"]
        for option in contest["selections"]
    ]  # fmt: skip
    assert nonces
    for log in place.logs.iterdir():
        said = log.read_text()
        for secret in secrets:
            assert secret not in said, log
        # The device hands them to the voter, and nobody else has them before the count.
        if not log.match("device-run-*.out"):
            assert not any(nonce in said for nonce in nonces), log


def _homes(place: Place) -> dict[str, Path]:
    roles = [f"trustee-{i}" for i in (1, 2, 3)] + [f"device-{n}" for n, _ in enumerate(DEVICES, 1)]
    own = {role: place.root / role for role in roles}
    election = place.root / "election"
    return {**own, "administrator": election / "administrator", "server": election / "server"}


def _secrets(place: Place, role: str) -> list[str]:
    """All that a role's key store holds, in hexadecimal, and lines of what is text."""
    passphrase = (place.root / "keys" / role).read_text().strip().encode()
    with Keystore.open(_homes(place)[role] / "keystore", passphrase) as store:
        # Which election a trustee is of and what it has read of the record is no secret.
        public = {"trustee.election", "trustee.seen", "trustee.tally"}
        values = [v for name, v in store.secrets.items() if name not in public]
    texts = [v.decode().splitlines()[1] for v in values if v.startswith(b"-----BEGIN")]
    return [passphrase.decode(), *texts, *(v.hex() for v in values if len(v) >= 32)]
