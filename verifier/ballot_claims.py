"""What a ballot and its hints claim, as equations for a batch.

Only a ballot that is right in every way that is cheap to see makes a claim: numbers of
the right width and range, lists of the right length, and hints whose hashes are the
proofs' own challenges. Any other is left to the exact checks, which say what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gmpy2 import mpz

from verifier.ballot_hashes import contests_of
from verifier.batch import Claim, Equation
from verifier.group import Group
from verifier.hashing import HASH_WIDTH, index
from verifier.hints import parse_hints
from verifier.manifest import Manifest
from verifier.proofs import nonce_challenge, range_challenge
from verifier.schema import pb


class _Unclear(Exception):
    """Something is not as it should be."""


def _require(holds: bool) -> None:
    if not holds:
        raise _Unclear


@dataclass(frozen=True, slots=True)
class _Statement:
    """A range proof: what it is over, as encoded and by the numbers of the claim's factors."""

    context: bytes
    ciphertext: tuple[bytes, bytes]
    alpha: int
    beta: int
    limit: int


class _Claimant:
    """Makes the claim of one ballot."""

    def __init__(self, group: Group, identifier_hash: bytes, hints: Iterator[bytes]) -> None:
        self._group = group
        self._hash = identifier_hash
        self._hints = hints
        self.claim = Claim()

    def _element(self, data: bytes) -> mpz:
        _require(len(data) == self._group.element_width)
        x = mpz(int.from_bytes(data, "big"))
        _require(0 < x < self._group.p)
        return x

    def _scalar(self, data: bytes) -> int:
        _require(len(data) == self._group.scalar_width)
        x = int.from_bytes(data, "big")
        _require(x < self._group.q)
        return x

    def _hinted(self, count: int) -> list[bytes]:
        """Return the next hint's elements, encoded."""
        data, width = next(self._hints), self._group.element_width
        _require(len(data) == count * width)
        return [data[i : i + width] for i in range(0, len(data), width)]

    def contest(self, contest: pb.BallotContest, context: bytes, limits: tuple[int, int]) -> None:
        """Take a contest's selections and its sum; `limits` are R and L."""
        group = self._group
        alphas, betas = [], []
        totals = [mpz(1), mpz(1)]
        for j, selection in enumerate(contest.selections, start=1):
            pair = selection.alpha, selection.beta
            numbers = [self._element(x) for x in pair]
            alpha, beta = (self.claim.base(x) for x in numbers)
            totals = [total * x % group.p for total, x in zip(totals, numbers, strict=True)]
            alphas.append(alpha)
            betas.append(beta)
            own = _Statement(context + index(j), pair, alpha, beta, limits[0])
            self._range(selection.proof, own)
        encoded = group.element(totals[0]), group.element(totals[1])
        both = self.claim.product(alphas), self.claim.product(betas)
        self._range(contest.limit_proof, _Statement(context, encoded, *both, limits[1]))

    def _range(self, proof: pb.RangeProof, statement: _Statement) -> None:
        """Check the hash of a range proof over the hinted commitments; note its equations."""
        count, order = statement.limit + 1, int(self._group.q)
        _require(len(proof.challenges) == len(proof.responses) == count)
        challenges = [self._scalar(x) for x in proof.challenges]
        responses = [self._scalar(x) for x in proof.responses]
        # Under challenges that are all 0 the equations would not tell where alpha is.
        _require(any(challenges))
        hinted = self._hinted(2 * count)
        expected = range_challenge(
            self._group, self._hash, statement.context, *statement.ciphertext, *hinted
        )
        _require(sum(challenges) % order == expected)
        for j, (c, v) in enumerate(zip(challenges, responses, strict=True)):
            a, b = (self._element(x) for x in hinted[2 * j : 2 * j + 2])
            over_beta = Equation(b, 0, (v - j * c) % order, ((statement.beta, c),))
            self.claim.equations += (Equation(a, v, 0, ((statement.alpha, c),)), over_beta)

    def nonce(self, nonce: pb.EncryptedNonce) -> None:
        """Check the hash of the nonce's proof; note its equation."""
        c0, (hinted,) = self._element(nonce.c0), self._hinted(1)
        challenge, response = self._scalar(nonce.c2.challenge), self._scalar(nonce.c2.response)
        _require(challenge != 0 and len(nonce.c1) == HASH_WIDTH)
        expected = nonce_challenge(self._group, self._hash, nonce.c0, nonce.c1, hinted)
        _require(challenge == expected)
        terms = ((self.claim.base(c0), challenge),)
        self.claim.equations.append(Equation(self._element(hinted), response, 0, terms))


def ballot_claim(
    group: Group, manifest: Manifest, ballot: pb.Ballot, identifier_hash: bytes, data: bytes
) -> Claim | None:
    """Return what a ballot claims with these hints, None if the exact checks must look at it."""
    hints = parse_hints(data)
    pairs = contests_of(manifest, ballot)
    proofs = sum(len(contest.selections) + 1 for contest, _ in pairs) + 1
    if len(hints) != proofs or len(pairs) != len(ballot.contests):
        return None
    claimant = _Claimant(group, identifier_hash, iter(hints))
    try:
        for contest, known in pairs:
            limits = known.option_limit, known.selection_limit
            claimant.contest(contest, index(known.index), limits)
        claimant.nonce(ballot.encrypted_nonce)
    except _Unclear:
        return None
    return claimant.claim
