"""Between protobuf messages and checked values, by declaration.

A value class says with its annotations what each field may hold; `read` turns a
message into such a value or raises `Malformed` with the path of the field, and
`write` is its inverse. Widths and ranges are checked here and nowhere else.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from google.protobuf.message import Message

from crypto.elgamal import Ciphertext
from crypto.errors import Malformed
from crypto.group import Group, mpz
from crypto.range_proof import RangeProof
from crypto.schnorr import KeyProof, SchnorrProof
from crypto.sealing import SealedNonce

MAX_LABEL = 100
MAX_TEXT = 2000
MAX_DETAILS = 16_000
MINUTE = 60
MAX_TIME = 253_402_300_740
"""The last minute of the year 9999, in seconds: what follows has no date in four digits."""
MAX_INDEX = 2**31 - 1

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Codec:
    """How one field is read from and written to protobuf."""

    read: Callable[[Any, Group | None, str], Any]
    write: Callable[[Any, Group | None], Any]


def _unchanged(value: Any, _: Group | None) -> Any:
    return value


def _need(group: Group | None) -> Group:
    if group is None:
        raise AssertionError("this statement needs the election's group")
    return group


def _fixed(width: int, *, optional: bool = False) -> Codec:
    def read(data: Any, _: Group | None, path: str) -> bytes:
        if len(data) == width or (optional and not data):
            return bytes(data)
        raise Malformed(path, f"has {len(data)} bytes instead of {width}")

    return Codec(read, _unchanged)


def _integer(low: int, high: int) -> Codec:
    def read(number: Any, _: Group | None, path: str) -> int:
        if low <= number <= high:
            return int(number)
        raise Malformed(path, f"is {number}, outside {low}..{high}")

    return Codec(read, _unchanged)


def _minutes(*, optional: bool = False) -> Codec:
    number_of = _integer(0 if optional else MINUTE, MAX_TIME).read

    def read(number: Any, group: Group | None, path: str) -> int:
        seconds = number_of(number, group, path)
        if seconds % MINUTE:
            raise Malformed(path, f"is {seconds}, which is not a whole minute", "cut the seconds")
        return int(seconds)

    return Codec(read, _unchanged)


def _label(limit: int, *, optional: bool = False) -> Codec:
    low = 0 if optional else 1

    def read(text: Any, _: Group | None, path: str) -> str:
        if not low <= len(text) <= limit:
            raise Malformed(path, f"has {len(text)} characters, not {low}..{limit}")
        if text != text.strip() or any(unicodedata.category(c) == "Cc" for c in text):
            raise Malformed(path, "is not a label: it has control characters or outer white space")
        return str(text)

    return Codec(read, _unchanged)


def _text(limit: int, *, optional: bool = False) -> Codec:
    low = 0 if optional else 1

    def read(text: Any, _: Group | None, path: str) -> str:
        if low <= len(text.encode()) <= limit:
            return str(text)
        raise Malformed(path, f"has {len(text.encode())} bytes, not {low}..{limit}")

    return Codec(read, _unchanged)


def _bytes(limit: int) -> Codec:
    def read(data: Any, _: Group | None, path: str) -> bytes:
        if 0 < len(data) <= limit:
            return bytes(data)
        raise Malformed(path, f"has {len(data)} bytes, not 1..{limit}")

    return Codec(read, _unchanged)


def _enumeration(kind: type[enum.IntEnum]) -> Codec:
    def read(number: Any, _: Group | None, path: str) -> enum.IntEnum:
        try:
            return kind(number)
        except ValueError:
            raise Malformed(path, f"is {number}, not one of {[m.name for m in kind]}") from None

    return Codec(read, lambda value, _: int(value))


_ELEMENT = Codec(
    lambda data, group, path: _need(group).parse_element(data, path),
    lambda value, group: _need(group).encode_element(value),
)
_SCALAR = Codec(
    lambda data, group, path: _need(group).parse_scalar(data, path),
    lambda value, group: _need(group).encode_scalar(value),
)

Element = Annotated[mpz, _ELEMENT]
Scalar = Annotated[mpz, _SCALAR]
Hash = Annotated[bytes, _fixed(32)]
OptionalHash = Annotated[bytes, _fixed(32, optional=True)]
ChainingField = Annotated[bytes, _fixed(36)]
OptionalChainingField = Annotated[bytes, _fixed(36, optional=True)]
SharesCiphertext = Annotated[bytes, _fixed(64)]
Index = Annotated[int, _integer(1, MAX_INDEX)]
SmallCount = Annotated[int, _integer(0, MAX_INDEX)]
Count = Annotated[int, _integer(0, 2**53)]
Label = Annotated[str, _label(MAX_LABEL)]
Text = Annotated[str, _text(MAX_TEXT)]
OptionalText = Annotated[str, _text(MAX_TEXT, optional=True)]
OptionalLabel = Annotated[str, _label(MAX_LABEL, optional=True)]
Details = Annotated[str, _text(MAX_DETAILS, optional=True)]
Time = Annotated[int, _minutes()]
OptionalTime = Annotated[int, _minutes(optional=True)]
LargeBytes = Annotated[bytes, _bytes(15 * 2**20)]

# Values of crypto/ know nothing of protobuf; their fields are declared here.
_FOREIGN: Mapping[type, Mapping[str, Any]] = {
    SchnorrProof: {"challenge": Scalar, "response": Scalar},
    KeyProof: {"challenge": Scalar, "responses": tuple[Scalar, ...]},
    RangeProof: {"challenges": tuple[Scalar, ...], "responses": tuple[Scalar, ...]},
    SealedNonce: {"c0": Element, "c1": Hash, "c2": SchnorrProof},
    Ciphertext: {"alpha": Element, "beta": Element},
}
# Where the schema's name is not the value's.
_WIRE_NAME: Mapping[tuple[type, str], str] = {
    (Ciphertext, "alpha"): "a",
    (Ciphertext, "beta"): "b",
}

Reader = Callable[[Any, Group | None, str], Any]
Writer = Callable[[Any, Message, str, Group | None], None]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    wire: str
    read: Reader
    write: Writer
    is_message: bool


def read(cls: type[V], message: Message, group: Group | None, path: str) -> V:
    """Turn `message` into a checked value of `cls`; `path` names it in errors."""
    values = {}
    for field in _plan(cls):
        place = f"{path}.{field.wire}"
        if field.is_message and not message.HasField(field.wire):
            raise Malformed(place, "is missing")
        values[field.name] = field.read(getattr(message, field.wire), group, place)
    return cls(**values)


def write(value: Any, message: Message, group: Group | None) -> None:
    """Fill `message` with `value`."""
    for field in _plan(type(value)):
        field.write(getattr(value, field.name), message, field.wire, group)


_PLANS: dict[type, tuple[_Field, ...]] = {}


def _plan(cls: type) -> tuple[_Field, ...]:
    if cls not in _PLANS:
        _PLANS[cls] = tuple(_fields(cls))
    return _PLANS[cls]


def _fields(cls: Any) -> Iterator[_Field]:
    hints = _FOREIGN.get(cls) or get_type_hints(cls, include_extras=True)
    names = list(hints) if cls in _FOREIGN else [f.name for f in fields(cls)]
    for name in names:
        yield _field(name, _WIRE_NAME.get((cls, name), name), hints[name])


def _field(name: str, wire: str, hint: Any) -> _Field:
    if get_origin(hint) is tuple:
        return _Field(name, wire, *_repeated(get_args(hint)[0]), is_message=False)
    if is_dataclass(hint):
        return _Field(name, wire, _reader(hint), _write_message, is_message=True)
    codec = _codec(hint)

    def assign(value: Any, message: Message, wire: str, group: Group | None) -> None:
        setattr(message, wire, codec.write(value, group))

    return _Field(name, wire, codec.read, assign, is_message=False)


def _reader(cls: Any) -> Reader:
    return lambda message, group, path: read(cls, message, group, path)


def _write_message(value: Any, message: Message, wire: str, group: Group | None) -> None:
    inner = getattr(message, wire)
    inner.SetInParent()
    write(value, inner, group)


def _repeated(item: Any) -> tuple[Reader, Writer]:
    if is_dataclass(item):
        read_item = _reader(item)

        def add(values: Any, message: Message, wire: str, group: Group | None) -> None:
            container = getattr(message, wire)
            for value in values:
                write(value, container.add(), group)
    else:
        codec = _codec(item)
        read_item = codec.read

        def add(values: Any, message: Message, wire: str, group: Group | None) -> None:
            getattr(message, wire).extend(codec.write(value, group) for value in values)

    def read_all(items: Any, group: Group | None, path: str) -> Any:
        return tuple(read_item(x, group, f"{path}[{i}]") for i, x in enumerate(items))

    return read_all, add


def _codec(hint: Any) -> Codec:
    if get_origin(hint) is Annotated:
        return next(c for c in get_args(hint)[1:] if isinstance(c, Codec))
    if isinstance(hint, type) and issubclass(hint, enum.IntEnum):
        return _enumeration(hint)
    raise AssertionError(f"no codec for {hint!r}")
