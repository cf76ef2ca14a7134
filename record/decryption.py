"""The joint decryption of one ciphertext of the record, from the shares of everybody in U.

Trustees need the joint challenge to answer it, the board to check the answers, the
tally to publish the result; all compute it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from crypto import decryption_proof
from crypto.batch import Claims, unproved
from crypto.decryption_proof import DecryptionProof
from crypto.group import Group, mpz
from crypto.hashing import index_bytes
from record.artifacts import DecryptionShare
from record.election import ElectionKeys
from record.proofs import rejecting
from record.state import Place


def context_bytes(place: Place) -> bytes:
    """ind_c and ind_o, as they stand in (88) and (90)."""
    return index_bytes(place.contest) + index_bytes(place.option)


@dataclass(frozen=True, slots=True)
class JointDecryption:
    """M (86), the joint challenge c (90) and the challenges c_i (91) of everybody in U."""

    group: Group
    place: Place
    combined: mpz
    challenge: mpz
    challenges: Mapping[int, mpz]

    def value(self) -> mpz:
        """T = B M^-1 (82)."""
        return decryption_proof.decrypted_value(self.group, self.place.ciphertext, self.combined)

    def proof(self, responses: Mapping[int, mpz]) -> DecryptionProof:
        """(c, v) from the responses v_i of everybody in U (93)."""
        v = decryption_proof.combine_responses(self.group, responses.values())
        return DecryptionProof(self.challenge, v)

    def verify_response(
        self, i: int, public_share: mpz, share: DecryptionShare, response: mpz
    ) -> None:
        """Raise `InvalidProof` unless v_i fits M_i, a_i and b_i (94, 95)."""
        decryption_proof.verify_response(
            self.group,
            public_share,
            self.place.ciphertext.alpha,
            share.partial_decryption,
            share.a,
            share.b,
            self.challenges[i],
            response,
        )

    def claim_response(
        self, claims: Claims, i: int, public_share: mpz, share: DecryptionShare, response: mpz
    ) -> None:
        """`verify_response` for a batch (`crypto.batch`)."""
        decryption_proof.claim_response(
            claims,
            public_share,
            self.place.ciphertext.alpha,
            share.partial_decryption,
            share.a,
            share.b,
            self.challenges[i],
            response,
        )


def commitment_hash(
    keys: ElectionKeys, place: Place, i: int, share: DecryptionShare, available: tuple[int, ...]
) -> bytes:
    """d_i of `share` (88), 32 bytes; `available` is U."""
    return decryption_proof.commitment_hash(
        keys.vote_key.group,
        keys.extended_base_hash,
        context_bytes(place),
        i,
        place.ciphertext,
        share.a,
        share.b,
        share.partial_decryption,
        available,
    )


def combine(
    keys: ElectionKeys, place: Place, shares: Mapping[int, DecryptionShare]
) -> JointDecryption:
    """Combine the shares of everybody in U, the keys of `shares` (spec 3.6.4, 3.6.5)."""
    return combine_all(keys, [place], [shares])[0]


def combine_all(
    keys: ElectionKeys, places: Sequence[Place], shares: Sequence[Mapping[int, DecryptionShare]]
) -> list[JointDecryption]:
    """`combine` for each place, all with the same U; together they cost less."""
    group = keys.vote_key.group
    found = decryption_proof.combine_all(
        group,
        keys.extended_base_hash,
        [(context_bytes(place), place.ciphertext) for place in places],
        [{i: (s.partial_decryption, s.a, s.b) for i, s in row.items()} for row in shares],
    )
    return [
        JointDecryption(group, place, joint.element, joint.challenge, joint.challenges)
        for place, joint in zip(places, found, strict=True)
    ]


def verify_shares(group: Group, shares: Sequence[DecryptionShare], i: int, first: int) -> None:
    """Check that M_i, a_i and b_i of every share are members (spec 3.6.3).

    `shares` are a part of trustee i's, from ciphertext `first` on. Raises Rejected
    (R.decryption-share) for the first that is wrong.
    """

    def claim(share: DecryptionShare, claims: Claims) -> None:
        for x, name in _elements(share):
            claims.member(x, name)

    for n in unproved(group, (partial(claim, share) for share in shares)):
        with rejecting("R.decryption-share", f"trustee {i}", f"ciphertext {first + n}"):
            for x, name in _elements(shares[n]):
                group.check_member(x, name)


def verify_responses(
    joints: Sequence[JointDecryption],
    shares: Sequence[DecryptionShare],
    responses: Sequence[mpz],
    i: int,
    public_share: mpz,
    first: int,
) -> None:
    """Check that every response fits its share (94, 95): `JointDecryption.verify_response`.

    `shares` and `responses` are a part of trustee i's, from ciphertext `first` on, and
    `public_share` is g^P(i). Raises Rejected (R.decryption-share) for the first that is
    wrong.
    """

    def claim(n: int, claims: Claims) -> None:
        joints[n].claim_response(claims, i, public_share, shares[n], responses[n])

    if not joints:
        return
    for n in unproved(joints[0].group, (partial(claim, n) for n in range(len(joints)))):
        with rejecting("R.decryption-share", f"trustee {i}", f"ciphertext {first + n}"):
            joints[n].verify_response(i, public_share, shares[n], responses[n])


def _elements(share: DecryptionShare) -> tuple[tuple[mpz, str], ...]:
    return (share.partial_decryption, "M_i"), (share.a, "a_i"), (share.b, "b_i")
