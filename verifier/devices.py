"""Devices: their beginning, their chain of confirmation codes, and their end (V8.C-G).

A chain is followed by its hashes. Where a recorded hash has already been refuted, the
next link may hang on the recorded or on the recomputed one: the fault is named once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from verifier.election import Election
from verifier.findings import Findings
from verifier.hashing import chain_hash, closing_input, device_information_hash
from verifier.manifest import Device
from verifier.schema import pb
from verifier.wire import MAX_TEXT, Reader

_NONE = b"\x00\x00\x00\x00"
_SIMPLE = b"\x00\x00\x00\x01"
_MOST = 8
"""Hashes a chain may hang on. They multiply with every further fault, and need not."""


def _distinct(*hashes: bytes | None) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(h for h in hashes if h))[:_MOST]


@dataclass(slots=True)
class Chain:
    """One device's chain: the hashes it may hang on, and how far it has come."""

    state: str = "absent"
    """absent, begun, closed or missing."""
    information: tuple[bytes, ...] = ()
    """H_DI; more than one only where 8.C has failed."""
    last: tuple[bytes, ...] = ()
    """The last code or H_0; more than one only where it was refuted."""
    ballots: int = 0
    reason: str = field(default="")


class Devices:
    """Follows every device through the record."""

    def __init__(self, election: Election, extended_hash: bytes, findings: Findings) -> None:
        """Take the election's devices and H_E."""
        assert election.manifest is not None, "without a manifest there are no devices"
        self._devices = election.manifest.devices
        self._simple = election.manifest.chaining == "simple"
        self._extended = extended_hash
        self._findings = findings
        self.chains: dict[str, Chain] = {label: Chain() for label in self._devices}

    # --- the beginning -------------------------------------------------------------

    def device(self, statement: pb.Device, reader: Reader) -> None:
        """Check a device's first statement: R.device, 8.C, 8.F."""
        known = self._devices.get(statement.device)
        holds = known is not None and known.information == statement.information
        message = "the manifest has no such device, or other information for it"
        self._findings.check("R.device", holds, reader.place, message, reader.culprit)
        chain = self.chains.get(statement.device)
        if known is None or chain is None:
            return
        if chain.state != "absent":
            message = f"the device has {_PAST[chain.state]} before"
            self._findings.failed("R.order", reader.place, message, reader.culprit)
            return
        self._begin(chain, known)
        chain.state = "begun"
        self._information(chain, statement, reader)
        self._initial(chain, statement, reader)

    def _begin(self, chain: Chain, device: Device) -> None:
        """Set the hashes as the manifest has them, where nothing has set them before."""
        if chain.information:
            return
        chain.information = (device_information_hash(self._extended, device.information),)
        chain.last = self._initials(chain)

    def _initials(self, chain: Chain) -> tuple[bytes, ...]:
        return _distinct(*(chain_hash(self._extended, _SIMPLE + h) for h in chain.information))

    def _information(self, chain: Chain, statement: pb.Device, reader: Reader) -> None:
        recorded = reader.hash(statement.information_hash, "H_DI")
        if recorded is not None:
            message = "H_DI is not the hash (72) of the manifest's information"
            holds = recorded == chain.information[0]
            self._findings.check("8.C", holds, reader.place, message, reader.culprit)
            chain.information = _distinct(chain.information[0], recorded)
            chain.last = _distinct(*chain.last, *self._initials(chain))

    def _initial(self, chain: Chain, statement: pb.Device, reader: Reader) -> None:
        if not self._simple:
            if statement.initial_hash:
                message = "H_0 stands here, but the chaining mode is 'none'"
                self._findings.failed("R.device", reader.place, message, reader.culprit)
            return
        recorded = statement.initial_hash
        if recorded and reader.hash(recorded, "H_0") is None:
            return
        message = "H_0 is not the hash (74) of the device's chain"
        holds = recorded in self._initials(chain)
        self._findings.check("8.F", holds, reader.place, message, reader.culprit)
        if not holds:
            chain.last = _distinct(recorded, *chain.last)

    # --- ballots -----------------------------------------------------------------------

    def chaining_field(self, ballot: pb.Ballot, reader: Reader) -> tuple[bytes, ...]:
        """Check a ballot's B_C (8.D or 8.E); return the values its code may be over."""
        chain = self.chains.get(ballot.device)
        if chain is None:
            return (ballot.chaining_field,)
        self._begin(chain, self._devices[ballot.device])
        prefix, hashes = (_SIMPLE, chain.last) if self._simple else (_NONE, chain.information)
        expected = tuple(prefix + h for h in hashes)
        recorded = reader.fixed(ballot.chaining_field, 36, "B_C")
        if recorded is None:
            return expected
        check = "8.E" if self._simple else "8.D"
        problem = "the code before it" if self._simple else "the device's information hash"
        message = f"B_C is not that of {problem} on this device"
        holds = recorded in expected
        self._findings.check(check, holds, reader.place, message, reader.culprit)
        return (recorded,) if holds else (recorded, *expected)

    def append(self, device: str, codes: Iterable[bytes]) -> None:
        """Take a ballot's code into the chain: the recorded one, and others it may be."""
        chain = self.chains.get(device)
        if chain is not None:
            chain.last = _distinct(*codes)
            chain.ballots += 1

    # --- the end -------------------------------------------------------------------------

    def close(self, statement: pb.DeviceClose, reader: Reader) -> None:
        """Check a device's last statement: R.device-close, 8.G."""
        chain = self.chains.get(statement.device)
        if chain is None or chain.state != "begun":
            past = _PAST[chain.state] if chain else "no place in the manifest"
            message = f"the device closes, but it has {past}"
            self._findings.failed("R.order", reader.place, message, reader.culprit)
            if chain is None or chain.state != "absent":
                return
            self._begin(chain, self._devices[statement.device])
        message = f"the device submitted {chain.ballots} ballots, not {statement.ballots}"
        holds = statement.ballots == chain.ballots
        self._findings.check("R.device-close", holds, reader.place, message, reader.culprit)
        self._closing(chain, statement, reader)
        chain.state = "closed"

    def _closing(self, chain: Chain, statement: pb.DeviceClose, reader: Reader) -> None:
        field_, digest = statement.chaining_field, statement.closing_hash
        if not self._simple:
            if field_ or digest:
                message = "a closing hash stands here, but the chaining mode is 'none'"
                self._findings.failed("R.device-close", reader.place, message, reader.culprit)
            return
        fields = {
            _SIMPLE + closing_input(self._extended, last, _SIMPLE + information)
            for last in chain.last
            for information in chain.information
        }
        holds = field_ in fields and digest == chain_hash(self._extended, field_)
        message = "the closing of the chain is not that of its last code (77, 78)"
        self._findings.check("8.G", holds, reader.place, message, reader.culprit)

    def missing(self, statement: pb.DeviceMissing, reader: Reader) -> None:
        """Check the administrator's statement that a device cannot close."""
        chain = self.chains.get(statement.device)
        size = len(statement.reason.encode())
        holds = chain is not None and 1 <= size <= MAX_TEXT
        message = "the manifest has no such device, or the reason is empty or too long"
        self._findings.check("R.device-close", holds, reader.place, message, reader.culprit)
        if chain is None:
            return
        if chain.state in ("closed", "missing"):
            message = f"the device is declared missing, but it has {_PAST[chain.state]}"
            self._findings.failed("R.order", reader.place, message, reader.culprit)
            return
        chain.state = "missing"
        # What is too long has failed by now, and need not be kept whole.
        chain.reason = statement.reason[:MAX_TEXT]

    def unaccounted(self) -> list[str]:
        """Return the devices that have neither closed nor been declared missing."""
        return [
            label
            for label, chain in self.chains.items()
            if chain.state not in ("closed", "missing")
        ]


_PAST = {
    "absent": "not begun",
    "begun": "begun",
    "closed": "closed",
    "missing": "been declared missing",
}
