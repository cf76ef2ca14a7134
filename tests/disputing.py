"""Disputes to be judged by two programs that share no code.

    dispute = entry_dispute()                      # the file's bytes
    theirs(dispute, policy), ours(dispute, policy)   # "proved", "malformed" or a check's id

`theirs` is `ballotbox.disputes`, behind `sailau receipt judge`; `ours` is the verifier.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.disputes import Dispute, find_dispute, judge, parse_dispute
from ballotbox.receipts import Receipt, ReceiptKind, make_receipt
from crypto.errors import Malformed, Rejected
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from record.cosignature import cosign, cosigner_key
from record.entry import entry_for
from record.merkle import consistency_proof, inclusion_proof, leaf_hash, root_of
from record.note import VerifierKey, with_signatures
from record.policy_file import parse_policy
from sailau.v1 import record_pb2 as pb
from verifier import disputes as verifier_disputes
from verifier.note import NoteError
from verifier.policy import parse_policy as verifier_policy

ORIGIN = "example.org/election"
BASE_HASH = bytes(range(32))
TIME = 1_800_000_000


def secret(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))


KEY, STRANGER, OTHER_LOG = secret(1), secret(2), secret(3)
LOG = verifier_key(ORIGIN, KEY.public_key().public_bytes_raw())
OTHER = verifier_key("example.org/other", OTHER_LOG.public_key().public_bytes_raw())


def witness_key(seed: int) -> VerifierKey:
    name = f"witness.example/{seed}"
    return cosigner_key(name, secret(seed).public_key().public_bytes_raw())


WITNESSES = (11, 12)
ALONE = f"log {LOG}\nquorum none\n".encode()
POLICY = (
    f"log {LOG}\nlog {OTHER}\n"
    + "".join(f"witness w{seed} {witness_key(seed)}\n" for seed in WITNESSES)
    + "group both all w11 w12\nquorum both\n"
).encode()
"""Two logs, two witnesses, both of whom are the quorum."""


def code(number: int) -> bytes:
    return number.to_bytes(32, "big")


def artifact(number: int, kind: str = "cast") -> bytes:
    """An artifact about the ballot of this number; who signed it does not matter here."""
    statement = getattr(pb.Artifact(), kind)
    statement.device, statement.confirmation_code = "box", code(number)
    whole = pb.Artifact(**{kind: statement}, signature=bytes(64))
    return whole.SerializeToString(deterministic=True)


class ListTree:
    """A tree from all its artifacts."""

    def __init__(self, artifacts: Sequence[bytes]) -> None:
        self.leaves = [leaf_hash(entry_for(data)) for data in artifacts]

    @property
    def size(self) -> int:
        return len(self.leaves)

    def root_at(self, size: int) -> bytes:
        return root_of(self.leaves[:size])

    def leaf(self, index: int) -> bytes:
        return self.leaves[index]

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        return inclusion_proof(self.leaves, index)

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        return consistency_proof(self.leaves, old_size)

    def note(
        self,
        *cosigners: int,
        key: Ed25519PrivateKey = KEY,
        origin: str = ORIGIN,
    ) -> bytes:
        """The signed checkpoint, with cosignatures of these witnesses."""
        return cosigned(
            sign_checkpoint(Checkpoint(origin, self.size, root_of(self.leaves)), key), *cosigners
        )


def cosigned(note: bytes, *cosigners: int, time: int = TIME) -> bytes:
    """The note with cosignatures."""
    text = note.decode().split("\n\n")[0] + "\n"
    lines = [cosign(text, witness_key(seed), secret(seed), time) for seed in cosigners]
    return with_signatures(note, lines)


def signed_note(text: str, key: Ed25519PrivateKey = KEY, name: str = ORIGIN) -> bytes:
    """A note with any text."""
    key_id = verifier_key(name, key.public_key().public_bytes_raw()).key_id
    line = base64.b64encode(key_id + key.sign(text.encode())).decode()
    return f"{text}\n\u2014 {name} {line}\n".encode()


KINDS = {
    "ballot": ReceiptKind.SUBMITTED,
    "cast": ReceiptKind.CAST,
    "challenge": ReceiptKind.CHALLENGED,
}


def receipt(
    numbers: Sequence[int], index: int, kind: str = "cast", cosigners: Sequence[int] = ()
) -> Receipt:
    """The receipt of one of these artifacts, under the log that they are."""
    artifacts = [artifact(number, kind) for number in numbers]
    tree = ListTree(artifacts)
    return make_receipt(
        KINDS[kind],
        BASE_HASH,
        code(numbers[index]),
        artifacts[index],
        index,
        tree.inclusion_proof(index),
        tree.note(*cosigners),
    )


PROMISED, CHANGED = (1, 2, 3, 4, 5), (1, 2, 9, 4, 5, 6, 7)


def found(index: int, kind: str, cosigners: Sequence[int] = ()) -> Dispute:
    """What artifact 2, exchanged for another, proves to the bearer of a receipt."""
    tree = ListTree([artifact(number, kind) for number in CHANGED])
    promised = receipt(PROMISED, index, kind, cosigners)
    dispute = find_dispute(promised, tree.note(*cosigners), tree)
    assert dispute is not None
    return dispute


def entry_dispute(kind: str = "cast", cosigners: Sequence[int] = ()) -> Dispute:
    """Artifact 2 itself is another."""
    return found(2, kind, cosigners)


def prefix_dispute(kind: str = "cast", cosigners: Sequence[int] = ()) -> Dispute:
    """Artifact 1 is there, but not what stood beside it."""
    return found(1, kind, cosigners)


def theirs(data: bytes, policy: bytes = ALONE) -> str:
    """What the programs of voters and servers say."""
    try:
        judge(parse_dispute(data), parse_policy(policy))
    except Malformed:
        return "malformed"
    except Rejected as error:
        return error.check
    return "proved"


def ours(data: bytes, policy: bytes = ALONE) -> str:
    """What the verifier says."""
    try:
        dispute = verifier_disputes.parse_dispute(data)
        judgement = verifier_disputes.judge(dispute, verifier_policy(policy))
    except NoteError:
        return "malformed"
    return "proved" if judgement.refused is None else judgement.refused.check
