"""The rounds of one decryption session (spec 3.6.3 to 3.6.5), for one trustee.

    committing = Committing(session, key_shares, nonce_key, resources)
    committing.part(n)                       # round 1: post d_i of every ciphertext
    revealing = committing.reveal(all_d)     # once everybody in U has posted
    revealing.part(n)                        # round 2: post M_i, a_i, b_i
    answers = revealing.answer(all_shares)   # checks every d_j; gives the secrets up
    answers.part(n)                          # round 3: post v_i

Messages are parts of at most 512 ciphertexts. A part is computed when it is asked for (and
those behind it meanwhile, where there are processes for it), and every time the same: all
of it follows from the session, the key share and the nonce key, so that after a restart
the same bytes go out. What was computed is kept in the scratch and not computed again.
`answer` is the end of the nonce key. Keep its answers before the first of them leaves, and
erase the key with the same write; an object answers once, and what has been written down
can answer nothing else. Then clear the scratch.

What a trustee checks of the others, and what it does not. Before it answers, it checks
every d_j, and it does not prove membership of M_j, a_j and b_j, nor the responses v_j.
Its own secrets need no more:

- It gives away M_i, a_i = g^u_i, b_i = A^u_i and v_i = u_i - c_i z_i, once for each u_i.
  None of these is computed from an element that another trustee has sent. A is in the
  subgroup: it is a product of ballots' ciphertexts that were proved when they were read,
  one of those ciphertexts, or that of a drill, and so M_i and b_i hold z_i and u_i in
  the exponent of an element of order q and nowhere else.
- The others' elements enter v_i through c_i alone, and v_i is harmless whatever number
  c_i is, as long as nobody chose it knowing a_i and b_i otherwise than by evaluating H.
  Suppose somebody without z_i, but with M_i and g^z_i, plays this trustee, H being a
  random function. It posts a random d_i, and before it shows anything it reads, from
  what the others have asked H, the M_j, a_j and b_j that each d_j stands for. Then it
  draws c_i and v_i, makes a_i = g^v_i (g^z_i)^c_i and b_i = A^v_i M_i^c_i, lets d_i be
  the hash of these, and lets H at (A, B, a, b, M) be c_i / w_i. Nobody has asked for
  either before, since a_i is random. What it shows is distributed as the trustee's own
  messages are, so those say no more about z_i than M_i and g^z_i do. Nowhere in this do
  the others' elements have to be in the subgroup: a, b and M are a fixed function of
  them, whatever they are. But every d_j has to be kept to. If somebody could exchange
  a_j after seeing a_i, it would be known too late where H will be asked; that is how c_i
  could be chosen. Hence that check, always, of everybody, before the first answer.
- That all who answer have read the same messages is what `transcript` says: a response
  is signed along with the root of a log that ends with the last share.

The others' proofs decide whether the result is right, and who is to blame if it is not.
The board makes those checks (R.decryption-share) before it takes a message, and the
verifier makes them again; a trustee that made them too would spend more on every other
trustee than on its own part. Against an M_j outside the subgroup, which a false board may
let through, a trustee's response is worth nothing (`combine_shares`); the record is then
refuted by M_j, and no later response counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from crypto import sealing
from crypto.decryption_proof import partial_decryption, respond
from crypto.errors import Rejected
from crypto.group import Group, mpz
from record.artifacts import (
    PART,
    UNSEEN,
    Ballot,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionShare,
    DecryptionShares,
)
from record.proofs import rejecting
from trustees.ceremony import KeyShares
from trustees.nonces import NonceKey, Session
from trustees.own_parts import (
    OwnParts,
    Progress,
    Resources,
    part_count,
    part_places,
    part_range,
)
from trustees.parts import (
    COMMITMENT_CHECK,
    HASH,
    Header,
    PostedPart,
    ShareMaker,
    make_challenges,
    pack_shares,
    unpack_hashes,
    unpack_scalars,
    unpack_shares,
)

__all__ = [
    "COMMITMENT_CHECK",
    "Answers",
    "Committing",
    "Progress",
    "Resources",
    "Revealing",
    "nonce_share",
    "part_count",
]

_CHALLENGES = "challenges"


class _Part(Protocol):
    @property
    def session(self) -> int: ...
    @property
    def trustee(self) -> int: ...
    @property
    def first(self) -> int: ...


# --- the rounds


class Committing:
    """Round 1: a trustee that has a nonce key and has said nothing else yet. Secret."""

    def __init__(
        self,
        session: Session,
        key_shares: KeyShares,
        nonce_key: NonceKey,
        resources: Resources | None = None,
    ) -> None:
        """By default everything is computed in this process and kept in memory."""
        if nonce_key.binding != session.binding():
            raise ValueError("the nonce key is another session's")
        self.session = session
        self.resources = Resources() if resources is None else resources
        self.maker = ShareMaker(Header.of(session), key_shares.vote, nonce_key)
        self.own = OwnParts(self.maker, session, self.resources)

    def __repr__(self) -> str:
        return f"Committing(session {self.session.number}, <redacted>)"

    def part(self, part: int) -> DecryptionCommitments:
        """d_i (88) of every ciphertext of a part."""
        session, where = self.session, part_range(self.session, part)
        hashes = unpack_hashes(self.own.need(part)[-HASH * len(where) :])
        return DecryptionCommitments(session.number, session.trustee, where.start, hashes)

    def shares(self, part: int) -> tuple[DecryptionShare, ...]:
        """M_i, a_i and b_i (84, 87). Secret until everybody has committed."""
        packed = self.own.need(part)[: -HASH * len(part_range(self.session, part))]
        return unpack_shares(self.session.group, packed)

    def reveal(self, commitments: Mapping[int, Sequence[DecryptionCommitments]]) -> Revealing:
        """Go on to round 2 with everybody's d_j: parts in order, by trustee, own ones included.

        Raises `Rejected` naming the trustee of U whose commitments are not all there.
        """
        _check_complete(self.session, commitments, "commitments")
        return Revealing(self, commitments)

    def close(self) -> None:
        """Stop what is being computed ahead: nobody will ask for it."""
        self.own.close()


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
        posted = self._commitments[session.trustee][part]
        if secret.part(part) != replace(posted, transcript=UNSEEN):
            raise _not_ours(session, part)
        return DecryptionShares(session.number, session.trustee, PART * part, secret.shares(part))

    def answer(self, shares: Mapping[int, Sequence[DecryptionShares]]) -> Answers:
        """Check every d_j against (M_j, a_j, b_j), combine, and compute all v_i (86-92).

        Each message of `shares` is looked at once, in the order of the parts. Raises
        `Rejected` naming the trustee whose share is missing or not what it committed to;
        nothing has been answered then. A second call is a `ValueError`.
        """
        secret, session = self._need_secret(), self._session
        _check_count(session, shares, "shares")
        packed = self._challenges(secret, shares)
        challenges = chain.from_iterable(unpack_scalars(session.group, c) for c in packed)
        responses = tuple(_respond(secret.maker, challenges))
        self._secret = None
        secret.close()
        return Answers(session, responses)

    def _need_secret(self) -> Committing:
        if self._secret is None:
            raise ValueError("the challenges of this session have been answered")
        return self._secret

    def _challenges(
        self, secret: Committing, shares: Mapping[int, Sequence[DecryptionShares]]
    ) -> list[bytes]:
        """Every c_i, a part after the other; they are public, and so is all they come from."""
        session, scratch, resources = self._session, secret.own.scratch, secret.resources
        found: dict[int, bytes] = {}
        begun: deque[tuple[int, bytes]] = deque()

        def tasks() -> Iterator[PostedPart]:
            for part in range(part_count(session)):
                posted = self._posted(shares, part)
                self._check_ours(secret, part, posted)
                digest = posted.digest()
                known = scratch.get(_CHALLENGES, part, digest)
                if known is None:
                    begun.append((part, digest))
                    yield posted
                else:
                    found[part] = known

        results = resources.executor.map(
            make_challenges, secret.maker.header, tasks(), part_count(session)
        )
        with closing(results):
            for challenges in results:
                part, digest = begun.popleft()
                scratch.put(_CHALLENGES, part, challenges, digest)
                found[part] = challenges
                resources.progress(
                    part_range(session, part).stop, len(session.places), "joint challenges"
                )
        return [found[part] for part in range(part_count(session))]

    def _posted(self, shares: Mapping[int, Sequence[DecryptionShares]], part: int) -> PostedPart:
        session, places = self._session, part_places(self._session, part)
        packed = []
        for j in session.trustees:
            message = shares[j][part]
            _check_part(session, j, part, message, "shares")
            packed.append(pack_shares(session.group, message.shares))
        hashes = (b"".join(self._commitments[j][part].commitments) for j in session.trustees)
        return PostedPart(places.first, places.places, tuple(hashes), tuple(packed))

    def _check_ours(self, secret: Committing, part: int, posted: PostedPart) -> None:
        """What stands in this trustee's name is its own: nothing else is answered."""
        session = self._session
        where, at = part_range(session, part), session.trustees.index(session.trustee)
        known = secret.own.known(part)
        if known is not None:
            ours = known == posted.shares[at] + posted.commitments[at]
        else:  # The scratch was lost. That a_i is ours says it, for d_i covers the rest.
            group, key = session.group, secret.maker.nonce_key
            ours = all(
                share.a == group.g_power(key.nonce(group, x))
                for x, share in zip(where, unpack_shares(group, posted.shares[at]), strict=True)
            )
        if not ours:
            raise _not_ours(session, part)


def _respond(maker: ShareMaker, challenges: Iterator[mpz]) -> Iterator[mpz]:
    group, key = maker.header.group, maker.nonce_key
    for x, challenge in enumerate(challenges):
        yield respond(group, key.nonce(group, x), maker.vote_share, challenge)


@dataclass(frozen=True, slots=True, repr=False)
class Answers:
    """Round 3: the responses v_i (92), as public as they will be; no secret is left."""

    session: Session
    responses: tuple[mpz, ...]

    def __repr__(self) -> str:
        return f"Answers(session {self.session.number}, {len(self.responses)} responses)"

    def part(self, part: int) -> DecryptionResponses:
        """The responses of a part."""
        places = part_range(self.session, part)
        responses = self.responses[places.start : places.stop]
        return DecryptionResponses(
            self.session.number, self.session.trustee, places.start, responses
        )


def _check_complete(session: Session, messages: Mapping[int, Sequence[_Part]], what: str) -> None:
    """Every part of everybody in U is there; sizes follow from the record's rules."""
    _check_count(session, messages, what)
    for j in session.trustees:
        for part, message in enumerate(messages[j]):
            _check_part(session, j, part, message, what)


def _check_count(session: Session, messages: Mapping[int, Sequence[_Part]], what: str) -> None:
    for j in session.trustees:
        if len(messages.get(j, ())) != part_count(session):
            raise _incomplete(session, j, what)


def _check_part(session: Session, j: int, part: int, message: _Part, what: str) -> None:
    if (message.session, message.trustee, message.first) != (session.number, j, PART * part):
        raise _incomplete(session, j, what)


def _incomplete(session: Session, j: int, what: str) -> Rejected:
    return Rejected(
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
