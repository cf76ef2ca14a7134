"""Whatever bytes an observer is given, they are a value or Malformed, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import Malformed, Rejected, SailauError
from record.add_checkpoint import (
    AddCheckpoint,
    format_add_checkpoint,
    parse_add_checkpoint,
    parse_known_size,
)
from record.checkpoint import Checkpoint, parse_checkpoint
from record.cosignature import cosigner_key, parse_answer
from record.note import (
    NoteSignature,
    SignatureType,
    parse_note,
    parse_signatures,
    parse_verifier_key,
    verifier_key,
    with_signatures,
)
from record.policy import Policy
from record.policy_file import parse_logs, parse_policy
from record.tlog_proof import TlogProof, parse_tlog_proof, verify_tlog_proof
from tests.observing import KEY, TRUST, add_checkpoint, leaves, note
from tests.vectors.test_policy import EXAMPLE

NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="+"), min_size=1, max_size=30
)
SIGNATURES = st.builds(
    NoteSignature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=90)
)
HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple)
SIZES = st.integers(0, 2**63 - 1)

NOTE = note(5)
WITNESS = cosigner_key("witness.example", bytes(range(32)))
PROOF = TlogProof(3, (bytes(32), bytes(range(32))), NOTE, b"extra").format()
REQUEST = add_checkpoint(3, 5)

PARSERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "note": (NOTE, parse_note),
    "checkpoint": (NOTE, parse_checkpoint),
    "any log's checkpoint": (NOTE, lambda data: parse_checkpoint(data, any_log=True)),
    "signatures": (NOTE.partition(b"\n\n")[2], parse_signatures),
    "verifier key": (str(KEY).encode(), lambda data: parse_verifier_key(data.decode("latin-1"))),
    "policy": (EXAMPLE.encode(), parse_policy),
    "logs": (EXAMPLE.encode(), parse_logs),
    "proof": (PROOF, parse_tlog_proof),
    "request": (REQUEST, parse_add_checkpoint),
    "known size": (b"20852163\n", parse_known_size),
}


@pytest.mark.parametrize(("good", "parse"), PARSERS.values(), ids=PARSERS)
@given(data=st.data())
def test_any_bytes_and_any_change(
    good: bytes, parse: Callable[[bytes], object], data: st.DataObject
) -> None:
    """Random bytes, and good ones with a change, are Malformed or parse: nothing crashes."""
    parse(good)
    with contextlib.suppress(Malformed):
        parse(data.draw(st.binary(max_size=300)))
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert", "double"]))
        if kind == "set":
            changed[place] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del changed[place : place + data.draw(st.integers(1, 20))]
        elif kind == "insert":
            changed[place:place] = data.draw(st.binary(max_size=5) | st.just(b"\n\n"))
        else:
            changed += changed[place:]
        if not changed:
            break
    with contextlib.suppress(Malformed):
        parse(bytes(changed))


@given(NAMES, st.lists(SIGNATURES, min_size=1, max_size=20), SIZES)
def test_notes_are_written_as_they_are_read(
    origin: str, signatures: list[NoteSignature], size: int
) -> None:
    """Any names, any signatures: text, order and bytes survive."""
    head = Checkpoint(origin, size, bytes(range(32)))
    lines = "".join(signature.line() for signature in signatures)
    data = f"{head.text()}\n{lines}".encode()
    signed = parse_checkpoint(data)
    assert signed.checkpoint == head
    assert list(signed.signatures) == signatures
    assert parse_signatures(lines.encode()) == signed.signatures
    assert with_signatures(data, []) == data


@given(NAMES, st.binary(min_size=32, max_size=32), st.sampled_from(SignatureType))
def test_verifier_keys_are_written_as_they_are_read(
    name: str, public: bytes, kind: SignatureType
) -> None:
    """Of both types, and never as the other."""
    key = verifier_key(name, public, kind)
    assert parse_verifier_key(str(key), "key", kind) == key
    for other in SignatureType:
        if other is not kind:
            with pytest.raises(Malformed):
                parse_verifier_key(str(key), "key", other)


@given(SIZES, HASHES, st.none() | st.binary(min_size=1, max_size=500))
def test_proofs_are_written_as_they_are_read(
    index: int, hashes: tuple[bytes, ...], extra: bytes | None
) -> None:
    """One value, one file."""
    proof = TlogProof(index, hashes, NOTE, extra)
    assert parse_tlog_proof(proof.format()) == proof


@given(SIZES, HASHES)
def test_requests_are_written_as_they_are_read(old: int, proof: tuple[bytes, ...]) -> None:
    """Old size, hashes and the note byte for byte."""
    parsed = parse_add_checkpoint(format_add_checkpoint(old, proof, NOTE))
    assert parsed == AddCheckpoint(old, proof, NOTE, parse_checkpoint(NOTE))


@given(st.data())
def test_one_changed_byte_of_a_proof_is_noticed(data: st.DataObject) -> None:
    """A proof that holds, with any byte exchanged, no longer parses or no longer holds.

    But for the name in front of an unknown signature there is nothing to change freely.
    """
    from record.merkle import inclusion_proof

    hashes = leaves(5)
    good = TlogProof(3, inclusion_proof(hashes, 3), NOTE).format()
    verify_tlog_proof(parse_tlog_proof(good), hashes[3], TRUST)
    place = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Malformed, Rejected)):
        verify_tlog_proof(parse_tlog_proof(bytes(changed)), hashes[3], TRUST)


@given(st.binary(max_size=300))
def test_any_answer_of_a_witness(data: bytes) -> None:
    """Is refused, unless the witness made it."""
    with pytest.raises(SailauError):
        parse_answer(data, WITNESS, "text\n")


@given(st.lists(st.integers(1, 3), min_size=1, max_size=6), st.data())
def test_groups_count_what_they_hold(shape: list[int], data: st.DataObject) -> None:
    """A file of random groups says the same as counting by hand."""
    from tests.vectors.test_policy import vkey

    lines, names, members = [], [], {}
    free: list[str] = []
    for number, width in enumerate(shape):
        for i in range(width):
            name = f"w{number}.{i}"
            lines.append(f"witness {name} {vkey(100 + 10 * number + i, name)}")
            names.append(name)
            free.append(name)
        taken = data.draw(
            st.lists(st.sampled_from(free), min_size=1, max_size=len(free), unique=True)
        )
        least = data.draw(st.integers(1, len(taken)))
        lines.append(f"group g{number} {least} {' '.join(taken)}")
        members[f"g{number}"] = (least, taken)
        free = [name for name in free if name not in taken] + [f"g{number}"]
    last = f"g{len(shape) - 1}"
    policy: Policy = parse_policy("\n".join([*lines, f"quorum {last}", ""]).encode())
    chosen = set(data.draw(st.lists(st.sampled_from(names), unique=True)))

    def met(name: str) -> bool:
        if name not in members:
            return name in chosen
        least, inside = members[name]
        return sum(met(member) for member in inside) >= least

    assert policy.satisfied(chosen) == met(last)
