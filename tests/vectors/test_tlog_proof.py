"""Proofs of inclusion as files: one made by hand here, and one broken rule at a time."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import Malformed, Rejected
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from record.cosignature import cosign, cosigner_key
from record.note import with_signatures
from record.policy import Log, Policy, Witness, log_alone
from record.tlog_proof import TlogProof, parse_tlog_proof, verify_tlog_proof

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ORIGIN, NAME = "example.org/log", "witness.example/w1"
LOG_KEY = verifier_key(ORIGIN, LOG.public_key().public_bytes_raw())
COSIGNER = cosigner_key(NAME, WITNESS.public_key().public_bytes_raw())
TRUST = log_alone(LOG_KEY)
DEMANDING = Policy((Log(LOG_KEY),), (Witness("north", COSIGNER),), (), "north")


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# A tree of three, by RFC 6962 2.1: the root is H(01 || H(01 || a || b) || c).
A, B, C = (sha(b"\x00" + entry) for entry in (b"a", b"b", b"c"))
AB = sha(b"\x01" + A + B)
ROOT = sha(b"\x01" + AB + C)
NOTE = sign_checkpoint(Checkpoint(ORIGIN, 3, ROOT), LOG)
PROOF = f"c2sp.org/tlog-proof@v1\nindex 1\n{b64(A)}\n{b64(C)}\n\n".encode() + NOTE


def test_a_proof_made_by_hand() -> None:
    """b has a on its left, and c beside the two: read, verified, written as it was."""
    proof = parse_tlog_proof(PROOF)
    assert proof == TlogProof(1, (A, C), NOTE)
    assert proof.format() == PROOF
    judgement = verify_tlog_proof(proof, B, TRUST)
    assert judgement.checkpoint == Checkpoint(ORIGIN, 3, ROOT)
    assert judgement.log == LOG_KEY


def test_the_last_leaf_has_a_short_path() -> None:
    """c stands alone: its only sibling is the node of the other two."""
    proof = TlogProof(2, (AB,), NOTE)
    verify_tlog_proof(parse_tlog_proof(proof.format()), C, TRUST)


def test_a_log_of_one_has_no_hashes() -> None:
    """Zero hash lines: the index line, and the empty line after it."""
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, A), LOG)
    data = b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + note
    verify_tlog_proof(parse_tlog_proof(data), A, TRUST)


def test_extra_data_is_carried() -> None:
    """Behind the first line, in base64; nothing depends on it."""
    data = PROOF.replace(b"\nindex", b"\nextra " + b64(b"\0\xff code").encode() + b"\nindex")
    proof = parse_tlog_proof(data)
    assert proof.extra == b"\0\xff code"
    assert proof.format() == data
    verify_tlog_proof(proof, B, TRUST)


def test_witnesses_are_demanded_by_the_policy() -> None:
    """The log's word alone is enough for one policy, and not for another."""
    proof = parse_tlog_proof(PROOF)
    with pytest.raises(Rejected, match="not the quorum") as caught:
        verify_tlog_proof(proof, B, DEMANDING)
    assert caught.value.check == "R.quorum"
    text = NOTE.decode().split("\n\n")[0] + "\n"
    note = with_signatures(NOTE, [cosign(text, COSIGNER, WITNESS, 1_800_000_000)])
    judgement = verify_tlog_proof(TlogProof(1, (A, C), note), B, DEMANDING)
    assert judgement.cosignatures == {"north": 1_800_000_000}


FALSE = {
    "another entry": (TlogProof(1, (A, C), NOTE), A, "R.inclusion"),
    "another index": (TlogProof(0, (A, C), NOTE), B, "R.inclusion"),
    "index outside": (TlogProof(3, (A, C), NOTE), B, "R.inclusion"),
    "hashes in another order": (TlogProof(1, (C, A), NOTE), B, "R.inclusion"),
    "a hash less": (TlogProof(1, (A,), NOTE), B, "R.inclusion"),
    "a hash more": (TlogProof(1, (A, C, C), NOTE), B, "R.inclusion"),
    "another root": (
        TlogProof(1, (A, C), sign_checkpoint(Checkpoint(ORIGIN, 3, AB), LOG)),
        B,
        "R.inclusion",
    ),
    "another size": (
        TlogProof(1, (A, C), sign_checkpoint(Checkpoint(ORIGIN, 5, ROOT), LOG)),
        B,
        "R.inclusion",
    ),
    "another log": (
        TlogProof(1, (A, C), sign_checkpoint(Checkpoint("example.org/other", 3, ROOT), LOG)),
        B,
        "R.checkpoint",
    ),
    "another key": (
        TlogProof(1, (A, C), sign_checkpoint(Checkpoint(ORIGIN, 3, ROOT), WITNESS)),
        B,
        "R.checkpoint",
    ),
    "unsigned change": (TlogProof(1, (A, C), NOTE.replace(b"\n3\n", b"\n4\n")), B, "R.checkpoint"),
}


@pytest.mark.parametrize(("proof", "leaf", "check"), FALSE.values(), ids=FALSE)
def test_a_false_proof_is_rejected(proof: TlogProof, leaf: bytes, check: str) -> None:
    """Well-formed, and not true: by the check that it fails."""
    with pytest.raises(Rejected) as caught:
        verify_tlog_proof(parse_tlog_proof(proof.format()), leaf, TRUST)
    assert caught.value.check == check


HEAD, _, _ = PROOF.partition(b"\n\n")
HASH = b64(A).encode()
MALFORMED = {
    "empty": b"",
    "no empty line": PROOF.replace(b"\n\n", b"\n"),
    "another version": PROOF.replace(b"@v1", b"@v2"),
    "no header": PROOF.partition(b"\n")[2],
    "header with space": PROOF.replace(b"@v1\n", b"@v1 \n"),
    "carriage return": PROOF.replace(b"@v1\n", b"@v1\r\n"),
    "no index": PROOF.replace(b"index 1\n", b""),
    "index without number": PROOF.replace(b"index 1", b"index "),
    "leading zero": PROOF.replace(b"index 1", b"index 01"),
    "negative": PROOF.replace(b"index 1", b"index -1"),
    "huge": PROOF.replace(b"index 1", b"index 9223372036854775808"),
    "two spaces": PROOF.replace(b"index 1", b"index  1"),
    "extra after index": PROOF.replace(b"index 1\n", b"index 1\nextra AAAA\n"),
    "two extras": PROOF.replace(b"index", b"extra AAAA\nextra AAAA\nindex"),
    "empty extra": PROOF.replace(b"index", b"extra \nindex"),
    "extra that is no base64": PROOF.replace(b"index", b"extra A\nindex"),
    "too much extra": PROOF.replace(b"index", b"extra " + b"AAAA" * 21846 + b"\nindex"),
    "short hash": PROOF.replace(HASH, b64(bytes(31)).encode()),
    "hash in hexadecimal": PROOF.replace(HASH, A.hex().encode()),
    "hash with stray bits": PROOF.replace(HASH, HASH[:-2] + bytes([HASH[-2] + 1]) + b"="),
    "hash with space": PROOF.replace(HASH, HASH + b" "),
    "too many hashes": PROOF.replace(HASH, b"\n".join([HASH] * 63)),
    "no checkpoint": HEAD + b"\n\n",
    "checkpoint without signature": PROOF.partition("\n— ".encode())[0] + b"\n",
    "an empty line more": PROOF.replace(b"\n\n", b"\n\n\n", 1),
    "not ASCII": PROOF.replace(b"index 1", "index ١".encode()),
    "too long": PROOF + b"x" * 400_000,
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_proof_is_malformed(data: bytes) -> None:
    """Every line has one form and one place."""
    with pytest.raises(Malformed) as caught:
        parse_tlog_proof(data, "slip.tlog-proof")
    assert caught.value.field.startswith("slip.tlog-proof")


def test_what_cannot_be_read_is_not_written() -> None:
    """Empty extra data is no extra data; a checkpoint is a checkpoint."""
    with pytest.raises((Malformed, ValueError)):
        TlogProof(1, (A, C), NOTE, b"").format()
    with pytest.raises(Malformed):
        TlogProof(1, (A, C), b"none").format()
