"""What a trustee says of itself in the key ceremony: its keys (V2) and its shares (22).

Each check is a function of the statement alone, and reports through its reader: so an
accused message can be judged like one of the record, with nothing booked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from verifier.election import Election
from verifier.multipower import Chain
from verifier.proofs import keys_challenge, knows_share_nonce
from verifier.schema import pb
from verifier.wire import SPARE, Reader

_COMMITMENT = b"sailau.v1.KeyCommitment\0"


@dataclass(frozen=True, slots=True)
class TrusteeKeys:
    """K_i,0..k-1, K-hat_i,0..k-1 and kappa_i of one trustee."""

    vote: tuple[mpz, ...]
    data: tuple[mpz, ...]
    communication: mpz


def key_commitment(base_hash: bytes, statement: pb.TrusteeKeys) -> bytes:
    """What a trustee commits to (docs/record.md, "Commitments to keys"), 32 bytes."""
    keys = pb.TrusteeKeys()
    keys.CopyFrom(statement)
    keys.ClearField("transcript")
    encoded = keys.SerializeToString(deterministic=True)
    return hashlib.sha256(_COMMITMENT + base_hash + encoded).digest()


# --- V2 ---------------------------------------------------------------------------------


def check_keys(election: Election, statement: pb.TrusteeKeys, reader: Reader) -> TrusteeKeys:
    """Check 2.A, 2.B, 2.C and R.trustee-keys of one trustee; return its keys."""
    kappa = reader.element(statement.communication_key, "kappa")
    last = _members([kappa], "kappa", reader)
    kept = []
    for label, commitments, proof in (
        ("vote", statement.vote_commitments, statement.vote_proof),
        ("data", statement.data_commitments, statement.data_proof),
    ):
        some = commitments[: election.quorum + SPARE]
        elements = [reader.element(x, f"a {label} commitment") for x in some]
        kept.append(tuple(elements))
        right = len(commitments) == election.quorum
        message = f"{len(commitments)} {label} commitments, not k: another degree"
        if reader.findings.check("R.trustee-keys", right, reader.place, message, reader.culprit):
            _proof(election, statement.trustee, label, elements, last, proof, reader)
    return TrusteeKeys(kept[0], kept[1], kappa)


def _members(elements: Sequence[mpz], what: str, reader: Reader) -> list[Chain]:
    """Check 2.A of some elements; return those that are in the group."""
    message = f"{what} is not in the group"
    found = [reader.group.member(x) for x in elements]
    for chain in found:
        reader.findings.check("2.A", chain is not None, reader.place, message, reader.culprit)
    return [chain for chain in found if chain is not None]


def _proof(
    election: Election,
    trustee: int,
    label: str,
    commitments: list[mpz],
    kappa: list[Chain],
    proof: pb.KeyProof,
    reader: Reader,
) -> None:
    """Check one proof; `kappa` is empty if kappa is not in the group."""
    findings, place, culprit = reader.findings, reader.place, reader.culprit
    count = len(commitments) + 1
    publics = _members(commitments, f"a {label} commitment", reader) + kappa
    message = f"the {label} proof has {len(proof.responses)} responses, not k + 1"
    if not findings.check("R.trustee-keys", len(proof.responses) == count, place, message, culprit):
        return
    responses = reader.scalars(proof.responses, f"a response of the {label} proof")
    message = f"a response of the {label} proof is not below q"
    ranges = [findings.check("2.B", reader.in_q(v), place, message, culprit) for v in responses]
    challenge = reader.ranged_scalar(proof.challenge, f"the challenge of the {label} proof")
    if challenge is None or not all(ranges) or len(publics) != count:
        return
    expected = keys_challenge(
        reader.group,
        election.parameter_hash,
        f"pk_{label}".encode(),
        trustee,
        publics,
        challenge,
        responses,
    )
    message = f"the {label} proof does not show knowledge of every secret"
    findings.check("2.C", challenge == expected, place, message, culprit)


# --- shares -----------------------------------------------------------------------------


def check_shares(election: Election, statement: pb.EncryptedShares, reader: Reader) -> None:
    """Check that there is a share for every other trustee, with its proof."""
    recipients = [share.recipient for share in statement.shares]
    others = min(election.trustees, len(recipients) + 2)
    expected = [i for i in range(1, others + 1) if i != statement.trustee]
    message = "there is not one share for each other trustee, ascending"
    reader.findings.check(
        "R.share-recipients", recipients == expected, reader.place, message, reader.culprit
    )
    for share in statement.shares[: election.trustees + SPARE]:
        _share(election, statement.trustee, share, reader)


def _share(election: Election, sender: int, share: pb.EncryptedShare, reader: Reader) -> None:
    what = f"the share for trustee {share.recipient}"
    c0 = reader.element(share.c0, f"C_0 of {what}")
    c1 = reader.fixed(share.c1, 64, f"C_1 of {what}")
    challenge = reader.ranged_scalar(share.c2.challenge, f"c of {what}")
    response = reader.ranged_scalar(share.c2.response, f"v of {what}")
    if c1 is None or challenge is None or response is None:
        return
    member = reader.group.member(c0)
    holds = member is not None and knows_share_nonce(
        reader.group,
        election.parameter_hash,
        sender,
        share.recipient,
        member,
        c1,
        challenge,
        response,
    )
    message = f"the proof of {what} is wrong, or its C_0 is not in the group"
    reader.findings.check("R.share-proof", holds, reader.place, message, reader.culprit)
