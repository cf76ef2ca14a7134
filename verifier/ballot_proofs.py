"""The expensive half of a ballot: its signature, its proofs (V6, V7), its factors (V9).

Everything here is a pure function of the election and the ballots' bytes, so that it
can run in any process. `Work` goes in; `Outcome` comes out.

Ballots with hints go through a batch first. What it shows to hold is then not computed
again; everything is reported by the one `_check_ballot`, ballot by ballot, so that a
report does not depend on how a proof was found to hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from verifier.ballot_claims import ballot_claim
from verifier.ballot_hashes import chosen_identifier_hash, contests_of
from verifier.batch import Claim, batch_for
from verifier.election import Election, check_signature
from verifier.findings import Findings, Place
from verifier.group import FixedBase, Group
from verifier.hashing import index
from verifier.manifest import Cell, Contest
from verifier.multipower import Chain
from verifier.proofs import in_range, knows_ballot_nonce
from verifier.schema import pb
from verifier.signers import speaker
from verifier.wire import Reader, parse_artifact

Factors = list[tuple[mpz, mpz]]
"""For each option, the product of the alphas and that of the betas."""


@dataclass(frozen=True, slots=True)
class Work:
    """One ballot to check: its artifact number and bytes, whether it is cast, and its hints."""

    number: int
    data: bytes
    is_cast: bool
    hints: bytes = b""


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
    """A ballot being checked: where its findings go and the hash its proofs are under.

    `proved` says that a batch has shown its elements to be in the group and its proofs to
    hold: then neither is computed again.
    """

    reader: Reader
    identifier_hash: bytes
    proved: bool


@dataclass(slots=True)
class _Waiting:
    """A ballot that waits for its batch."""

    number: int
    is_cast: bool
    artifact: pb.Artifact
    identifier_hash: bytes
    claim: Claim | None


_BATCH = 1 << 15
"""Powers in a batch: about 16 MB of elements, and enough for buckets to pay."""

_HELD = 16 << 20
"""Bytes of ballots that wait: hints of little use must not make many wait."""

_MANY = 20
"""Ballots that are computed one by one, after which larger tables pay."""

_Pair = tuple[Chain, Chain] | None
"""The chains of a ciphertext; None if there is nothing more to compute with it."""


@dataclass(frozen=True, slots=True)
class _Range:
    """A range proof to check under "6" or "7", its limit and what it is hashed with."""

    verification: str
    proof: pb.RangeProof
    limit: int
    context: bytes


class BallotChecker:
    """Checks ballots of one election; makes the tables for g and K once."""

    def __init__(
        self, election: Election, extended_hash: bytes, vote_key: mpz, exact: bool = False
    ) -> None:
        """Take what the proofs are under; `exact` has every proof computed by itself."""
        assert election.manifest is not None, "without a manifest there are no ballots"
        self._election = election
        self._manifest = election.manifest
        self._group = election.group
        self._extended = extended_hash
        self._vote_key: FixedBase = self._group.table(vote_key)
        self._key = vote_key
        self._computed = 0
        self._batch = None if exact else batch_for(self._group, vote_key, self._vote_key)

    def check(self, works: Iterable[Work]) -> Outcome:
        """Check ballots, and report in their order."""
        outcome = Outcome()
        waiting: list[_Waiting] = []
        size = held = 0
        for work in works:
            artifact, _ = parse_artifact(work.data)
            if artifact is None:
                continue
            entry = self._claimed(work, artifact)
            waiting.append(entry)
            size += entry.claim.size if entry.claim is not None else 0
            held += len(work.data)
            # What claims nothing need not wait, unless others do that stand before it.
            if size >= _BATCH or held >= _HELD or not size:
                self._finish(waiting, outcome)
                waiting, size, held = [], 0, 0
        self._finish(waiting, outcome)
        return outcome

    def enlarge(self) -> None:
        """Make larger tables: worth it where many ballots are computed one by one."""
        self._group.enlarge()
        self._vote_key = self._group.large_table(self._key)

    def _claimed(self, work: Work, artifact: pb.Artifact) -> _Waiting:
        ballot = artifact.ballot
        identifier = chosen_identifier_hash(self._group, self._extended, ballot)
        claim = None
        if self._batch is not None and work.hints:
            claim = ballot_claim(self._group, self._manifest, ballot, identifier, work.hints)
        return _Waiting(work.number, work.is_cast, artifact, identifier, claim)

    def _finish(self, waiting: Sequence[_Waiting], outcome: Outcome) -> None:
        proved = [False] * len(waiting)
        if self._batch is not None:
            proved = self._batch.search([entry.claim for entry in waiting])
        for entry, is_proved in zip(waiting, proved, strict=True):
            self._check_ballot(entry, is_proved, outcome)

    def _check_ballot(self, entry: _Waiting, proved: bool, outcome: Outcome) -> None:
        self._computed += not proved
        if self._computed == _MANY and not proved:
            self.enlarge()
        artifact, ballot = entry.artifact, entry.artifact.ballot
        place, culprit = speaker(entry.number, artifact)
        reader = Reader(self._group, outcome.findings, place, culprit)
        key = self._election.device_keys.get(ballot.device)
        if key is not None:
            check_signature(self._election, artifact, key, reader)
        checked = _Ballot(reader, entry.identifier_hash, proved)
        self._nonce(ballot.encrypted_nonce, checked)
        of_style = self._manifest.styles.get(ballot.ballot_style, ())
        for contest, known in contests_of(self._manifest, ballot):
            factors = self._contest(contest, known, checked)
            if entry.is_cast and known in of_style:
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
        proved = ballot.proved
        if not proved:
            member = self._group.member(c0)
            proved = member is not None and knows_ballot_nonce(
                self._group, ballot.identifier_hash, member, c1, challenge, response
            )
        message = "the proof of the ballot nonce is wrong, or its C_0 is not in the group"
        reader.findings.check("R.nonce-proof", proved, reader.place, message, reader.culprit)

    def _contest(self, contest: pb.BallotContest, known: Contest, ballot: _Ballot) -> Factors:
        """Check a contest's selections and their sum; return (alpha, beta) of each."""
        reader, p = ballot.reader, self._group.p
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
            if not ballot.proved:
                sum_alpha, sum_beta = sum_alpha * alpha % p, sum_beta * beta % p
            context = index(known.index) + index(j)
            members &= self._selection(
                selection.proof, (alpha, beta), known.option_limit, context, ballot, here
            )
        message = "an alpha or beta of the contest is not in the group"
        reader.findings.check("7.A", members, place, message, reader.culprit)
        claim = _Range("7", contest.limit_proof, known.selection_limit, index(known.index))
        pair: _Pair = None
        if members and not ballot.proved:
            pair = self._group.chain(sum_alpha), self._group.chain(sum_beta)
        self._range(claim, pair, ballot, place)
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
        pair: _Pair = None
        if not ballot.proved:
            alpha, beta = (self._group.member(x) for x in ciphertext)
            pair = (alpha, beta) if alpha is not None and beta is not None else None
        member = ballot.proved or pair is not None
        message = "alpha or beta is not in the group"
        reader.findings.check("6.A", member, place, message, reader.culprit)
        self._range(_Range("6", proof, limit, context), pair, ballot, place)
        return member

    def _range(self, claim: _Range, pair: _Pair, ballot: _Ballot, place: Place) -> None:
        """Check B, C and D of V6 or V7; D only for members and scalars in range."""
        reader, proof = ballot.reader, claim.proof
        if not len(proof.challenges) == len(proof.responses) == claim.limit + 1:
            return  # R.ballot has said so
        challenges = reader.scalars(proof.challenges, "a challenge", place)
        responses = reader.scalars(proof.responses, "a response", place)
        inside = True
        for letter, name, scalars in (
            ("B", "challenge", challenges),
            ("C", "response", responses),
        ):
            holds = all(reader.in_q(x) for x in scalars)
            message = f"a {name} is not below q"
            inside &= reader.findings.check(
                f"{claim.verification}.{letter}", holds, place, message, reader.culprit
            )
        if not inside or not (ballot.proved or pair is not None):
            return
        proved = pair is None or in_range(
            self._group,
            self._vote_key,
            ballot.identifier_hash,
            claim.context,
            pair,
            challenges,
            responses,
        )
        message = f"the proof that the value is within 0..{claim.limit} is wrong"
        reader.findings.check(f"{claim.verification}.D", proved, place, message, reader.culprit)
