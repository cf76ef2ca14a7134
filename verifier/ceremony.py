"""The key ceremony: commitments, keys and confirmations, and the joint keys (V3, V4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz

from verifier.election import Election
from verifier.findings import Findings
from verifier.hashing import extended_base_hash, key_ceremony_hash
from verifier.schema import pb
from verifier.trustee_statements import TrusteeKeys, check_keys, key_commitment
from verifier.wire import Reader

_ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class JointKeys:
    """K, K-hat and H_E, as the rest of the record works with them.

    `alternatives` holds another H_E that the record may work with, where 4.A failed.
    """

    vote: mpz
    data: mpz
    extended_hash: bytes
    alternatives: tuple[bytes, ...] = ()


class Ceremony:
    """Follows the ceremony through the record."""

    def __init__(self, election: Election, findings: Findings) -> None:
        """Take the election; statements come through the methods below."""
        self._election = election
        self._group = election.group
        self._findings = findings
        self._commitments: dict[int, bytes] = {}
        self.keys: dict[int, TrusteeKeys] = {}

    # --- commitments and keys ----------------------------------------------------------

    def key_commitment(self, statement: pb.KeyCommitment, reader: Reader) -> None:
        """Keep what a trustee commits to."""
        commitment = reader.hash(statement.commitment, "the commitment")
        if commitment is not None:
            self._commitments[statement.trustee] = commitment

    def trustee_keys(self, statement: pb.TrusteeKeys, reader: Reader) -> None:
        """Check one trustee's keys, and keep them."""
        self.check_commitment(statement, reader)
        self.keys[statement.trustee] = check_keys(self._election, statement, reader)

    def check_commitment(self, statement: pb.TrusteeKeys, reader: Reader) -> None:
        """Check that keys are those the trustee committed to (R.key-commitment)."""
        committed = self._commitments.get(statement.trustee)
        if committed is not None:
            holds = committed == key_commitment(self._election.base_hash, statement)
            message = "the keys are not those that the trustee committed to"
            reader.findings.check("R.key-commitment", holds, reader.place, message, reader.culprit)

    # --- confirmations -----------------------------------------------------------------

    def key_confirmation(self, statement: pb.KeyConfirmation, reader: Reader) -> None:
        """Check that the trustee confirms these keys and this election."""
        base = reader.hash(statement.base_hash, "H_B")
        ceremony = reader.hash(statement.key_ceremony_hash, "H_G")
        if base is None or ceremony is None or not self._complete():
            return
        self._findings.check(
            "R.confirmation",
            base == self._election.base_hash and ceremony == self._ceremony_hash(),
            reader.place,
            "the trustee confirms another H_B or H_G than that of the published keys",
            reader.culprit,
            excused=self.refuted,
        )

    @property
    def refuted(self) -> bool:
        """Whether V2 has failed or keys are missing: then nothing more follows from them."""
        return self._findings.has_failed("2.A", "2.B", "2.C") or not self._complete()

    def _complete(self) -> bool:
        keys = self.keys.values()
        quorum = self._election.quorum
        return len(self.keys) == self._election.trustees and all(
            len(key.vote) == len(key.data) == quorum for key in keys
        )

    def _ordered(self) -> list[TrusteeKeys]:
        return [self.keys[i] for i in sorted(self.keys)]

    def _encodable(self, x: mpz) -> bytes:
        return self._group.element(x % self._group.p)

    def _ceremony_hash(self) -> bytes:
        keys = self._ordered()
        elements = [self.product("vote", 0), self.product("data", 0)]
        elements += [x for key in keys for x in key.vote]
        elements += [x for key in keys for x in key.data]
        elements += [key.communication for key in keys]
        return key_ceremony_hash(self._election.base_hash, [self._encodable(x) for x in elements])

    def product(self, which: str, m: int) -> mpz:
        """Return the product over all trustees of K_i,m ("vote") or K-hat_i,m ("data")."""
        result = mpz(1)
        for key in self.keys.values():
            column = key.vote if which == "vote" else key.data
            if m < len(column):
                result = result * column[m] % self._group.p
        return result

    # --- V3, V4 --------------------------------------------------------------------------

    def opening(self, statement: pb.Opening, reader: Reader) -> JointKeys:
        """Check 3.A, 3.B and 4.A, and decide on the keys that everything else uses."""
        recorded = [
            reader.ranged_element(statement.vote_key, "K"),
            reader.ranged_element(statement.data_key, "K-hat"),
        ]
        products = [self.product("vote", 0), self.product("data", 0)]
        if self._complete():
            for check, name, mine, theirs in zip(
                ("3.A", "3.B"), ("K", "K-hat"), products, recorded, strict=True
            ):
                if theirs is not None:
                    message = f"{name} is not the product of the trustees' keys"
                    self._findings.check(
                        check,
                        mine == theirs,
                        reader.place,
                        message,
                        _ADMINISTRATOR,
                        excused=self.refuted,
                    )
            # Under K = 1 every ciphertext decrypts to every value. All n trustees together
            # can make such a key, and every proof of theirs then holds.
            self._findings.check(
                "R.joint-keys",
                1 not in products,
                reader.place,
                "K or K-hat is 1, a key under which nothing is fixed and nothing is hidden",
                _ADMINISTRATOR,
            )
        return self._extended(statement, reader, recorded, products)

    def _extended(
        self,
        statement: pb.Opening,
        reader: Reader,
        recorded: Sequence[mpz | None],
        products: Sequence[mpz],
    ) -> JointKeys:
        """Check 4.A.

        A record in which only K was altered still works with the product of the
        trustees' keys, and its H_E shows it: so 4.A holds for either pair, and the pair
        it holds for is used from here on.
        """
        published = tuple(
            mine if theirs is None else theirs
            for theirs, mine in zip(recorded, products, strict=True)
        )
        pairs = [published]
        if self._findings.has_failed("3.A", "3.B") or None in recorded or self.refuted:
            pairs += [
                (products[0], products[1]),
                (published[0], products[1]),
                (products[0], published[1]),
            ]
        extended = reader.hash(statement.extended_base_hash, "H_E")
        hashes = [self._hash(vote, data) for vote, data in pairs]
        if extended is None or extended not in hashes:
            if extended is not None:
                message = "H_E is not the hash (30) of H_B, K and K-hat"
                self._findings.failed("4.A", reader.place, message, _ADMINISTRATOR)
            others = (extended,) if extended is not None else ()
            return JointKeys(pairs[0][0], pairs[0][1], hashes[0], others)
        self._findings.passed("4.A")
        vote, data = pairs[hashes.index(extended)]
        return JointKeys(vote, data, extended)

    def _hash(self, vote: mpz, data: mpz) -> bytes:
        return extended_base_hash(
            self._election.base_hash, self._encodable(vote), self._encodable(data)
        )

    def without_opening(self) -> JointKeys:
        """Return the keys that follow from the trustees' own, where no opening stands."""
        vote, data = self.product("vote", 0), self.product("data", 0)
        return JointKeys(vote, data, self._hash(vote, data))

    # --- shares of the secret ---------------------------------------------------------------

    def share_key(self, trustee: int) -> mpz:
        """Return g^P(i), the public counterpart of a trustee's share z_i (in eq. 94)."""
        most = max((len(key.vote) for key in self.keys.values()), default=0)
        return self.evaluate([self.product("vote", m) for m in range(most)], trustee)

    def evaluate(self, commitments: Sequence[mpz], trustee: int) -> mpz:
        """Return g to the value at a trustee of the polynomial that is committed to (14)."""
        group = self._group
        result = mpz(1)
        for m, commitment in enumerate(commitments):
            power = pow(trustee, m, int(group.q))
            result = result * group.power(commitment, power) % group.p
        return result
