"""Disputes: what a log cannot have signed twice is proved, and nothing else is."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from ballotbox.disputes import Claim, Dispute, find_dispute, judge, parse_dispute
from ballotbox.receipts import Receipt, ReceiptKind, make_receipt, parse_receipt, verify_receipt
from crypto.errors import Malformed, Rejected
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from record.cosignature import cosigner_key
from record.entry import entry_for
from record.merkle import consistency_proof, inclusion_proof, leaf_hash, root_of
from record.policy import Log, Policy, Witness, log_alone
from sailau.v1 import record_pb2

ORIGIN = "example.org/election"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG = verifier_key(ORIGIN, KEY.public_key().public_bytes_raw())
TRUST = log_alone(LOG)
BASE_HASH = bytes(32)


class ListTree:
    """A tree from all its leaf hashes."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves

    @property
    def size(self) -> int:
        return len(self.leaves)

    def root_at(self, size: int) -> bytes:
        return root_of(self.leaves[:size])

    def leaf(self, index: int) -> bytes:
        return self.leaves[index]

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        return inclusion_proof(self.leaves, index)

    def consistency_proof(self, old_size: int) -> tuple[bytes, ...]:
        return consistency_proof(self.leaves, old_size)

    def note(self, key: Ed25519PrivateKey = KEY, origin: str = ORIGIN) -> bytes:
        return sign_checkpoint(Checkpoint(origin, self.size, root_of(self.leaves)), key)


def cast(code: bytes) -> bytes:
    """A cast artifact; who signed it does not matter here."""
    message = record_pb2.Artifact(cast=record_pb2.Cast(device="box", confirmation_code=code))
    return message.SerializeToString(deterministic=True)


def code(number: int) -> bytes:
    return number.to_bytes(32, "big")


def log(numbers: list[int]) -> ListTree:
    """The log of the casts of these ballots."""
    return ListTree([leaf_hash(entry_for(cast(code(n)))) for n in numbers])


def receipt(numbers: list[int], index: int) -> Receipt:
    """The receipt of one of them, under the log that they are."""
    tree, wanted = log(numbers), code(numbers[index])
    hashes = tree.inclusion_proof(index)
    return make_receipt(
        ReceiptKind.CAST, BASE_HASH, wanted, cast(wanted), index, hashes, tree.note()
    )


numbers = st.lists(st.integers(0, 2**32), min_size=1, max_size=40, unique=True)


@given(numbers, numbers, st.data())
def test_a_log_that_grows_is_never_in_dispute(
    promised: list[int], more: list[int], data: st.DataObject
) -> None:
    """Whatever comes after it, and whatever of it is not published yet."""
    index = data.draw(st.integers(0, len(promised) - 1))
    given_out = receipt(promised, index)
    for size in range(len(promised + more) + 1):
        tree = log((promised + more)[:size])
        assert find_dispute(given_out, b"", tree) is None


@given(numbers, numbers, st.data())
def test_a_log_that_changed_is_convicted(
    promised: list[int], record: list[int], data: st.DataObject
) -> None:
    """Where the two trees contradict each other, the file shows it to whoever has the key."""
    index = data.draw(st.integers(0, len(promised) - 1))
    same = data.draw(st.integers(0, len(promised)))
    record = promised[:same] + record
    tree, given_out = log(record), receipt(promised, index)
    found = find_dispute(given_out, tree.note(), tree)
    other_entry = index < len(record) and record[index] != promised[index]
    other_prefix = len(record) >= len(promised) and record[: len(promised)] != promised
    assert (found is not None) is (other_entry or other_prefix)
    assume(found is not None)
    assert found is not None
    assert found.claim is (Claim.ENTRY if other_entry else Claim.PREFIX)
    again = parse_dispute(found.to_bytes())
    assert again == found
    first, later = judge(again, TRUST)
    assert (first.checkpoint.size, later.checkpoint.size) == (len(promised), len(record))


PROMISED, CHANGED = [1, 2, 3, 4, 5], [1, 2, 9, 4, 5, 6, 7]


def entry_dispute() -> Dispute:
    """Ballot 3 is gone."""
    found = find_dispute(receipt(PROMISED, 2), log(CHANGED).note(), log(CHANGED))
    assert found is not None
    assert found.claim is Claim.ENTRY
    return found


def prefix_dispute() -> Dispute:
    """Ballot 2 is there, but not what stood beside it."""
    found = find_dispute(receipt(PROMISED, 1), log(CHANGED).note(), log(CHANGED))
    assert found is not None
    assert found.claim is Claim.PREFIX
    return found


GROWN = log([*PROMISED, 6, 7])
NO_DISPUTES: dict[str, tuple[str, Dispute]] = {
    "the record has the entry": (
        "R.dispute",
        replace(
            entry_dispute(),
            checkpoint=GROWN.note(),
            digest=GROWN.leaf(2),
            proof=GROWN.inclusion_proof(2),
        ),
    ),
    "the record has grown": (
        "R.dispute",
        replace(
            prefix_dispute(),
            checkpoint=GROWN.note(),
            digest=GROWN.root_at(5),
            proof=GROWN.consistency_proof(5),
        ),
    ),
    "an entry that is not there": ("R.dispute", replace(entry_dispute(), digest=bytes(32))),
    "an entry of another index": (
        "R.dispute",
        replace(entry_dispute(), proof=log(CHANGED).inclusion_proof(3)),
    ),
    "a beginning that is none": ("R.dispute", replace(prefix_dispute(), digest=bytes(32))),
    "no proof": ("R.dispute", replace(prefix_dispute(), proof=())),
    "the other claim": ("R.dispute", replace(prefix_dispute(), claim=Claim.ENTRY)),
    "a record that is shorter": (
        "R.dispute",
        replace(prefix_dispute(), checkpoint=log([1, 8, 9]).note(), digest=bytes(32), proof=()),
    ),
    "a record that the log did not sign": (
        "R.checkpoint",
        replace(entry_dispute(), checkpoint=log(CHANGED).note(STRANGER)),
    ),
    "a receipt that the log did not sign": (
        "R.checkpoint",
        replace(
            entry_dispute(),
            receipt=receipt(PROMISED, 2).under(
                log(PROMISED).note(STRANGER), log(PROMISED).inclusion_proof(2)
            ),
        ),
    ),
    "a receipt that does not hold": (
        "R.inclusion",
        replace(entry_dispute(), receipt=receipt(PROMISED, 2).under(GROWN.note(), ())),
    ),
}


@pytest.mark.parametrize("name", NO_DISPUTES)
def test_what_proves_nothing(name: str) -> None:
    """A log that did nothing wrong, or not so, or another log."""
    check, dispute = NO_DISPUTES[name]
    with pytest.raises(Rejected) as caught:
        judge(parse_dispute(dispute.to_bytes()), TRUST)
    assert caught.value.check == check


def test_two_logs_may_differ() -> None:
    """Both known, both honest: their trees have nothing to do with each other."""
    other = verifier_key("example.org/other", STRANGER.public_key().public_bytes_raw())
    both = Policy((Log(LOG), Log(other)))
    dispute = replace(entry_dispute(), checkpoint=log(CHANGED).note(STRANGER, other.name))
    with pytest.raises(Rejected, match="different logs") as caught:
        judge(dispute, both)
    assert caught.value.check == "R.dispute"


def test_no_witness_is_needed_to_convict() -> None:
    """The log's two signatures do, whatever quorum the policy demands of honest logs."""
    key = cosigner_key("witness.example/w", STRANGER.public_key().public_bytes_raw())
    demanding = Policy((Log(LOG),), (Witness("w", key),), (), "w")
    for dispute in (entry_dispute(), prefix_dispute()):
        judge(dispute, demanding)


def test_two_trees_of_one_size() -> None:
    """The two notes alone are the proof."""
    other = log([1, 2, 3, 4, 9])
    found = find_dispute(receipt(PROMISED, 1), other.note(), other)
    assert found is not None
    assert (found.claim, found.proof) == (Claim.PREFIX, ())
    judge(found, TRUST)


MALFORMED: dict[str, dict[str, Any]] = {
    "dispute.format": {"format": "sailau-dispute/2"},
    "dispute.claim": {"claim": "everything"},
    "dispute.hash": {"hash": "ab"},
    "dispute.proof": {"proof": "AAAA\n"},
    "dispute.proof ": {"proof": "AAAA"},
    "dispute.receipt": {"receipt": "nothing"},
    "receipt": {"receipt": "\ud800"},
    "dispute.receipt  ": {"receipt": 1},
    "dispute.checkpoint": {"checkpoint": "nothing"},
    "dispute['more']": {"more": 1},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_dispute_is_read_strictly(name: str) -> None:
    """The member that is wrong is named."""
    document = {**json.loads(entry_dispute().to_bytes()), **MALFORMED[name]}
    with pytest.raises(Malformed) as caught:
        parse_dispute(json.dumps(document).encode())
    assert caught.value.field.startswith(name.strip())


@given(st.data())
def test_an_altered_file_is_refused_in_our_words(data: st.DataObject) -> None:
    """Any bytes changed in a receipt or a dispute: Malformed, Rejected or the same meaning."""
    kind = data.draw(st.sampled_from(["receipt", "entry", "prefix"]))
    original = {
        "receipt": receipt(PROMISED, 2).to_bytes,
        "entry": entry_dispute().to_bytes,
        "prefix": prefix_dispute().to_bytes,
    }[kind]()
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 8)))
    changed = original[:start] + data.draw(st.binary(max_size=8)) + original[end:]
    with suppress(Malformed, Rejected):
        if kind == "receipt":
            verify_receipt(parse_receipt(changed), TRUST)
        else:
            judge(parse_dispute(changed), TRUST)


@given(st.binary(max_size=400))
def test_anything_else_is_malformed(data: bytes) -> None:
    """Neither parser takes what is not of its kind."""
    for parse in (parse_receipt, parse_dispute):
        with pytest.raises(Malformed):
            parse(data)
