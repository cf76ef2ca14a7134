"""What a trustee keeps on its disk: in one encrypted key store, written before it speaks.

| name | what | until |
|---|---|---|
| `trustee.election` | H_B of the one election this key store takes part in | for good |
| `trustee.seen` | size and running hash of the record it has read | for good |
| `trustee.polynomials` | P_i, P-hat_i, zeta_i | its own confirmation |
| `trustee.keys` | the keys that it has committed to, with their proofs | its own confirmation |
| `trustee.sent.commitment`, `.keys`, `.shares` | its signed messages | its own confirmation |
| `trustee.share-nonces` | xi_i,l of every share it has sent, to answer complaints | all confirmed |
| `trustee.sent.confirmation` | the signed confirmation | all have confirmed |
| `trustee.key-shares` | z_i and z-hat_i, from when the confirmation is due | for good |
| `trustee.tally` | hash of the tallies it has begun to decrypt | for good |
| `trustee.session` | the nonce key of a decryption session; then its answers | all answered |

"For good" ends with the election: an aborted ceremony erases every secret, `leave` erases
everything.

When a trustee confirms, others may still complain of what it has sent; the nonces are
all that an answer takes, and nobody's share is left to be opened. Once everybody has
confirmed, only z_i, z-hat_i and the identity are left of the secrets. Erased means: not
in the file any more. What a disk keeps of older versions of a file, nobody can say
(docs/security.md).

Complaints and answers are not kept: the same ones follow from what is kept.

A copy of the key store from before an answer, put back after it, could answer a second
time. A backup therefore holds the identity, `trustee.election`, `trustee.seen` and
`trustee.key-shares` (`BACKUP`) and never a session.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from crypto.errors import Malformed
from crypto.group import Group, mpz
from crypto.secret_sharing import Polynomial
from record.artifacts import TrusteeKeys, parse_artifact, sign_statement
from trustees.ceremony import KeySecrets, KeyShares
from trustees.nonces import NonceKey

ELECTION = "trustee.election"
SEEN = "trustee.seen"
POLYNOMIALS = "trustee.polynomials"
KEYS = "trustee.keys"
SENT_COMMITMENT = "trustee.sent.commitment"
SENT_KEYS = "trustee.sent.keys"
SENT_SHARES = "trustee.sent.shares"
SHARE_NONCES = "trustee.share-nonces"
SENT_CONFIRMATION = "trustee.sent.confirmation"
KEY_SHARES = "trustee.key-shares"
TALLY = "trustee.tally"
SESSION = "trustee.session"

UNTIL_CONFIRMED = (POLYNOMIALS, KEYS, SENT_COMMITMENT, SENT_KEYS, SENT_SHARES)
"""What a trustee forgets when it confirms."""
UNTIL_READY = (*UNTIL_CONFIRMED, SHARE_NONCES, SENT_CONFIRMATION)
"""What is gone when all have."""
SECRETS = (*UNTIL_READY, KEY_SHARES, SESSION)
"""Every secret that belongs to one election."""
BACKUP = (ELECTION, SEEN, KEY_SHARES)
"""What a backup holds beside the identity."""
_OURS = "trustee."
_KEY, _ANSWERS = b"\0", b"\1"
_SESSION_HEAD = 4 + 32 + 1


class SecretStore(Protocol):
    """Named secrets on a disk; `identity.keystore.Keystore` is one."""

    @property
    def secrets(self) -> Mapping[str, bytes]:
        """What is stored."""
        ...

    def update(self, changes: Mapping[str, bytes]) -> None:
        """Add or replace, all at once; on the disk when this returns."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Remove what is there under these names."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of the record was read: its size, and the hash that runs over it."""

    size: int = 0
    digest: bytes = bytes(32)


@dataclass(frozen=True, slots=True, repr=False)
class StoredSession:
    """A session that has begun: its nonce key, or its answers and no key any more."""

    number: int
    binding: bytes
    key: NonceKey | None
    answers: tuple[mpz, ...]

    def __repr__(self) -> str:
        return f"StoredSession({self.number}, <redacted>)"


class Vault:
    """Typed access to a `SecretStore`. `group` gives scalars their width."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def __repr__(self) -> str:
        return "Vault(<redacted>)"

    def get(self, name: str) -> bytes | None:
        """The raw value, if there is one."""
        return self._store.secrets.get(name)

    def save(self, changes: Mapping[str, bytes]) -> None:
        """Write values, all or none; they are on the disk when this returns."""
        self._store.update(changes)

    def erase(self, *names: str) -> None:
        """Remove what is there of these."""
        there = [name for name in names if name in self._store.secrets]
        if there:
            self._store.remove(there)

    def seen(self) -> Seen:
        """Nothing, if nothing is stored."""
        data = self.get(SEEN)
        return Seen(int.from_bytes(data[:8], "big"), data[8:]) if data else Seen()

    def key_secrets(self, group: Group) -> KeySecrets | None:
        """P_i, P-hat_i and zeta_i, until they are erased."""
        data = self.get(POLYNOMIALS)
        if data is None:
            return None
        *coefficients, zeta = _scalars(group, data, POLYNOMIALS)
        k = len(coefficients) // 2
        vote, data_polynomial = coefficients[:k], coefficients[k:]
        return KeySecrets(Polynomial(tuple(vote)), Polynomial(tuple(data_polynomial)), zeta)

    def keys(self, group: Group) -> TrusteeKeys | None:
        """The keys that this trustee has committed to, without a transcript."""
        data = self.get(KEYS)
        if data is None:
            return None
        statement = parse_artifact(data, group).statement
        if not isinstance(statement, TrusteeKeys):
            raise _something_else(KEYS)
        return statement

    def share_nonces(self, group: Group) -> tuple[mpz, ...] | None:
        """xi_i,l of the shares it has sent, by ascending recipient l."""
        data = self.get(SHARE_NONCES)
        return None if data is None else tuple(_scalars(group, data, SHARE_NONCES))

    def key_shares(self, group: Group) -> KeyShares | None:
        """z_i and z-hat_i, from when the confirmation is due."""
        data = self.get(KEY_SHARES)
        return KeyShares(*_scalars(group, data, KEY_SHARES)) if data else None

    def session(self, group: Group) -> StoredSession | None:
        """The session that has begun, if one has."""
        data = self.get(SESSION)
        if data is None:
            return None
        number, binding = int.from_bytes(data[:4], "big"), data[4:36]
        kind, rest = data[36:_SESSION_HEAD], data[_SESSION_HEAD:]
        if kind == _KEY:
            return StoredSession(number, binding, NonceKey(rest, number, binding), ())
        return StoredSession(number, binding, None, tuple(_scalars(group, rest, SESSION)))


# --- values for `Vault.save`


def seen_value(seen: Seen) -> dict[str, bytes]:
    """The record as far as it was read."""
    return {SEEN: seen.size.to_bytes(8, "big") + seen.digest}


def key_secrets_value(
    group: Group, base_hash: bytes, secrets: KeySecrets, keys: TrusteeKeys
) -> dict[str, bytes]:
    """The secrets of the ceremony, and the keys with their proofs, drawn once and for all.

    The keys are kept as an artifact that nobody has signed: a signature under another
    transcript than the one they are published with would be a second message.
    """
    scalars = (*secrets.vote.coefficients, *secrets.data.coefficients, secrets.zeta)
    unsigned = sign_statement(keys, group, base_hash, _Nobody())
    return {POLYNOMIALS: b"".join(map(group.encode_scalar, scalars)), KEYS: unsigned.data}


def share_nonces_value(group: Group, nonces: Iterable[mpz]) -> dict[str, bytes]:
    """The nonces of the shares that were sent, by ascending recipient."""
    return {SHARE_NONCES: b"".join(map(group.encode_scalar, nonces))}


def key_shares_value(group: Group, shares: KeyShares) -> dict[str, bytes]:
    """What stays after the ceremony."""
    return {KEY_SHARES: group.encode_scalar(shares.vote) + group.encode_scalar(shares.data)}


def nonce_key_value(key: NonceKey) -> dict[str, bytes]:
    """A session begins; what was there of an earlier one is gone."""
    return {SESSION: key.session.to_bytes(4, "big") + key.binding + _KEY + key.key}


def answers_value(
    group: Group, session: int, binding: bytes, answers: Iterable[mpz]
) -> dict[str, bytes]:
    """The answers of a session in the place of its key."""
    responses = b"".join(map(group.encode_scalar, answers))
    return {SESSION: session.to_bytes(4, "big") + binding + _ANSWERS + responses}


def leave(store: SecretStore) -> None:
    """Erase everything of an election; the identity stays. See `Trustee.leave`."""
    names = [name for name in store.secrets if name.startswith(_OURS)]
    if names:
        store.remove(names)


class _Nobody:
    """Signs nothing."""

    def sign(self, _: bytes, /) -> bytes:
        """No signature, in its width."""
        return bytes(64)


def _something_else(name: str) -> Malformed:
    return Malformed(name, "the key store holds something else under this name")


def _scalars(group: Group, data: bytes, name: str) -> Iterator[mpz]:
    width = group.parameters.scalar_width
    if len(data) % width:
        raise _something_else(name)
    return (
        group.parse_scalar(data[start : start + width], name)
        for start in range(0, len(data), width)
    )
