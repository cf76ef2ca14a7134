"""A voting device at work: its machine, and the line to the ballot box.

    terminal = Terminal(Line(machine, ballot_box))
    terminal.begin()                        # sends what a sudden end may have left, too
    code, receipt = terminal.submit("unit-4", "full", {"president": {"abai": 1}})
    terminal.cast(code)                     # or challenge(code), with the voter's file
    terminal.close()

Where the line is down there is no receipt (None): the code is provisional, a promise of
this device alone until the ballot is on the record. What cannot be sent stays in the
journal, and nothing overtakes it: the chain on the record is the chain of the device.
"""

from __future__ import annotations

from ballotbox.challenges import ChallengeFile
from ballotbox.encryption import Selections
from ballotbox.errors import NotConnected
from ballotbox.journal import Kind
from ballotbox.line import Line
from ballotbox.receipts import Receipt
from record.artifacts import Ballot


class Terminal:
    """One device, for one voter after the other."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._machine = line.machine

    def begin(self) -> None:
        """Begin the chain. Doing so again does nothing more but to send what waits."""
        self._machine.begin()
        self.line.deliver()

    def submit(self, unit: str, style: str, selections: Selections) -> tuple[bytes, Receipt | None]:
        """Encrypt and submit a ballot; returns its code (32 bytes) and the first receipt."""
        self.line.check()
        ballot = self._machine.encrypt(unit, style, selections).statement
        if not isinstance(ballot, Ballot):
            raise AssertionError("a machine encrypts ballots")
        code = ballot.confirmation_code
        return code, self._receipt(Kind.BALLOT, code)

    def cast(self, code: bytes) -> Receipt | None:
        """Cast a submitted ballot; its secrets are erased.

        Returns the receipt; of a ballot that was cast before, the best that there is now.
        Raises NotConnected after `close` while the line is down (`_check_late`).
        """
        self._check_late(code)
        self._machine.cast(code)
        return self._decided(Kind.CAST, code)

    def challenge(self, code: bytes) -> tuple[Receipt | None, ChallengeFile]:
        """Challenge a submitted ballot; returns the receipt and raises as `cast` does.

        The voter's file comes with it, with or without a line.
        """
        self._check_late(code)
        self._machine.challenge(code)
        receipt = self._decided(Kind.CHALLENGE, code)
        return receipt, self._machine.challenge_file(code)

    def receipt(self, code: bytes) -> Receipt | None:
        """The receipt of a ballot, or of its decision, once more and as it is best now.

        By now witnesses may have signed a checkpoint that covers it.
        """
        return self.line.receipt(code)

    def close(self) -> bool:
        """End the chain; whether the record has its end.

        Cast and challenge go on until the polls close, while the line is up.
        """
        self._machine.close()
        self.line.deliver()
        return self._machine.waiting() == 0

    def _check_late(self, code: bytes) -> None:
        """After the end of the chain the polls may close at any time: no promise without a line.

        A decision that is known already is no new promise.
        """
        if not self._machine.closed or self._machine.status(code).decision is not None:
            return
        if self.line.deliver() is None:
            raise NotConnected(
                "the device has closed, and a ballot can only be decided while the server is there",
                "Try again when there is a connection, before the polls close.",
            )

    def _decided(self, kind: Kind, code: bytes) -> Receipt | None:
        receipt = self._receipt(kind, code)
        if receipt is None and self._machine.closed and self._machine.status(code).index is None:
            raise NotConnected(
                "the decision is kept, but the connection was lost before the server had it",
                "Say it again: it counts only if the server has it before the polls close.",
            )
        return receipt

    def _receipt(self, kind: Kind, code: bytes) -> Receipt | None:
        sent = self.line.deliver()
        if sent is None:
            return None
        for message in sent:
            if (message.kind, message.code) == (kind, code):
                return message.receipt
        return self.line.receipt(code)
