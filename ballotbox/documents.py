"""The JSON files of this room: written one way, read strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from crypto.errors import Malformed
from record.strict_json import read_json

_HEX = re.compile(r"[0-9a-f]*")


def write_document(document: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON, indented, for a file that people may look at."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


class Reader:
    """The members of one JSON object, each asked for by its type; `end` refuses others.

    Every method raises Malformed with the member's path.
    """

    def __init__(self, document: object, path: str) -> None:
        if not isinstance(document, dict):
            raise Malformed(path, "is not an object")
        self._members: dict[str, object] = dict(document)
        self._path = path

    @classmethod
    def of(cls, data: bytes, name: str, format_name: str, limit: int) -> Reader:
        """A whole file of this format."""
        reader = cls(read_json(data, name, limit), name)
        if reader._members.pop("format", None) != format_name:
            raise Malformed(f"{name}.format", f"is not {format_name!r}")
        return reader

    def path(self, name: str) -> str:
        """Where a member stands, for errors."""
        return f"{self._path}.{name}"

    def text(self, name: str) -> str:
        """A string."""
        value = self._take(name)
        if not isinstance(value, str):
            raise Malformed(self.path(name), "is not a string")
        return value

    def integer(self, name: str, most: int) -> int:
        """A whole number from 0 to `most`."""
        value = self._take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise Malformed(self.path(name), f"is not a whole number from 0 to {most}")
        return value

    def hex(self, name: str, width: int) -> bytes:
        """`width` bytes in lower-case hexadecimal."""
        value = self._take(name)
        if not isinstance(value, str) or len(value) != 2 * width or not _HEX.fullmatch(value):
            raise Malformed(self.path(name), f"is not {2 * width} lower-case hexadecimal digits")
        return bytes.fromhex(value)

    def items(self, name: str) -> list[Reader]:
        """A list of objects."""
        value = self._take(name)
        if not isinstance(value, list):
            raise Malformed(self.path(name), "is not a list")
        return [Reader(item, f"{self.path(name)}[{i}]") for i, item in enumerate(value)]

    def end(self) -> None:
        """Refuse members that nobody asked for."""
        for name in self._members:
            raise Malformed(f"{self._path}[{name!r}]", "is not a member of this file")

    def _take(self, name: str) -> object:
        if name not in self._members:
            raise Malformed(self.path(name), "is missing")
        return self._members.pop(name)
