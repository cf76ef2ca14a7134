"""One trustee's share of one ciphertext: its commitment (88) and its proof (94, 95)."""

from __future__ import annotations

from dataclasses import dataclass

from gmpy2 import mpz

from verifier.batch import Claim, Equation
from verifier.ceremony import Ceremony
from verifier.election import Election
from verifier.findings import Place
from verifier.group import Weights
from verifier.hashing import HASH_WIDTH, available, h, index
from verifier.multipower import interleaved
from verifier.proofs import decryption_challenge
from verifier.schema import pb
from verifier.sessions import Session
from verifier.targets import Target
from verifier.wire import Reader

_MANY = 40
"""Trustees of a session for whom weights are computed one by one: all at once costs the square."""


@dataclass(frozen=True, slots=True)
class Share:
    """M_i, a_i and b_i of trustee i."""

    trustee: int
    factor: mpz
    a: mpz
    b: mpz

    def numbers(self) -> tuple[mpz, mpz, mpz]:
        """Return all three."""
        return self.factor, self.a, self.b


def read_share(trustee: int, share: pb.DecryptionShare, reader: Reader, place: Place) -> Share:
    """Decode a share and report wrong widths."""
    return Share(
        trustee,
        reader.element(share.partial_decryption, "M_i", place),
        reader.element(share.a, "a_i", place),
        reader.element(share.b, "b_i", place),
    )


def target_of(session: Session) -> Target:
    """Return what a session decrypts; parts are admitted only where there is something."""
    assert session.target is not None, "parts of such a session are passed over"
    return session.target


class Shares:
    """Checks shares against what they decrypt and the trustees' keys."""

    def __init__(self, election: Election, ceremony: Ceremony) -> None:
        """Take what the shares are checked against."""
        self._group = election.group
        self._ceremony = ceremony
        self._share_keys: dict[int, mpz] = {}
        self._weights: tuple[tuple[int, ...], Weights] | None = None

    def opens(self, session: Session, share: Share, i: int) -> bool:
        """Whether the trustee's d_i is the hash (88) of its share."""
        kept = session.digests.get(share.trustee, bytearray())
        recorded = bytes(kept[i * HASH_WIDTH : (i + 1) * HASH_WIDTH])
        contest, option = target_of(session).indices(i)
        context = index(contest) + index(option) + index(share.trustee)
        element = self._group.element
        tail = (
            element(share.a),
            element(share.b),
            element(share.factor),
            available(session.trustees),
        )
        extended = session.keys.extended_hash
        return any(
            recorded == h(extended, 0x30, context, element(a), element(b), *tail)
            for a, b in target_of(session).ciphertexts(i)
        )

    def weigh(self, session: Session, share: Share) -> mpz:
        """Return what a share contributes to M (86), before `factor` takes the common root."""
        weights, trustee = self._weights_of(session), share.trustee
        if weights is None:
            weight = int(self._group.lagrange(trustee, session.trustees))
        else:
            weight = weights.numerators[trustee]
        return self._group.power(share.factor, weight)

    def factor(self, session: Session, i: int) -> mpz:
        """Return M of a ciphertext (86), when all shares are there."""
        combined, weights = session.combined[i], self._weights_of(session)
        if not combined.rooted and weights is not None:
            combined.factor = self._group.power(combined.factor, weights.root)
        combined.rooted = True
        return combined.factor

    def _weights_of(self, session: Session) -> Weights | None:
        """Return the weights of a session's trustees; None where there are very many."""
        if len(session.trustees) > _MANY:
            return None
        if self._weights is None or self._weights[0] != session.trustees:
            self._weights = session.trustees, Weights.of(session.trustees, self._group.q)
        return self._weights[1]

    def challenge(self, session: Session, i: int, ciphertext: tuple[mpz, mpz]) -> mpz:
        """Return c of a ciphertext, recomputed from all shares (90)."""
        combined = session.combined[i]
        factor = self.factor(session, i)
        commitments = (combined.a, combined.b)
        return mpz(
            decryption_challenge(
                self._group,
                session.keys.extended_hash,
                target_of(session).indices(i),
                ciphertext,
                commitments,
                factor,
            )
        )

    def proven(self, session: Session, share: Share, i: int, response: mpz) -> bool:
        """Whether a share's proof holds; the share is in the group.

        c is recomputed from all shares. If another trustee's share was altered, that c is
        wrong for everybody; a published decryption whose proof holds then vouches for the
        right one, so that only the altered share fails. It can vouch for the session that
        it combines and for no other: R.combination then sees to it that a share which
        holds under the published c alone does not pass.
        """
        published = target_of(session).option(i) if session.last else None
        for ciphertext in target_of(session).ciphertexts(i):
            challenges = [self.challenge(session, i, ciphertext)]
            if published is not None and published.proven and published.challenge is not None:
                challenges.append(published.challenge)
            if any(
                self._holds(session, share, ciphertext[0], c, response)
                for c in dict.fromkeys(challenges)
            ):
                return True
        return False

    def answers(self, session: Session, share: Share, i: int, response: mpz) -> bool:
        """Whether a response fits under the c of the record's shares, whatever is published."""
        return any(
            self._holds(session, share, pair[0], self.challenge(session, i, pair), response)
            for pair in target_of(session).ciphertexts(i)
        )

    def _holds(
        self, session: Session, share: Share, alpha: mpz, challenge: mpz, response: mpz
    ) -> bool:
        """Check (94) and (95); (94) says nothing once V2 has refuted the commitments."""
        group, trustee = self._group, share.trustee
        c = challenge * group.lagrange(trustee, session.trustees) % group.q
        if not self._ceremony.refuted:
            key = self._share_key(trustee)
            if group.g_power(response) * group.power(key, c) % group.p != share.a:
                return False
        b = interleaved((alpha, share.factor), (int(response), int(c)), group.p)
        return bool(b == share.b)

    def _share_key(self, trustee: int) -> mpz:
        if trustee not in self._share_keys:
            self._share_keys[trustee] = self._ceremony.share_key(trustee)
        return self._share_keys[trustee]

    def claim(self, session: Session, share: Share, i: int, response: mpz) -> Claim | None:
        """Return (94) and (95) as a claim for a batch; None where `proven` has to look.

        The share is in the group. That the claim holds says what `proven` would find first.
        """
        ciphertexts = target_of(session).ciphertexts(i)
        if not ciphertexts or response == 0:
            return None
        group, trustee, claim = self._group, share.trustee, Claim()
        alpha, v = ciphertexts[0][0], int(response)
        challenge = self.challenge(session, i, ciphertexts[0])
        c = int(challenge * group.lagrange(trustee, session.trustees) % group.q)
        if not self._ceremony.refuted:
            key = self._share_key(trustee)
            claim.equations.append(Equation(share.a, v, 0, (), (key, c)))
        terms = ((claim.base(alpha), v), (claim.base(share.factor), c))
        claim.equations.append(Equation(share.b, 0, 0, terms))
        return claim
