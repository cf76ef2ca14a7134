"""Random changes to bytes, files, messages and records."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from sailau.v1 import record_pb2 as pb
from tests.tampered.kit import Record, kind_of

_TEXTS = ("", " ", "abai", "centre", "city", "ballot-box-1", "council", "x" * 101, "a\nb", "жа")
_NUMBERS = (0, 1, 2, 3, 60, 255, 256, 511, 2**31 - 1, 2**31, 2**32 - 1, 2**53 + 1, 2**63, 2**64 - 1)
_DATES = ("2025-12-03", "2025-12-05", "20251204", "2025-02-30")
_WHOLE = (0, 1, 2, 7, 1000, 1001, -1, 10**20)
_VALUES: tuple[Any, ...] = (*_TEXTS, *_DATES, *_WHOLE, "none", 1.0, 1.5, True, None, [], {})


# --- bytes


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The bytes, changed in one place."""
    place = rng.randrange(len(data) + 1)
    end = min(len(data), place + rng.choice((1, 1, 2, 8, 32, 100)))
    what = rng.randrange(7)
    if what == 0:
        return data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    if what == 1 and place < len(data):
        return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
    if what == 2:
        return data[:place] + data[end:]
    if what == 3:
        return data[:end] + data[place:]
    if what == 4:
        return data[:place]
    if what == 5:
        return data[:place] + rng.randbytes(end - place) + data[place:]
    other = rng.randrange(len(data) + 1)
    return data[:place] + data[other : other + end - place] + data[end:]


def mutate_file(rng: random.Random, root: Path) -> tuple[str, bytes]:
    """Change one file of a published record; return its name and what it was."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    path = rng.choice(files)
    before = path.read_bytes()
    if rng.random() < 0.05:
        path.unlink()
    elif rng.random() < 0.05:
        path.write_bytes(rng.choice(files).read_bytes())
    else:
        path.write_bytes(mutated(rng, before))
    return str(path.relative_to(root)), before


# --- messages


def _submessages(message: Message) -> list[Message]:
    """A message and all messages in it that are there."""
    found = [message]
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for item in value if field.is_repeated else [value]:
                found += _submessages(item)
    return found


class Messages:
    """Changes fields of messages; takes values from wherever they stand in a record."""

    def __init__(self, rng: random.Random, record: Record) -> None:
        self._rng = rng
        self._record = record

    def change(self, artifact: pb.Artifact) -> str:
        """Change one field somewhere in an artifact's statement; return its name."""
        rng = self._rng
        statement = getattr(artifact, kind_of(artifact))
        message: Any = rng.choice(_submessages(statement))
        fields = list(message.DESCRIPTOR.fields)
        field = rng.choice(fields)
        if field.is_repeated:
            self._repeated(getattr(message, field.name), field)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            self._message(message, field)
        else:
            setattr(message, field.name, self._value(getattr(message, field.name), field))
        return f"{message.DESCRIPTOR.name}.{field.name}"

    def _repeated(self, items: Any, field: FieldDescriptor) -> None:
        rng, i = self._rng, self._rng.randrange(len(items)) if len(items) else -1
        what = rng.randrange(5)
        if what == 0 and i >= 0:
            del items[i]
        elif what == 1 and i >= 0:
            kept = list(items)
            rng.shuffle(kept)
            self._replace(items, kept)
        elif what == 2:
            kept = list(items)
            kept.insert(max(i, 0), kept[i] if kept else None)
            if kept[0] is not None:
                self._replace(items, kept)
        elif i >= 0 and field.type == FieldDescriptor.TYPE_MESSAGE:
            j = rng.randrange(len(items))
            items[i].CopyFrom(type(items[j]).FromString(items[j].SerializeToString()))
        elif i >= 0:
            items[i] = self._value(items[i], field)

    @staticmethod
    def _replace(items: Any, kept: list[Any]) -> None:
        copies = [
            type(x).FromString(x.SerializeToString()) if isinstance(x, Message) else x for x in kept
        ]
        del items[:]
        items.extend(copies)

    def _message(self, message: Any, field: FieldDescriptor) -> None:
        mine = getattr(message, field.name)
        others = [
            x
            for artifact in self._rng.sample(self._record.artifacts, 5)
            for x in _submessages(getattr(artifact, kind_of(artifact)))
            if type(x) is type(mine)
        ]
        if others and self._rng.random() < 0.8:
            other = self._rng.choice(others)
            mine.CopyFrom(type(mine).FromString(other.SerializeToString()))
        else:
            message.ClearField(field.name)

    def _value(self, value: Any, field: FieldDescriptor) -> Any:
        rng = self._rng
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._bytes(value)
        if field.type == FieldDescriptor.TYPE_STRING:
            return rng.choice((*_TEXTS, value + "x", value[:-1]))
        limit = 2**64 if field.type == FieldDescriptor.TYPE_UINT64 else 2**31
        number = rng.choice((*_NUMBERS, value + 1, value - 1, value + 1))
        return min(max(number, 0), limit - 1)

    def _bytes(self, value: bytes) -> bytes:
        """Another number of the same width, mostly, one that means something."""
        rng, group, width = self._rng, self._record.group, len(value)
        p, q = int(group.p), int(group.q)
        number = int.from_bytes(value, "big")
        modulus = p if width == group.parameters.element_width else q
        wanted: Sequence[Callable[[], int]] = (
            lambda: 0,
            lambda: 1,
            lambda: modulus,
            lambda: modulus - 1,
            lambda: modulus - number,
            lambda: number + 1,
            lambda: number + modulus,
            lambda: number * pow(3, q, p) % modulus,
            lambda: number * int(group.g) % modulus,
            lambda: rng.randrange(modulus),
            lambda: pow(int(group.g), rng.randrange(q), p),
        )
        if rng.random() < 0.3:
            return mutated(rng, value)
        made = rng.choice(wanted)()
        return made.to_bytes(width, "big") if 0 <= made < 256**width else mutated(rng, value)


# --- records


def rearrange(rng: random.Random, record: Record, other: Record) -> str:
    """Drop, repeat, move or exchange artifacts, or take one from another election."""
    artifacts = record.artifacts
    if len(artifacts) < 2:
        return "nothing"
    i, j = (rng.randrange(len(artifacts)) for _ in range(2))
    what = rng.choice(("drop", "repeat", "move", "exchange", "near", "foreign", "cut", "again"))
    if what == "drop":
        del artifacts[i]
    elif what == "repeat":
        artifacts.insert(j, artifacts[i])
    elif what == "move":
        artifacts.insert(j, artifacts.pop(i))
    elif what == "exchange":
        record.swap(i, j)
    elif what == "near":
        record.swap(i, max(i - 1, 0))
    elif what == "cut":
        del artifacts[i:]
    elif what == "again":
        again = artifacts[i]
        record.insert(j).CopyFrom(again)
        Messages(rng, record).change(artifacts[j])
    else:
        foreign = record.insert(j)
        foreign.CopyFrom(rng.choice(other.artifacts))
        if rng.random() < 0.5:
            record.sign(foreign)
    return what


# --- manifests


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """A manifest with a value changed somewhere, or with a byte changed."""
    try:
        document = json.loads(data)
    except ValueError:
        return mutated(rng, data)
    if rng.random() < 0.2 or not isinstance(document, dict):
        return mutated(rng, data)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in list(items):
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(document)
    if not places:
        return mutated(rng, data)
    node, key = rng.choice(places)
    _, other = donor = rng.choice(places)
    what = rng.randrange(6)
    if what == 0:
        del node[key]
    elif what == 1 and isinstance(node, list):
        node.insert(key, json.loads(json.dumps(node[key])))
    elif what == 2 and isinstance(node, dict):
        node[rng.choice((*_TEXTS, "label"))] = node[key]
    elif what == 3:
        node[key] = json.loads(json.dumps(donor[0][other]))
    else:
        node[key] = rng.choice(_VALUES)
    return json.dumps(document, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
