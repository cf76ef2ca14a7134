"""The grammar of a manifest: strict JSON, and what its members may look like.

`Rules` collects what is merely forbidden; what makes a manifest unreadable is raised.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

MAX_BYTES = 15 << 20
MAX_LIMIT = 1000
MAX_FLOOR = 1_000_000
MAX_SECONDS = 60


class ShapeError(Exception):
    """The manifest's shape is so wrong that nothing can be built from it."""


class Rules:
    """Collects broken rules with their paths."""

    def __init__(self) -> None:
        """Start with nothing broken."""
        self.problems: list[str] = []

    def broken(self, path: str, problem: str) -> None:
        """Note a broken rule."""
        self.problems.append(f"{path}: {problem}")

    def require(self, holds: bool, path: str, problem: str) -> None:
        """Note a broken rule unless it holds."""
        if not holds:
            self.broken(path, problem)

    def members(
        self, value: Any, path: str, names: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Return an object that has exactly these members, and perhaps the optional ones."""
        if not isinstance(value, dict):
            raise ShapeError(f"{path}: not an object")
        for name in names:
            if name not in value:
                raise ShapeError(f"{path}: the member {name!r} is missing")
        for name in value:
            known = name in names or name in optional
            self.require(known, path, f"the member {name[:100]!r} is unknown")
        return value

    def items(self, value: Any, path: str) -> list[Any]:
        """Return a list with something in it."""
        if not isinstance(value, list):
            raise ShapeError(f"{path}: not a list")
        self.require(bool(value), path, "an empty list")
        return value

    def text(self, value: Any, path: str) -> str:
        """Return a string that UTF-8 can hold."""
        if not isinstance(value, str):
            raise ShapeError(f"{path}: not a string")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ShapeError(f"{path}: half a surrogate pair")
        return value

    def label(self, value: Any, path: str) -> str:
        """Return a label."""
        label = self.text(value, path)
        message = "not a label of 1 to 100 characters without outer space"
        self.require(is_label(label), path, message)
        return label

    def labels(self, value: Any, path: str) -> list[str]:
        """Return a list of references: labels that do not repeat."""
        labels = [
            self.label(item, f"{path}[{i}]") for i, item in enumerate(self.items(value, path))
        ]
        self.unique(labels, path)
        return labels

    def unique(self, labels: list[str], path: str) -> None:
        """Require that no label stands twice."""
        self.require(len(set(labels)) == len(labels), path, "a label stands twice")

    def limit(self, value: Any, path: str, most: int = MAX_LIMIT) -> int:
        """Return a limit, 1 to `most`, without fraction or exponent."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise ShapeError(f"{path}: not a whole number")
        if not 1 <= value <= most:
            raise ShapeError(f"{path}: not between 1 and {most}")
        return value


def is_label(text: str) -> bool:
    """Whether a text may be a label: short, no outer white space, no control characters."""
    return (
        1 <= len(text) <= 100
        and text == text.strip()
        and not any(unicodedata.category(character) == "Cc" for character in text)
    )


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a member stands twice in one object")
    return result


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def load_json(data: bytes) -> Any:
    """Parse UTF-8 JSON without a byte order mark or duplicate members. Raises ShapeError."""
    if len(data) > MAX_BYTES:
        raise ShapeError(f"it has {len(data)} bytes, more than {MAX_BYTES}")
    if data.startswith(b"\xef\xbb\xbf"):
        raise ShapeError("it begins with a byte order mark")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError as error:
        raise ShapeError("it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ShapeError(f"it is not JSON: {str(error)[:200]}") from error
