"""One trustee's share of one ciphertext: its commitment (88) and its proof (94, 95)."""

from __future__ import annotations

from dataclasses import dataclass

from gmpy2 import mpz

from verifier.ceremony import Ceremony, JointKeys
from verifier.counting import Counting, Option, candidates
from verifier.election import Election
from verifier.findings import Place
from verifier.hashing import HASH_WIDTH, available, h, index
from verifier.proofs import decryption_challenge
from verifier.schema import pb
from verifier.sessions import Session
from verifier.tally import EncryptedCell, usable
from verifier.wire import Reader


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


class Shares:
    """Checks shares against the encrypted tallies and the trustees' keys."""

    def __init__(
        self, election: Election, keys: JointKeys, ceremony: Ceremony, counting: Counting
    ) -> None:
        """Take what the shares are checked against."""
        self._group = election.group
        self._keys = keys
        self._ceremony = ceremony
        self._commitments_hold = not ceremony.refuted
        self._counting = counting
        self._ciphertexts = counting.ciphertexts()
        self._share_keys: dict[int, mpz] = {}

    def __len__(self) -> int:
        """How many ciphertexts there are."""
        return len(self._ciphertexts)

    def place(self, place: Place, i: int) -> Place:
        """Say which ciphertext is meant."""
        cell, option = self._ciphertexts[i]
        label = cell.contest.options[option]
        return place.at(unit=cell.unit, contest=cell.contest.label, option=label)

    def option(self, i: int) -> Option | None:
        """Return the published decryption of a ciphertext, if there is one."""
        cell, option = self._ciphertexts[i]
        return self._counting.decrypted.get((cell.unit, cell.contest.label), {}).get(option)

    def ciphertexts(self, i: int) -> list[tuple[mpz, mpz]]:
        """Return what the shares of ciphertext i may be of: usually one (A, B)."""
        cell, option = self._ciphertexts[i]
        return [pair for pair in candidates(cell, option) if usable(self._group, pair)]

    def _context(self, i: int) -> tuple[EncryptedCell, tuple[int, int]]:
        cell, option = self._ciphertexts[i]
        return cell, (cell.contest.index, option + 1)

    def opens(self, session: Session, share: Share, i: int) -> bool:
        """Whether the trustee's d_i is the hash (88) of its share."""
        kept = session.digests.get(share.trustee, bytearray())
        recorded = bytes(kept[i * HASH_WIDTH : (i + 1) * HASH_WIDTH])
        _, (contest, option) = self._context(i)
        context = index(contest) + index(option) + index(share.trustee)
        element = self._group.element
        tail = (
            element(share.a),
            element(share.b),
            element(share.factor),
            available(session.trustees),
        )
        return any(
            recorded == h(self._keys.extended_hash, 0x30, context, element(a), element(b), *tail)
            for a, b in self.ciphertexts(i)
        )

    def challenge(self, session: Session, i: int, ciphertext: tuple[mpz, mpz]) -> mpz:
        """Return c of a ciphertext, recomputed from all shares (90)."""
        _, indices = self._context(i)
        combined = session.combined[i]
        commitments = (combined.a, combined.b)
        return mpz(
            decryption_challenge(
                self._group,
                self._keys.extended_hash,
                indices,
                ciphertext,
                commitments,
                combined.factor,
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
        published = self.option(i) if session.last else None
        for ciphertext in self.ciphertexts(i):
            challenges = [self.challenge(session, i, ciphertext)]
            if published is not None and published.proven and published.challenge is not None:
                challenges.append(published.challenge)
            if any(
                self._holds(session, share, ciphertext[0], c, response)
                for c in dict.fromkeys(challenges)
            ):
                return True
        return False

    def _holds(
        self, session: Session, share: Share, alpha: mpz, challenge: mpz, response: mpz
    ) -> bool:
        """Check (94) and (95); (94) says nothing once V2 has refuted the commitments."""
        group, trustee = self._group, share.trustee
        c = challenge * group.lagrange(trustee, session.trustees) % group.q
        if self._commitments_hold:
            if trustee not in self._share_keys:
                self._share_keys[trustee] = self._ceremony.share_key(trustee)
            key = self._share_keys[trustee]
            if group.g_power(response) * group.power(key, c) % group.p != share.a:
                return False
        b = group.power(alpha, response) * group.power(share.factor, c) % group.p
        return bool(b == share.b)
