"""A voting device at work: its machine, and the ballot box to which it sends.

    terminal.resume()                       # what a sudden end may have left unsent
    terminal.begin()
    code, receipt = terminal.submit("unit-4", "full", {"president": {"abai": 1}})
    terminal.cast(code)                     # or challenge(code), with the voter's file
    terminal.close()

What cannot be sent stays in the journal, and nothing overtakes it: the chain on the
record is the chain of the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ballotbox.challenges import ChallengeFile
from ballotbox.device import DeviceMachine
from ballotbox.encryption import Selections
from ballotbox.journal import Kind, Outgoing
from ballotbox.receipts import Receipt
from crypto.errors import Rejected


class Decision(Protocol):
    """Where a decision stands, and its receipt."""

    @property
    def index(self) -> int:
        """The index in the record."""
        ...

    @property
    def receipt(self) -> Receipt:
        """The receipt."""
        ...


class BallotBox(Protocol):
    """Takes a device's artifacts; `client.DeviceClient` is one."""

    def register(self, artifact: bytes) -> int:
        """Begin the chain."""
        ...

    def submit(self, artifact: bytes) -> Receipt:
        """Submit a ballot."""
        ...

    def cast(self, code: bytes, artifact: bytes) -> Decision:
        """Cast it."""
        ...

    def challenge(self, code: bytes, artifact: bytes) -> Decision:
        """Challenge it."""
        ...

    def receipt(self, code: bytes) -> Receipt:
        """The receipt of the ballot's decision, or of the ballot, as it is best now."""
        ...

    def close(self, artifact: bytes) -> int:
        """End the chain."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a message stands in the record, and its receipt if there is one."""

    index: int
    receipt: Receipt | None


class Terminal:
    """One device and its ballot box."""

    def __init__(self, machine: DeviceMachine, ballot_box: BallotBox) -> None:
        self._machine = machine
        self._ballot_box = ballot_box
        self._send: dict[Kind, Callable[[Outgoing], Sent]] = {
            Kind.BEGIN: lambda m: Sent(ballot_box.register(m.data), None),
            Kind.BALLOT: lambda m: _submitted(ballot_box.submit(m.data)),
            Kind.CAST: lambda m: _decided(ballot_box.cast(_code(m), m.data)),
            Kind.CHALLENGE: lambda m: _decided(ballot_box.challenge(_code(m), m.data)),
            Kind.CLOSE: lambda m: Sent(ballot_box.close(m.data), None),
        }

    def resume(self) -> tuple[Sent, ...]:
        """Send what the server has not acknowledged, in order, and say where it stands.

        Raises whatever the ballot box does at the first message that does not go
        through; that one and those after it stay where they are.
        """
        sent = []
        for message in self._machine.outgoing():
            sent.append(self._send[message.kind](message))
            self._machine.acknowledge(message, sent[-1].index)
        return tuple(sent)

    def begin(self) -> None:
        """Begin the chain. Doing so again does nothing more."""
        self._machine.begin()
        self.resume()

    def submit(self, unit: str, style: str, selections: Selections) -> tuple[bytes, Receipt]:
        """Encrypt and submit a ballot; returns its code (32 bytes) and the first receipt."""
        self.resume()
        self._machine.encrypt(unit, style, selections)
        receipt = self._last_receipt()
        if receipt is None:
            raise AssertionError("a ballot box answers a ballot with a receipt")
        return receipt.confirmation_code, receipt

    def cast(self, code: bytes) -> Receipt:
        """Cast a submitted ballot; its secrets are erased.

        Returns the receipt; of a ballot that was cast before, the best that there is now.
        """
        self._machine.cast(code)
        return self._last_receipt() or self.receipt(code)

    def challenge(self, code: bytes) -> tuple[Receipt, ChallengeFile]:
        """Challenge a submitted ballot; returns the receipt, as `cast`, and the voter's file."""
        self._machine.challenge(code)
        receipt = self._last_receipt() or self.receipt(code)
        return receipt, self._machine.challenge_file(code)

    def receipt(self, code: bytes) -> Receipt:
        """The receipt of a ballot, or of its decision, once more and as it is best now.

        By now witnesses may have signed a checkpoint that covers it.
        """
        self.resume()
        return self._ballot_box.receipt(code)

    def close(self) -> None:
        """End the chain. Cast and challenge go on until the polls close."""
        self._machine.close()
        self.resume()

    def _last_receipt(self) -> Receipt | None:
        sent = self.resume()
        return sent[-1].receipt if sent else None


def _submitted(receipt: Receipt) -> Sent:
    return Sent(receipt.index, receipt)


def _decided(decision: Decision) -> Sent:
    return Sent(decision.index, decision.receipt)


def _code(message: Outgoing) -> bytes:
    if message.code is None:
        raise Rejected("R.cast", "the journal has a decision without a code", where="journal")
    return message.code
