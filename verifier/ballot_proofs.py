"""The expensive half of a ballot: its signature, its proofs (V6, V7), its factors (V9).

Everything here is a pure function of the election and one ballot's bytes, so that it
can run in any process. `Work` goes in; `Outcome` comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from verifier.ballot_hashes import chosen_identifier_hash, contests_of
from verifier.election import Election, check_signature
from verifier.findings import Findings, Place
from verifier.group import FixedBase, Group
from verifier.hashing import index
from verifier.manifest import Cell, Contest
from verifier.proofs import in_range, knows_ballot_nonce
from verifier.schema import pb
from verifier.signers import speaker
from verifier.wire import Reader, parse_artifact

Factors = list[tuple[mpz, mpz]]
"""For each option, the product of the alphas and that of the betas."""


@dataclass(frozen=True, slots=True)
class Work:
    """One ballot to check: its artifact number and bytes, and whether it is cast."""

    number: int
    data: bytes
    is_cast: bool


@dataclass(slots=True)
class Outcome:
    """What came of some ballots: the findings, and the products of those that are cast."""

    findings: Findings = field(default_factory=Findings)
    factors: dict[Cell, Factors] = field(default_factory=dict)


def multiply(group: Group, total: Factors, factors: Factors) -> Factors:
    """Return the product of two rows of factors, option by option (eq. 79)."""
    return [
        (a * x % group.p, b * y % group.p) for (a, b), (x, y) in zip(total, factors, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Ballot:
    """A ballot being checked: where its findings go and the hash its proofs are under."""

    reader: Reader
    identifier_hash: bytes


@dataclass(frozen=True, slots=True)
class _Range:
    """A range proof to check under "6" or "7", its limit and what it is hashed with."""

    verification: str
    proof: pb.RangeProof
    limit: int
    context: bytes


class BallotChecker:
    """Checks ballots of one election; makes the tables for g and K once."""

    def __init__(self, election: Election, extended_hash: bytes, vote_key: mpz) -> None:
        """Take what the proofs are under."""
        assert election.manifest is not None, "without a manifest there are no ballots"
        self._election = election
        self._manifest = election.manifest
        self._group = election.group
        self._extended = extended_hash
        self._vote_key: FixedBase = self._group.table(vote_key)

    def check(self, works: Sequence[Work]) -> Outcome:
        """Check several ballots."""
        outcome = Outcome()
        for work in works:
            artifact, _ = parse_artifact(work.data)
            if artifact is not None:
                self._check_ballot(artifact, work, outcome)
        return outcome

    def _check_ballot(self, artifact: pb.Artifact, work: Work, outcome: Outcome) -> None:
        ballot = artifact.ballot
        place, culprit = speaker(work.number, artifact)
        reader = Reader(self._group, outcome.findings, place, culprit)
        key = self._election.device_keys.get(ballot.device)
        if key is not None:
            check_signature(self._election, artifact, key, reader)
        identifier = chosen_identifier_hash(self._group, self._extended, ballot)
        checked = _Ballot(reader, identifier)
        self._nonce(ballot.encrypted_nonce, checked)
        of_style = self._manifest.styles.get(ballot.ballot_style, ())
        for contest, known in contests_of(self._manifest, ballot):
            factors = self._contest(contest, known, checked)
            if work.is_cast and known in of_style:
                cell = (ballot.unit, known.label)
                total = outcome.factors.get(cell)
                outcome.factors[cell] = (
                    factors if total is None else multiply(self._group, total, factors)
                )

    def _nonce(self, nonce: pb.EncryptedNonce, ballot: _Ballot) -> None:
        reader = ballot.reader
        c0 = reader.element(nonce.c0, "C_0 of the ballot nonce")
        c1 = reader.hash(nonce.c1, "C_1 of the ballot nonce")
        challenge = reader.ranged_scalar(nonce.c2.challenge, "c of the ballot nonce")
        response = reader.ranged_scalar(nonce.c2.response, "v of the ballot nonce")
        if c1 is None or challenge is None or response is None:
            return
        holds = self._group.is_member(c0) and knows_ballot_nonce(
            self._group, ballot.identifier_hash, c0, c1, challenge, response
        )
        message = "the proof of the ballot nonce is wrong, or its C_0 is not in the group"
        reader.findings.check("R.nonce-proof", holds, reader.place, message, reader.culprit)

    def _contest(self, contest: pb.BallotContest, known: Contest, ballot: _Ballot) -> Factors:
        """Check a contest's selections and their sum; return (alpha, beta) of each."""
        reader = ballot.reader
        place = reader.place.at(contest=known.label)
        factors: Factors = []
        members = True
        sum_alpha, sum_beta = mpz(1), mpz(1)
        for j, (selection, label) in enumerate(
            zip(contest.selections, known.options, strict=True), start=1
        ):
            here = place.at(option=label)
            alpha = reader.element(selection.alpha, "alpha", here)
            beta = reader.element(selection.beta, "beta", here)
            factors.append((alpha, beta))
            sum_alpha = sum_alpha * alpha % self._group.p
            sum_beta = sum_beta * beta % self._group.p
            context = index(known.index) + index(j)
            members &= self._selection(
                selection.proof, (alpha, beta), known.option_limit, context, ballot, here
            )
        message = "an alpha or beta of the contest is not in the group"
        reader.findings.check("7.A", members, place, message, reader.culprit)
        claim = _Range("7", contest.limit_proof, known.selection_limit, index(known.index))
        self._range(claim, (sum_alpha, sum_beta), members, ballot, place)
        return factors

    def _selection(
        self,
        proof: pb.RangeProof,
        ciphertext: tuple[mpz, mpz],
        limit: int,
        context: bytes,
        ballot: _Ballot,
        place: Place,
    ) -> bool:
        """Check 6.A-6.D of one selection; return whether 6.A holds."""
        reader = ballot.reader
        member = all(self._group.is_member(x) for x in ciphertext)
        message = "alpha or beta is not in the group"
        reader.findings.check("6.A", member, place, message, reader.culprit)
        self._range(_Range("6", proof, limit, context), ciphertext, member, ballot, place)
        return member

    def _range(
        self,
        claim: _Range,
        ciphertext: tuple[mpz, mpz],
        members: bool,
        ballot: _Ballot,
        place: Place,
    ) -> None:
        """Check B, C and D of V6 or V7; D only for members and scalars in range."""
        reader, proof = ballot.reader, claim.proof
        if not len(proof.challenges) == len(proof.responses) == claim.limit + 1:
            return  # R.ballot has said so
        challenges = reader.scalars(proof.challenges, "a challenge", place)
        responses = reader.scalars(proof.responses, "a response", place)
        for letter, name, scalars in (
            ("B", "challenge", challenges),
            ("C", "response", responses),
        ):
            inside = all(reader.in_q(x) for x in scalars)
            message = f"a {name} is not below q"
            members &= reader.findings.check(
                f"{claim.verification}.{letter}", inside, place, message, reader.culprit
            )
        if not members:
            return
        holds = in_range(
            self._group,
            self._vote_key,
            ballot.identifier_hash,
            claim.context,
            ciphertext,
            challenges,
            responses,
        )
        message = f"the proof that the value is within 0..{claim.limit} is wrong"
        reader.findings.check(f"{claim.verification}.D", holds, place, message, reader.culprit)
