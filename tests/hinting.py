"""Hints for ballots however they were made, and a group in which batches are fast.

The commitments are recomputed from the proofs, right or wrong, as a verifier would.
"""

from __future__ import annotations

from crypto import range_proof
from crypto.commitments import Commitments, encode_commitments
from crypto.elgamal import accumulate
from crypto.parameters import Parameters
from record.artifacts import Ballot
from record.hints import BallotHints, format_hints
from tests.world import World

_Q, _S = 2**160 - 47, 2**160 + 3375
_P = 2 * _Q * _S + 1
MIDDLE = Parameters("middle-160-322", _P, _Q, pow(3, 2 * _S, _P), toy=True)
"""A set like those of the specification, whose q and s are just long enough for batches."""


def hints_of(world: World, ballot: Ballot) -> BallotHints:
    """The commitments of the ballot's proofs."""
    key, group = world.keys.vote_key, world.group
    proofs: list[Commitments] = []
    for contest in ballot.contests:
        for selection in contest.selections:
            proofs.append(range_proof.commitments(key, selection.ciphertext, selection.proof))
        product = accumulate(group, (s.ciphertext for s in contest.selections))
        proofs.append(range_proof.commitments(key, product, contest.limit_proof))
    c0, proof = ballot.encrypted_nonce.c0, ballot.encrypted_nonce.c2
    a = group.g_power(proof.response) * group.power(c0, proof.challenge) % group.p
    return BallotHints((*proofs, encode_commitments(group, [a])))


def encoded_hints(world: World, ballot: Ballot) -> bytes:
    """The same, serialized."""
    return format_hints(hints_of(world, ballot))
