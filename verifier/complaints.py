"""Complaints of shares, and the answers that open them (docs/record.md, "Complaints")."""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from gmpy2 import mpz

from verifier.ceremony import Ceremony
from verifier.conduct import Conduct
from verifier.election import Election
from verifier.findings import Findings, Place
from verifier.hashing import h, index
from verifier.schema import pb
from verifier.wire import Reader, parse_artifact

_WIDTH = 32
"""Bytes of one share inside C_1, whatever the width of q."""
_LABEL = b"share_enc_keys"
_CONTEXT = b"share_encrypt"


@dataclass(slots=True)
class _Complaint:
    """A complaint: its artifact, and whether it is answered."""

    artifact: int
    answered: bool = False


class Complaints:
    """Follows the complaints of every trustee."""

    def __init__(
        self,
        election: Election,
        ceremony: Ceremony,
        conduct: Conduct,
        reread: Callable[[int], bytes],
    ) -> None:
        """Take the ceremony, and how to read an artifact again."""
        self._election = election
        self._group = election.group
        self._ceremony = ceremony
        self._conduct = conduct
        self._reread = reread
        self._shares_at: dict[int, int] = {}
        self._last_read: tuple[int, pb.EncryptedShares] | None = None
        self._complaints: defaultdict[int, dict[int, _Complaint]] = defaultdict(dict)
        """By receiver, then by sender."""
        self._confirmed: set[int] = set()

    def shares(self, sender: int, artifact: int) -> None:
        """Take note of where a trustee's shares stand."""
        self._shares_at[sender] = artifact

    def complaint(self, statement: pb.ShareComplaint, reader: Reader) -> None:
        """Check that a complaint may be made (R.complaint)."""
        receiver, sender = statement.trustee, statement.sender
        problem = ""
        if sender == receiver or not 1 <= sender <= self._election.trustees:
            problem = f"it complains of {sender}, who is no other trustee"
        elif sender in self._complaints[receiver]:
            problem = f"it has complained of trustee {sender} before"
        elif receiver in self._confirmed:
            problem = "it complains after its own confirmation"
        reader.findings.check("R.complaint", not problem, reader.place, problem, reader.culprit)
        if not problem or receiver in self._confirmed:
            number = reader.place.artifact or 0
            self._complaints[receiver].setdefault(sender, _Complaint(number))

    def answer(self, statement: pb.ShareAnswer, reader: Reader) -> None:
        """Check an answer (R.share-answer); a right one shows that the complaint was false."""
        complaint = self._complaints[statement.recipient].get(statement.trustee)
        problem = ""
        if complaint is None:
            problem = f"trustee {statement.recipient} has not complained of this trustee"
        elif complaint.answered:
            problem = f"the complaint of trustee {statement.recipient} is answered already"
        if complaint is None or problem:
            # Nothing that is signed covers the complaint: the server can have left it out.
            reader.findings.failed("R.share-answer", reader.place, problem, "server")
            return
        complaint.answered = True
        if self.check_answer(statement, reader):
            answer = reader.place.artifact or 0
            self._conduct.false_complaint(
                statement.recipient, statement.trustee, complaint.artifact, answer
            )

    def awaits(self, receiver: int, sender: int) -> bool:
        """Whether a complaint waits for its answer."""
        complaint = self._complaints[receiver].get(sender)
        return complaint is not None and not complaint.answered

    def confirmation(self, trustee: int, reader: Reader) -> None:
        """Check that whoever confirms has no complaint without an answer (R.complaint)."""
        self._confirmed.add(trustee)
        for sender, complaint in self._complaints[trustee].items():
            if not complaint.answered:
                message = f"it confirms while its complaint of trustee {sender} is unanswered"
                reader.findings.failed("R.complaint", reader.place, message, reader.culprit)

    # --- the opened share ------------------------------------------------------------------

    def check_answer(self, statement: pb.ShareAnswer, reader: Reader) -> bool:
        """Check that a nonce opens its share, and that the share fits (15-23, 28, 29)."""
        nonce = reader.ranged_scalar(statement.nonce, "the nonce")
        if nonce is None or self._ceremony.refuted:
            return False
        problem = self._misfit(statement.trustee, statement.recipient, nonce)
        return reader.findings.check(
            "R.share-answer", not problem, reader.place, problem, reader.culprit
        )

    def _misfit(self, sender: int, receiver: int, nonce: mpz) -> str:
        keys = self._ceremony.keys
        sealed = self._sealed(sender, receiver)
        if sealed is None or sender not in keys or receiver not in keys:
            return f"there is no share for trustee {receiver}"
        alpha = self._group.g_power(nonce)
        if sealed[0] != alpha:
            return f"C_0 of the share for trustee {receiver} is not g to this nonce"
        shares = self._open(sender, receiver, alpha, nonce, sealed[1])
        for share, commitments in zip(shares, (keys[sender].vote, keys[sender].data), strict=True):
            if share >= self._group.q:
                return f"the opened share for trustee {receiver} is not below q"
            if self._group.g_power(share) != self._ceremony.evaluate(commitments, receiver):
                return f"the opened share for trustee {receiver} does not fit the commitments"
        return ""

    def _sealed(self, sender: int, receiver: int) -> tuple[mpz, bytes] | None:
        """C_0 and C_1 of a share, as it was published; None if there is none to open."""
        if sender not in self._shares_at:
            return None
        # Wrong widths were reported when the shares were read first.
        quiet = Reader(self._group, Findings(), Place(), "")
        for share in self._read(sender).shares:
            if share.recipient == receiver and len(share.c1) == 2 * _WIDTH:
                return quiet.element(share.c0, "C_0"), share.c1
        return None

    def _read(self, sender: int) -> pb.EncryptedShares:
        """Read a trustee's shares again, if they are not those that were read last."""
        if self._last_read is None or self._last_read[0] != sender:
            artifact, _ = parse_artifact(self._reread(self._shares_at[sender]))
            assert artifact is not None, "the bytes are those that were parsed before"
            self._last_read = sender, artifact.encrypted_shares
        return self._last_read[1]

    def _open(
        self, sender: int, receiver: int, alpha: mpz, nonce: mpz, sealed: bytes
    ) -> tuple[mpz, mpz]:
        """P_i(l) and P-hat_i(l) (16-18, 23)."""
        group = self._group
        kappa = self._ceremony.keys[receiver].communication % group.p
        parts = [group.element(x) for x in (kappa, alpha, group.power(kappa, nonce))]
        pair = index(sender) + index(receiver)
        key = h(self._election.parameter_hash, 0x11, pair, *parts)
        opened = []
        for counter in (1, 2):
            data = bytes((counter,)) + _LABEL + b"\0" + _CONTEXT + pair + b"\x02\x00"
            mask = hmac.digest(key, data, "sha256")
            piece = sealed[_WIDTH * (counter - 1) : _WIDTH * counter]
            opened.append(mpz(int.from_bytes(piece, "big") ^ int.from_bytes(mask, "big")))
        return opened[0], opened[1]
