"""Cheating at the polls: what becomes of ballots, and how devices and polls close."""

from __future__ import annotations

from dataclasses import replace

from record.artifacts import DeviceClose, DeviceMissing, Statement
from sailau.v1 import record_pb2 as pb
from tests.ballots import encrypt
from tests.decrypting import Altered
from tests.tampered.kit import Catalogue, Record
from tests.world import World

POLLS = Catalogue("polls")

DEVICE = "device ballot-box-1"
NOBODY = "the server looks for the key first, and there is none"


@POLLS.edited("R.cast", who="device ballot-box-2", standard=True)
def cast_by_another_device(record: Record) -> None:
    """Ballot box 2 casts a ballot of ballot box 1."""
    record.first("cast").device = "ballot-box-2"


@POLLS.edited("R.cast", who=DEVICE)
def cast_of_nothing(record: Record) -> None:
    """A device casts a code under which no ballot was submitted."""
    cast = pb.Cast(device="ballot-box-1", confirmation_code=bytes(32))
    record.insert(record.position("device_close"), cast=cast)


@POLLS.edited("R.cast", who=DEVICE)
def cast_before_it_was_submitted(record: Record) -> None:
    """A ballot is cast before it stands in the record, where nobody can have looked at it."""
    ballot = record.ballot("spoiled")
    cast = pb.Cast(device=ballot.device, confirmation_code=ballot.confirmation_code)
    record.insert(record.position("cast"), cast=cast)


@POLLS.edited("R.cast", who=DEVICE)
def cast_after_it_was_challenged(record: Record) -> None:
    """A ballot that was opened is cast as well."""
    ballot = record.ballot("challenge")
    cast = pb.Cast(device=ballot.device, confirmation_code=ballot.confirmation_code)
    record.insert(record.position("device_close"), cast=cast)


@POLLS.edited("R.cast", who=DEVICE)
def challenged_after_it_was_cast(record: Record) -> None:
    """A ballot that counts is to be opened: its voter's choice would be read."""
    ballot = record.ballot("cast")
    challenge = pb.Challenge(device=ballot.device, confirmation_code=ballot.confirmation_code)
    record.insert(record.position("device_close"), challenge=challenge)


@POLLS.edited("R.device-close", who=DEVICE)
def close_with_a_ballot_more(record: Record) -> None:
    """A device closes with more ballots than it submitted."""
    record.first("device_close").ballots += 1


@POLLS.played(
    "R.device-close",
    who="administrator",
    at="device_missing",
    missing=["ballot-box-2"],
    server="R.encoding",
    because="an empty reason is refused as bytes",
)
def missing_without_a_reason(world: World, statement: Statement) -> Altered:
    """A device is declared missing, and nobody says why."""
    return replace(statement, reason="") if isinstance(statement, DeviceMissing) else statement


@POLLS.played(
    "R.device-close",
    who="administrator",
    at="device_missing",
    missing=["ballot-box-2"],
    server="R.encoding",
    because="a reason that is too long is refused as bytes",
)
def missing_for_a_long_reason(world: World, statement: Statement) -> Altered:
    """A device is declared missing in 2,002 bytes, at two bytes a letter."""
    if isinstance(statement, DeviceMissing):
        return replace(statement, reason="ж" * 1001)
    return statement


@POLLS.edited(
    "R.device-close",
    who="administrator",
)
def unknown_device_missing(record: Record) -> None:
    """A device is declared missing that the manifest does not have."""
    missing = pb.DeviceMissing(device="ballot-box-3", reason="It was stolen.")
    record.insert(record.position("polls_close"), device_missing=missing)


@POLLS.edited(
    "R.order",
    who="administrator",
)
def missing_after_it_closed(record: Record) -> None:
    """A device that has closed is declared missing, as if its chain were not complete."""
    missing = pb.DeviceMissing(device="ballot-box-1", reason="It was stolen.")
    record.insert(record.position("polls_close"), device_missing=missing)


@POLLS.played(
    "R.order",
    who=DEVICE,
    at="ballot",
)
def ballot_after_its_device_closed(world: World, statement: Statement) -> Altered:
    """Ballot box 1 submits a ballot behind its close, where no closing hash covers it."""
    if isinstance(statement, DeviceClose) and statement.device == "ballot-box-1":
        return (statement, encrypt(world).ballot)
    return statement


@POLLS.edited("R.polls-close", who="administrator", standard=True)
def ballot_counted_as_cast(record: Record) -> None:
    """The close counts a spoiled ballot as cast."""
    close = record.first("polls_close")
    close.cast += 1
    close.spoiled -= 1


@POLLS.edited("R.polls-close", who="administrator", at="polls_close")
def device_left_open(record: Record) -> None:
    """The polls close without ballot box 2: what it submitted last may be missing."""
    record.take_out("device_close", 1)


@POLLS.edited("R.cast", who="device ballot-box-3", server="R.role-keys", because=NOBODY)
def cast_by_nobody(record: Record) -> None:
    """A spoiled ballot is cast in the name of a device that the election does not know."""
    code = record.ballot("spoiled").confirmation_code
    cast = pb.Cast(device="ballot-box-3", confirmation_code=code)
    record.insert(record.position("device_close"), cast=cast)


@POLLS.edited("R.device", who="device ballot-box-3", server="R.role-keys", because=NOBODY)
def device_from_nowhere(record: Record) -> None:
    """A device begins that the manifest does not have."""
    device = pb.Device()
    device.CopyFrom(record.first("device"))
    device.device = "ballot-box-3"
    record.insert(record.position("device") + 1, device=device)


@POLLS.edited(
    "R.order",
    who=DEVICE,
)
def device_that_begins_again(record: Record) -> None:
    """A device begins its chain a second time, with another H_DI."""
    device = pb.Device()
    device.CopyFrom(record.first("device"))
    device.information_hash = bytes(32)
    record.insert(record.position("ballot") + 1, device=device)


@POLLS.edited("R.order", who="server", server="R.role-keys", because=NOBODY)
def trustee_from_nowhere(record: Record) -> None:
    """A fourth trustee of three confirms the keys."""
    confirmation = pb.KeyConfirmation()
    confirmation.CopyFrom(record.first("key_confirmation"))
    confirmation.trustee = 4
    record.insert(record.position("key_confirmation"), key_confirmation=confirmation)
