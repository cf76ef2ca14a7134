"""What `sailau device run` is told on standard input: one JSON object a line."""

from __future__ import annotations

from dataclasses import dataclass

from ballotbox.receipts import parse_code
from crypto.errors import Malformed
from record.manifest import Manifest
from record.strict_json import read_json

CAST, CHALLENGE, ABANDON, RECEIPT = "cast", "challenge", "abandon", "receipt"
_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, repr=False)
class Vote:
    """A voter's choices, by label, and what becomes of the ballot."""

    unit: str
    style: str
    selections: dict[str, dict[str, int]]
    then: str

    def __repr__(self) -> str:
        return "Vote(<redacted>)"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a ballot submitted before, by its code (32 bytes).

    Cast or challenge; `RECEIPT` asks for its receipt once more.
    """

    code: bytes
    then: str


def parse_order(line: bytes, manifest: Manifest) -> Vote | Decision:
    """The order in a line. Raises Malformed with the member's path; quotes no choice."""
    order = read_json(line, "line", _LIMIT)
    if not isinstance(order, dict):
        raise Malformed("line", "is not a JSON object")
    if "code" in order:
        return _decision(order)
    _check_members(order, {"unit", "style", "selections", "then"})
    unit = order.get("unit")
    if not isinstance(unit, str):
        raise Malformed("unit", "is not a label")
    style = order["style"] if "style" in order else _only_style(manifest, unit)
    if not isinstance(style, str):
        raise Malformed("style", "is not a label")
    then = _then(order.get("then"), (CAST, CHALLENGE, ABANDON))
    return Vote(unit, style, _selections(order.get("selections", {})), then)


def _decision(order: dict[str, object]) -> Decision:
    _check_members(order, {"code", "then"})
    code = order["code"]
    if not isinstance(code, str):
        raise Malformed("code", "is not a confirmation code")
    return Decision(parse_code(code), _then(order.get("then"), (CAST, CHALLENGE, RECEIPT)))


def _check_members(order: dict[str, object], known: set[str]) -> None:
    for name in order.keys() - known:
        raise Malformed(name, "is not a member of this order")


def _then(value: object, known: tuple[str, ...]) -> str:
    """Nothing is meant by leaving it out: a cast cannot be taken back."""
    if not isinstance(value, str) or value not in known:
        problem = "is missing; it is one of" if value is None else "is none of"
        raise Malformed("then", f"{problem} {', '.join(known)}")
    return value


def _only_style(manifest: Manifest, unit: str) -> str:
    styles = manifest.unit(unit).ballot_styles
    if len(styles) != 1:
        raise Malformed("style", f"is missing; {unit} has {', '.join(styles) or 'none'}")
    return styles[0]


def _selections(value: object) -> dict[str, dict[str, int]]:
    if not isinstance(value, dict):
        raise Malformed("selections", "is not an object")
    for contest, options in value.items():
        if not isinstance(options, dict):
            raise Malformed(f"selections[{contest!r}]", "is not an object")
        for option, number in options.items():
            if type(number) is not int:
                raise Malformed(f"selections[{contest!r}][{option!r}]", "is not a whole number")
    return value
