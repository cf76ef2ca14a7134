"""Strict JSON for the files that people hand to each other.

One spelling is signed (`canonical`), any spelling may be read; but a member that
is missing, unknown, twice there or of another type is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crypto.errors import Malformed

LIMIT = 64 << 10


def canonical(document: Mapping[str, str | int]) -> bytes:
    """UTF-8 JSON with sorted members and no spaces: the bytes that are signed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def readable(document: Mapping[str, str | int]) -> bytes:
    """UTF-8 JSON, one member a line, for a file that people may look at."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def parse_document(
    data: bytes, format_name: str, members: Mapping[str, type[str] | type[int]]
) -> dict[str, Any]:
    """A JSON object of exactly these members (and `format`), each of its type.

    Every string can be encoded as UTF-8. Raises Malformed with the member's name.
    """
    if len(data) > LIMIT:
        raise Malformed("file", f"is larger than {LIMIT} bytes")
    try:
        document = json.loads(data.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Malformed("file", "is not JSON in UTF-8") from None
    if not isinstance(document, dict) or document.get("format") != format_name:
        raise Malformed("format", f"is not {format_name!r}")
    for name in document.keys() - members.keys() - {"format"}:
        raise Malformed(ascii(name), "is not a member of this file")
    for name, kind in members.items():
        _check_member(document, name, kind)
    return document


def parse_hex(text: str, width: int, field: str) -> bytes:
    """`width` bytes in lower-case hexadecimal. Raises Malformed."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != width or data.hex() != text:
        raise Malformed(field, f"is not {2 * width} lower-case hexadecimal digits")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise Malformed("file", "has a member twice")
    return document


def _check_member(document: Mapping[str, Any], name: str, kind: type) -> None:
    if name not in document:
        raise Malformed(name, "is missing")
    value = document[name]
    if type(value) is not kind:
        raise Malformed(name, f"is not {'a string' if kind is str else 'a number'}")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Malformed(name, "is not text") from None
