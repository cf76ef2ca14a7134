"""Artifact 0: every field of the election is checked, and the administrator is to blame."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import Malformed, Rejected
from crypto.group import group_for
from crypto.hashing import base_hash, parameter_base_hash
from crypto.parameters import TOY
from record.artifacts import (
    Artifact,
    Election,
    Role,
    RoleKey,
    parse_artifact,
    sign_statement,
)
from record.election import check_election, make_election
from tests.world import World, manifest_bytes, public_bytes

BOX = "ballot-box-1"
OTHER_BOX = "ballot-box-2"
ADMINISTRATOR = "administrator"


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
    h_p = parameter_base_hash(group_for(TOY[-1]), n, 2)
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
