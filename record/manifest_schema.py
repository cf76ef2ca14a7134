"""The schema of a manifest file, and its refusals in words.

manifest.schema.json beside this file is the published contract; everything it
cannot say is in manifest_rules.py. The `jsonschema` library walks the document,
and this file replaces what that library does badly with hostile input.
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from record.strict_json import JsonPath, shown

SCHEMA_FILE = "manifest.schema.json"


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong with a manifest: where, what, and what to do."""

    path: JsonPath
    problem: str
    advice: str


def schema_complaints(document: Any) -> Iterator[Complaint]:
    """What the schema refuses in `document`, lazily, in the order of the schema."""
    for error in _validator().iter_errors(document):
        problem, advice = _in_words(error)
        yield Complaint(tuple(error.absolute_path), problem, advice)


@cache
def _validator() -> Any:
    file = importlib.resources.files("record").joinpath(SCHEMA_FILE)
    return _StrictValidator(json.loads(file.read_text("utf-8")))


# Three keywords of the library put the whole instance into their message, which
# costs without bound when the instance is hostile; two name no member; and
# Python's `$` lets a newline through where the standard's does not.


def _type(validator: Any, types: Any, instance: object, _: Any) -> Iterator[ValidationError]:
    names = [types] if isinstance(types, str) else types
    if not any(validator.is_type(instance, name) for name in names):
        yield ValidationError("type")


def _enum(_: Any, values: Any, instance: object, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and instance not in values:
        yield ValidationError("enum")


def _pattern(_: Any, rule: str, instance: object, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and instance and not re.fullmatch(rule, instance):
        yield ValidationError("pattern")


def _required(_: Any, names: Any, instance: object, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError("required", path=(name,))


def _additional(_: Any, __: Any, instance: object, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in instance:
            if name not in schema["properties"]:
                yield ValidationError("additionalProperties", path=(name,))


_StrictValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "type": _type,
        "enum": _enum,
        "pattern": _pattern,
        "required": _required,
        "additionalProperties": _additional,
    },
)

_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "null": "null",
}


def _in_words(error: ValidationError) -> tuple[str, str]:
    wanted: Any = error.validator_value
    found = shown(error.instance)
    match error.validator:
        case "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            kind = " or ".join(_TYPES[name] for name in names)
            return f"is {found}", f"It has to be {kind}."
        case "const":
            return f"is {found}", f"The only value known here is {shown(wanted)}."
        case "enum":
            return f"is {found}", f"Use {_listed(wanted)}."
        case "required":
            return "is missing", "Add it."
        case "additionalProperties":
            known = _listed(_schema_of(error)["properties"])
            return "is no member of the format", f"Members known here: {known}."
        case "minItems" | "minLength":
            return "is empty", "At least one is needed."
        case "maxLength":
            return f"is too long: {found}", f"At most {wanted} characters."
        case "minimum":
            return f"is {found}", f"The least possible is {wanted}."
        case "maximum":
            return f"is {found}", f"The most possible is {wanted}."
        case _:  # pattern
            return f"is {found}", f"It has to be {_schema_of(error)['description']}."


def _schema_of(error: ValidationError) -> Mapping[str, Any]:
    if not isinstance(error.schema, dict):
        raise AssertionError("the error has no schema")
    return error.schema


def _listed(values: Iterable[object]) -> str:
    return ", ".join(shown(value) for value in values)
