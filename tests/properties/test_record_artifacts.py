"""Artifacts from bytes nobody vouches for: one valid encoding, and nothing else gets in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import assume, given
from hypothesis import strategies as st

from crypto.errors import Malformed, Rejected, SailauError
from crypto.group import group_for
from crypto.parameters import STANDARD
from record.artifacts import (
    MAX_ARTIFACT,
    MAX_BALLOT,
    Artifact,
    CeremonyAbandoned,
    DeviceMissing,
    Election,
    Role,
    Statement,
    parse_artifact,
    sign_statement,
    unsigned_bytes,
    verify_signature,
)
from record.wire import MAX_TIME
from sailau.v1 import record_pb2
from tests.everything import CONFIGURED, NOON, play_everything
from tests.world import World

KINDS = [f.name for f in record_pb2.Artifact.DESCRIPTOR.oneofs_by_name["statement"].fields]


FULL_OPERATION = replace(CONFIGURED, subject="server-1")


@cache
def world() -> World:
    """A complete election, in which every kind of statement occurs that leads to a result."""
    return play_everything()


@cache
def samples() -> dict[str, Artifact]:
    """One artifact of every kind: the last, with every field that it may have."""
    given_up = world().sign(CeremonyAbandoned("It takes too long.", NOON))
    full = world().sign(FULL_OPERATION)
    return {a.name: a for a in (*world().artifacts, given_up, full)}


def parse(data: bytes) -> Artifact:
    """As an artifact of the world's election."""
    return parse_artifact(data, world().group)


def message_of(kind: str) -> record_pb2.Artifact:
    """The protobuf message of the sample, to be changed."""
    message = record_pb2.Artifact()
    message.ParseFromString(samples()[kind].data)
    return message


def refused(message: record_pb2.Artifact, field: str) -> Malformed:
    """Parse what `message` serializes to, and expect `Malformed` at `field`."""
    with pytest.raises(Malformed) as caught:
        parse(message.SerializeToString(deterministic=True))
    assert caught.value.field == field
    assert caught.value.problem
    return caught.value


def signed_by_its_role(artifact: Artifact) -> None:
    """Check the signature as the transcript does."""
    key = (
        world().context.single_key(Role.ADMINISTRATOR).public_key
        if isinstance(artifact.statement, Election)
        else world().transcript.signer(artifact.statement).public_key
    )
    verify_signature(artifact, world().context.base_hash, key, "its role")


# --- what is right


def test_the_samples_are_of_every_kind() -> None:
    """The tests below leave no statement of the schema out."""
    assert sorted(samples()) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: str) -> None:
    """parse(sign(x)) = x, byte for byte, and its signature holds."""
    artifact = samples()[kind]
    again = parse(artifact.data)
    assert again == artifact
    assert unsigned_bytes(again.statement, world().group) == artifact.data[:-67]
    signed_by_its_role(again)


def test_round_trip_of_a_whole_record() -> None:
    """Every artifact of an election comes back from its bytes."""
    for artifact in world().artifacts:
        assert parse(artifact.data) == artifact


def test_round_trip_at_the_real_width() -> None:
    """Elements are 512 bytes, scalars 32, with the standard parameters."""
    standard = World.create(STANDARD, trustees=2, quorum=1)
    for artifact in standard.artifacts:
        assert parse_artifact(artifact.data, standard.group) == artifact


@given(st.text(min_size=1, max_size=200))
def test_texts_come_back(reason: str) -> None:
    """Whatever a reason says comes back as it was."""
    assume(0 < len(reason.encode()) <= 2000)
    statement = DeviceMissing("ballot-box-1", reason)
    key = world().role_key(Role.ADMINISTRATOR)
    artifact = sign_statement(statement, world().group, world().context.base_hash, key)
    assert parse(artifact.data).statement == statement


# --- arbitrary bytes


@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    """Bytes that nobody made are Malformed, never anything else."""
    with pytest.raises(Malformed) as caught:
        parse(data)
    assert caught.value.field


@given(st.sampled_from(KINDS), st.binary(max_size=200), st.binary(min_size=64, max_size=64))
def test_random_bytes_in_an_envelope(kind: str, body: bytes, signature: bytes) -> None:
    """A statement of random bytes under a good envelope raises nothing but Malformed."""
    tag = record_pb2.Artifact.DESCRIPTOR.fields_by_name[kind].number << 3 | 2
    data = _varint(tag) + _varint(len(body)) + body + _varint(8002) + b"\x40" + signature
    _refused_somehow(data)


@given(st.sampled_from(KINDS), st.data())
def test_truncated(kind: str, data: st.DataObject) -> None:
    """No artifact is the beginning of another one."""
    whole = samples()[kind].data
    size = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Malformed):
        parse(whole[:size])


@given(st.sampled_from(KINDS), st.binary(min_size=1, max_size=50))
def test_extended(kind: str, more: bytes) -> None:
    """Nothing can stand behind an artifact."""
    with pytest.raises(Malformed):
        parse(samples()[kind].data + more)


@given(st.sampled_from(KINDS), st.data())
def test_one_altered_byte(kind: str, data: st.DataObject) -> None:
    """A changed byte makes an artifact Malformed, or its signature false."""
    artifact = samples()[kind]
    place = data.draw(st.integers(0, len(artifact.data) - 1))
    mask = data.draw(st.integers(1, 255))
    altered = bytearray(artifact.data)
    altered[place] ^= mask
    _refused_somehow(bytes(altered))


@pytest.mark.parametrize("kind", ["key_confirmation", "cast", "polls_close", "device_close"])
def test_every_altered_bit(kind: str) -> None:
    """The same for each bit of some short artifacts."""
    whole = samples()[kind].data
    for bit in range(8 * len(whole)):
        altered = bytearray(whole)
        altered[bit // 8] ^= 1 << bit % 8
        _refused_somehow(bytes(altered))


def _refused_somehow(data: bytes) -> None:
    with pytest.raises((Malformed, Rejected)) as caught:
        signed_by_its_role(parse(data))
    error: SailauError = caught.value
    if isinstance(error, Malformed):
        assert error.field
    else:
        assert isinstance(error, Rejected)
        assert error.check in ("R.signature", "R.role-keys", "R.operation")


# --- encodings that protobuf accepts and we do not


@pytest.mark.parametrize("kind", KINDS)
def test_signature_first(kind: str) -> None:
    """Fields of the envelope in another order are refused."""
    whole = samples()[kind].data
    _refuse_encoding(whole[-67:] + whole[:-67])


@pytest.mark.parametrize("kind", KINDS)
def test_fields_in_another_order(kind: str) -> None:
    """Fields of the statement in another order are refused."""
    fields = _fields(_body(samples()[kind].data))
    body = b"".join(whole for _, whole in reversed(fields))
    _refuse_encoding(_with_body(kind, body))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["envelope", "statement"])
def test_unknown_fields(kind: str, where: str) -> None:
    """A field that the schema does not know is refused, at the end where it sorts right."""
    whole = samples()[kind].data
    unknown = _varint(999 << 3) + b"\x01"
    if where == "envelope":
        _refuse_encoding(whole[:-67] + unknown + whole[-67:])
    else:
        _refuse_encoding(_with_body(kind, _body(whole) + unknown))


_NESTED = [
    field.name
    for field in record_pb2.Artifact.DESCRIPTOR.oneofs_by_name["statement"].fields
    if field.message_type is not None
    and any(inner.message_type is not None for inner in field.message_type.fields)
]


@pytest.mark.parametrize("kind", _NESTED)
def test_unknown_fields_deep_inside(kind: str) -> None:
    """An unknown field is refused in a message inside a message, too."""
    message = message_of(kind)
    found = next(_messages(getattr(message, kind)))
    found.MergeFromString(_varint(999 << 3) + b"\x01")
    _refuse_encoding(message.SerializeToString(deterministic=True))


@pytest.mark.parametrize("kind", KINDS)
def test_non_minimal_lengths(kind: str) -> None:
    """A length written in more bytes than it needs is refused."""
    body = _body(samples()[kind].data)
    tag = record_pb2.Artifact.DESCRIPTOR.fields_by_name[kind].number << 3 | 2
    size = bytearray(_varint(len(body)))
    size[-1] |= 0x80
    padded = _varint(tag) + bytes(size) + b"\x00" + body + samples()[kind].data[-67:]
    _refuse_encoding(padded)


def test_non_minimal_numbers() -> None:
    """A number written in more bytes than it needs is refused."""
    body = _body(samples()["key_confirmation"].data)
    assert body[:2] == b"\x08\x03"
    _refuse_encoding(_with_body("key_confirmation", b"\x08\x83\x00" + body[2:]))


def test_numbers_too_wide_for_their_type() -> None:
    """A uint32 of 2^32 + 3 is not 3."""
    body = _body(samples()["key_confirmation"].data)
    _refuse_encoding(_with_body("key_confirmation", b"\x08\x83\x80\x80\x80\x10" + body[2:]))


@pytest.mark.parametrize("kind", ["polls_close", "device_close"])
def test_defaults_written_out(kind: str) -> None:
    """A field with its default value is left out, never written."""
    message = message_of(kind)
    statement = getattr(message, kind)
    name = "ballots" if kind == "device_close" else "submitted"
    setattr(statement, name, 0)
    number = statement.DESCRIPTOR.fields_by_name[name].number
    body = statement.SerializeToString(deterministic=True)
    fields = [*_fields(body), (number << 3, _varint(number << 3) + b"\x00")]
    explicit = b"".join(whole for _, whole in sorted(fields))
    assert explicit != body
    _refuse_encoding(_with_body(kind, explicit))


@pytest.mark.parametrize("kind", KINDS)
def test_two_statements(kind: str) -> None:
    """A statement twice, or two statements, in one artifact are refused."""
    whole = samples()[kind].data
    _refuse_encoding(whole[:-67] + whole)
    other = samples()["cast" if kind != "cast" else "challenge"].data
    _refuse_encoding(other[:-67] + whole)


def _refuse_encoding(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse(data)
    assert caught.value.field == "artifact"


# --- every field of every kind


def _paths(kind: str) -> list[str]:
    """Every field that the schema gives a statement, however deep, without indices.

    Of repeated messages, which may be empty, only the fields.
    """
    found: list[str] = []

    def walk(descriptor: Any, path: str) -> None:
        for f in descriptor.fields:
            here = f"{path}.{f.name}"
            if f.message_type is None or not f.is_repeated:
                found.append(here)
            if f.message_type is not None:
                walk(f.message_type, here)

    walk(record_pb2.Artifact.DESCRIPTOR.fields_by_name[kind].message_type, kind)
    return found


ALL_FIELDS = [path for kind in KINDS for path in _paths(kind)]


def _place(kind: str, path: str) -> tuple[record_pb2.Artifact, Message, Any, str]:
    """The artifact, the message that holds the field, the field, and its path with indices.

    Of a repeated message, the last one is taken.
    """
    artifact = message_of(kind)
    message: Message = getattr(artifact, kind)
    place = kind
    *inner, last = path.split(".")[1:]
    for name in inner:
        field = message.DESCRIPTOR.fields_by_name[name]
        value = getattr(message, name)
        place += f".{name}"
        if field.is_repeated:
            place += f"[{len(value) - 1}]"
            value = value[-1]
        message = value
    return artifact, message, message.DESCRIPTOR.fields_by_name[last], f"{place}.{last}"


# Fields that are absent in the sample, or may be, and texts of any length below a limit.
_MAY_BE_EMPTY = {
    "device.information",
    "device.initial_hash",
    "device_close.chaining_field",
    "device_close.closing_hash",
    "decryption_session.confirmation_code",
    "opening.reason",
    "polls_close.reason",
    "operation.subject",
    "operation.details",
}
_TIMES = {path for path in ALL_FIELDS if path.endswith(".time")}
_NUMBERS_FROM_ZERO = {"index", "ballots", "submitted", "cast", "challenged", "spoiled"}
_NUMBERS_FROM_ZERO |= {"first", "count", "value"}
_ANY_SIZE = {"election.p", "election.q", "election.g", "election.manifest"}
_ANY_SIZE |= {"accusation.message"}


@pytest.mark.parametrize("path", ALL_FIELDS)
def test_wrong_values_of_every_field(path: str) -> None:
    """Each field refuses what it cannot hold and names itself with its full path."""
    kind = path.partition(".")[0]
    for wrong in _wrong_values(path):
        artifact, message, field, place = _place(kind, path)
        if field.is_repeated:
            values = getattr(message, field.name)
            values[-1] = wrong
            place += f"[{len(values) - 1}]"
        elif wrong is None:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, wrong)
        refused(artifact, place)


def _wrong_values(path: str) -> Iterator[Any]:
    kind = path.partition(".")[0]
    _, message, field, _ = _place(kind, path)
    value = getattr(message, field.name)
    if field.is_repeated:
        value = value[-1]
    if field.message_type is not None:
        yield None
    elif field.type == FieldDescriptor.TYPE_BYTES:
        yield from _wrong_bytes(path, value)
    elif field.type == FieldDescriptor.TYPE_STRING:
        if path not in _MAY_BE_EMPTY:
            yield ""
        yield "x" * (16_001 if field.name == "details" else 2001)
        if field.name not in ("reason", "details", "information", "log_key"):
            yield from ("x" * 101, " x", "x ", "a\nb", "\x00")
    elif field.type == FieldDescriptor.TYPE_ENUM:
        yield from (0, max(field.enum_type.values_by_number) + 1, 2**31 - 1)[
            field.name == "purpose" :
        ]
    elif path in _TIMES:
        yield from (1, NOON + 1, NOON + 59, MAX_TIME + 60, 2**64 - 16)
        if path == "operation.time":
            yield 0
    else:
        yield 2**31 if field.type == FieldDescriptor.TYPE_UINT32 else 2**53 + 1
        if field.name not in _NUMBERS_FROM_ZERO or path == "ballot.contests.index":
            yield 0


def _wrong_bytes(path: str, value: bytes) -> Iterator[bytes]:
    if path not in _MAY_BE_EMPTY:
        yield b""
    if path in _ANY_SIZE:
        return
    yield value[:-1]
    yield value + b"\x00"
    yield b"\x00" + value
    group = world().group
    if len(value) == group.parameters.scalar_width:
        yield b"\xff" * len(value)
        yield int(group.q).to_bytes(len(value), "big")
    if path.rpartition(".")[2] in _ELEMENTS:
        assert len(value) == group.parameters.element_width
        yield bytes(len(value))
        yield int(group.p).to_bytes(len(value), "big")
        yield b"\xff" * len(value)


_ELEMENTS = {
    *("vote_commitments", "data_commitments", "communication_key", "c0", "vote_key", "data_key"),
    *("alpha", "beta", "a", "b", "partial_decryption"),
}


@pytest.mark.parametrize("path", sorted(_TIMES))
def test_times(path: str) -> None:
    """Whole minutes come back, up to the last that has a date; 0 is no time."""
    kind = path.partition(".")[0]
    for time in (0, 60, NOON, MAX_TIME)[path == "operation.time" :]:
        artifact, message, field, _ = _place(kind, path)
        setattr(message, field.name, time)
        statement: Any = parse(artifact.SerializeToString(deterministic=True)).statement
        assert statement.time == time


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_signatures_widths(kind: str) -> None:
    """A signature has 64 bytes."""
    for signature in (b"", bytes(63), bytes(65)):
        message = message_of(kind)
        message.signature = signature
        refused(message, "artifact.signature")


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "election"])
def test_without_a_group_there_is_the_election_only(kind: str) -> None:
    """What stands first is the election; nothing else can be parsed without its group."""
    with pytest.raises(Malformed, match="not the election"):
        parse_artifact(samples()[kind].data, None)
    assert parse_artifact(samples()["election"].data, None) == samples()["election"]


@pytest.mark.parametrize("kind", ["opening", "ballot", "encrypted_tally"])
def test_another_elections_widths(kind: str) -> None:
    """Elements of a toy election are Malformed in one with the standard parameters."""
    with pytest.raises(Malformed) as caught:
        parse_artifact(samples()[kind].data, group_for(STANDARD))
    assert "instead of 512" in caught.value.problem


def test_sizes() -> None:
    """An artifact is at most 16 MiB, a ballot 1 MiB; both are refused before anything else."""
    with pytest.raises(Malformed, match="16777217 bytes"):
        parse(bytes(MAX_ARTIFACT + 1))
    message = message_of("ballot")
    proof = message.ballot.contests[0].limit_proof
    while message.ByteSize() <= MAX_BALLOT:
        proof.responses.extend([bytes(8)] * 10_000)
    refused(message, "ballot")


def test_what_is_no_protobuf_at_all() -> None:
    """Bytes that break off, or are no UTF-8 where text should be, are no message."""
    whole = samples()["cast"].data
    for data in (whole[:-1], whole.replace(b"ballot-box-1", b"ballot-box-\xff")):
        with pytest.raises(Malformed, match=r"not a sailau\.v1\.Artifact message"):
            parse(data)


def test_an_empty_artifact() -> None:
    """A signature alone is no artifact."""
    refused(record_pb2.Artifact(signature=bytes(64)), "artifact.statement")
    with pytest.raises(Malformed):
        parse(b"")


@pytest.mark.parametrize("kind", KINDS)
def test_empty_statements(kind: str) -> None:
    """A statement without any field is Malformed; only a result without contests parses."""
    message = record_pb2.Artifact(signature=bytes(64))
    getattr(message, kind).SetInParent()
    data = message.SerializeToString(deterministic=True)
    if kind in ("result", "polls_close"):
        assert parse(data).name == kind
    else:
        with pytest.raises(Malformed) as caught:
            parse(data)
        assert caught.value.field.startswith(f"{kind}.")


# --- signatures


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_are_bound_to_the_election(kind: str) -> None:
    """A signature over the same statement under another H_B is refused, and blames nobody."""
    artifact = samples()[kind]
    other = bytes(32)
    key = _key_of(artifact.statement)
    forged = sign_statement(artifact.statement, world().group, other, key)
    assert forged.data != artifact.data
    with pytest.raises(Rejected) as caught:
        signed_by_its_role(parse(forged.data))
    assert (caught.value.check, caught.value.culprit) == ("R.signature", "")
    assert caught.value.where == kind


def _key_of(statement: Statement) -> Any:
    if isinstance(statement, Election):
        return world().role_key(Role.ADMINISTRATOR)
    signer = world().transcript.signer(statement)
    return world().secrets.roles[signer.role, signer.name]


def test_the_signed_bytes() -> None:
    """What is signed is the context, a zero byte, H_B and the statement, as documented."""
    artifact = samples()["cast"]
    key = _key_of(artifact.statement)
    unsigned = record_pb2.Artifact()
    unsigned.ParseFromString(artifact.data)
    unsigned.ClearField("signature")
    signed = b"sailau.v1.Artifact\x00" + world().context.base_hash
    signed += unsigned.SerializeToString(deterministic=True)
    key.public_key().verify(artifact.signature, signed)


def test_statements_are_values() -> None:
    """Statements compare by content and cannot be changed."""
    artifact = samples()["polls_close"]
    statement: Any = artifact.statement
    assert replace(statement) == statement
    assert replace(statement, cast=99) != statement
    with pytest.raises(AttributeError):
        statement.cast = 99


# --- protobuf by hand


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _read_varint(data: bytes, start: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[start]
        start += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, start


def _body(artifact: bytes) -> bytes:
    """The statement's bytes inside an artifact's."""
    _, start = _read_varint(artifact, 0)
    size, start = _read_varint(artifact, start)
    assert start + size == len(artifact) - 67
    return artifact[start : start + size]


def _with_body(kind: str, body: bytes) -> bytes:
    """The sample with another statement's bytes under its signature."""
    tag = record_pb2.Artifact.DESCRIPTOR.fields_by_name[kind].number << 3 | 2
    return _varint(tag) + _varint(len(body)) + body + samples()[kind].data[-67:]


def _fields(body: bytes) -> list[tuple[int, bytes]]:
    """Every field of a message: its tag and all of its bytes."""
    found, start = [], 0
    while start < len(body):
        tag, end = _read_varint(body, start)
        size, after = _read_varint(body, end)
        end = after + size if tag & 7 == 2 else after
        found.append((tag, body[start:end]))
        start = end
    return found


def _messages(message: Message) -> Iterator[Message]:
    """Every message inside `message`, deepest first."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                yield from _messages(inner)
                yield inner
