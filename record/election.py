"""What is fixed before anything else: the group, the manifest, the roles, the base hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from crypto.elgamal import PublicKey
from crypto.errors import Malformed, Rejected
from crypto.group import Group, group_for, mpz
from crypto.hashing import (
    base_hash,
    extended_base_hash,
    key_ceremony_hash,
    parameter_base_hash,
)
from crypto.parameters import Parameters, find_parameters
from record.artifacts import (
    Artifact,
    Election,
    KeyConfirmation,
    Opening,
    Role,
    RoleKey,
    TrusteeKeys,
    verify_signature,
)
from record.checkpoint import parse_verifier_key
from record.manifest import Contest, Manifest, Unit, parse_manifest

SPECIFICATION = "v2.1.0"


@dataclass(frozen=True)
class ElectionContext:
    """An election artifact, checked, with all that follows from it alone."""

    election: Election
    group: Group
    manifest: Manifest

    @property
    def base_hash(self) -> bytes:
        """H_B, 32 bytes (spec 3.1.4, eq. 5)."""
        return self.election.base_hash

    @property
    def trustees(self) -> int:
        """n"""
        return self.election.trustees

    @property
    def quorum(self) -> int:
        """k"""
        return self.election.quorum

    @cached_property
    def cells(self) -> tuple[tuple[Unit, Contest], ...]:
        """Every unit that takes ballots with each of its contests (`Manifest.cells`)."""
        return self.manifest.cells()

    @cached_property
    def _keys(self) -> dict[tuple[Role, str], RoleKey]:
        return {(k.role, k.name): k for k in self.election.role_keys}

    def role_key(self, role: Role, name: str) -> RoleKey:
        """The pinned key of `role` `name`; raises `Rejected` (R.role-keys) if there is none."""
        try:
            return self._keys[role, name]
        except KeyError:
            raise Rejected(
                "R.role-keys", f"no {role.name.lower()} named {name!r} in this election", where=name
            ) from None

    def single_key(self, role: Role) -> RoleKey:
        """The key of the administrator or the server."""
        return next(k for k in self.election.role_keys if k.role is role)

    def trustee_key(self, index: int) -> RoleKey:
        """The key of trustee i."""
        for key in self.election.role_keys:
            if key.role is Role.TRUSTEE and key.index == index:
                return key
        raise Rejected("R.role-keys", f"there is no trustee {index}", where=f"trustee {index}")


def make_election(
    parameters: Parameters,
    manifest: bytes,
    quorum: int,
    log_key: str,
    role_keys: Sequence[RoleKey],
) -> Election:
    """Compose the election artifact's statement; `check_election` says whether it is right."""
    group = group_for(parameters)
    n = sum(1 for k in role_keys if k.role is Role.TRUSTEE)
    h_p = parameter_base_hash(group, n, quorum)
    return Election(
        version=SPECIFICATION,
        p=int(group.p).to_bytes(parameters.element_width, "big"),
        q=int(group.q).to_bytes(parameters.scalar_width, "big"),
        g=group.encode_element(group.g),
        trustees=n,
        quorum=quorum,
        parameter_base_hash=h_p,
        manifest=manifest,
        base_hash=base_hash(h_p, manifest),
        log_key=log_key,
        role_keys=tuple(role_keys),
    )


def check_election(artifact: Artifact) -> ElectionContext:
    """Check artifact 0 and derive its context.

    Raises `Rejected` (R.order, 1.A to 1.F, R.role-keys, R.signature), or `Malformed`
    for numbers, a log key or a manifest that are none.
    """
    election = artifact.statement
    if not isinstance(election, Election):
        raise Rejected("R.order", "the first artifact is not the election", where="artifact 0")
    if election.version != SPECIFICATION:
        raise _wrong("1.A", f"specification {election.version}, not {SPECIFICATION}", "version")
    parameters = _parameters(election)
    group = group_for(parameters)
    _check_trustees(election, parameters)
    h_p = parameter_base_hash(group, election.trustees, election.quorum)
    if election.parameter_base_hash != h_p:
        raise _wrong("1.E", "the parameter base hash is wrong", "parameter_base_hash")
    if election.base_hash != base_hash(h_p, election.manifest):
        raise _wrong("1.F", "the base hash is wrong", "base_hash")
    parse_verifier_key(election.log_key, "election.log_key")
    context = ElectionContext(election, group, parse_manifest(election.manifest))
    _check_role_keys(context)
    verify_signature(
        artifact,
        context.base_hash,
        context.single_key(Role.ADMINISTRATOR).public_key,
        "administrator",
    )
    return context


def _wrong(check: str, problem: str, field: str) -> Rejected:
    return Rejected(check, problem, culprit="administrator", where=f"election.{field}")


def _pqg(election: Election) -> tuple[bytes, bytes, bytes]:
    return election.p, election.q, election.g


def _parameters(election: Election) -> Parameters:
    """The known set that p, q and g are (1.B to 1.D), each as wide as it should be."""
    try:
        parameters = find_parameters(*(int.from_bytes(x, "big") for x in _pqg(election)))
    except Malformed as error:
        raise _wrong(_NUMBERS[error.field], error.problem, error.field) from None
    _check_widths(election, parameters)
    return parameters


_NUMBERS = {"p": "1.B", "q": "1.C", "g": "1.D"}


def _check_trustees(election: Election, parameters: Parameters) -> None:
    if not 1 <= election.quorum <= election.trustees:
        raise Malformed("election.quorum", f"is not in 1..{election.trustees}")
    # Lagrange coefficients need indices that differ mod q; only a toy q is that small.
    if election.trustees >= parameters.q:
        raise Malformed("election.trustees", "is not below q")


def _check_widths(election: Election, parameters: Parameters) -> None:
    widths = (parameters.element_width, parameters.scalar_width, parameters.element_width)
    for name, data, width in zip("pqg", _pqg(election), widths, strict=True):
        if len(data) != width:
            raise Malformed(f"election.{name}", f"has {len(data)} bytes instead of {width}")


def _check_role_keys(context: ElectionContext) -> None:
    devices = [d.label for d in context.manifest.devices]
    count = 2 + context.trustees + len(devices)
    if len(context.election.role_keys) != count:
        # Before anything of this size is built: n is up to 2^31 - 1.
        problem = f"there are {len(context.election.role_keys)} role keys instead of {count}"
        raise _wrong("R.role-keys", problem, "role_keys")
    found = [(k.role, k.index) for k in context.election.role_keys]
    expected = [
        (Role.ADMINISTRATOR, 0),
        (Role.SERVER, 0),
        *((Role.TRUSTEE, i) for i in range(1, context.trustees + 1)),
        *((Role.DEVICE, 0) for _ in devices),
    ]
    keys = context.election.role_keys
    if found != expected:
        problem = "the role keys are not administrator, server, trustees 1..n, devices"
    elif [k.name for k in keys if k.role is Role.DEVICE] != devices:
        problem = "the device keys are not those of the manifest's devices, in order"
    elif len({k.name for k in keys}) != len(keys):
        problem = "two roles have the same name"
    elif len({k.public_key for k in keys}) != len(keys):
        problem = "two roles have the same key"
    else:
        return
    raise _wrong("R.role-keys", problem, "role_keys")


@dataclass(frozen=True)
class ElectionKeys:
    """The joint keys K and K-hat, H_E and H_G (spec 3.2)."""

    vote_key: PublicKey
    data_key: PublicKey
    extended_base_hash: bytes
    key_ceremony_hash: bytes

    def opening(self) -> Opening:
        """The statement that opens the polls under these keys."""
        return Opening(self.vote_key.element, self.data_key.element, self.extended_base_hash)


def joint_keys(context: ElectionContext, trustees: Sequence[TrusteeKeys]) -> ElectionKeys:
    """Combine the key messages of trustees 1..n (spec 3.2.2, eq. 25-27, 30)."""
    group = context.group
    vote: mpz = group.product(t.vote_commitments[0] for t in trustees)
    data: mpz = group.product(t.data_commitments[0] for t in trustees)
    return ElectionKeys(
        PublicKey(group, vote),
        PublicKey(group, data),
        extended_base_hash(group, context.base_hash, vote, data),
        key_ceremony_hash(
            group,
            context.base_hash,
            vote,
            data,
            [t.vote_commitments for t in trustees],
            [t.data_commitments for t in trustees],
            [t.communication_key for t in trustees],
        ),
    )


def check_confirmation(
    context: ElectionContext, keys: ElectionKeys, statement: KeyConfirmation
) -> None:
    """Raise `Rejected` (R.confirmation) unless the trustee confirms exactly these keys."""
    if statement.base_hash != context.base_hash:
        problem = "confirms another manifest (H_B differs)"
    elif statement.key_ceremony_hash != keys.key_ceremony_hash:
        problem = "confirms other keys (H_G differs)"
    else:
        return
    raise Rejected("R.confirmation", problem, culprit=f"trustee {statement.trustee}")


def check_opening(keys: ElectionKeys, statement: Opening) -> None:
    """Raise `Rejected` (3.A, 3.B, 4.A, R.joint-keys) unless the polls open under the joint keys.

    All trustees together can choose secrets that add up to 0. Under K = 1 a ciphertext
    decrypts to any count with proofs that hold; under K-hat = 1 everybody reads the nonces.
    """
    expected = keys.opening()
    if 1 in (expected.vote_key, expected.data_key):
        problem = "K or K-hat is 1: begin again with other trustees"
        raise Rejected("R.joint-keys", problem, culprit="administrator", where="opening")
    for check, name in (
        ("3.A", "vote_key"),
        ("3.B", "data_key"),
        ("4.A", "extended_base_hash"),
    ):
        if getattr(statement, name) != getattr(expected, name):
            raise Rejected(check, f"{name} is wrong", culprit="administrator", where="opening")
