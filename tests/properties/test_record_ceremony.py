"""The rules of the key ceremony: commitments, keys, shares, confirmations, the opening.

Every rule is broken once, by a statement that is right in everything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import Malformed
from crypto.group import mpz
from crypto.parameters import STANDARD, TOY
from crypto.schnorr import KeyProof
from record.artifacts import (
    Accusation,
    Artifact,
    CeremonyAbandoned,
    DecryptionSession,
    EncryptedShares,
    KeyConfirmation,
    Purpose,
    Role,
    ShareComplaint,
    Statement,
    TrusteeKeys,
    key_commitment,
    sign_statement,
    unsigned_bytes,
)
from record.state import Phase
from sailau.v1 import record_pb2
from tests.ballots import (
    Fate,
    Plain,
)
from tests.decrypting import play_election
from tests.refusing import outside, refuse
from tests.world import World, manifest_bytes, manifest_document
from tests.wrong_statements import committed_to, other_keys

OTHER_BOX = "ballot-box-2"
ADMINISTRATOR = "administrator"
FULL = Plain({"president": (1, 0, 0), "council": (2, 1)})


# --- commitments


def test_commitments_to_keys() -> None:
    """Each trustee commits once, in any order; nobody shows keys before all have."""
    world = World.begin(TOY[-1], manifest_bytes(), 3, 2)
    for i in (3, 1):
        world.append(world.commitment(i))
        assert world.state.phase is Phase.COMMITMENT
        for keys in (1, 2, 3):
            refuse(world, world.trustee_keys(keys), "R.order")
        again = replace(world.commitment(i), commitment=bytes(32))
        refuse(world, again, "R.equivocation", f"trustee {i}")
        refuse(world, world.commitment(i), "R.equivocation", f"trustee {i}")
    world.append(world.commitment(2))
    assert world.state.phase is Phase.KEYS
    for i in (1, 2, 3):
        refuse(world, world.commitment(i), "R.order")
    assert sorted(world.state.key_commitments) == [1, 2, 3]


def test_anything_may_be_committed_to() -> None:
    """What a commitment is to shows with the keys: one to nothing leaves no keys to send."""
    world = World.begin(TOY[-1], manifest_bytes(), 3, 2)
    for i in (1, 2, 3):
        world.append(replace(world.commitment(i), commitment=bytes(32)))
    for i in (1, 2, 3):
        refuse(world, world.trustee_keys(i), "R.key-commitment", f"trustee {i}")


def _bytes_of(keys: TrusteeKeys) -> bytes:
    artifact = record_pb2.Artifact()
    world = World.begin(TOY[-1], manifest_bytes(), 1, 1)
    artifact.ParseFromString(unsigned_bytes(keys, world.group))
    artifact.trustee_keys.ClearField("transcript")
    return artifact.trustee_keys.SerializeToString(deterministic=True)


def test_the_commitment_by_hand() -> None:
    """SHA-256 over the label, a zero byte, H_B and the message without its transcript."""
    world = World.create(TOY[-1], until=Phase.KEYS)
    for i in (1, 2, 3):
        keys, h_b = world.trustee_keys(i), world.context.base_hash
        expected = hashlib.sha256(b"sailau.v1.KeyCommitment\x00" + h_b + _bytes_of(keys)).digest()
        assert world.state.key_commitments[i].commitment == expected
        for seen in (bytes(32), b"\xff" * 32, world.state.round_root):
            other = replace(keys, transcript=seen)
            assert key_commitment(other, world.group, h_b) == expected
        assert key_commitment(keys, world.group, bytes(32)) != expected


@given(st.data())
def test_the_commitment_is_to_every_byte(data: st.DataObject) -> None:
    """Keys of which any byte is another were not committed to, were they values at all."""
    world = World.create(TOY[-1], until=Phase.KEYS)
    good = world.trustee_keys(2)
    message = record_pb2.Artifact()
    message.ParseFromString(world.sign(good).data)
    body = bytearray(_bytes_of(good))
    place, mask = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(1, 255))
    body[place] ^= mask
    with suppress(DecodeError, Malformed):
        message.trustee_keys.Clear()
        message.trustee_keys.ParseFromString(bytes(body))
        message.trustee_keys.trustee = 2
        message.trustee_keys.transcript = world.state.round_root
        parsed = world.transcript.parse(message.SerializeToString(deterministic=True))
        assert isinstance(parsed.statement, TrusteeKeys)
        if replace(parsed.statement, transcript=good.transcript) != good:
            refuse(world, world.sign(parsed.statement), "R.key-commitment", "trustee 2")
    world.append(good)


def test_keys_of_another() -> None:
    """Keys that were not committed to are refused before their proofs are looked at."""
    world = World.create(TOY[-1], until=Phase.KEYS)
    for wrong in (
        other_keys(world, 2),
        replace(world.trustee_keys(1), trustee=2),
        replace(world.trustee_keys(2), vote_commitments=()),
    ):
        refuse(world, wrong, "R.key-commitment", "trustee 2")
    world.append(world.trustee_keys(2))
    for again in (world.trustee_keys(2), other_keys(world, 2)):
        refuse(world, again, "R.equivocation", "trustee 2")


# --- keys and shares


def _key_faults() -> list[tuple[Callable[[TrusteeKeys], dict[str, Any]], str]]:
    p = TOY[-1].p

    def shorter(proof: KeyProof) -> KeyProof:
        return replace(proof, responses=proof.responses[:-1])

    return [
        (lambda k: {"vote_commitments": k.vote_commitments[:-1]}, "R.trustee-keys"),
        (lambda k: {"vote_commitments": k.vote_commitments * 2}, "R.trustee-keys"),
        (lambda k: {"data_commitments": ()}, "R.trustee-keys"),
        (lambda k: {"vote_proof": shorter(k.vote_proof)}, "R.trustee-keys"),
        (lambda k: {"data_proof": replace(k.data_proof, responses=())}, "R.trustee-keys"),
        (lambda k: {"vote_commitments": (p - k.vote_commitments[0], p - 1)}, "2.A"),
        (lambda k: {"data_commitments": (k.data_commitments[0], mpz(p - 1))}, "2.A"),
        (lambda k: {"communication_key": p - k.communication_key}, "2.A"),
        (lambda k: {"vote_commitments": k.vote_commitments[::-1]}, "2.C"),
        (lambda k: {"data_commitments": k.data_commitments[::-1]}, "2.C"),
        (lambda k: {"communication_key": k.vote_commitments[0]}, "2.C"),
        (lambda k: {"vote_proof": replace(k.vote_proof, challenge=mpz(1))}, "2.C"),
        (lambda k: {"vote_proof": k.data_proof}, "2.C"),
        (lambda k: {"data_proof": k.vote_proof}, "2.C"),
    ]


KEY_FAULTS = _key_faults()
"""Changes to a trustee's keys and the check that each fails, once committed to."""


@pytest.mark.parametrize(("change", "check"), KEY_FAULTS)
def test_trustee_keys(change: Callable[[TrusteeKeys], dict[str, Any]], check: str) -> None:
    """Verification 2: number of commitments, membership, both proofs."""
    world, wrong = committed_to(lambda keys: replace(keys, **change(keys)))
    refuse(world, wrong, check, "trustee 2")


def test_the_keys_of_another_trustee() -> None:
    """The proofs are bound to i: who commits to another's keys cannot show them."""
    world = World.begin(TOY[-1], manifest_bytes(), 3, 2)
    world.secrets.keys[3] = replace(world.trustee_keys(2), trustee=3)
    world.play_commitments()
    refuse(world, world.trustee_keys(3), "2.C", "trustee 3")
    world.append(world.trustee_keys(2))


def test_trustees_that_do_not_exist() -> None:
    """Index 4 of 3 is nobody, in every round of the ceremony; index 0 is no index."""
    world = World.create(TOY[-1], until=Phase.KEYS)
    key = world.role_key(Role.TRUSTEE, "trustee-1")
    good = world.trustee_keys(1)

    def sign(statement: Statement) -> Artifact:
        return sign_statement(statement, world.group, world.context.base_hash, key)

    refuse(world, sign(replace(good, trustee=4)), "R.role-keys")
    refuse(world, sign(replace(good, trustee=2**31 - 1)), "R.role-keys")
    with pytest.raises(Malformed) as caught:
        world.transcript.parse(sign(replace(good, trustee=0)).data)
    assert caught.value.field == "trustee_keys.trustee"
    world.play_keys()
    refuse(world, sign(EncryptedShares(4, ())), "R.role-keys")


def test_encrypted_shares() -> None:
    """One share for each other trustee, ascending, each with its proof."""
    world = World.create(TOY[-1], until=Phase.SHARES)
    a, b = world._shares_from(2)
    world_of_shares: Sequence[Sequence[Any]] = (
        (),
        (a,),
        (b, a),
        (a, a),
        (a, b, b),
        (a, replace(b, recipient=2)),
        (a, replace(b, recipient=4)),
        (replace(a, recipient=3), replace(b, recipient=1)),
    )
    for shares in world_of_shares:
        refuse(world, EncryptedShares(2, tuple(shares)), "R.share-recipients", "trustee 2")
    for wrong in (
        replace(a, c0=outside(world, a.c0)),
        replace(a, c0=b.c0),
        replace(a, c1=bytes(64)),
        replace(a, c2=b.c2),
        replace(b, recipient=1),
    ):
        refuse(world, EncryptedShares(2, (wrong, b)), "R.share-proof", "trustee 2")
    refuse(world, EncryptedShares(1, (replace(a, recipient=2), b)), "R.share-proof", "trustee 1")
    world.append(EncryptedShares(2, (a, b)))
    again = EncryptedShares(2, tuple(world._shares_from(2)))
    refuse(world, again, "R.equivocation", "trustee 2")


# --- confirmations and the opening


def test_confirmations() -> None:
    """A trustee confirms this H_B and this H_G, once."""
    world = World.create(TOY[-1], until=Phase.CONFIRMATION)
    h_b, h_g = world.context.base_hash, world.keys.key_ceremony_hash
    for wrong in (KeyConfirmation(1, bytes(32), h_g), KeyConfirmation(1, h_b, bytes(32))):
        refuse(world, wrong, "R.confirmation", "trustee 1")
    refuse(world, KeyConfirmation(1, h_g, h_b), "R.confirmation", "trustee 1")
    world.append(KeyConfirmation(1, h_b, h_g))
    refuse(world, KeyConfirmation(1, h_b, h_g), "R.equivocation", "trustee 1")


def test_opening() -> None:
    """The polls open under K, K-hat and H_E, which follow from the trustees' keys."""
    world = World.create(TOY[-1], until=Phase.READY)
    good = world.keys.opening()
    for changes, check in (
        ({"vote_key": good.data_key}, "3.A"),
        ({"data_key": good.vote_key}, "3.B"),
        ({"extended_base_hash": bytes(32)}, "4.A"),
    ):
        refuse(world, replace(good, **changes), check, ADMINISTRATOR)


PHASES_TO_ABANDON = [p for p in Phase if Phase.COMMITMENT <= p <= Phase.READY]


@pytest.mark.parametrize("phase", PHASES_TO_ABANDON)
def test_a_ceremony_given_up(phase: Phase) -> None:
    """Until the polls open the administrator can give the ceremony up; nothing follows that."""
    world = World.create(TOY[-1], until=phase)
    world.append(CeremonyAbandoned("Trustee 3 does not answer."))
    assert world.state.phase is Phase.ABORTED
    assert world.state.abandoned == "Trustee 3 does not answer."
    for statement in _due(world, phase):
        error = refuse(world, statement, "R.order")
        assert "make the election again" in error.advice


def _due(world: World, phase: Phase) -> list[Statement]:
    """What could stand in `phase`, had the ceremony not been given up."""
    dues: dict[Phase, Callable[[], list[Statement]]] = {
        Phase.COMMITMENT: lambda: [world.commitment(1)],
        Phase.KEYS: lambda: [world.trustee_keys(1)],
        Phase.SHARES: lambda: [EncryptedShares(1, tuple(world._shares_from(1)))],
        Phase.CONFIRMATION: lambda: [
            KeyConfirmation(1, world.context.base_hash, world.keys.key_ceremony_hash),
            ShareComplaint(1, 2),
        ],
        Phase.READY: lambda: [world.keys.opening(), DecryptionSession(1, (1, 2), Purpose.DRILL)],
    }
    return [*dues[phase](), CeremonyAbandoned("again"), Accusation(1, b"?", "R.encoding")]


def test_the_polls_are_not_given_up() -> None:
    """Once the polls have opened there is no way back."""
    for until in (Phase.OPEN, Phase.CLOSED, Phase.TALLIED, Phase.COUNTED, Phase.COMPLETE):
        world = play_election(TOY[-1], [FULL], until=until)
        refuse(world, CeremonyAbandoned("They vote for the others."), "R.order")


def test_who_may_give_up() -> None:
    """Neither the server nor a trustee ends a ceremony; a reason there must be."""
    world = World.create(TOY[-1], until=Phase.SHARES)
    statement = CeremonyAbandoned("I do not like it.")
    for role, key in world.secrets.roles.items():
        if role[0] is not Role.ADMINISTRATOR:
            h_b = world.context.base_hash
            refuse(world, sign_statement(statement, world.group, h_b, key), "R.signature", "")
    for reason in ("", "x" * 2001, "\u0436" * 1001):
        with pytest.raises(Malformed) as caught:
            world.transcript.parse(world.sign(CeremonyAbandoned(reason)).data)
        assert caught.value.field == "ceremony_abandoned.reason"
    world.append(CeremonyAbandoned("\u0436" * 1000))


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 1), (2, 2), (5, 3)])
def test_ceremonies_of_other_sizes(n: int, k: int) -> None:
    """An election works with one trustee, with a quorum of one, and with all."""
    world = play_election(TOY[-1], [FULL], trustees=n, quorum=k)
    assert world.transcript.phase is Phase.COMPLETE
    sent = [a.statement for a in world.artifacts if isinstance(a.statement, EncryptedShares)]
    assert [len(s.shares) for s in sent] == [n - 1] * n


def test_the_real_group() -> None:
    """An election with the standard parameters runs through every rule, too."""
    manifest = manifest_document()
    manifest["contests"] = manifest["contests"][:1]
    manifest["ballot_styles"] = manifest["ballot_styles"][1:]
    manifest["units"] = [{**manifest["units"][2], "parent": None}]
    manifest["devices"] = manifest["devices"][1:]
    plain = Plain({"president": (0, 1, 0)}, device=OTHER_BOX, unit="village", style="short")
    world = play_election(
        STANDARD,
        [plain, replace(plain, fate=Fate.CHALLENGE)],
        manifest=manifest_bytes(manifest),
        trustees=2,
        quorum=1,
    )
    assert [o.count for o in world.state.decrypted_tallies[0].options] == [0, 1, 0]
