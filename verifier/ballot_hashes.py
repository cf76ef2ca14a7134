"""What a ballot's hashes should be, and how its contests pair with the manifest's."""

from __future__ import annotations

from verifier.group import Group
from verifier.hashing import HASH_WIDTH, contest_hash, identifier_hash
from verifier.manifest import Contest, Manifest
from verifier.schema import pb
from verifier.wire import SPARE


def padded(data: bytes, width: int) -> bytes:
    """Return an integer's bytes at the width at which it is hashed."""
    return data if len(data) == width else data.lstrip(b"\0").rjust(width, b"\0")


def hash_of_contest(group: Group, identifier: bytes, contest: pb.BallotContest) -> bytes:
    """chi_l as this verifier computes it (eq. 70)."""
    width = group.element_width
    parts = [
        padded(x, width)
        for selection in contest.selections
        for x in (selection.alpha, selection.beta)
    ]
    return contest_hash(identifier, contest.index, parts)


def chosen_identifier_hash(group: Group, extended_hash: bytes, ballot: pb.Ballot) -> bytes:
    """H_I as the ballot's other hashes and proofs use it.

    That is the recomputed one; the recorded one only where 5.B fails and the ballot's
    first contest hash shows that the device worked with it.
    """
    computed = identifier_hash(extended_hash, ballot.identifier)
    recorded = ballot.identifier_hash
    if recorded in (computed, b"") or len(recorded) != HASH_WIDTH or not ballot.contests:
        return computed
    first = ballot.contests[0]
    worked = hash_of_contest(group, recorded, first) == first.contest_hash
    return recorded if worked else computed


def contests_of(manifest: Manifest, ballot: pb.Ballot) -> list[tuple[pb.BallotContest, Contest]]:
    """Pair each contest of a ballot with the manifest's, where they fit each other."""
    pairs = []
    for contest in ballot.contests[: len(manifest.contests) + SPARE]:
        if not 1 <= contest.index <= len(manifest.contests):
            continue
        known = manifest.contests[contest.index - 1]
        if len(contest.selections) == len(known.options):
            pairs.append((contest, known))
    return pairs


def contest_misfit(contest: pb.BallotContest, known: Contest) -> str:
    """Say why a contest's lists do not have the manifest's lengths, "" if they have."""
    if len(contest.selections) != len(known.options):
        return "there is not one selection for each option"
    proofs = [(contest.limit_proof, known.selection_limit)]
    proofs += [(selection.proof, known.option_limit) for selection in contest.selections]
    for proof, limit in proofs:
        if not len(proof.challenges) == len(proof.responses) == limit + 1:
            return "a proof has not one challenge and one response for each value in range"
    return ""
