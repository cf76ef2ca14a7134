"""What others hold and the record does not: checkpoints, receipts, cosignatures, disputes.

The record itself is honest here, or as much of it as is served. What is given stands in the
folder `given` of the published directory, where no reader of records looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.disputes import find_dispute
from ballotbox.receipts import Receipt, ReceiptKind, make_receipt
from record.artifacts import Role
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from record.note import NoteSignature, VerifierKey, with_signatures
from sailau.v1 import ballot_box_pb2
from sailau.v1 import record_pb2 as pb
from tests.disputing import ListTree, cosigned, witness_key
from tests.tampered.kit import Catalogue, Files, flipped, kind_of
from tests.world import ORIGIN, World, public_bytes

GIVEN = Catalogue("given")

KINDS = {
    "ballot": ReceiptKind.SUBMITTED,
    "cast": ReceiptKind.CAST,
    "challenge": ReceiptKind.CHALLENGED,
}


def options(folder: Path) -> dict[str, Any]:
    """The verifier's options for what lies in the folder `given`."""
    files = sorted((folder / "given").iterdir())
    named: dict[str, list[Path]] = {}
    for file in files:
        named.setdefault(file.name.split("-")[0], []).append(file)
    one: dict[str, Any] = {name: named[name][0] for name in ("policy", "dispute") if name in named}
    return {
        "checkpoints": named.get("checkpoint", []),
        "receipts": named.get("receipt", []),
        **one,
    }


def give(files: Files, name: str, data: bytes) -> None:
    """Put a file into the folder."""
    (files.root / "given").mkdir(exist_ok=True)
    (files.root / "given" / name).write_bytes(data)


def data_of(world: World) -> list[bytes]:
    return [bytes(data) for data in world.data()]


def position(data: Sequence[bytes], kind: str) -> int:
    """The number of the first artifact of a kind."""
    return next(n for n, d in enumerate(data) if kind_of(pb.Artifact.FromString(d)) == kind)


def log_note(files: Files, data: Sequence[bytes], key: Ed25519PrivateKey | None = None) -> bytes:
    """A checkpoint of these artifacts, by the record's log or under another key."""
    tree = ListTree(data)
    head = Checkpoint(ORIGIN, tree.size, tree.root_at(tree.size))
    return sign_checkpoint(head, key or files.world.secrets.log)


def receipt_in(
    files: Files, data: Sequence[bytes], kind: str = "cast", index: int | None = None
) -> Receipt:
    """The receipt of an artifact of a log of these artifacts; of its first of a kind."""
    index = position(data, kind) if index is None else index
    statement = getattr(pb.Artifact.FromString(data[index]), kind)
    return make_receipt(
        KINDS[kind],
        files.world.context.base_hash,
        statement.confirmation_code,
        data[index],
        index,
        ListTree(data).inclusion_proof(index),
        log_note(files, data),
    )


def forked(files: Files, kind: str) -> list[bytes]:
    """The log's other history, in which the first artifact of a kind is another."""
    data = data_of(files.world)
    at = position(data, kind)
    artifact = pb.Artifact.FromString(data[at])
    artifact.signature = flipped(artifact.signature)
    data[at] = artifact.SerializeToString(deterministic=True)
    return data


def relabelled(receipt: Receipt, **changes: bytes) -> bytes:
    """The receipt's file with other claims in its contents."""
    contents = ballot_box_pb2.ReceiptContents.FromString(receipt.proof.extra or b"")
    for name, value in changes.items():
        setattr(contents, name, value)
    extra = contents.SerializeToString(deterministic=True)
    return replace(receipt.proof, extra=extra).format()


def policy(files: Files, quorum: str, log: VerifierKey | None = None) -> bytes:
    """Two witnesses, and the quorum's name."""
    return (
        f"log {log or files.world.log_key}\n"
        f"witness north {witness_key(11)}\nwitness south {witness_key(12)}\n"
        f"group both all north south\nquorum {quorum}\n"
    ).encode()


def false_line(seed: int) -> NoteSignature:
    """A signature line of a witness that it did not make."""
    key = witness_key(seed)
    return NoteSignature(key.name, key.key_id, bytes(7) + b"\1" + bytes(64))


def given(*fails: str, who: str) -> Callable[[Callable[[Files], None]], Callable[[Files], None]]:
    """A tampering with what is given."""
    return GIVEN.filed(*fails, who=who, given=options)


# --- checkpoints


@given("R.given-checkpoint", who="log")
def checkpoint_of_another_history(files: Files) -> None:
    """A monitor holds a smaller checkpoint that the log has signed, of another tree."""
    give(files, "checkpoint", log_note(files, forked(files, "cast")[:-5]))


@given("R.given-checkpoint", who="log")
def checkpoint_of_the_same_size(files: Files) -> None:
    """Two mirrors hold checkpoints of the record's size, and one is of another tree."""
    give(files, "checkpoint-1", log_note(files, data_of(files.world)))
    give(files, "checkpoint-2", log_note(files, forked(files, "result")))


@given("R.given-checkpoint", who="log")
def checkpoint_with_more_lines(files: Files) -> None:
    """The log has signed a line more for somebody, below a root that is right."""
    data = data_of(files.world)

    class Longer(Checkpoint):
        def text(self) -> str:
            return super().text() + "for you alone\n"

    tree = ListTree(data)
    head = Longer(ORIGIN, tree.size, tree.root_at(tree.size))
    give(files, "checkpoint", sign_checkpoint(head, files.world.secrets.log))


@given("R.given-checkpoint", who="publisher")
def record_is_cut(files: Files) -> None:
    """The log has signed a larger tree than this record has: the rest is not served."""
    give(files, "checkpoint", log_note(files, data_of(files.world) * 2))


@given("R.given-checkpoint", who="bearer")
def checkpoint_signed_by_another_key(files: Files) -> None:
    """Somebody makes up a checkpoint to cast doubt on the log, in its name and key id."""
    key = files.world.role_key(Role.SERVER)
    made_up = log_note(files, forked(files, "cast"), key)
    ours, theirs = (
        k.key_id for k in (files.world.log_key, verifier_key(ORIGIN, public_bytes(key)))
    )
    head, _, line = made_up.decode().rpartition("\n\n")
    line = NoteSignature(ORIGIN, ours, bytes(64)).line()
    assert theirs != ours
    give(files, "checkpoint", f"{head}\n\n{line}".encode())


@given("R.given-checkpoint", who="bearer")
def checkpoint_of_a_foreign_log(files: Files) -> None:
    """A checkpoint of another election's log is given, whoever mixed them up."""
    tree = ListTree(data_of(files.world))
    head = Checkpoint("example.org/other", tree.size, tree.root_at(tree.size))
    give(files, "checkpoint", sign_checkpoint(head, files.world.secrets.log))


# --- receipts


@given("R.given-receipt", who="log")
def ballot_that_is_not_there(files: Files) -> None:
    """A voter holds the receipt of a cast in whose place the record has another artifact."""
    give(files, "receipt", receipt_in(files, forked(files, "cast")).to_bytes())


@given("R.given-receipt", who="log")
def tree_of_the_receipt_is_another(files: Files) -> None:
    """The voter's own cast is there; the tree that the log signed with it is not."""
    data = forked(files, "cast")
    index = position(data, "challenge")
    give(files, "receipt", receipt_in(files, data, "challenge", index).to_bytes())


@given("R.given-receipt", who="publisher")
def ballot_beyond_the_end(files: Files) -> None:
    """A voter holds the receipt of a cast that stands after the record's end."""
    data = data_of(files.world)
    at = len(data) + position(data, "cast")
    give(files, "receipt", receipt_in(files, data * 2, "cast", at).to_bytes())


@given("R.given-receipt", who="publisher")
def receipt_under_a_larger_tree(files: Files) -> None:
    """The cast is there, but its receipt is under a larger tree than the record's."""
    give(files, "receipt", receipt_in(files, data_of(files.world) * 2).to_bytes())


@given("R.given-receipt", who="bearer")
def receipt_of_another_election(files: Files) -> None:
    """The same log, and a receipt that says another H_B."""
    receipt = receipt_in(files, data_of(files.world))
    give(files, "receipt", relabelled(receipt, base_hash=bytes(32)))


@given("R.given-receipt", who="bearer")
def receipt_of_a_foreign_log(files: Files) -> None:
    """A receipt under the checkpoint of another log."""
    data = data_of(files.world)
    tree = ListTree(data)
    head = Checkpoint("example.org/other", tree.size, tree.root_at(tree.size))
    note = sign_checkpoint(head, files.world.secrets.log)
    receipt = receipt_in(files, data)
    give(files, "receipt", receipt.under(note, receipt.proof.hashes).to_bytes())


@given("R.given-receipt", who="bearer")
def receipt_signed_by_another_key(files: Files) -> None:
    """A receipt whose checkpoint somebody else has signed."""
    data = data_of(files.world)
    note = log_note(files, data, files.world.role_key(Role.SERVER))
    receipt = receipt_in(files, data)
    give(files, "receipt", receipt.under(note, receipt.proof.hashes).to_bytes())


@given("R.given-receipt", who="bearer")
def receipt_with_a_path_astray(files: Files) -> None:
    """One hash of the audit path is another."""
    receipt = receipt_in(files, data_of(files.world))
    hashes = [flipped(receipt.proof.hashes[0]), *receipt.proof.hashes[1:]]
    give(files, "receipt", receipt.under(receipt.proof.checkpoint, hashes).to_bytes())


@given("R.given-receipt", who="bearer")
def altered_artifact_under_a_proof(files: Files) -> None:
    """The proof is of a cast, and beside it stands one that nobody signed."""
    receipt = receipt_in(files, data_of(files.world))
    cast = pb.Artifact.FromString(receipt.artifact)
    cast.signature = flipped(cast.signature)
    altered = cast.SerializeToString(deterministic=True)
    give(files, "receipt", relabelled(receipt, artifact=altered))


@given("R.given-receipt", who="bearer")
def receipt_with_another_code(files: Files) -> None:
    """The proof of somebody else's ballot is handed out with one's own code."""
    receipt = receipt_in(files, data_of(files.world), "ballot")
    give(files, "receipt", relabelled(receipt, confirmation_code=bytes(32)))


# --- witnesses


@given("R.given-policy", who="publisher")
def quorum_that_did_not_sign(files: Files) -> None:
    """One of two witnesses has cosigned the record's checkpoint; the policy demands both."""
    files.rewrite("checkpoint", lambda note: cosigned(note, 11))
    give(files, "policy", policy(files, "both"))


@given("R.given-policy", who="publisher")
def cosignature_by_another_key(files: Files) -> None:
    """A line in a witness's name is not its signature, though the quorum is there without."""
    files.rewrite("checkpoint", lambda n: with_signatures(cosigned(n, 11), [false_line(12)]))
    give(files, "policy", policy(files, "north"))


@given("R.given-policy", who="publisher")
def log_that_the_policy_does_not_know(files: Files) -> None:
    """The record is of another log than the policy's."""
    key = verifier_key("example.org/other", public_bytes(files.world.secrets.log))
    files.rewrite("checkpoint", lambda note: cosigned(note, 11))
    give(files, "policy", policy(files, "north", key))


@given("R.given-policy", who="bearer")
def false_cosignature_on_a_receipt(files: Files) -> None:
    """A receipt is good, but for a line in a witness's name."""
    receipt = receipt_in(files, data_of(files.world))
    note = with_signatures(receipt.proof.checkpoint, [false_line(12)])
    give(files, "receipt", receipt.under(note, receipt.proof.hashes).to_bytes())
    give(files, "policy", policy(files, "none"))


@given("R.given-policy", who="bearer")
def false_cosignature_on_a_checkpoint(files: Files) -> None:
    """A checkpoint is good, but for a line in a witness's name."""
    note = log_note(files, data_of(files.world)[:9])
    give(files, "checkpoint", with_signatures(note, [false_line(12)]))
    give(files, "policy", policy(files, "none"))


# --- disputes


@given("R.given-dispute", who="log")
def log_convicted_of_another_entry(files: Files) -> None:
    """The record is right in itself; the log has signed another history, too."""
    other = forked(files, "cast")
    found = find_dispute(
        receipt_in(files, data_of(files.world)), log_note(files, other), ListTree(other)
    )
    assert found is not None
    give(files, "dispute", found.to_bytes())


@given("R.given-dispute", who="log")
def log_convicted_of_another_tree(files: Files) -> None:
    """The same, shown by the receipt of another voter, to whom the record's log lied."""
    data = data_of(files.world)
    receipt = receipt_in(files, forked(files, "cast"), "challenge", position(data, "challenge"))
    found = find_dispute(receipt, log_note(files, data), ListTree(data))
    assert found is not None
    give(files, "dispute", found.to_bytes())
