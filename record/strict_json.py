"""JSON read the way RFC 8259 means it, where Python's reader is more generous.

A file that two readers understand differently is two files. So what Python's
`json` lets pass is refused here: a member given twice, a byte order mark, `NaN`
and `Infinity`, halves of surrogate pairs. Nesting and long numbers, which cost
more than they say, end in the same clean error. Which members a document may
have is the caller's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from crypto.errors import Malformed

_TYPE_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}

JsonPath = tuple[str | int, ...]

_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_LONGEST_INTEGER = 18
_DEEPEST_SEARCH = 64
_PLAIN_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class NotANumber:
    """Stands where a number stood that no member of ours can hold.

    It is neither a string nor an integer, so that whoever checks the types of a
    document refuses it, and knows its place.
    """

    token: str


def read_json(data: bytes, document: str, limit: int) -> object:
    """The value of a JSON text in UTF-8; `document` names it in errors.

    Integers of more than 18 digits, numbers with a fraction or an exponent, and NaN or
    Infinity come back as `NotANumber`. Raises Malformed for anything else that is not one
    JSON text of at most `limit` bytes, without repeated members and unpaired surrogates.
    """
    text = _decode(data, document, limit)
    repeated: list[tuple[object, str]] = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            repeated.append((found, _first_repeated(pairs)))
        return found

    try:
        value = json.loads(
            text,
            object_pairs_hook=members,
            parse_constant=NotANumber,
            parse_float=NotANumber,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise Malformed(
            document,
            f"is not JSON: {_lower(error.msg)} in line {error.lineno}, column {error.colno}",
            "Correct it there or write the file with a JSON library.",
        ) from None
    except RecursionError:
        raise Malformed(document, "is nested too deeply", "No member of it needs that.") from None
    if repeated:
        raise _repeated_member(value, repeated, document)
    if _SURROGATE_ESCAPE.search(text):
        _check_unicode(value, document)
    return value


def json_path(path: JsonPath, document: str) -> str:
    """The place of a value for people: `contests[0].options[2].label`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_MEMBER.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    if not text:
        return document
    return document + text if text.startswith("[") else text


def shown(value: object) -> str:
    """A short, printable form of a value from a document, for errors.

    Never walks into a list or an object, so that its cost is bounded.
    """
    if isinstance(value, str):
        short = value if len(value) <= 60 else value[:57] + "..."
        return json.dumps(short, ensure_ascii=not short.isprintable())
    if isinstance(value, NotANumber):
        return value.token if len(value.token) <= 20 else value.token[:17] + "..."
    return _TYPE_NAMES.get(type(value)) or json.dumps(value)


def _decode(data: bytes, document: str, limit: int) -> str:
    if len(data) > limit:
        raise Malformed(document, f"has {len(data)} bytes, more than {limit}")
    if data.startswith(_BYTE_ORDER_MARKS):
        raise Malformed(document, "starts with a byte order mark", "Save it as UTF-8 without one.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(
            document, f"is not UTF-8 at byte {error.start}", "Save it as UTF-8."
        ) from None


def _integer(token: str) -> int | NotANumber:
    return int(token) if len(token) <= _LONGEST_INTEGER else NotANumber(token[:40])


def _first_repeated(pairs: list[tuple[str, object]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no member is repeated")


def _repeated_member(value: object, repeated: list[tuple[object, str]], document: str) -> Malformed:
    # The object is looked for only now: the reader does not know where it is.
    names = {id(owner): name for owner, name in repeated}
    path: JsonPath = (repeated[-1][1],)
    for place, node in _walk(value):
        if id(node) in names:
            path = (*place, names[id(node)])
            break
    return Malformed(
        json_path(path, document),
        "is there more than once in its object",
        "Keep one of the two: readers differ in which of them they take.",
    )


def _check_unicode(value: object, document: str) -> None:
    for path, node in _walk(value):
        strings = [node] if isinstance(node, str) else node if isinstance(node, dict) else ()
        for text in strings:
            try:
                text.encode("utf-8")
            except UnicodeEncodeError:
                raise Malformed(
                    json_path(path, document),
                    "has half of a surrogate pair, which is no character",
                    "Write the character itself instead of its \\u escapes.",
                ) from None


def _walk(value: object) -> Iterator[tuple[JsonPath, object]]:
    """Every value of a document with its path, parents first, in order."""
    stack: list[tuple[JsonPath, object]] = [((), value)]
    while stack:
        path, node = stack.pop()
        yield path, node
        if len(path) >= _DEEPEST_SEARCH:
            continue
        if isinstance(node, dict):
            stack.extend(((*path, name), node[name]) for name in reversed(node))
        elif isinstance(node, list):
            stack.extend(((*path, i), node[i]) for i in reversed(range(len(node))))


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
