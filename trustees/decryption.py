"""The rounds of one decryption session (spec 3.6.3 to 3.6.5), for one trustee.

    committing = Committing(session, key_shares, nonce_key)
    committing.part(n)                       # round 1: post d_i of every ciphertext
    revealing = committing.reveal(all_d)     # once everybody in U has posted
    revealing.part(n)                        # round 2: post M_i, a_i, b_i
    answers = revealing.answer(all_shares)   # checks every d_j; gives the secrets up
    answers.part(n)                          # round 3: post v_i

Messages are parts of at most 512 ciphertexts. A part is computed when it is asked for,
and every time the same: all of it follows from the session, the key share and the nonce
key, so that after a restart the same bytes go out. `answer` is the end of the nonce
key. Keep its answers before the first of them leaves, and erase the key with the same
write; an object answers once, and what has been written down can answer nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from crypto import sealing
from crypto.decryption_proof import partial_decryption
from crypto.errors import Rejected
from crypto.group import Group, mpz
from record.artifacts import (
    PART,
    Ballot,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionShare,
    DecryptionShares,
)
from record.decryption import combine, commitment_hash
from record.proofs import rejecting
from trustees.ceremony import KeyShares
from trustees.nonces import NonceKey, Session

COMMITMENT_CHECK = "R.decryption-commitment"
"""The id of the check that a share is what its trustee committed to (88)."""

_CACHED_PARTS = 64
"""Parts that stay in memory between rounds 1 and 2: with the standard group 50 MB."""


class _Part(Protocol):
    @property
    def session(self) -> int: ...
    @property
    def trustee(self) -> int: ...
    @property
    def first(self) -> int: ...


def part_count(session: Session) -> int:
    """How many parts each round has."""
    return -(-len(session.places) // PART)


def _range(session: Session, part: int) -> range:
    """The places of a part."""
    if not 0 <= part < part_count(session):
        raise ValueError(f"there is no part {part}")
    return range(PART * part, min(PART * (part + 1), len(session.places)))


@dataclass(frozen=True, slots=True, repr=False)
class Committing:
    """Round 1: a trustee that has a nonce key and has said nothing else yet. Secret."""

    session: Session
    key_shares: KeyShares
    nonce_key: NonceKey
    _cache: dict[int, tuple[DecryptionShare, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.nonce_key.binding != self.session.binding():
            raise ValueError("the nonce key is another session's")

    def __repr__(self) -> str:
        return f"Committing(session {self.session.number}, <redacted>)"

    def part(self, part: int) -> DecryptionCommitments:
        """d_i (88) of every ciphertext of a part."""
        session = self.session
        places = [session.places[x] for x in _range(session, part)]
        hashes = (
            commitment_hash(session.keys, place, session.trustee, share, session.trustees)
            for place, share in zip(places, self.shares(part), strict=True)
        )
        return DecryptionCommitments(session.number, session.trustee, PART * part, tuple(hashes))

    def reveal(self, commitments: Mapping[int, Sequence[DecryptionCommitments]]) -> Revealing:
        """Go on to round 2 with everybody's d_j: parts in order, by trustee, own ones included.

        Raises `Rejected` naming the trustee of U whose commitments are not all there.
        """
        _check_complete(self.session, commitments, "commitments")
        return Revealing(self, commitments)

    def shares(self, part: int) -> tuple[DecryptionShare, ...]:
        """M_i, a_i and b_i (84, 87). Secret until everybody has committed."""
        if part not in self._cache:
            if len(self._cache) >= _CACHED_PARTS:
                self._cache.pop(next(iter(self._cache)))
            self._cache[part] = tuple(map(self._share, _range(self.session, part)))
        return self._cache[part]

    def _share(self, x: int) -> DecryptionShare:
        group, pad = self.session.group, self.session.places[x].ciphertext.alpha
        u = self.nonce_key.nonce(group, x)
        return DecryptionShare(
            partial_decryption(group, pad, self.key_shares.vote),
            group.g_power(u),
            group.power_secret(pad, u),
        )


class Revealing:
    """Round 2: everybody has committed. Secret."""

    def __init__(
        self,
        committing: Committing,
        commitments: Mapping[int, Sequence[DecryptionCommitments]],
    ) -> None:
        """For `Committing.reveal` alone."""
        self._secret: Committing | None = committing
        self._session = committing.session
        self._commitments = commitments

    def __repr__(self) -> str:
        return f"Revealing(session {self._session.number}, <redacted>)"

    def part(self, part: int) -> DecryptionShares:
        """M_i, a_i and b_i of every ciphertext of a part.

        Raises `Rejected` if the commitments posted in this trustee's name are not its own.
        """
        secret, session = self._need_secret(), self._session
        if secret.part(part) != self._commitments[session.trustee][part]:
            raise _not_ours(session, part)
        return DecryptionShares(session.number, session.trustee, PART * part, secret.shares(part))

    def answer(self, shares: Mapping[int, Sequence[DecryptionShares]]) -> Answers:
        """Check every d_j against (M_j, a_j, b_j), combine, and compute all v_i (86-92).

        That the elements are in the subgroup was proved when they were read. Raises
        `Rejected` naming the trustee whose share is missing or not what it committed
        to; nothing has been answered then. A second call is a `ValueError`.
        """
        secret, session = self._need_secret(), self._session
        _check_complete(session, shares, "shares")
        responses: list[mpz] = []
        for part in range(part_count(session)):
            row = {j: shares[j][part].shares for j in session.trustees}
            self._check_commitments(part, row)
            responses.extend(_respond(secret, part, row))
        self._secret = None
        return Answers(session, tuple(responses))

    def _need_secret(self) -> Committing:
        if self._secret is None:
            raise ValueError("the challenges of this session have been answered")
        return self._secret

    def _check_commitments(self, part: int, row: Mapping[int, Sequence[DecryptionShare]]) -> None:
        session = self._session
        for j in session.trustees:
            hashes = self._commitments[j][part].commitments
            for x, share, d_j in zip(_range(session, part), row[j], hashes, strict=True):
                place = session.places[x]
                if commitment_hash(session.keys, place, j, share, session.trustees) != d_j:
                    raise Rejected(
                        COMMITMENT_CHECK,
                        "the share is not what d_i committed to",
                        culprit=f"trustee {j}",
                        where=f"ciphertext {x}",
                    )


def _respond(
    secret: Committing, part: int, row: Mapping[int, Sequence[DecryptionShare]]
) -> Iterator[mpz]:
    session, group = secret.session, secret.session.group
    i, z = session.trustee, secret.key_shares.vote
    for n, x in enumerate(_range(session, part)):
        u = secret.nonce_key.nonce(group, x)
        if row[i][n].a != group.g_power(u):
            raise _not_ours(session, part)
        joint = combine(session.keys, session.places[x], {j: row[j][n] for j in session.trustees})
        yield joint.respond(i, u, z)


@dataclass(frozen=True, slots=True, repr=False)
class Answers:
    """Round 3: the responses v_i (92), as public as they will be; no secret is left."""

    session: Session
    responses: tuple[mpz, ...]

    def __repr__(self) -> str:
        return f"Answers(session {self.session.number}, {len(self.responses)} responses)"

    def part(self, part: int) -> DecryptionResponses:
        """The responses of a part."""
        places = _range(self.session, part)
        responses = self.responses[places.start : places.stop]
        return DecryptionResponses(
            self.session.number, self.session.trustee, places.start, responses
        )


def _check_complete(session: Session, messages: Mapping[int, Sequence[_Part]], what: str) -> None:
    """Every part of everybody in U is there; sizes follow from the record's rules."""
    for j in session.trustees:
        parts = messages.get(j, ())
        expected = [(session.number, j, PART * n) for n in range(part_count(session))]
        if [(m.session, m.trustee, m.first) for m in parts] != expected:
            raise Rejected(
                "R.session",
                f"the {what} are not complete",
                culprit=f"trustee {j}",
                where=f"session {session.number}",
            )


def _not_ours(session: Session, part: int) -> Rejected:
    return Rejected(
        "P.key-store",
        "the record holds a message of this trustee that this key store did not make",
        culprit=f"trustee {session.trustee}",
        where=f"session {session.number}, part {part}",
        advice="is this an old copy of the key store, or is another machine using a copy?",
    )


# --- ballot nonces


def nonce_share(group: Group, ballot: Ballot, shares: KeyShares) -> mpz:
    """m_i = C_0^z-hat_i of a challenged ballot (spec 3.6.7, eq. 107). Not for the record.

    That the ballot is challenged is `policy.check_challenged`'s to say. The proof of (38)
    and the membership of C_0 are checked first: a C_0 of small order would give a part of
    z-hat_i away. Raises `Rejected` (R.nonce-proof) naming the device.
    """
    where = f"ballot {ballot.confirmation_code.hex()[:16]}, encrypted_nonce"
    with rejecting("R.nonce-proof", f"device {ballot.device}", where):
        sealing.verify_sealed_nonce(group, ballot.identifier_hash, ballot.encrypted_nonce)
    return partial_decryption(group, ballot.encrypted_nonce.c0, shares.data)
