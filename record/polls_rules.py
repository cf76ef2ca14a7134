"""Rules of voting: devices, their chains, ballots, and the close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crypto.errors import Rejected
from record.artifacts import (
    Ballot,
    Cast,
    Challenge,
    Device,
    DeviceClose,
    DeviceMissing,
    PollsClose,
    Role,
)
from record.ballot_hashes import Chain, information_hash
from record.manifest import Chaining
from record.proofs import verify_ballot
from record.rule import Read, Rule
from record.state import BallotEntry, DeviceState, Phase, State, Status


def _chain(state: State, information: str) -> Chain:
    h_e = state.need_keys().extended_base_hash
    return Chain(state.context.manifest.chaining, h_e, information_hash(h_e, information))


def _reject(check: str, problem: str, device: str, where: str, advice: str = "") -> Rejected:
    return Rejected(check, problem, culprit=f"device {device}", where=where, advice=advice)


def _check_device(state: State, statement: Device) -> None:
    label = statement.device
    if label in state.devices:
        raise _reject("R.order", "the device has already begun", label, "device")
    if label in state.missing:
        raise _reject("R.order", "the device was declared missing", label, "device")
    if statement.information != state.context.manifest.device(label).information:
        problem = "the information is not the manifest's"
        raise _reject("R.device", problem, label, "device.information")
    chain = _chain(state, statement.information)
    if statement.information_hash != chain.information_hash:
        raise _reject("8.C", "the information hash is wrong", label, "device.information_hash")
    if statement.initial_hash and chain.mode is Chaining.NONE:
        problem = "there is no initial hash without chaining"
        raise _reject("R.device", problem, label, "device.initial_hash")
    if statement.initial_hash != chain.start():
        raise _reject("8.F", "the initial hash is wrong", label, "device.initial_hash")


def _apply_device(state: State, statement: Device, _: int) -> None:
    chain = _chain(state, statement.information)
    state.devices[statement.device] = DeviceState(chain, chain.start())


def _active(state: State, label: str, where: str) -> DeviceState:
    device = state.devices.get(label)
    if device is None:
        raise _reject("R.order", "the device has not begun its chain", label, where)
    if device.closed:
        raise _reject("R.order", "the device has closed its chain", label, where)
    if label in state.missing:
        raise _reject("R.order", "the device was declared missing", label, where)
    return device


def _check_ballot(state: State, statement: Ballot) -> None:
    device = _active(state, statement.device, "ballot.device")
    if statement.identifier in state.identifiers:
        raise _reject(
            "5.A",
            "the selection encryption identifier was used before, with other content",
            statement.device,
            f"ballot.identifier, artifact {state.identifiers[statement.identifier]}",
            "encrypt the ballot again under a fresh identifier",
        )
    if statement.confirmation_code in state.ballots:
        raise _reject(
            "R.duplicate", "the code was used before", statement.device, "ballot.confirmation_code"
        )
    if statement.chaining_field != device.chain.field(device.last):
        simple = device.chain.mode is Chaining.SIMPLE
        raise _reject(
            "8.E" if simple else "8.D",
            f"the chaining field does not continue the chain after {device.ballots} ballots",
            statement.device,
            "ballot.chaining_field",
            f"chain to {device.last.hex()}" if simple else "use the device's information hash",
        )


def _apply_ballot(state: State, statement: Ballot, index: int) -> None:
    code = statement.confirmation_code
    device = state.devices[statement.device]
    device.ballots += 1
    if device.chain.mode is Chaining.SIMPLE:
        device.last = code
    state.identifiers[statement.identifier] = index
    state.ballots[code] = BallotEntry(
        index, statement.device, statement.unit, statement.ballot_style
    )


def _prove_ballot(state: State, statement: Ballot, _: Read) -> None:
    verify_ballot(state.context, state.need_keys(), statement)


def _check_decision(state: State, statement: Cast | Challenge) -> None:
    where = f"code {statement.confirmation_code.hex()[:16]}"
    entry = state.ballots.get(statement.confirmation_code)
    if entry is None:
        raise _reject("R.cast", "no ballot with this code was submitted", statement.device, where)
    if entry.device != statement.device:
        raise _reject("R.cast", "the ballot is another device's", statement.device, where)
    if entry.status is not Status.SUBMITTED:
        raise _reject(
            "R.cast",
            f"the ballot is already {entry.status.name.lower()}, by artifact {entry.decided}",
            statement.device,
            where,
            "a ballot is decided once",
        )


def _decide(state: State, code: bytes, status: Status, index: int) -> None:
    entry = state.ballots[code]
    entry.status, entry.decided = status, index


def _apply_cast(state: State, statement: Cast, index: int) -> None:
    _decide(state, statement.confirmation_code, Status.CAST, index)
    state.cast += 1
    entry = state.ballots[statement.confirmation_code]
    for contest in state.context.manifest.style(entry.style).contests:
        state.cast_in[entry.unit, contest.index] += 1


def _apply_challenge(state: State, statement: Challenge, index: int) -> None:
    _decide(state, statement.confirmation_code, Status.CHALLENGED, index)
    state.challenged.append(statement.confirmation_code)


def _check_device_close(state: State, statement: DeviceClose) -> None:
    label = statement.device
    device = _active(state, label, "device_close")
    if statement.ballots != device.ballots:
        raise _reject(
            "R.device-close",
            f"{statement.ballots} ballots where the record has {device.ballots}",
            label,
            "device_close.ballots",
            "submit what is missing before closing",
        )
    if device.chain.mode is Chaining.NONE and (statement.chaining_field or statement.closing_hash):
        raise _reject(
            "R.device-close", "there is no closing hash without chaining", label, "device_close"
        )
    if (statement.chaining_field, statement.closing_hash) != device.chain.close(device.last):
        raise _reject("8.G", "the closing hash is wrong", label, "device_close")


def _apply_device_close(state: State, statement: DeviceClose, _: int) -> None:
    state.devices[statement.device].closed = True


def _check_device_missing(state: State, statement: DeviceMissing) -> None:
    label = statement.device
    check, problem = "R.order", ""
    if label not in {d.label for d in state.context.manifest.devices}:
        check, problem = "R.device-close", f"the manifest has no device {label!r}"
    elif label in state.missing:
        problem = "the device is already declared missing"
    elif label in state.devices and state.devices[label].closed:
        problem = "the device has closed its chain and is not missing"
    if problem:
        raise Rejected(check, problem, culprit="administrator", where="device_missing.device")


def _apply_device_missing(state: State, statement: DeviceMissing, _: int) -> None:
    state.missing[statement.device] = statement.reason


def _check_polls_close(state: State, statement: PollsClose) -> None:
    open_devices = state.unaccounted_devices()
    if open_devices:
        raise Rejected(
            "R.polls-close",
            f"devices neither closed nor declared missing: {', '.join(open_devices)}",
            culprit="administrator",
            where="polls_close",
            advice="close each device, or state which is missing and why",
        )
    right = state.counts()
    if replace(statement, reason="", time=0) != right:
        raise Rejected(
            "R.polls-close",
            f"the record has {right.submitted} ballots submitted, {right.cast} cast, "
            f"{right.challenged} challenged and {right.spoiled} spoiled",
            culprit="administrator",
            where="polls_close",
        )


def _apply_polls_close(state: State, statement: PollsClose, _: int) -> None:
    state.close = statement
    state.session = None  # a drill that was on
    state.phase = Phase.CLOSED
    state.advance()


_OPEN = (Phase.OPEN,)
RULES: Mapping[type, Rule[Any]] = {
    Device: Rule(_OPEN, Role.DEVICE, _check_device, _apply_device),
    Ballot: Rule(_OPEN, Role.DEVICE, _check_ballot, _apply_ballot, _prove_ballot),
    Cast: Rule(_OPEN, Role.DEVICE, _check_decision, _apply_cast),
    Challenge: Rule(_OPEN, Role.DEVICE, _check_decision, _apply_challenge),
    DeviceClose: Rule(_OPEN, Role.DEVICE, _check_device_close, _apply_device_close),
    DeviceMissing: Rule(_OPEN, Role.ADMINISTRATOR, _check_device_missing, _apply_device_missing),
    PollsClose: Rule(_OPEN, Role.ADMINISTRATOR, _check_polls_close, _apply_polls_close),
}
