"""Cheating about what was done to run the election, by whom and when."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from record.artifacts import Role
from sailau.v1 import record_pb2 as pb
from tests.tampered.kit import Catalogue, Record, unsigned
from tests.world import World

OPERATIONS = Catalogue("operations")

ADMINISTRATOR, SERVER = "administrator", "server"
NOON = 1_764_849_600
"""2025-12-04 12:00 UTC."""


def operation(record: Record, before: str = "polls_close", **changes: Any) -> pb.Artifact:
    """Put an operation, the server's start unless it says otherwise, before a statement."""
    says = {
        "role": pb.ROLE_SERVER,
        "action": pb.ACTION_SERVER_STARTED,
        "reason": "The power was cut.",
        "time": NOON,
        **changes,
    }
    place = record.position(before) if before else len(record.artifacts)
    return record.insert(place, operation=pb.Operation(**says))


# --- R.operation


@OPERATIONS.edited("R.operation", who=ADMINISTRATOR, standard=True)
def start_by_the_administrator(record: Record) -> None:
    """The administrator says that the server was started."""
    operation(record, role=pb.ROLE_ADMINISTRATOR)


@OPERATIONS.edited("R.operation", who=SERVER)
def note_by_the_server(record: Record) -> None:
    """The server puts a note on the record as if it ran the election."""
    operation(record, "opening", action=pb.ACTION_NOTED)


@OPERATIONS.edited("R.operation", who=SERVER)
def check_by_a_trustee(record: Record) -> None:
    """A check of the installation is said in the name of a trustee, which no key belongs to."""
    operation(record, role=pb.ROLE_TRUSTEE, action=pb.ACTION_CHECKED, details="disk: ok")


@OPERATIONS.edited("R.operation", who=SERVER)
def keys_used_without_names(record: Record) -> None:
    """The server uses keys and does not say which."""
    operation(record, action=pb.ACTION_KEYS_USED)


@OPERATIONS.edited("R.operation", who=SERVER)
def configured_in_silence(record: Record) -> None:
    """The server changes its settings and does not say to what."""
    operation(record, "key_confirmation", action=pb.ACTION_CONFIGURED)


@OPERATIONS.edited("R.operation", who=SERVER)
def checked_without_findings(record: Record) -> None:
    """The installation was checked, and nobody says what was found."""
    operation(record, "opening", action=pb.ACTION_CHECKED)


@OPERATIONS.edited("R.operation", who=ADMINISTRATOR)
def note_with_details(record: Record) -> None:
    """A note has details, where nobody looks for any."""
    operation(
        record,
        "result",
        role=pb.ROLE_ADMINISTRATOR,
        action=pb.ACTION_NOTED,
        details="and so on",
    )


@OPERATIONS.edited("R.operation", who=SERVER)
def recovery_with_details(record: Record) -> None:
    """The recovery from a backup has details, which it has none of."""
    operation(record, action=pb.ACTION_RECOVERED, details="3 of 4 ballots")


# --- whose signature it has, and where it stands


@OPERATIONS.edited("R.signature", who=SERVER, standard=True)
def start_signed_by_the_administrator(record: Record) -> None:
    """The server's start has the administrator's signature."""
    record.sign(operation(record), Role.ADMINISTRATOR)


@OPERATIONS.edited("R.signature", who=ADMINISTRATOR)
def note_signed_by_the_server(record: Record) -> None:
    """The server signs a note in the administrator's name."""
    note = operation(record, role=pb.ROLE_ADMINISTRATOR, action=pb.ACTION_NOTED)
    record.sign(note, Role.SERVER)


@OPERATIONS.edited("R.signature", who=SERVER)
def start_signed_by_a_device(record: Record) -> None:
    """A device says that the server was started."""
    record.sign(operation(record), Role.DEVICE, "ballot-box-1")


@OPERATIONS.edited("R.order", who=SERVER)
def stopped_after_the_result(record: Record) -> None:
    """The server stops behind the result, which nothing follows."""
    operation(record, "", action=pb.ACTION_SERVER_STOPPED)


@OPERATIONS.edited("R.duplicate", who=SERVER)
def started_twice(record: Record) -> None:
    """One start of the server stands twice: in the same words, at the same minute."""
    operation(record)
    operation(record, "result")


@OPERATIONS.edited("R.duplicate", who=SERVER)
def started_twice_with_two_signatures(record: Record) -> None:
    """One start of the server stands twice, under two signatures of the same key."""
    operation(record)
    again = operation(record, "result")
    again.signature = another_signature(record.world, again)


def another_signature(world: World, artifact: pb.Artifact) -> bytes:
    """A second valid signature of the server: RFC 8032 with a random r instead of a hash."""
    key = world.role_key(Role.SERVER)
    message = b"sailau.v1.Artifact\0" + world.context.base_hash + unsigned(artifact)
    digest = hashlib.sha512(key.private_bytes_raw()).digest()
    a = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    r = secrets.randbelow(_L)
    public, commitment = key.public_key().public_bytes_raw(), _encoded(_times(r))
    challenge = hashlib.sha512(commitment + public + message).digest()
    s = (r + int.from_bytes(challenge, "little") * a) % _L
    return commitment + s.to_bytes(32, "little")


_P, _L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Y = 4 * pow(5, -1, _P) % _P
_BASE = (15112221349535400772501151409588531511454012693041857206046113283949847762202, _Y)


def _plus(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Points of edwards25519 (RFC 8032, 5.1.4, affine)."""
    (x1, y1), (x2, y2) = one, other
    k = _D * x1 * x2 * y1 * y2 % _P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, _P) % _P
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, _P) % _P
    return x, y


def _times(number: int) -> tuple[int, int]:
    found, power = (0, 1), _BASE
    while number:
        found = _plus(found, power) if number & 1 else found
        power, number = _plus(power, power), number >> 1
    return found


def _encoded(point: tuple[int, int]) -> bytes:
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


# --- encoding


@OPERATIONS.edited("R.encoding", who=SERVER, standard=True)
def time_to_the_second(record: Record) -> None:
    """An operation says the second, so that what stands around it gets a time."""
    operation(record, time=NOON + 7)


@OPERATIONS.edited("R.encoding", who=SERVER)
def operation_without_a_time(record: Record) -> None:
    """An operation does not say when."""
    operation(record, time=0)


@OPERATIONS.edited("R.encoding", who=SERVER)
def operation_in_the_year_10000(record: Record) -> None:
    """An operation was done one minute after the last that has a date in four digits."""
    operation(record, time=253_402_300_800)


@OPERATIONS.edited("R.encoding", who=SERVER)
def operation_without_a_reason(record: Record) -> None:
    """An operation does not say why."""
    operation(record, reason="")


@OPERATIONS.edited("R.encoding", who=SERVER)
def operation_for_a_long_reason(record: Record) -> None:
    """An operation has a reason of 2,002 bytes, at two bytes a letter."""
    operation(record, reason="ж" * 1001)


@OPERATIONS.edited("R.encoding", who=SERVER)
def details_without_an_end(record: Record) -> None:
    """A configuration has 16,001 bytes."""
    operation(record, action=pb.ACTION_CONFIGURED, details="x" * 16_001)


@OPERATIONS.edited("R.encoding", who=SERVER)
def subject_of_two_lines(record: Record) -> None:
    """The subject of an operation is no label: it would take a line of the report."""
    operation(record, subject="server\nVERIFIED")


@OPERATIONS.edited("R.encoding", who=SERVER)
def unknown_action(record: Record) -> None:
    """An operation is of a kind that there is none of."""
    operation(record, action=8)


@OPERATIONS.edited("R.encoding", who=SERVER)
def no_action(record: Record) -> None:
    """An operation does not say what was done."""
    operation(record, action=pb.ACTION_UNSPECIFIED)


@OPERATIONS.edited("R.encoding", who=SERVER)
def no_role(record: Record) -> None:
    """An operation does not say by whom."""
    operation(record, role=pb.ROLE_UNSPECIFIED)


@OPERATIONS.edited("R.encoding", who=ADMINISTRATOR)
def opening_to_the_second(record: Record) -> None:
    """The opening says the second."""
    record.first("opening").time = NOON + 1


@OPERATIONS.edited("R.encoding", who=ADMINISTRATOR)
def opening_for_a_long_reason(record: Record) -> None:
    """The opening has a reason of 2,001 bytes."""
    record.first("opening").reason = "x" * 2001


@OPERATIONS.edited("R.encoding", who=ADMINISTRATOR)
def close_to_the_second(record: Record) -> None:
    """The close of the polls says the second, and so nearly when the last ballot came."""
    record.first("polls_close").time = NOON + 59


@OPERATIONS.edited("R.encoding", who=ADMINISTRATOR)
def close_for_a_long_reason(record: Record) -> None:
    """The close of the polls has a reason of 2,002 bytes."""
    record.first("polls_close").reason = "ж" * 1001


@OPERATIONS.edited("R.encoding", who=ADMINISTRATOR)
def result_to_the_second(record: Record) -> None:
    """The result says the second."""
    record.first("result").time = NOON + 30


@OPERATIONS.edited("R.encoding", who=ADMINISTRATOR)
def missing_to_the_second(record: Record) -> None:
    """The statement that a device is missing says the second."""
    record.take_out("device_close", 1)
    missing = pb.DeviceMissing(device="ballot-box-2", reason="It was stolen.", time=NOON + 1)
    record.insert(record.position("polls_close"), device_missing=missing)
