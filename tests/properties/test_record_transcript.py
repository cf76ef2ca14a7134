"""The rules of the record up to the close: what may stand where, and what each rule refuses.

Every rule is broken once, by a statement that is right in everything else, signed by
its role: it is refused under its own id, names the culprit, and changes nothing. The
tally's rules are in `test_record_transcript_tally`.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import Malformed, Rejected
from crypto.group import mpz
from crypto.hashing import base_hash, parameter_base_hash
from crypto.parameters import STANDARD, TOY
from crypto.range_proof import RangeProof
from crypto.sealing import SealedNonce
from record import ballot_hashes
from record.artifacts import (
    Artifact,
    Ballot,
    BallotContest,
    Cast,
    Challenge,
    Device,
    DeviceClose,
    DeviceMissing,
    Election,
    EncryptedShares,
    KeyConfirmation,
    Role,
    RoleKey,
    Selection,
    Statement,
    TrusteeKeys,
    parse_artifact,
    sign_statement,
)
from record.election import check_election, make_election
from record.manifest import Contest, Option
from record.proofs import verify_ballot
from record.state import Phase, State
from record.transcript import Transcript
from tests.ballots import (
    Encryptor,
    Fate,
    Plain,
    begin_device,
    close_statement,
    decision,
    device_statement,
    encrypt,
    rehashed,
    submit,
)
from tests.decrypting import play_election
from tests.world import World, manifest_bytes, manifest_document, public_bytes

BOX = "ballot-box-1"
OTHER_BOX = "ballot-box-2"
DEVICE = f"device {BOX}"
ADMINISTRATOR = "administrator"
FULL = Plain({"president": (1, 0, 0), "council": (2, 1)})

PHASE_OF = {
    "trustee_keys": Phase.KEYS,
    "encrypted_shares": Phase.SHARES,
    "key_confirmation": Phase.CONFIRMATION,
    "opening": Phase.READY,
    **dict.fromkeys(
        ("device", "ballot", "cast", "challenge", "device_close", "device_missing", "polls_close"),
        Phase.OPEN,
    ),
    "encrypted_tally": Phase.CLOSED,
    **dict.fromkeys(
        (
            "decryption_session",
            "decryption_commitments",
            "decryption_shares",
            "decryption_responses",
            "decrypted_tally",
            "challenged_ballot_decryption",
        ),
        Phase.TALLIED,
    ),
    "result": Phase.COUNTED,
}
"""The table of docs/record.md, "Order"."""


def snapshot(state: State) -> dict[str, str]:
    """Everything in a state that may change, but for what it computes from the rest."""
    names = (f.name for f in dataclasses.fields(state) if f.name not in ("context", "_places"))
    return {name: repr(getattr(state, name)) for name in names}


def refuse(
    world: World, statement: Statement | Artifact, check: str, culprit: str | None = None
) -> Rejected:
    """`statement` is refused with exactly this check and culprit, and nothing changes."""
    before, size = snapshot(world.state), len(world.artifacts)
    artifact = statement if isinstance(statement, Artifact) else world.sign(statement)
    artifact = world.transcript.parse(artifact.data)
    with pytest.raises(Rejected) as caught:
        world.append_artifact(artifact)
    assert caught.value.check == check, str(caught.value)
    if culprit is not None:
        assert caught.value.culprit == culprit
    assert caught.value.problem
    assert snapshot(world.state) == before
    assert len(world.artifacts) == size
    return caught.value


def open_world(chaining: str = "simple", *devices: str) -> World:
    """The polls are open; these devices have begun (`ballot-box-1` if none is named)."""
    world = World.create(TOY[-1], manifest=manifest_bytes(manifest_document(chaining)))
    for label in devices or (BOX,):
        begin_device(world, label)
    return world


@cache
def complete() -> World:
    """A complete election in which every kind of statement occurs. Not to be changed."""
    votes = [
        FULL,
        replace(FULL, fate=Fate.CHALLENGE),
        Plain(style="short", fate=Fate.SPOIL),
        Plain(style="short", unit="village"),
    ]
    return play_election(TOY[-1], votes, missing=[OTHER_BOX])


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
    assert {a.name for a in complete().artifacts} == {"election", *PHASE_OF}


def test_every_statement_in_every_phase() -> None:
    """At each point of a record each kind is refused for its place, or belongs to the phase."""
    voting = {"device", "ballot", "cast", "challenge", "device_close", "device_missing"}
    source = complete()
    samples = {a.name: a for a in source.artifacts[1:]}
    world = replayed(1)
    for following in [*source.artifacts[1:], None]:
        for name, sample in samples.items():
            if PHASE_OF[name] is not world.transcript.phase:
                late = name in voting and world.transcript.phase > Phase.OPEN
                refuse(world, sample, "R.after-close" if late else "R.order")
        if following is not None:
            assert PHASE_OF[following.name] is world.transcript.phase
            world.append_artifact(following)
    assert world.transcript.phase is Phase.COMPLETE


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
            ),
            Role.SERVER,
        ),
    }
    world = complete()
    for artifact in world.artifacts[1:]:
        signer = world.transcript.signer(artifact.statement)
        assert signer.role is expected.get(artifact.name, Role.TRUSTEE)
        label = getattr(artifact.statement, "device", None)
        if signer.role is Role.DEVICE:
            assert signer.name == label
        if signer.role is Role.TRUSTEE:
            assert signer.name == f"trustee-{artifact.statement.trustee}"  # type: ignore[union-attr]


# --- the election


def first(**changes: Any) -> Artifact:
    """Artifact 0 with some fields changed, signed by the administrator it names."""
    election = replace(_election(), **changes)
    return sign_statement(election, None, election.base_hash, _ROLES[0])


_ROLES = [Ed25519PrivateKey.generate() for _ in range(7)]


def _role_keys() -> list[RoleKey]:
    names = [(Role.ADMINISTRATOR, "administrator", 0), (Role.SERVER, "server", 0)]
    names += [(Role.TRUSTEE, f"trustee-{i}", i) for i in (1, 2, 3)]
    names += [(Role.DEVICE, BOX, 0), (Role.DEVICE, OTHER_BOX, 0)]
    return [
        RoleKey(role, name, index, public_bytes(key))
        for (role, name, index), key in zip(names, _ROLES, strict=True)
    ]


@cache
def _election() -> Election:
    log_key = str(World.begin(TOY[-1], manifest_bytes(), 1, 1).log_key)
    return make_election(TOY[-1], manifest_bytes(), 2, log_key, _role_keys())


def _number(value: int, width: int) -> bytes:
    return value.to_bytes(width, "big")


def test_the_election_is_right() -> None:
    """What the tests below change is accepted unchanged."""
    artifact = first()
    assert parse_artifact(artifact.data, None) == artifact
    context = check_election(artifact)
    assert (context.trustees, context.quorum) == (3, 2)
    assert context.trustee_key(2).name == "trustee-2"
    with pytest.raises(Rejected, match="no trustee 4"):
        context.trustee_key(4)
    with pytest.raises(Rejected, match="no device named 'trustee-1'"):
        context.role_key(Role.DEVICE, "trustee-1")


def _swap(i: int, j: int) -> tuple[RoleKey, ...]:
    keys = _role_keys()
    keys[i], keys[j] = keys[j], keys[i]
    return tuple(keys)


def _change(i: int, **changes: Any) -> tuple[RoleKey, ...]:
    keys = _role_keys()
    keys[i] = replace(keys[i], **changes)
    return tuple(keys)


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"version": "v2.0.0"}, "1.A"),
        ({"p": _number(TOY[-1].p + 2, 32)}, "1.B"),
        ({"p": b"\xff" * 10_000}, "1.B"),
        ({"q": _number(TOY[-1].q + 2, 8)}, "1.C"),
        ({"g": _number(TOY[-1].g + 2, 32)}, "1.D"),
        ({"parameter_base_hash": bytes(32)}, "1.E"),
        ({"quorum": 1}, "1.E"),
        ({"trustees": 4}, "1.E"),
        ({"base_hash": bytes(32)}, "1.F"),
        ({"manifest": manifest_bytes() + b" "}, "1.F"),
        ({"role_keys": ()}, "R.role-keys"),
        ({"role_keys": tuple(_role_keys()[1:])}, "R.role-keys"),
        ({"role_keys": tuple(_role_keys()[:-1])}, "R.role-keys"),
        ({"role_keys": (*_role_keys(), _role_keys()[0])}, "R.role-keys"),
        ({"role_keys": _swap(0, 1)}, "R.role-keys"),
        ({"role_keys": _swap(2, 3)}, "R.role-keys"),
        ({"role_keys": _swap(5, 6)}, "R.role-keys"),
        ({"role_keys": _change(3, index=5)}, "R.role-keys"),
        ({"role_keys": _change(6, index=1)}, "R.role-keys"),
        ({"role_keys": _change(6, name="ballot-box-3")}, "R.role-keys"),
        ({"role_keys": _change(1, name="administrator")}, "R.role-keys"),
        ({"role_keys": _change(1, public_key=public_bytes(_ROLES[0]))}, "R.role-keys"),
    ],
)
def test_a_wrong_election(changes: dict[str, Any], check: str) -> None:
    """Each field of the election is checked, and the administrator is to blame."""
    with pytest.raises(Rejected) as caught:
        check_election(first(**changes))
    assert (caught.value.check, caught.value.culprit) == (check, ADMINISTRATOR)
    assert caught.value.where.startswith("election.")
    assert caught.value.problem


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"p": b"\0" + _number(TOY[-1].p, 32)}, "election.p"),
        ({"q": b"\0" + _number(TOY[-1].q, 8)}, "election.q"),
        ({"g": b"\0" + _number(TOY[-1].g, 32)}, "election.g"),
        ({"quorum": 4}, "election.quorum"),
        ({"log_key": "example.org"}, "election.log_key"),
    ],
)
def test_a_malformed_election(changes: dict[str, Any], field: str) -> None:
    """What is no number, no quorum or no key is Malformed at its field."""
    with pytest.raises(Malformed) as caught:
        check_election(first(**changes))
    assert caught.value.field == field


def _made(manifest: bytes, **changes: Any) -> Artifact:
    """An election over another manifest, its hashes right."""
    election = replace(
        make_election(TOY[-1], manifest, 2, _election().log_key, _role_keys()), **changes
    )
    return sign_statement(election, None, election.base_hash, _ROLES[0])


def test_a_manifest_that_is_none() -> None:
    """The right hash of a manifest that breaks its own rules does not help."""
    with pytest.raises(Malformed):
        check_election(_made(b"{}"))


def test_billions_of_trustees() -> None:
    """An election that claims 2^31 - 1 trustees is refused before anything is made of it."""
    n = 2**31 - 1
    h_p = parameter_base_hash(complete().group, n, 2)
    h_b = base_hash(h_p, manifest_bytes())
    changed = first(trustees=n, parameter_base_hash=h_p, base_hash=h_b)
    with pytest.raises(Rejected) as caught:
        check_election(changed)
    assert caught.value.check == "R.role-keys"


def test_more_trustees_than_a_toy_group_can_tell_apart() -> None:
    """Indices must differ mod q, or shares cannot be combined."""
    for n, allowed in ((126, True), (127, False)):
        keys = [k for k in _role_keys() if k.role is not Role.TRUSTEE]
        keys[2:2] = [
            RoleKey(Role.TRUSTEE, f"t-{i}", i, i.to_bytes(32, "big")) for i in range(1, n + 1)
        ]
        election = make_election(TOY[0], manifest_bytes(), 2, _election().log_key, keys)
        artifact = sign_statement(election, None, election.base_hash, _ROLES[0])
        if allowed:
            assert check_election(artifact).trustees == n
        else:
            with pytest.raises(Malformed) as caught:
                check_election(artifact)
            assert caught.value.field == "election.trustees"


def test_an_election_signed_by_somebody_else() -> None:
    """Artifact 0 is signed by the administrator whose key it names."""
    election = _election()
    for key in _ROLES[1:]:
        with pytest.raises(Rejected) as caught:
            check_election(sign_statement(election, None, election.base_hash, key))
        assert (caught.value.check, caught.value.culprit) == ("R.signature", "")


# --- the ceremony


def keys_of(world: World, i: int) -> TrusteeKeys:
    """Trustee i's key message; its secrets replace those that the world had."""
    return world._generate(i)


def outside(world: World, x: mpz) -> mpz:
    """An element outside the subgroup of order q: x times the element of order 2."""
    return world.group.p - x


def test_trustee_keys() -> None:
    """Verification 2: number of commitments, membership, both proofs."""
    world = World.create(TOY[-1], until=Phase.KEYS)
    good = keys_of(world, 2)
    vote, data, proof = good.vote_commitments, good.data_commitments, good.vote_proof
    kappa = good.communication_key
    for changes, check in (
        ({"vote_commitments": vote[:-1]}, "R.trustee-keys"),
        ({"vote_commitments": (*vote, vote[0])}, "R.trustee-keys"),
        ({"data_commitments": ()}, "R.trustee-keys"),
        ({"vote_proof": replace(proof, responses=proof.responses[:-1])}, "R.trustee-keys"),
        ({"data_proof": replace(good.data_proof, responses=())}, "R.trustee-keys"),
        ({"vote_commitments": (outside(world, vote[0]), vote[1])}, "2.A"),
        ({"data_commitments": (data[0], outside(world, data[1]))}, "2.A"),
        ({"communication_key": outside(world, kappa)}, "2.A"),
        ({"vote_commitments": vote[::-1]}, "2.C"),
        ({"data_commitments": data[::-1]}, "2.C"),
        ({"communication_key": vote[0]}, "2.C"),
        ({"vote_proof": replace(proof, challenge=proof.challenge ^ 1)}, "2.C"),
        ({"vote_proof": good.data_proof}, "2.C"),
        ({"data_proof": good.vote_proof}, "2.C"),
    ):
        refuse(world, replace(good, **changes), check, "trustee 2")
    refuse(world, replace(good, trustee=3), "2.C", "trustee 3")
    world.append(good)
    refuse(world, keys_of(world, 2), "R.order", "trustee 2")


def test_trustees_that_do_not_exist() -> None:
    """Index 4 of 3 is nobody, in every round of the ceremony; index 0 is no index."""
    world = World.create(TOY[-1], until=Phase.KEYS)
    key = world.role_key(Role.TRUSTEE, "trustee-1")
    good = keys_of(world, 1)

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
    refuse(world, again, "R.order", "trustee 2")


def test_confirmations() -> None:
    """A trustee confirms this H_B and this H_G, once."""
    world = World.create(TOY[-1], until=Phase.CONFIRMATION)
    h_b, h_g = world.context.base_hash, world.keys.key_ceremony_hash
    for wrong in (KeyConfirmation(1, bytes(32), h_g), KeyConfirmation(1, h_b, bytes(32))):
        refuse(world, wrong, "R.confirmation", "trustee 1")
    refuse(world, KeyConfirmation(1, h_g, h_b), "R.confirmation", "trustee 1")
    world.append(KeyConfirmation(1, h_b, h_g))
    refuse(world, KeyConfirmation(1, h_b, h_g), "R.order", "trustee 1")


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


# --- devices


@pytest.mark.parametrize("chaining", ["simple", "none"])
def test_devices(chaining: str) -> None:
    """A device begins with the manifest's information, H_DI and H_0, once."""
    world = open_world(chaining, OTHER_BOX)
    good = device_statement(world, BOX)
    other = device_statement(world, OTHER_BOX)
    wrong_initial = bytes(32) if chaining == "none" else b""
    of_initial = "R.device" if chaining == "none" else "8.F"
    for changes, check in (
        ({"information": "Hall 2"}, "R.device"),
        ({"information": ""}, "R.device"),
        ({"information_hash": other.information_hash}, "8.C"),
        ({"initial_hash": wrong_initial}, of_initial),
        ({"initial_hash": good.information_hash}, of_initial),
    ):
        refuse(world, replace(good, **changes), check, DEVICE)
    world.append(good)
    refuse(world, good, "R.order", DEVICE)


@pytest.mark.parametrize("information", ["", "\U0001f5f3" * 500, "Зал № 1"])
def test_information_of_any_length(information: str) -> None:
    """Whatever information a manifest may give a device, the device can begin."""
    document = manifest_document()
    document["devices"][0]["information"] = information
    world = World.create(TOY[-1], manifest=manifest_bytes(document))
    artifact = begin_device(world)
    assert world.transcript.parse(artifact.data).statement.information == information  # type: ignore[union-attr]


def test_devices_that_do_not_exist() -> None:
    """A label that is not in the manifest is refused in every statement that has one."""
    world = open_world()
    ballot = encrypt(world, FULL).ballot
    key = world.device_key(BOX)
    nobody = "ballot-box-9"
    statements: list[Statement] = [
        replace(device_statement(world, OTHER_BOX), device=nobody),
        replace(ballot, device=nobody),
        Cast(nobody, ballot.confirmation_code),
        Challenge(nobody, ballot.confirmation_code),
        replace(close_statement(world, BOX), device=nobody),
        Cast("administrator", ballot.confirmation_code),
    ]
    for statement in statements:
        artifact = sign_statement(statement, world.group, world.context.base_hash, key)
        refuse(world, artifact, "R.role-keys")
    refuse(world, DeviceMissing(nobody, "gone"), "R.device-close", ADMINISTRATOR)


def test_a_device_without_a_beginning() -> None:
    """A device that has not begun submits nothing and closes nothing."""
    world = open_world("simple", OTHER_BOX)
    other = Plain(device=OTHER_BOX, unit="village", style="short")
    ballot = replace(encrypt(world, other).ballot, device=BOX)
    refuse(world, ballot, "R.order", DEVICE)
    close = replace(close_statement(world, OTHER_BOX), device=BOX)
    refuse(world, close, "R.order", DEVICE)


@pytest.mark.parametrize("end", ["close", "missing"])
def test_a_device_after_its_end(end: str) -> None:
    """After its close, or once missing, a device begins, submits and closes nothing more.

    What it submitted can still be cast or challenged.
    """
    world = open_world()
    first, second = (submit(world, replace(FULL, fate=Fate.SPOIL)).ballot for _ in range(2))
    late, close = encrypt(world, FULL).ballot, close_statement(world, BOX)
    world.append(close if end == "close" else DeviceMissing(BOX, "It burnt."))
    refuse(world, late, "R.order", DEVICE)
    refuse(world, close, "R.order", DEVICE)
    refuse(world, DeviceMissing(BOX, "again"), "R.order", ADMINISTRATOR)
    world.append(decision(first, Fate.CAST))
    world.append(decision(second, Fate.CHALLENGE))
    begin_device(world, OTHER_BOX)
    world.append(close_statement(world, OTHER_BOX))
    world.append(world.state.counts())


def test_a_device_that_was_missing_before_it_began() -> None:
    """A device declared missing does not begin any more."""
    world = open_world("simple", OTHER_BOX)
    world.append(DeviceMissing(BOX, "It never came."))
    refuse(world, device_statement(world, BOX), "R.order", DEVICE)


@pytest.mark.parametrize("chaining", ["simple", "none"])
@pytest.mark.parametrize("ballots", [0, 2])
def test_device_close(chaining: str, ballots: int) -> None:
    """A close has the right number of ballots, B_C-bar and H-bar."""
    world = open_world(chaining)
    for _ in range(ballots):
        submit(world, FULL)
    good = close_statement(world, BOX)
    refuse(world, replace(good, ballots=ballots + 1), "R.device-close", DEVICE)
    wrong: list[dict[str, Any]] = [{"chaining_field": bytes(36)}, {"closing_hash": bytes(32)}]
    if chaining == "simple":
        wrong += [{"chaining_field": b""}, {"closing_hash": b""}]
        wrong += [{"chaining_field": b"", "closing_hash": b""}]
    for changes in wrong:
        check = "8.G" if chaining == "simple" else "R.device-close"
        refuse(world, replace(good, **changes), check, DEVICE)
    world.append(good)
    assert world.state.unaccounted_devices() == [OTHER_BOX]


# --- ballots


class WrongIdentifierHash(Encryptor):
    """H_I of another identifier; everything else follows from it."""

    def identifier_hash(self) -> bytes:
        return ballot_hashes.identifier_hash(self.keys.extended_base_hash, bytes(32))


class OtherElection(Encryptor):
    """H_I under H_B instead of H_E."""

    def identifier_hash(self) -> bytes:
        return ballot_hashes.identifier_hash(self.world.context.base_hash, self.id_b)


class AlphaOutside(Encryptor):
    """alpha of the first option is not in the subgroup."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        made = super().selection(contest, option)
        if (contest.index, option.index) != (1, 1):
            return made
        return replace(made, alpha=outside(self.world, made.alpha))


class BetaOutside(Encryptor):
    """beta of the last option is not in the subgroup."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        made = super().selection(contest, option)
        if (contest.index, option.index) != (2, 2):
            return made
        return replace(made, beta=outside(self.world, made.beta))


class ProofOfAnotherOption(Encryptor):
    """Every option has the proof of the first one."""

    def contest(self, contest: Contest) -> BallotContest:
        made = super().contest(contest)
        proof = made.selections[0].proof
        selections = tuple(replace(s, proof=proof) for s in made.selections)
        return replace(made, selections=selections)


class ShortProof(Encryptor):
    """A range proof without its last branch."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        made = super().selection(contest, option)
        proof = RangeProof(made.proof.challenges[:-1], made.proof.responses[:-1])
        return replace(made, proof=proof)


class LongProof(Encryptor):
    """A range proof of a larger limit: it holds, but not for this one."""

    def selection(self, contest: Contest, option: Option) -> Selection:
        return super().selection(replace(contest, option_limit=contest.option_limit + 1), option)


class UnevenProof(Encryptor):
    """A limit proof with a response less than it has challenges."""

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        made = super().limit_proof(contest, selections)
        return RangeProof(made.challenges, made.responses[:-1])


class EmptyLimitProof(Encryptor):
    """A limit proof of nothing."""

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        return RangeProof((), ())


class HigherLimit(Encryptor):
    """A limit proof for L + 1."""

    def limit_proof(self, contest: Contest, selections: Sequence[Selection]) -> RangeProof:
        higher = replace(contest, selection_limit=contest.selection_limit + 1)
        return super().limit_proof(higher, selections)


class WrongContestHash(Encryptor):
    """The hash of the first contest with another index."""

    def contest_hash(self, contest: Contest, selections: Sequence[Selection]) -> bytes:
        return super().contest_hash(replace(contest, index=contest.index + 1), selections)


class WrongCode(Encryptor):
    """A code over the contests in reverse."""

    def confirmation_code(self, contests: Sequence[BallotContest], b_c: bytes) -> bytes:
        return super().confirmation_code(list(reversed(contests)), b_c)


class NonceOutside(Encryptor):
    """C_0 of the ballot nonce is not in the subgroup."""

    def encrypted_nonce(self) -> SealedNonce:
        made = super().encrypted_nonce()
        return replace(made, c0=outside(self.world, made.c0))


class OtherNonce(Encryptor):
    """C_1 of the ballot nonce is changed after the proof."""

    def encrypted_nonce(self) -> SealedNonce:
        return replace(super().encrypted_nonce(), c1=bytes(32))


@pytest.mark.parametrize(
    ("encryptor", "check"),
    [
        (WrongIdentifierHash, "5.B"),
        (OtherElection, "5.B"),
        (AlphaOutside, "6.A"),
        (BetaOutside, "6.A"),
        (ProofOfAnotherOption, "6.D"),
        (ShortProof, "R.ballot"),
        (LongProof, "R.ballot"),
        (UnevenProof, "R.ballot"),
        (EmptyLimitProof, "R.ballot"),
        (HigherLimit, "R.ballot"),
        (WrongContestHash, "8.A"),
        (WrongCode, "8.B"),
        (NonceOutside, "R.nonce-proof"),
        (OtherNonce, "R.nonce-proof"),
    ],
)
def test_wrong_ballots(encryptor: type[Encryptor], check: str) -> None:
    """A ballot wrong in one piece, and consistent after it, fails exactly that check."""
    world = open_world()
    submit(world, FULL)
    refuse(world, encrypt(world, replace(FULL, encryptor=encryptor)).ballot, check, DEVICE)
    submit(world, FULL)


@pytest.mark.parametrize(
    ("values", "check"),
    [
        ({"president": (2, 0, 0)}, "6.D"),
        ({"president": (1, 1, 0)}, "7.D"),
        ({"council": (3, 0)}, "6.D"),
        ({"council": (2, 2)}, "7.D"),
    ],
)
def test_overvotes(values: dict[str, tuple[int, ...]], check: str) -> None:
    """More than R for an option, or more than L in a contest, has no proof."""
    world = open_world()
    refuse(world, encrypt(world, Plain(values)).ballot, check, DEVICE)


@pytest.mark.parametrize(
    "values",
    [{}, {"president": (0, 0, 1)}, {"council": (2, 1)}, {"council": (1, 2)}, {"council": (0, 2)}],
)
def test_votes_within_the_limits(values: dict[str, tuple[int, ...]]) -> None:
    """Blank, partial and full ballots are all accepted."""
    world = open_world()
    submit(world, Plain(values))


def _contests(ballot: Ballot, *indices: int) -> dict[str, Any]:
    return {"contests": tuple(ballot.contests[i] for i in indices)}


def _selections(ballot: Ballot, count: int) -> dict[str, Any]:
    first, *rest = ballot.contests
    selections = (first.selections * 2)[:count]
    return {"contests": (replace(first, selections=selections), *rest)}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda b: {"unit": "nowhere"}, "unit"),
        (lambda b: {"unit": "city"}, "unit"),
        (lambda b: {"unit": "village"}, "ballot_style"),
        (lambda b: {"ballot_style": "none"}, "ballot_style"),
        (lambda b: {"ballot_style": "short"}, "contests"),
        (_contests, "contests"),
        (lambda b: _contests(b, 0), "contests"),
        (lambda b: _contests(b, 1), "contests"),
        (lambda b: _contests(b, 1, 0), "contests"),
        (lambda b: _contests(b, 0, 0, 1), "contests"),
        (lambda b: _contests(b, 0, 1, 1), "contests"),
        (lambda b: _selections(b, 0), "contests[0].selections"),
        (lambda b: _selections(b, 2), "contests[0].selections"),
        (lambda b: _selections(b, 4), "contests[0].selections"),
    ],
)
def test_ballots_that_do_not_fit(change: Callable[[Ballot], dict[str, Any]], where: str) -> None:
    """Style, unit, device, contests and options are those of the manifest."""
    world = open_world()
    ballot = encrypt(world, FULL).ballot
    wrong = rehashed(world, replace(ballot, **change(ballot)))
    assert refuse(world, wrong, "R.ballot", DEVICE).where == f"ballot.{where}"


def test_a_unit_that_the_device_does_not_serve() -> None:
    """A device submits for its own units only."""
    world = open_world("simple", OTHER_BOX)
    plain = Plain(device=OTHER_BOX, unit="centre", style="short")
    wrong = refuse(world, encrypt(world, plain).ballot, "R.ballot", f"device {OTHER_BOX}")
    assert wrong.where == "ballot.unit"


@pytest.mark.parametrize("field", ["device", "unit", "ballot_style"])
def test_labels_that_no_manifest_has(field: str) -> None:
    """The proofs of a ballot are refused by label where nothing else was checked before."""
    world = open_world()
    ballot = replace(encrypt(world, FULL).ballot, **{field: "elsewhere"})  # type: ignore[arg-type]
    with pytest.raises(Rejected) as caught:
        verify_ballot(world.context, world.keys, ballot)
    assert (caught.value.check, caught.value.where) == ("R.ballot", f"ballot.{field}")
    assert "'elsewhere'" in caught.value.problem


def test_contest_indices_that_do_not_exist() -> None:
    """A contest index far beyond the manifest is a wrong ballot, not an accident."""
    world = open_world()
    ballot = encrypt(world, FULL).ballot
    contests = tuple(replace(c, index=2**31 - 1) for c in ballot.contests)
    refuse(world, replace(ballot, contests=contests), "R.ballot", DEVICE)


@pytest.mark.parametrize("chaining", ["simple", "none"])
def test_chaining(chaining: str) -> None:
    """B_C continues the chain of its own device, in the mode of the manifest."""
    world = open_world(chaining, BOX, OTHER_BOX)
    check = "8.E" if chaining == "simple" else "8.D"
    village = Plain(unit="village", style="short")
    fields = [encrypt(world, village).ballot.chaining_field]
    submit(world, village)
    submit(world, replace(village, device=OTHER_BOX))
    fields += [
        bytes(36),
        encrypt(world, replace(village, device=OTHER_BOX)).ballot.chaining_field,
        (bytes(4) if chaining == "simple" else b"\0\0\0\1")
        + encrypt(world, village).ballot.chaining_field[4:],
    ]
    if chaining == "none":
        assert fields.pop(0) == encrypt(world, village).ballot.chaining_field
    for field in fields:
        ballot = replace(encrypt(world, village).ballot, chaining_field=field)
        refuse(world, rehashed(world, ballot), check, DEVICE)
    submit(world, village)


def test_two_ballots_prepared_at_once() -> None:
    """Of two ballots chained to the same code, only the first is accepted."""
    world = open_world()
    first, second = encrypt(world, FULL).ballot, encrypt(world, FULL).ballot
    world.append(first)
    error = refuse(world, second, "8.E", DEVICE)
    assert first.confirmation_code.hex() in error.advice


def test_identifiers_are_unique() -> None:
    """id_B of another ballot is refused, on another device, too."""
    world = open_world("none", BOX, OTHER_BOX)
    village = Plain(unit="village", style="short")
    used = submit(world, village).ballot

    class SameIdentifier(Encryptor):
        def identifier(self) -> bytes:
            return used.identifier

    again = replace(village, encryptor=SameIdentifier)
    refuse(world, encrypt(world, again).ballot, "5.A", DEVICE)
    other = encrypt(world, replace(again, device=OTHER_BOX)).ballot
    error = refuse(world, other, "5.A", f"device {OTHER_BOX}")
    assert f"artifact {world.state.ballots[used.confirmation_code].index}" in error.where


def test_codes_are_unique() -> None:
    """A ballot that claims the code of another one is refused."""
    world = open_world("none")
    used = submit(world, FULL).ballot
    other = replace(encrypt(world, FULL).ballot, confirmation_code=used.confirmation_code)
    refuse(world, other, "R.duplicate", DEVICE)


def test_the_same_values_twice() -> None:
    """A copy of somebody's ciphertexts under a fresh identifier has no proofs."""
    world = open_world("none")
    used = submit(world, FULL).ballot
    copy = rehashed(world, replace(used, identifier=secrets.token_bytes(32)))
    refuse(world, copy, "6.D", DEVICE)


# --- casting and challenging


@pytest.mark.parametrize("fate", [Fate.CAST, Fate.CHALLENGE])
def test_decisions(fate: Fate) -> None:
    """A decision names a submitted, undecided ballot of the same device."""
    world = open_world("simple", BOX, OTHER_BOX)
    ballot = submit(world, replace(FULL, fate=Fate.SPOIL)).ballot
    good = decision(ballot, fate)
    refuse(world, replace(good, confirmation_code=bytes(32)), "R.cast", DEVICE)
    refuse(world, replace(good, device=OTHER_BOX), "R.cast", f"device {OTHER_BOX}")
    world.append(good)
    for second in Fate.CAST, Fate.CHALLENGE:
        error = refuse(world, decision(ballot, second), "R.cast", DEVICE)
        assert f"artifact {len(world.artifacts) - 1}" in error.problem


def test_decisions_of_nothing() -> None:
    """Neither H_0 nor the code of a ballot still to be submitted can be cast."""
    world = open_world()
    initial = device_statement(world, BOX).initial_hash
    refuse(world, Cast(BOX, initial), "R.cast", DEVICE)
    ballot = encrypt(world, FULL).ballot
    refuse(world, Challenge(BOX, ballot.confirmation_code), "R.cast", DEVICE)


# --- the close


def test_polls_close() -> None:
    """The polls close when every device is accounted for, with the right counts."""
    world = open_world("simple", BOX, OTHER_BOX)
    for fate in (Fate.CAST, Fate.CAST, Fate.CHALLENGE, Fate.SPOIL, Fate.SPOIL, Fate.SPOIL):
        submit(world, replace(FULL, fate=fate))
    good = world.state.counts()
    assert (good.submitted, good.cast, good.challenged, good.spoiled) == (6, 2, 1, 3)
    error = refuse(world, good, "R.polls-close", ADMINISTRATOR)
    assert BOX in error.problem
    assert OTHER_BOX in error.problem
    world.append(close_statement(world, BOX))
    error = refuse(world, good, "R.polls-close", ADMINISTRATOR)
    assert BOX not in error.problem
    world.append(DeviceMissing(OTHER_BOX, "It was stolen."))
    for name in ("submitted", "cast", "challenged", "spoiled"):
        wrong = replace(good, **{name: getattr(good, name) + 1})
        refuse(world, wrong, "R.polls-close", ADMINISTRATOR)
    shifted = replace(good, cast=good.cast + 1, spoiled=good.spoiled - 1)
    error = refuse(world, shifted, "R.polls-close", ADMINISTRATOR)
    assert "6 ballots submitted, 2 cast, 1 challenged and 3 spoiled" in error.problem
    world.append(good)
    assert world.transcript.phase is Phase.CLOSED


def test_after_the_close() -> None:
    """Nothing of the polls stands after their close."""
    world = open_world("none", BOX, OTHER_BOX)
    undecided = submit(world, replace(FULL, fate=Fate.SPOIL)).ballot
    late = encrypt(world, FULL).ballot
    statements: list[Statement] = [
        late,
        decision(undecided, Fate.CAST),
        decision(undecided, Fate.CHALLENGE),
        close_statement(world, BOX),
        DeviceMissing(OTHER_BOX, "late"),
        device_statement(world, OTHER_BOX),
    ]
    for label in (BOX, OTHER_BOX):
        world.append(close_statement(world, label))
    world.append(world.state.counts())
    for statement in statements:
        refuse(world, statement, "R.after-close")
    refuse(world, world.state.counts(), "R.order")
    assert {type(s) for s in statements} == {
        Ballot,
        Cast,
        Challenge,
        DeviceClose,
        DeviceMissing,
        Device,
    }


def test_polls_without_ballots() -> None:
    """An election in which nobody votes comes to its end, all counts zero."""
    world = play_election(TOY[-1], [], missing=[BOX, OTHER_BOX])
    assert world.state.counts() == replace(world.state.counts(), submitted=0, cast=0)
    assert {o.count for t in world.state.decrypted_tallies for o in t.options} == {0}
