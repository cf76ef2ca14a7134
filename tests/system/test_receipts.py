"""`sailau receipt` on files, records and mirrors, without a server."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.receipts import (
    Receipt,
    ReceiptKind,
    display_code,
    make_receipt,
    parse_receipt,
)
from crypto.parameters import TOY
from record.archive import pack_zip
from record.artifacts import Ballot, Cast, DeviceMissing
from record.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from record.cosignature import cosign, cosigner_key
from record.entry import entry_for
from record.merkle import inclusion_proof, leaf_hash, root_of
from record.note import with_signatures
from tests.ballots import begin_device, encrypt
from tests.publishing import publish
from tests.system.programs import Result, call, refused
from tests.world import World

pytestmark = pytest.mark.system

DEVICE = "ballot-box-1"
REFUSED, UNUSABLE, UNREACHABLE = 1, 2, 3
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS_KEY = cosigner_key("witness.example/w", WITNESS.public_key().public_bytes_raw())


@dataclass(frozen=True)
class Polls:
    """Open polls with two ballots, of which the first is cast, and what is left of them."""

    world: World
    directory: Path
    code: bytes
    ballot: Path
    submitted: Path
    cast: Path
    record: Path
    policy: Path

    @property
    def key(self) -> tuple[str, str]:
        return "--log-key", str(self.world.log_key)

    def receipt(self, kind: ReceiptKind, index: int, size: int) -> Receipt:
        """The receipt of an artifact under the tree of the first `size`."""
        data = self.world.data()[:size]
        leaves = [leaf_hash(entry_for(d)) for d in data]
        head = Checkpoint(self.world.log_key.name, size, root_of(leaves))
        note = sign_checkpoint(head, self.world.secrets.log)
        hashes, base_hash = inclusion_proof(leaves, index), self.world.context.base_hash
        return make_receipt(kind, base_hash, self.code, data[index], index, hashes, note)

    def forked(self, directory: Path, index: int) -> Path:
        """A record that the log signed too, with something else from `index` on."""
        reason = DeviceMissing("ballot-box-2", "was never there")
        other = [*self.world.data()[:index], self.world.sign(reason).data]
        publish(self.world, directory, other)
        return directory


@pytest.fixture(scope="module")
def polls(tmp_path_factory: pytest.TempPathFactory) -> Polls:
    """Change nothing of it."""
    directory, world = tmp_path_factory.mktemp("receipts"), World.create(TOY[-1])
    begin_device(world)
    index = len(world.artifacts)
    ballots = [world.append(encrypt(world).ballot).statement for _ in range(2)]
    assert isinstance(ballots[0], Ballot)
    code = ballots[0].confirmation_code
    world.append(Cast(DEVICE, code))
    world.append(encrypt(world).ballot)
    publish(world, directory / "record")
    (directory / "policy").write_text(f"log {world.log_key}\nwitness w {WITNESS_KEY}\nquorum w\n")
    names = ("ballot", "submitted", "cast", "record", "policy")
    polls = Polls(world, directory, code, *(directory / name for name in names))
    polls.ballot.write_bytes(world.data()[index])
    submitted = polls.receipt(ReceiptKind.SUBMITTED, index, index + 2)
    polls.submitted.write_bytes(submitted.to_bytes())
    polls.cast.write_bytes(polls.receipt(ReceiptKind.CAST, index + 2, index + 3).to_bytes())
    return polls


def verified(result: Result) -> dict[str, object]:
    assert result.code == 0, result
    answer: dict[str, object] = result.json()
    return answer


def cosigned(polls: Polls, directory: Path) -> Path:
    """The record with the witness's signature under its checkpoint."""
    shutil.copytree(polls.record, directory)
    note = (directory / "checkpoint").read_bytes()
    line = cosign(parse_checkpoint(note).text, WITNESS_KEY, WITNESS, 1_700_000_000)
    (directory / "checkpoint").write_bytes(with_signatures(note, [line]))
    return directory


# --- verify


def test_offline(polls: Polls) -> None:
    """With the log's key alone; the code of a ballot is bound by the ballot."""
    for file, kind, code in (
        (polls.submitted, "submitted", ""),
        (polls.cast, "cast", "the receipt"),
    ):
        answer = verified(call("receipt", "verify", file, *polls.key, "--json"))
        assert (answer["kind"], answer["code_checked_with"]) == (kind, code)
        assert answer["signed_by"] == "log"
    said = call("receipt", "verify", polls.submitted, *polls.key)
    assert "is not shown" in said.out
    assert "the log alone" in said.out
    bound = call("receipt", "verify", polls.submitted, *polls.key, "--ballot", polls.ballot)
    assert "the ballot shows" in bound.out
    other = polls.directory / "other"
    other.write_bytes(polls.world.data()[-1])
    wrong = call("receipt", "verify", polls.submitted, *polls.key, "--ballot", other)
    refused(wrong, REFUSED, "R.receipt")
    both = call("receipt", "verify", polls.cast, *polls.key, "--ballot", polls.ballot)
    assert both.code == UNUSABLE


def test_whose_signature_is_believed(polls: Polls, tmp_path: Path) -> None:
    """Without a record somebody has to say so; another log's key refuses."""
    assert call("receipt", "verify", polls.cast).code == UNUSABLE
    stranger = World.create(TOY[-1]).log_key
    refused(call("receipt", "verify", polls.cast, "--log-key", str(stranger)), REFUSED)
    refused(call("receipt", "verify", polls.cast, "--log-key", "x"), UNUSABLE, "--log-key")
    (tmp_path / "none").write_bytes(b"quorum nobody\n")
    refused(call("receipt", "verify", polls.cast, "--policy", tmp_path / "none"), UNUSABLE)


def test_against_records(polls: Polls, tmp_path: Path) -> None:
    """A directory, a .zip, and what a web server would give: the same answer."""
    pack_zip(polls.record, tmp_path / "record.zip")
    for record in (polls.record, tmp_path / "record.zip"):
        for file in (polls.submitted, polls.cast):
            answer = verified(call("receipt", "verify", file, "--record", record, "--json"))
            assert (answer["status"], answer["code_checked_with"]) == ("cast", "the record")
    url = polls.record.as_uri()
    answer = verified(call("receipt", "verify", polls.cast, "--record", url, *polls.key, "--json"))
    assert "status" not in answer
    assert call("receipt", "verify", polls.cast, "--record", url).code == UNUSABLE
    gone = (tmp_path / "gone").as_uri()
    result = call("receipt", "verify", polls.cast, "--record", gone, *polls.key)
    refused(result, UNREACHABLE, "missing")
    for command in ("verify", "dispute"):
        out = ("--out", tmp_path / "dispute") if command == "dispute" else ()
        result = call("receipt", command, polls.cast, *out, "--record", tmp_path / "typo")
        refused(result, UNUSABLE, "typo: is not there")


def test_against_a_record_that_broke_its_promise(polls: Polls, tmp_path: Path) -> None:
    """Another artifact, another tree, another election, an older record."""
    index = parse_receipt(polls.cast.read_bytes()).index
    for name, broken_at in (("entry", index), ("before", index - 1)):
        record = polls.forked(tmp_path / name, broken_at)
        result = call("receipt", "verify", polls.cast, "--record", record)
        line = refused(result, REFUSED, "R.receipt")
        assert ("dispute" in line) is (name == "entry")
    elsewhere = World.create(TOY[-1])
    publish(elsewhere, tmp_path / "elsewhere")
    result = call("receipt", "verify", polls.cast, "--record", tmp_path / "elsewhere")
    refused(result, REFUSED)


# --- upgrade


def test_the_better_receipt(polls: Polls, tmp_path: Path) -> None:
    """Refused by the policy, then put under a checkpoint that the witness has signed."""
    policy, mine = ("--policy", polls.policy), tmp_path / "mine.tlog-proof"
    shutil.copy(polls.cast, mine)
    refused(call("receipt", "verify", mine, *policy), REFUSED, "R.quorum", "upgrade")
    early = call("receipt", "upgrade", mine, "--record", polls.record, *policy)
    refused(early, REFUSED, "R.quorum")
    assert mine.read_bytes() == polls.cast.read_bytes()
    record = cosigned(polls, tmp_path / "cosigned")
    pack_zip(record, tmp_path / "cosigned.zip")
    for place in (record.as_uri(), tmp_path / "cosigned.zip", record):
        shutil.copy(polls.cast, mine)
        result = call("receipt", "upgrade", mine, "--record", place, *policy)
        assert result.code == 0, result
        assert "which is the quorum" in result.out
        answer = verified(call("receipt", "verify", mine, *policy, "--json"))
        assert (answer["signed_by"], answer["cosignatures"]) == ("quorum", {"w": 1_700_000_000})
    old, new = (parse_receipt(f.read_bytes()) for f in (polls.cast, mine))
    assert (old.index, old.leaf, old.artifact) == (new.index, new.leaf, new.artifact)
    out = tmp_path / "out"
    call("receipt", "upgrade", polls.cast, "--record", record, *policy, "--out", out)
    assert out.read_bytes() == mine.read_bytes()


def test_no_upgrade_to_a_fork(polls: Polls, tmp_path: Path) -> None:
    """Whoever asks for a better receipt learns that the log contradicts itself."""
    index = parse_receipt(polls.cast.read_bytes()).index
    record = polls.forked(tmp_path / "fork", index)
    result = call("receipt", "upgrade", polls.cast, "--record", record, "--policy", polls.policy)
    refused(result, REFUSED, "R.receipt", "dispute")
    older = polls.forked(tmp_path / "older", index - 2)
    result = call("receipt", "upgrade", polls.cast, "--record", older, "--policy", polls.policy)
    refused(result, REFUSED, "ends before")


# --- dispute and judge


def test_a_dispute(polls: Polls, tmp_path: Path) -> None:
    """From a broken promise to a file that convinces whoever has the log's key."""
    index = parse_receipt(polls.cast.read_bytes()).index
    record, out = polls.forked(tmp_path / "fork", index), tmp_path / "dispute.json"
    result = call("receipt", "dispute", polls.cast, "--record", record, "--out", out)
    assert result.code == 0, result
    for trust in (polls.key, ("--policy", polls.policy)):
        judged = call("receipt", "judge", out, *trust)
        assert judged.code == 0, judged
        assert "PROVED" in judged.out
        # The verifier says the same, and its exit code, too.
        judged = call("verify", "--dispute", out, *trust)
        assert judged.code == 0, judged
        assert "PROVED" in judged.out
    answer = verified(call("receipt", "judge", out, *polls.key, "--json"))
    assert (answer["proved"], answer["claim"]) == (True, "entry")
    stranger = str(World.create(TOY[-1]).log_key)
    refused(call("receipt", "judge", out, "--log-key", stranger), REFUSED, "R.checkpoint")
    assert call("verify", "--dispute", out, "--log-key", stranger).code == REFUSED
    document = json.loads(out.read_bytes())
    out.write_text(json.dumps({**document, "hash": "00" * 32}))
    refused(call("receipt", "judge", out, *polls.key), REFUSED, "R.dispute")
    out.write_text(json.dumps({**document, "claim": "all"}))
    refused(call("receipt", "judge", out, *polls.key), UNUSABLE, "dispute.claim")
    refused(call("receipt", "judge", polls.cast, *polls.key), UNUSABLE)


def test_a_dispute_about_what_stood_before(polls: Polls, tmp_path: Path) -> None:
    """The voter's own entry may be there: the log is convicted of the one beside it."""
    receipt = parse_receipt(polls.cast.read_bytes())
    data = polls.world.data()
    data[1] = polls.world.sign(DeviceMissing("ballot-box-2", "was never there")).data
    publish(polls.world, tmp_path / "record", data)
    out = tmp_path / "dispute.json"
    result = call(
        "receipt", "dispute", polls.cast, "--record", tmp_path / "record", "--out", out, *polls.key
    )
    assert result.code == 0, result
    answer = verified(call("receipt", "judge", out, *polls.key, "--json"))
    assert answer["claim"] == "prefix"
    assert answer["record"]["size"] > receipt.index  # type: ignore[index]


def test_nothing_to_dispute(polls: Polls, tmp_path: Path) -> None:
    """A promise that is kept, a record that is older, and a log that never promised."""
    out = tmp_path / "dispute.json"
    dispute = ("receipt", "dispute", polls.cast, "--out", out, "--record")
    refused(call(*dispute, polls.record), REFUSED, "keeps", "nothing to dispute")
    index = parse_receipt(polls.cast.read_bytes()).index
    older = tmp_path / "older"
    publish(polls.world, older, polls.world.data()[:index])
    refused(call(*dispute, older), REFUSED, "proves nothing")
    forged = tmp_path / "forged"
    shutil.copytree(polls.forked(tmp_path / "fork", index), forged)
    head = parse_checkpoint((forged / "checkpoint").read_bytes()).checkpoint
    (forged / "checkpoint").write_bytes(sign_checkpoint(head, WITNESS))
    refused(call(*dispute, forged), REFUSED, "R.checkpoint")
    assert not out.exists()
    # A receipt is no dispute, and the voter is told what to do with it.
    refused(call("receipt", "judge", polls.cast, *polls.key), UNUSABLE, "receipt verify")


# --- look-up and show


def test_the_ballot_can_be_kept(polls: Polls, tmp_path: Path) -> None:
    """`look-up --out` writes what `verify --ballot` reads."""
    out = tmp_path / "ballot"
    result = call("receipt", "look-up", polls.code.hex(), "--record", polls.record, "--out", out)
    assert result.code == 0, result
    assert out.read_bytes() == polls.ballot.read_bytes()


def test_a_code_as_it_stands_on_a_slip(polls: Polls) -> None:
    """With the spaces between its groups, in quotation marks or without."""
    typed = display_code(polls.code)
    for words in ([typed], typed.split()):
        assert call("receipt", "look-up", *words, "--record", polls.record).code == 0
    refused(call("receipt", "look-up", *typed.split()[:-1], "--record", polls.record), UNUSABLE)


def test_slips_and_qr_codes(polls: Polls, tmp_path: Path) -> None:
    """On a terminal and as a file to print."""
    show = ("receipt", "show", polls.cast)
    for language in ("kk", "ru", "en"):
        result = call(*show, "--language", language, "--election", "Сайлау")
        assert polls.code.hex()[:4].upper() in result.out
        assert "Сайлау" in result.out
        assert polls.world.log_key.name in result.out
    url = "https://example.org/e"
    assert url in call(*show, "--url", url).out
    assert "\u2588" in call(*show, "--qr").out
    for suffix, begins in ((".svg", b"<"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        file = tmp_path / f"slip{suffix}"
        assert call(*show, "--qr-file", file).code == 0
        assert file.read_bytes().startswith(begins)
    assert call(*show, "--qr-file", tmp_path / "slip.doc").code == UNUSABLE
    refused(call("receipt", "show", polls.policy), UNUSABLE)
