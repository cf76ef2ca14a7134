"""Two programs that share no code judge every dispute alike, whatever was altered in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballotbox.disputes import Claim, Dispute, find_dispute
from crypto.errors import Malformed
from record.merkle import consistency_proof, inclusion_proof, root_of
from record.note import NoteSignature, with_signatures
from record.policy_file import parse_policy
from sailau.v1 import ballot_box_pb2
from sailau.v1 import record_pb2 as pb
from tests.disputing import (
    ALONE,
    CHANGED,
    KEY,
    KINDS,
    LOG,
    ORIGIN,
    OTHER,
    OTHER_LOG,
    POLICY,
    PROMISED,
    STRANGER,
    WITNESSES,
    ListTree,
    artifact,
    cosigned,
    entry_dispute,
    ours,
    prefix_dispute,
    receipt,
    secret,
    signed_note,
    theirs,
    witness_key,
)
from tests.vectors.test_policy import MALFORMED
from verifier.note import parse_checkpoint
from verifier.policy import Cosignature, PolicyError
from verifier.policy import parse_policy as verifier_policy
from verifier.tlog_proof import ProofError, verify_consistency, verify_inclusion

DISPUTES: dict[str, Dispute] = {
    f"{claim} of a {kind}": make(kind, WITNESSES)
    for kind in KINDS
    for claim, make in (("entry", entry_dispute), ("prefix", prefix_dispute))
}
each = pytest.mark.parametrize("name", DISPUTES)


def agreed(data: bytes, policy: bytes = POLICY) -> str:
    """What both say."""
    said = ours(data, policy)
    assert said == theirs(data, policy)
    return said


@each
@pytest.mark.parametrize("policy", [ALONE, POLICY], ids=["log alone", "policy"])
def test_both_convict(name: str, policy: bytes) -> None:
    """A ballot, a cast or a challenge; with witnesses' signatures, known or not."""
    assert agreed(DISPUTES[name].to_bytes(), policy) == "proved"


# --- every field of the file, one by one


def flipped(data: bytes, at: int = -1) -> bytes:
    """The same but for one bit."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def altered_contents(document: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every field of the receipt's contents, changed or left out, in every wrong form."""
    found = re.search(r"^extra (.*)$", document["receipt"], re.MULTILINE)
    assert found is not None
    original = base64.b64decode(found[1])

    def made(name: str, contents: bytes) -> tuple[str, dict[str, str]]:
        text = document["receipt"].replace(found[0], f"extra {b64(contents)}")
        return name, {**document, "receipt": text}

    def edited(field: str, value: object) -> bytes:
        message = ballot_box_pb2.ReceiptContents.FromString(original)
        *owners, name = field.split(".")
        setattr(message.entry if owners else message, name, value)
        return message.SerializeToString(deterministic=True)

    numbers_: dict[str, tuple[int, ...]] = {
        "kind": (0, 1, 2, 3, 4, -1),
        "entry.kind": (0, 1, 7, 8, 9, 10, 2**32 - 1),
        "entry.size": (0, 1, 101, 16 << 20, (16 << 20) + 1, 2**64 - 1),
    }
    for field, values in numbers_.items():
        for number in values:
            yield made(f"{field} {number}", edited(field, number))
    for field in ("base_hash", "confirmation_code", "artifact", "entry.sha256"):
        for value in (b"", bytes(31), bytes(32), bytes(4097), artifact(3), artifact(3)[:-1]):
            yield made(f"{field} of {len(value)}", edited(field, value))
    entry = original.index(b"\x22")
    length = original[entry + 1]
    yield made("no entry", original[:entry] + original[entry + 2 + length :])
    yield made("an empty entry", original[:entry] + b"\x22\x00" + original[entry + 2 + length :])
    yield made("nothing", b"")
    yield made("an empty artifact", original + b"\x2a\x00")
    cast = pb.Cast(device="x" * 5000)
    long = pb.Artifact(cast=cast, signature=bytes(64)).SerializeToString(deterministic=True)
    for size in (4096, 4097):
        yield made(f"an artifact of {size}", edited("artifact", long[:size]))
    yield made("an unknown field", original + b"\x30\x01")
    yield made("a field twice", original[:2] + original)
    yield made("a padded number", b"\x08\x82\x00" + original[2:])
    yield made("a padded length", original[:3] + b"\xa0\x00" + original[4:])
    yield made("a default value", b"\x08\x00" + original[2:])
    yield made("another wire type", b"\x0d\x02\x00\x00\x00" + original[2:])
    yield made("out of order", original[2:] + original[:2])
    for at in range(len(original)):
        yield made(f"bit of byte {at}", flipped(original, at))
        yield made(f"cut at {at}", original[:at])


def altered_notes(document: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every line of both checkpoints, and who has signed them."""
    proof, _, theirs_ = document["receipt"].partition("\n\n")

    def made(name: str, where: str, note: str) -> tuple[str, dict[str, str]]:
        value = note if where == "checkpoint" else f"{proof}\n\n{note}"
        return f"{where}: {name}", {**document, where: value}

    for where, note in (("checkpoint", document["checkpoint"]), ("receipt", theirs_)):
        text, _, signatures = note.partition("\n\n")
        origin, size, root = text.split("\n")
        lines = signatures.splitlines(keepends=True)
        for new in (
            f"{origin}x\n{size}\n{root}\n",
            f"{OTHER.name}\n{size}\n{root}\n",
            f"\n{size}\n{root}\n",
            f"{origin}\n{int(size) + 1}\n{root}\n",
            f"{origin}\n0{size}\n{root}\n",
            f"{origin}\n{2**63 - 1}\n{root}\n",
            f"{origin}\n{2**63}\n{root}\n",
            f"{origin}\n0\n{root}\n",
            f"{origin}\n{size}\n{b64(bytes(32))}\n",
            f"{origin}\n{size}\n{b64(bytes(31))}\n",
            f"{origin}\n{size}\n{root}\nextension\n",
            f"{origin}\n{size}\n{root}\n\nextension\n",
            f"{origin}\n{size}\n",
            f"{origin}\n{size}\n{root}\t\n",
        ):
            yield made(f"unsigned {new!r}", where, f"{new}\n{signatures}")
            for key, signer in ((KEY, ORIGIN), (STRANGER, ORIGIN), (OTHER_LOG, OTHER.name)):
                yield made(f"{new!r} by {signer}", where, signed_note(new, key, signer).decode())
        for key, signer in ((STRANGER, ORIGIN), (OTHER_LOG, OTHER.name)):
            yield made(f"by {signer}", where, signed_note(f"{text}\n", key, signer).decode())
        yield made("no signature", where, f"{text}\n\n")
        yield made("no blank line", where, f"{text}\n{signatures}")
        for number, line in enumerate(lines):
            rest = [*lines[:number], *lines[number + 1 :]]
            _, name, encoded = line.split(" ")
            data = base64.b64decode(encoded)
            for new in (
                "",
                line + line,
                line.replace("\u2014", "-"),
                f"\u2014 {name}x {encoded}",
                f"\u2014 {name} {b64(flipped(data))}\n",
                f"\u2014 {name} {b64(flipped(data, 0))}\n",
                f"\u2014 {name} {b64(data[:-1])}\n",
                f"\u2014 {name} {b64(data[:4])}\n",
                f"\u2014 {name} {b64(data[:4] + b'x')}\n",
                f"\u2014 {name} {b64(data[:4] + bytes([0xFF]) * 72)}\n",
                f"\u2014 {name} {encoded.strip()}=\n",
                line.rstrip("\n"),
                "\n",
            ):
                yield made(f"line {number}: {new!r}", where, f"{text}\n\n{''.join(rest)}{new}")
        yield made("a hundred lines more", where, f"{text}\n\n{signatures}{lines[-1] * 101}")


def altered_members(document: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every member left out, of another type, or with another value."""
    proof, _, note = document["receipt"].partition("\n\n")
    for name in document:
        yield f"no {name}", {k: v for k, v in document.items() if k != name}
        values: tuple[Any, ...] = ("", "x", 1, None, [], {}, "\ud800", True, 1.5)
        for value in values:
            yield f"{name} {value!r}", {**document, name: value}
    yield "more", {**document, "more": ""}
    for claim in ("entry", "prefix", "Entry"):
        yield claim, {**document, "claim": claim}
    for digest in ("00" * 32, "AB" * 32, "ab" * 31, document["hash"] + "\n"):
        yield f"hash {digest!r}", {**document, "hash": digest}
    lines = document["proof"].splitlines(keepends=True)
    for number in range(len(lines)):
        before, line, after = lines[:number], lines[number], lines[number + 1 :]
        for new in (
            "",
            line + line,
            f"{b64(bytes(32))}\n",
            f"{b64(bytes(31))}\n",
            "\n",
            " " + line,
        ):
            yield f"proof {number} {new!r}", {**document, "proof": "".join([*before, new, *after])}
    yield "proof backwards", {**document, "proof": "".join(reversed(lines))}
    yield "proof without end", {**document, "proof": document["proof"][:-1]}
    for length in (126, 127):
        yield f"proof of {length}", {**document, "proof": f"{b64(bytes(32))}\n" * length}
    head = proof.split("\n")
    for number in range(len(head)):
        for lines_ in (
            [*head[:number], *head[number + 1 :]],
            [*head[:number], head[number], *head[number:]],
            [*head[:number], head[number] + " ", *head[number + 1 :]],
            [*head[:number], b64(bytes(32)), *head[number + 1 :]],
        ):
            yield (
                f"line {number} {lines_!r}",
                {**document, "receipt": "\n".join([*lines_, "", note])},
            )
    for index in (*range(8), 2**63 - 1, 2**63, -1, "01", "\u0661", ""):
        text = re.sub("^index .*$", f"index {index}", document["receipt"], flags=re.MULTILINE)
        yield f"index {index}", {**document, "receipt": text}
    text = "\n".join([*head, *[b64(bytes(32))] * 62, "", note])
    yield "64 hashes", {**document, "receipt": text}


@each
@pytest.mark.parametrize("alter", [altered_members, altered_contents, altered_notes])
def test_every_field_altered(
    name: str, alter: Callable[[dict[str, str]], Iterator[tuple[str, dict[str, Any]]]]
) -> None:
    """One by one; most convict nobody, and nothing is judged in two ways."""
    document = json.loads(DISPUTES[name].to_bytes())
    said = {
        agreed(json.dumps(changed).encode(), policy)
        for _, changed in alter(document)
        for policy in (ALONE, POLICY)
    }
    assert "malformed" in said
    assert said & {"R.checkpoint", "R.inclusion", "R.dispute", "R.receipt"}


@pytest.mark.parametrize("name", ["entry of a cast", "prefix of a ballot"])
def test_every_byte_altered(name: str) -> None:
    """Any byte of the file flipped or left out."""
    data = DISPUTES[name].to_bytes()
    said = set()
    for at in range(len(data)):
        for changed in (flipped(data, at), data[:at] + data[at + 1 :]):
            said.add(agreed(changed))
    assert {"malformed", "R.checkpoint", "R.cosignature", "R.inclusion", "R.dispute"} <= said


def test_each_reason_has_its_dispute() -> None:
    """Every id with which a dispute is refused, by both."""
    entry, prefix = DISPUTES["entry of a cast"], DISPUTES["prefix of a cast"]
    grown = ListTree([artifact(number) for number in (*PROMISED, 6, 7)])
    other = ListTree([artifact(number) for number in CHANGED]).note(
        key=OTHER_LOG, origin=OTHER.name
    )
    false = with_signatures(entry.checkpoint, [])
    false = re.sub(rb"(witness.example/11 \S{20})\S", rb"\1A", false)
    cases = {
        "R.dispute": (
            replace(
                entry,
                checkpoint=grown.note(),
                digest=grown.leaf(2),
                proof=grown.inclusion_proof(2),
            ),
            replace(
                prefix,
                checkpoint=grown.note(),
                digest=grown.root_at(5),
                proof=grown.consistency_proof(5),
            ),
            replace(entry, checkpoint=other),
            replace(prefix, claim=Claim.ENTRY),
        ),
        "R.checkpoint": (replace(entry, checkpoint=grown.note(key=STRANGER)),),
        "R.inclusion": (replace(entry, receipt=entry.receipt.under(grown.note(), ())),),
        "R.receipt": (
            replace(entry, receipt=_relabelled(entry, confirmation_code=bytes(32))),
            replace(entry, receipt=_relabelled(entry, artifact=artifact(8))),
            replace(entry, receipt=_relabelled(entry, kind=1, artifact=b"")),
        ),
        "R.cosignature": (replace(entry, checkpoint=false),),
    }
    for check, disputes in cases.items():
        for dispute in disputes:
            assert agreed(dispute.to_bytes()) == check


def _relabelled(dispute: Dispute, **changes: bytes | int) -> Any:
    contents = ballot_box_pb2.ReceiptContents.FromString(dispute.receipt.proof.extra or b"")
    for name, value in changes.items():
        setattr(contents, name, value)
    extra = contents.SerializeToString(deterministic=True)
    return replace(dispute.receipt, proof=replace(dispute.receipt.proof, extra=extra))


numbers = st.lists(st.integers(0, 2**32), min_size=1, max_size=40, unique=True)


@given(numbers, numbers, st.data())
def test_logs_of_every_shape(promised: list[int], record: list[int], data: st.DataObject) -> None:
    """Where the trees contradict each other both convict; where they do not, neither."""
    index = data.draw(st.integers(0, len(promised) - 1))
    record = promised[: data.draw(st.integers(0, len(promised)))] + record
    tree = ListTree([artifact(number) for number in record])
    dispute = find_dispute(receipt(promised, index), tree.note(), tree)
    if dispute is not None:
        assert agreed(dispute.to_bytes()) == "proved"


@given(st.sampled_from(list(DISPUTES)), st.data())
def test_any_bytes_in_between(name: str, data: st.DataObject) -> None:
    """Whatever stands in a stretch of the file instead."""
    original = DISPUTES[name].to_bytes()
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 8)))
    agreed(original[:start] + data.draw(st.binary(max_size=8)) + original[end:])


# --- proofs and policies below them


@given(st.integers(1, 70), st.data())
def test_proofs_of_every_shape(size: int, data: st.DataObject) -> None:
    """Inclusion and consistency at every place of a tree; one hash altered leads elsewhere."""
    leaves = [bytes([number]) * 32 for number in range(1, size + 1)]
    root = root_of(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(leaves, index)
    verify_inclusion(leaves[index], index, size, root, path)
    old = data.draw(st.integers(1, size))
    proof = consistency_proof(leaves, old)
    verify_consistency(old, root_of(leaves[:old]), size, root, proof)
    for at, hashes in ((index, _spoilt(path, data)), (index + size, path)):
        with pytest.raises(ProofError):
            verify_inclusion(leaves[index], at, size, root, hashes)
    before = root_of(leaves[:old])
    for smaller, old_root, hashes in (
        (old, before, _spoilt(proof, data)),
        (old, bytes(32), proof),
        (size + 1, root, ()),
    ):
        with pytest.raises(ProofError):
            verify_consistency(smaller, old_root, size, root, hashes)


def _spoilt(path: tuple[bytes, ...], data: st.DataObject) -> tuple[bytes, ...]:
    """One hash more, or altered."""
    at = data.draw(st.integers(0, len(path)))
    if at == len(path):
        return (*path, bytes(32))
    return (*path[:at], flipped(path[at]), *path[at + 1 :])


KEYS = {name: str(witness_key(seed)) for seed, name in enumerate("abcdef", 20)}
WORDS = [
    *("log", "witness", "group", "quorum", "none", "any", "all", "1", "2", "3", "#", "g", "h"),
    *("a", "b", "\u212a", str(LOG), str(OTHER), *KEYS.values(), "https://x/"),
]
LINES = [
    f"log {LOG}",
    f"log {OTHER} https://x/",
    *(f"witness {name} {key}" for name, key in KEYS.items()),
    *("group g 2 a b c", "group h any d e", "group i all g h", "quorum g", "quorum i", ""),
    *("quorum none", "  # nothing", "\tquorum\ta  ", "group j 01 f", "group k 1 g"),
]
lines = st.one_of(
    st.sampled_from(LINES),
    st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join),
    st.text(max_size=8),
)


@given(st.lists(lines, max_size=14), st.sampled_from([b"\n", b"\n", b""]))
def test_policies_are_read_alike(written: list[str], end: bytes) -> None:
    """The same files are policies, and the same witnesses are their quorum."""
    _same_policy("\n".join(written).encode("utf-8", "surrogatepass") + end)


@given(st.permutations(LINES), st.integers(0, len(LINES)))
def test_whole_policies_are_read_alike(written: list[str], count: int) -> None:
    """Good lines in any order."""
    _same_policy("".join(f"{line}\n" for line in written[:count]).encode())


@given(st.sets(st.sampled_from("abcdef")))
def test_quorums_are_counted_alike(chosen: set[str]) -> None:
    """Of groups in groups."""
    text = "\n".join([f"log {LOG}", *LINES[2:11], "quorum i", ""]).encode()
    assert _same_policy(text, chosen)


def _same_policy(data: bytes, chosen: set[str] | None = None) -> bool:
    try:
        known = parse_policy(data)
    except Malformed as error:
        with pytest.raises(PolicyError) as caught:
            verifier_policy(data)
        line = re.search(r"line \d+", error.field)
        assert line is None or line[0] in str(caught.value)
        return False
    mine = verifier_policy(data)
    assert [(k.name, k.key_id) for k in mine.logs] == [
        (log.key.name, log.key.key_id) for log in known.logs
    ]
    assert [w.name for w in mine.witnesses] == [
        w.name.encode("utf-8", "surrogateescape") for w in known.witnesses
    ]
    for names in ([], [w.name for w in known.witnesses], sorted(chosen or ())):
        signed = [Cosignature(n.encode("utf-8", "surrogateescape"), "", 1) for n in names]
        assert mine.met_by(signed) == known.satisfied(names)
    return True


@pytest.mark.parametrize("text", [text for text, _, _ in MALFORMED.values()], ids=MALFORMED)
def test_what_is_no_policy_is_none_for_both(text: str) -> None:
    """Every broken rule of the other program's tests, and the line it is in."""
    assert not _same_policy(text.encode())


@pytest.mark.parametrize(
    "name",
    ["w" * 201, "w\u200b", "w\u00a0", "", "w\x85"],
    ids=["long", "unseen", "space", "no", "c1"],
)
def test_names_of_keys_are_checked(name: str) -> None:
    """Too long, not printable, with a space, empty: no key is named so."""
    data = b"\x04" + bytes(32)
    key_id = hashlib.sha256(name.encode() + b"\n" + data).hexdigest()[:8]
    assert not _same_policy(f"witness a {name}+{key_id}+{b64(data)}\nquorum a\n".encode())


def test_cosignatures_have_one_form() -> None:
    """A time below 2^63 and a signature; signed otherwise, both refuse the dispute."""
    dispute = DISPUTES["entry of a cast"]
    head = dispute.checkpoint.decode().split("\n\n")[0] + "\n"
    key, private = witness_key(11), secret(11)
    for time, check in ((0, "proved"), (2**63 - 1, "proved"), (2**63, "R.cosignature")):
        signed = private.sign(f"cosignature/v1\ntime {time}\n{head}".encode())
        line = NoteSignature(key.name, key.key_id, time.to_bytes(8, "big") + signed)
        note = with_signatures(dispute.checkpoint, [line])
        assert agreed(replace(dispute, checkpoint=note).to_bytes()) == check


def test_cosignatures_have_their_times() -> None:
    """The latest of a witness, of those known alone."""
    policy = verifier_policy(POLICY)
    tree = ListTree([artifact(1)])
    note = cosigned(cosigned(tree.note(), 11, 13, time=5), 12, time=7)
    again = cosigned(tree.note(), 12, time=6).splitlines(keepends=True)[-1]
    head = parse_checkpoint(note + again)
    assert [(c.name, c.time) for c in policy.cosignatures(head)] == [("w11", 5), ("w12", 7)]
    assert policy.met_by(policy.cosignatures(head))
