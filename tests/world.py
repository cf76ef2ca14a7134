"""An election in memory, with everybody's secrets, for tests.

    world = World.create(TOY[-1])                     # the polls are open
    world = World.create(STANDARD, trustees=5, quorum=3)
    world = World.create(TOY[-1], until=Phase.SHARES)   # stop where the shares are due
    world.append(Cast("ballot-box-1", code))          # sign as its role, check, prove, take

It is made from `crypto` and `record` alone: no service, no store, no network. Every
artifact passes the transcript's checks and proofs on its way in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto import schnorr, sealing
from crypto.group import Group, group_for, mpz
from crypto.parameters import Parameters
from crypto.secret_sharing import Polynomial, secret_key_share, verify_share
from record.artifacts import (
    TRUSTEE_STATEMENTS,
    UNSEEN,
    Artifact,
    EncryptedShare,
    EncryptedShares,
    KeyCommitment,
    KeyConfirmation,
    Role,
    RoleKey,
    Statement,
    TrusteeKeys,
    key_commitment,
    sign_statement,
)
from record.checkpoint import VerifierKey, verifier_key
from record.election import ElectionContext, ElectionKeys, make_election
from record.state import Phase, State
from record.transcript import Transcript

ORIGIN = "example.org/test-election"
ADMINISTRATOR = "administrator"
SERVER = "server"
LANGUAGES = ("kk", "ru", "en")


def manifest_document(chaining: str = "simple") -> dict[str, Any]:
    """A small manifest to be changed at will: two contests, two styles, two units, two devices.

    `president` has L = R = 1 and three options; `council` has L = 3, R = 2 and two.
    Style `full` has both contests, `short` the first only. Unit `centre` takes both
    styles, `village` only `short`; `ballot-box-1` serves both, `ballot-box-2` `village`.
    """
    return {
        "format": "sailau-manifest/1",
        "label": "test-election",
        "name": _texts("Test election"),
        "languages": list(LANGUAGES),
        "dates": {"opens": "2025-12-04", "closes": "2025-12-04"},
        "chaining": chaining,
        "contests": [
            _contest("president", 1, 1, ["abai", "beimbet", "gulnar"]),
            _contest("council", 3, 2, ["yes", "no"]),
        ],
        "ballot_styles": [
            {"label": "full", "name": _texts("Full"), "contests": ["president", "council"]},
            {"label": "short", "name": _texts("Short"), "contests": ["president"]},
        ],
        "units": [
            _unit("city", None, []),
            _unit("centre", "city", ["full", "short"]),
            _unit("village", None, ["short"]),
        ],
        "devices": [
            {"label": "ballot-box-1", "information": "Hall 1", "units": ["centre", "village"]},
            {"label": "ballot-box-2", "information": "Hall 2", "units": ["village"]},
        ],
    }


def manifest_bytes(document: Mapping[str, Any] | None = None) -> bytes:
    """A manifest file: of `document`, or of `manifest_document()`."""
    return json.dumps(document or manifest_document(), ensure_ascii=False, indent=1).encode()


@dataclass(frozen=True)
class Secrets:
    """What the roles of a world keep to themselves, trustees by their index i.

    `vote_polynomials` and `data_polynomials` are P_i and P-hat_i, `communication_keys`
    zeta_i, `vote_shares` z_i and `data_shares` z-hat_i. The shares are there from the
    confirmation phase on. `keys` are the messages of the second round, `share_nonces` xi_i,l
    by sender and receiver. `roles` holds the Ed25519 keys by role and name.
    """

    roles: dict[tuple[Role, str], Ed25519PrivateKey]
    log: Ed25519PrivateKey
    vote_polynomials: dict[int, Polynomial] = field(default_factory=dict)
    data_polynomials: dict[int, Polynomial] = field(default_factory=dict)
    communication_keys: dict[int, mpz] = field(default_factory=dict)
    vote_shares: dict[int, mpz] = field(default_factory=dict)
    data_shares: dict[int, mpz] = field(default_factory=dict)
    keys: dict[int, TrusteeKeys] = field(default_factory=dict)
    share_nonces: dict[tuple[int, int], mpz] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """An election so far. `artifacts[n]` is artifact n; `transcript` is their fold."""

    secrets: Secrets
    artifacts: list[Artifact]
    transcript: Transcript

    @classmethod
    def create(
        cls,
        parameters: Parameters,
        *,
        manifest: bytes | None = None,
        trustees: int = 3,
        quorum: int = 2,
        until: Phase = Phase.OPEN,
    ) -> World:
        """Make an election and play it up to the phase `until` (at most OPEN)."""
        world = cls.begin(parameters, manifest or manifest_bytes(), trustees, quorum)
        for phase, play in (
            (Phase.COMMITMENT, world.play_commitments),
            (Phase.KEYS, world.play_keys),
            (Phase.SHARES, world.play_shares),
            (Phase.CONFIRMATION, world.play_confirmations),
            (Phase.READY, world.play_opening),
        ):
            if phase < until:
                play()
        if world.transcript.phase is not until:
            raise AssertionError(f"the election is {world.transcript.phase.name}")
        return world

    @classmethod
    def begin(cls, parameters: Parameters, manifest: bytes, trustees: int, quorum: int) -> World:
        """An election of which only artifact 0 exists."""
        names = [(Role.ADMINISTRATOR, ADMINISTRATOR, 0), (Role.SERVER, SERVER, 0)]
        names += [(Role.TRUSTEE, trustee_name(i), i) for i in range(1, trustees + 1)]
        names += [(Role.DEVICE, d["label"], 0) for d in json.loads(manifest)["devices"]]
        keys = {(role, name): Ed25519PrivateKey.generate() for role, name, _ in names}
        pinned = [RoleKey(r, n, i, public_bytes(keys[r, n])) for r, n, i in names]
        secrets = Secrets(keys, Ed25519PrivateKey.generate())
        log_key = str(verifier_key(ORIGIN, public_bytes(secrets.log)))
        election = make_election(parameters, manifest, quorum, log_key, pinned)
        key = keys[Role.ADMINISTRATOR, ADMINISTRATOR]
        first = sign_statement(election, group_for(parameters), election.base_hash, key)
        return cls(secrets, [first], Transcript(first))

    @property
    def context(self) -> ElectionContext:
        """What artifact 0 fixes."""
        return self.transcript.context

    @property
    def group(self) -> Group:
        """The election's group."""
        return self.context.group

    @property
    def state(self) -> State:
        """What has happened so far."""
        return self.transcript.state

    @property
    def keys(self) -> ElectionKeys:
        """K, K-hat and H_E; there from the shares phase on."""
        return self.state.need_keys()

    @property
    def log_key(self) -> VerifierKey:
        """The key that verifies checkpoints of this election."""
        return verifier_key(ORIGIN, public_bytes(self.secrets.log))

    def role_key(self, role: Role, name: str = "") -> Ed25519PrivateKey:
        """The private key of a role; administrator and server need no name."""
        return self.secrets.roles[role, name or role.name.lower()]

    def device_key(self, label: str) -> Ed25519PrivateKey:
        """The private key of a device."""
        return self.secrets.roles[Role.DEVICE, label]

    def sign(self, statement: Statement) -> Artifact:
        """The artifact of `statement`, signed by the role that has to make it."""
        if isinstance(statement, TRUSTEE_STATEMENTS) and statement.transcript == UNSEEN:
            statement = replace(statement, transcript=self.state.round_root)
        signer = self.transcript.signer(statement)
        key = self.secrets.roles[signer.role, signer.name]
        return sign_statement(statement, self.group, self.context.base_hash, key)

    def append(self, statement: Statement) -> Artifact:
        """Sign, check, prove and take; returns the artifact, now the last one."""
        return self.append_artifact(self.sign(statement))

    def append_artifact(self, artifact: Artifact) -> Artifact:
        """Check, prove and take what somebody else has signed."""
        self.transcript.check(artifact)
        self.transcript.prove(artifact, self.read)
        self.artifacts.append(artifact)
        self.transcript.take(artifact)
        return artifact

    def read(self, index: int) -> Artifact:
        """Artifact `index`, as `Transcript.prove` asks for it."""
        return self.artifacts[index]

    def data(self) -> list[bytes]:
        """The record so far, as bytes."""
        return [artifact.data for artifact in self.artifacts]

    # --- the ceremony, one round each

    def play_commitments(self) -> None:
        """Every trustee generates its keys and commits to them."""
        for i in self._trustees():
            self.append(self.commitment(i))

    def play_keys(self) -> None:
        """Every trustee publishes its keys (spec 3.2.2)."""
        for i in self._trustees():
            self.append(self.trustee_keys(i))

    def commitment(self, i: int) -> KeyCommitment:
        """Trustee i's commitment to `trustee_keys`."""
        digest = key_commitment(self.trustee_keys(i), self.group, self.context.base_hash)
        return KeyCommitment(i, digest)

    def trustee_keys(self, i: int) -> TrusteeKeys:
        """Trustee i's keys; generated at the first call."""
        if i not in self.secrets.keys:
            self.secrets.keys[i] = self._generate(i)
        return self.secrets.keys[i]

    def play_shares(self) -> None:
        """Every trustee sends its shares; all are checked and summed (spec 3.2.2)."""
        for i in self._trustees():
            self.append(EncryptedShares(i, tuple(self._shares_from(i))))
        for i in self._trustees():
            self._collect(i)

    def play_confirmations(self) -> None:
        """Every trustee confirms H_B and H_G."""
        h_g = self.keys.key_ceremony_hash
        for i in self._trustees():
            self.append(KeyConfirmation(i, self.context.base_hash, h_g))

    def play_opening(self) -> None:
        """The administrator opens the polls."""
        self.append(self.keys.opening())

    def _trustees(self) -> Sequence[int]:
        return range(1, self.context.trustees + 1)

    def _generate(self, i: int) -> TrusteeKeys:
        group, secrets = self.group, self.secrets
        vote, data = (Polynomial.generate(group, self.context.quorum) for _ in range(2))
        zeta = group.random_scalar()
        secrets.vote_polynomials[i], secrets.data_polynomials[i] = vote, data
        secrets.communication_keys[i] = zeta
        kappa = group.g_power(zeta)
        h_p = self.context.election.parameter_base_hash
        vote_proof, data_proof = (
            schnorr.prove_keys(
                group,
                h_p,
                label,
                i,
                [*polynomial.coefficients, zeta],
                [*polynomial.commitments(group), kappa],
            )
            for label, polynomial in ((schnorr.VOTE_LABEL, vote), (schnorr.DATA_LABEL, data))
        )
        commitments = vote.commitments(group), data.commitments(group)
        return TrusteeKeys(i, *commitments, kappa, vote_proof, data_proof)

    def _shares_from(self, i: int) -> list[EncryptedShare]:
        group, secrets = self.group, self.secrets
        shares = []
        for ell in self._trustees():
            if ell != i:
                xi = secrets.share_nonces[i, ell] = group.random_scalar()
                sealed = sealing.seal_shares(
                    group,
                    self.context.election.parameter_base_hash,
                    i,
                    ell,
                    self.state.trustee_keys[ell].communication_key,
                    secrets.vote_polynomials[i].evaluate(group, ell),
                    secrets.data_polynomials[i].evaluate(group, ell),
                    xi,
                )
                shares.append(EncryptedShare(ell, sealed.c0, sealed.c1, sealed.c2))
        return shares

    def _collect(self, ell: int) -> None:
        group, secrets = self.group, self.secrets
        received = [self._open(i, ell) for i in self._trustees()]
        for i, (share, share_hat) in enumerate(received, start=1):
            keys = self.state.trustee_keys[i]
            verify_share(group, share, keys.vote_commitments, ell)
            verify_share(group, share_hat, keys.data_commitments, ell)
        secrets.vote_shares[ell] = secret_key_share(group, (share for share, _ in received))
        secrets.data_shares[ell] = secret_key_share(group, (hat for _, hat in received))

    def _open(self, i: int, ell: int) -> tuple[mpz, mpz]:
        group, secrets = self.group, self.secrets
        if i == ell:
            polynomials = secrets.vote_polynomials[i], secrets.data_polynomials[i]
            return polynomials[0].evaluate(group, ell), polynomials[1].evaluate(group, ell)
        sealed = next(s for s in self.state.encrypted_shares[i].shares if s.recipient == ell).sealed
        return sealing.open_shares(
            group,
            self.context.election.parameter_base_hash,
            i,
            ell,
            secrets.communication_keys[ell],
            self.state.trustee_keys[ell].communication_key,
            sealed,
        )


def trustee_name(i: int) -> str:
    """The name of trustee i's role key."""
    return f"trustee-{i}"


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The public half, 32 bytes."""
    return key.public_key().public_bytes_raw()


def _texts(text: str) -> dict[str, str]:
    return {language: f"{text} ({language})" for language in LANGUAGES}


def _contest(label: str, limit: int, option_limit: int, options: Sequence[str]) -> dict[str, Any]:
    return {
        "label": label,
        "name": _texts(label.title()),
        "selection_limit": limit,
        "option_limit": option_limit,
        "options": [{"label": option, "name": _texts(option.title())} for option in options],
    }


def _unit(label: str, parent: str | None, styles: Sequence[str]) -> dict[str, Any]:
    name = _texts(label.title())
    return {"label": label, "name": name, "parent": parent, "ballot_styles": list(styles)}
