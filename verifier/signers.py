"""Who makes which statement: its place, its culprit, and the key that must have signed it."""

from __future__ import annotations

from verifier.election import Election
from verifier.findings import Place
from verifier.hashing import HASH_WIDTH
from verifier.schema import pb
from verifier.wire import kind_of

ADMINISTRATOR = frozenset(
    {
        "election",
        "ceremony_abandoned",
        "opening",
        "device_missing",
        "polls_close",
        "result",
    }
)
SERVER = frozenset(
    {
        "accusation",
        "encrypted_tally",
        "decryption_session",
        "decrypted_tally",
        "challenged_ballot_decryption",
        "decrypted_ballot",
    }
)
DEVICE = frozenset({"device", "ballot", "cast", "challenge", "device_close"})
TRUSTEE = frozenset(
    {
        "key_commitment",
        "trustee_keys",
        "encrypted_shares",
        "share_complaint",
        "share_answer",
        "key_confirmation",
        "decryption_commitments",
        "decryption_shares",
        "decryption_responses",
    }
)


def speaker(number: int, artifact: pb.Artifact | None) -> tuple[Place, str]:
    """Return where an artifact stands and who makes its statement."""
    place = Place(artifact=number)
    if artifact is None:
        return place, "publisher"
    kind = kind_of(artifact)
    statement = getattr(artifact, kind)
    if kind in ADMINISTRATOR:
        return place, "administrator"
    if kind == "operation":
        return place, operator(statement)
    if kind in DEVICE:
        if kind in ("ballot", "cast", "challenge"):
            place = place.at(ballot=statement.confirmation_code[:HASH_WIDTH].hex())
        return place.at(device=statement.device), f"device {statement.device}"
    if kind in SERVER:
        if kind in ("encrypted_tally", "decrypted_tally"):
            place = place.at(units=tuple(statement.units), contest=statement.contest)
        elif kind == "accusation":
            place = place.at(trustee=statement.trustee)
        return place, "server"
    return place.at(trustee=statement.trustee), f"trustee {statement.trustee}"


def operator(statement: pb.Operation) -> str:
    """Return who did what an operation says: the server, unless it names the other role."""
    return "administrator" if statement.role == pb.ROLE_ADMINISTRATOR else "server"


def signing_key(election: Election, artifact: pb.Artifact, place: Place) -> bytes | None:
    """Return the key of a statement's role, None if it names nobody the election knows.

    Such a statement fails the check of its order, of its labels or of its role.
    """
    kind = kind_of(artifact)
    if kind == "operation":
        return _operators_key(election, artifact.operation.role)
    if kind in ADMINISTRATOR:
        return election.administrator
    if kind in SERVER:
        return election.server
    if kind in DEVICE:
        return election.device_keys.get(place.device or "")
    return election.trustee_keys.get(place.trustee or 0)


def _operators_key(election: Election, role: int) -> bytes | None:
    if role == pb.ROLE_ADMINISTRATOR:
        return election.administrator
    return election.server if role == pb.ROLE_SERVER else None
