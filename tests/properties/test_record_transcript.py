"""The order of the record, and who signs what: what may stand where.

What each rule refuses is in `test_record_election`, `_ceremony`, `_complaints`, `_roots`,
`_faults`, `_innocence`, `_accusations`, `_polls`, `_ballots`, `_sessions`, `_drills`,
`_decryption`, `_tally`, `_ballot_sessions` and `_small_units`: every rule is broken once, by a
statement that is right in everything else, signed by its role; it is refused under its own
id, names the culprit, and changes nothing.
"""

from __future__ import annotations

from functools import cache

import pytest

from crypto.errors import Rejected
from crypto.parameters import TOY
from record.artifacts import (
    Artifact,
    CeremonyAbandoned,
    Operation,
    Role,
    sign_statement,
)
from record.state import Phase
from record.transcript import Transcript
from tests.ballots import (
    Plain,
)
from tests.everything import play_everything
from tests.refusing import refuse, snapshot
from tests.world import World, manifest_bytes, manifest_document

BOX = "ballot-box-1"
OTHER_BOX = "ballot-box-2"
DEVICE = f"device {BOX}"
ADMINISTRATOR = "administrator"
FULL = Plain({"president": (1, 0, 0), "council": (2, 1)})

_CEREMONY = (Phase.COMMITMENT, Phase.KEYS, Phase.SHARES, Phase.CONFIRMATION)
_SESSIONS = (Phase.READY, Phase.OPEN, Phase.TALLIED)
PHASES_OF: dict[str, tuple[Phase, ...]] = {
    "key_commitment": (Phase.COMMITMENT,),
    "trustee_keys": (Phase.KEYS,),
    "encrypted_shares": (Phase.SHARES,),
    **dict.fromkeys(("share_complaint", "share_answer", "key_confirmation"), (Phase.CONFIRMATION,)),
    "accusation": (*_CEREMONY, Phase.READY, Phase.OPEN, Phase.CLOSED, Phase.TALLIED),
    "opening": (Phase.READY,),
    "operation": tuple(p for p in Phase if Phase.COMMITMENT <= p <= Phase.COUNTED),
    **dict.fromkeys(
        ("device", "ballot", "cast", "challenge", "device_close", "device_missing", "polls_close"),
        (Phase.OPEN,),
    ),
    "encrypted_tally": (Phase.CLOSED,),
    **dict.fromkeys(
        (
            "decryption_session",
            "decryption_commitments",
            "decryption_shares",
            "decryption_responses",
        ),
        _SESSIONS,
    ),
    **dict.fromkeys(
        ("decrypted_tally", "challenged_ballot_decryption", "decrypted_ballot"), (Phase.TALLIED,)
    ),
    "result": (Phase.COUNTED,),
}
"""The table of docs/record.md, "Order", but for what gives the ceremony up."""


_VOTING = {"device", "ballot", "cast", "challenge", "device_close", "device_missing"}


@cache
def complete() -> World:
    """A complete election in which every kind of statement occurs. Not to be changed."""
    return play_everything()


def replayed(size: int) -> World:
    """A world of its own with the first `size` artifacts of `complete()`."""
    source = complete()
    world = World(source.secrets, [source.artifacts[0]], Transcript(source.artifacts[0]))
    for artifact in source.artifacts[1:size]:
        world.append_artifact(artifact)
    return world


# --- order


def test_the_table_is_of_every_kind() -> None:
    """The complete election has a statement of every kind that the table names."""
    assert {a.name for a in complete().artifacts} == {"election", *PHASES_OF}


def test_every_statement_in_every_phase() -> None:
    """At each point of a record each kind is refused for its place, or belongs to the phase."""
    source = complete()
    samples = {a.name: a for a in source.artifacts[1:]}
    world = replayed(1)
    for following in [*source.artifacts[1:], None]:
        for name, sample in samples.items():
            if world.transcript.phase not in PHASES_OF[name]:
                late = name in _VOTING and world.transcript.phase > Phase.OPEN
                refuse(world, sample, "R.after-close" if late else "R.order")
        if following is not None:
            assert world.transcript.phase in PHASES_OF[following.name]
            world.append_artifact(following)
    assert world.transcript.phase is Phase.COMPLETE


def test_nothing_follows_an_end() -> None:
    """Neither a ceremony that was given up nor a result is followed by anything."""
    samples = {a.name: a for a in complete().artifacts[1:]}
    aborted = replayed(8)
    aborted.append(CeremonyAbandoned("It takes too long."))
    for world in (aborted, replayed(len(complete().artifacts))):
        refuse(world, CeremonyAbandoned("again"), "R.order")
        for name, sample in samples.items():
            late = name in _VOTING and world is not aborted
            refuse(world, sample, "R.after-close" if late else "R.order")


def test_nothing_stands_twice() -> None:
    """Each artifact, repeated at once or at the end of its phase, is refused."""
    source = complete()
    world = replayed(1)
    phase_of: list[Artifact] = []
    for artifact in source.artifacts[1:]:
        phase = world.transcript.phase
        world.append_artifact(artifact)
        phase_of = [*phase_of, artifact] if world.transcript.phase is phase else [artifact]
        for earlier in phase_of:
            before = snapshot(world.state)
            with pytest.raises(Rejected):
                world.transcript.check(earlier)
            assert snapshot(world.state) == before


def test_a_second_election() -> None:
    """The election stands first and nowhere else."""
    world = complete()
    for size in (1, 5, len(world.artifacts)):
        refuse(replayed(size), world.artifacts[0], "R.order")


def test_a_record_does_not_begin_with_anything_else() -> None:
    """Artifact 0 is the election."""
    with pytest.raises(Rejected) as caught:
        Transcript(complete().artifacts[1])
    assert caught.value.check == "R.order"


def test_append_needs_no_proofs() -> None:
    """Whoever has proved once may replay with `append` alone, and comes to the same state."""
    source = complete()
    transcript = Transcript(source.artifacts[0])
    for index, artifact in enumerate(source.artifacts[1:], start=1):
        assert transcript.append(transcript.parse(artifact.data)) == index
    assert snapshot(transcript.state) == snapshot(source.state)


# --- signatures


def test_signatures_of_other_roles() -> None:
    """A statement signed by any role but its own is refused, and nobody is blamed for it."""
    source = complete()
    world = replayed(1)
    seen: set[str] = set()
    for artifact in source.artifacts[1:]:
        if artifact.name not in seen:
            signer = world.transcript.signer(artifact.statement)
            for role, key in source.secrets.roles.items():
                if role != (signer.role, signer.name):
                    forged = sign_statement(
                        artifact.statement, world.group, world.context.base_hash, key
                    )
                    refuse(world, forged, "R.signature", "")
            seen.add(artifact.name)
        world.append_artifact(artifact)


def test_signatures_of_another_election() -> None:
    """The right key under another election's H_B is refused."""
    source = complete()
    world = replayed(1)
    other = World.begin(TOY[-1], manifest_bytes(), 3, 2).context.base_hash
    assert other == source.context.base_hash, "the same manifest, n and k: the same H_B"
    other = World.begin(TOY[-1], manifest_bytes(manifest_document("none")), 3, 2).context.base_hash
    for artifact in source.artifacts[1:]:
        signer = world.transcript.signer(artifact.statement)
        key = source.secrets.roles[signer.role, signer.name]
        forged = sign_statement(artifact.statement, world.group, other, key)
        refuse(world, forged, "R.signature", "")
        world.append_artifact(artifact)


def test_who_signs() -> None:
    """The table of docs/record.md, "Signatures"."""
    expected = {
        **dict.fromkeys(("opening", "device_missing", "polls_close", "result"), Role.ADMINISTRATOR),
        **dict.fromkeys(("device", "ballot", "cast", "challenge", "device_close"), Role.DEVICE),
        **dict.fromkeys(
            (
                "encrypted_tally",
                "decryption_session",
                "decrypted_tally",
                "challenged_ballot_decryption",
                "decrypted_ballot",
                "accusation",
            ),
            Role.SERVER,
        ),
    }
    world = complete()
    for artifact in world.artifacts[1:]:
        signer = world.transcript.signer(artifact.statement)
        if isinstance(artifact.statement, Operation):
            assert signer.role is artifact.statement.role
        else:
            assert signer.role is expected.get(artifact.name, Role.TRUSTEE)
        label = getattr(artifact.statement, "device", None)
        if signer.role is Role.DEVICE:
            assert signer.name == label
        if signer.role is Role.TRUSTEE:
            assert signer.name == f"trustee-{artifact.statement.trustee}"  # type: ignore[union-attr]
