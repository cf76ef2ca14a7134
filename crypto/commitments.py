"""The commitments of one proof, as they are hashed: elements behind each other.

A verifier recomputes them from challenges and responses. Whoever has them already can
check many proofs faster (`batch`); they come from anywhere and prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gmpy2 import mpz

from crypto.errors import Malformed
from crypto.group import Group


@dataclass(frozen=True, slots=True)
class Commitments:
    """Elements and their encodings, one behind the other.

    Of a range proof a_0, b_0, a_1, b_1 .. a_R, b_R, of a proof of knowledge its one.
    """

    elements: tuple[mpz, ...]
    encoded: bytes


def encode_commitments(group: Group, elements: Iterable[mpz]) -> Commitments:
    """The commitments with these elements."""
    found = tuple(elements)
    return Commitments(found, b"".join(map(group.encode_element, found)))


def parse_commitments(group: Group, data: bytes, count: int, field: str) -> Commitments:
    """The `count` elements in `data`, each at least 1 and below p, or Malformed."""
    width = group.parameters.element_width
    if len(data) != count * width:
        raise Malformed(field, f"has {len(data)} bytes instead of {count} times {width}")
    elements = tuple(
        group.parse_element(data[i * width : (i + 1) * width], f"{field}[{i}]")
        for i in range(count)
    )
    return Commitments(elements, bytes(data))
