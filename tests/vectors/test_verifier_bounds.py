"""What a hostile record can make the verifier keep, and how often it makes it look."""

from __future__ import annotations

import gc
import types
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from sailau.v1 import record_pb2 as pb
from tests.publishing import publish
from tests.tampered.kit import TOY_NAME, Record, honest
from verifier import verify
from verifier.archive import open_archive
from verifier.ceremony import JointKeys
from verifier.complaints import Complaints, _Complaint
from verifier.findings import Findings, Place
from verifier.group import Group, group_for
from verifier.log import Log
from verifier.note import VerifierKey
from verifier.operations import Operations
from verifier.parameters import BY_NAME
from verifier.policy import parse_policy
from verifier.run import Verification
from verifier.survey import Survey
from verifier.targets import DrillTarget
from verifier.wire import Reader

LONG = 1 << 20
KEPT = 100_000
"""Far above what an honest record has in one piece, and far below what is tried here."""


def surveyed(record: Record, folder: Path) -> Survey:
    """What the first reading of a record leaves behind."""
    publish(record.world, folder, record.encoded())
    verification = Verification(open_archive(folder), TOY_NAME, None, 1, lambda *_: None)
    verification.read_log()
    assert verification.findings.total_failed, "nothing is wrong with the record"
    return verification.survey


def pieces(root: object) -> Iterator[str | bytes | bytearray]:
    """Every text and every bytes that an object keeps alive, however deep."""
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    seen, waiting = set[int](), [root]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, code):
            continue
        seen.add(id(found))
        if isinstance(found, str | bytes | bytearray):
            yield found
        waiting += gc.get_referents(found)


def long_transcripts(record: Record) -> None:
    """Complaints of trustees that do not exist, each with a transcript of a megabyte."""
    position = record.position("key_confirmation")
    for sender in (70, 71):
        complaint = pb.ShareComplaint(trustee=1, sender=sender, transcript=bytes(LONG))
        record.sign(record.insert(position, share_complaint=complaint))


def long_parts(record: Record) -> None:
    """A part of a drill with a transcript of a megabyte."""
    session = pb.DecryptionSession(session=1, trustees=[1, 2, 3], purpose=pb.SESSION_PURPOSE_DRILL)
    position = record.position("opening")
    record.sign(record.insert(position, decryption_session=session))
    part = pb.DecryptionCommitments(
        session=1, trustee=1, commitments=[bytes(32)], transcript=bytes(LONG)
    )
    record.sign(record.insert(position + 1, decryption_commitments=part))


def long_codes(record: Record) -> None:
    """Drills, each with a confirmation code of a megabyte."""
    position = record.position("opening")
    for number in (2, 1):
        session = pb.DecryptionSession(
            session=number, trustees=[1, 2], purpose=pb.SESSION_PURPOSE_DRILL
        )
        session.confirmation_code = bytes([number]) * LONG
        record.sign(record.insert(position, decryption_session=session))


def long_reasons(record: Record) -> None:
    """A device is missing for a reason of a megabyte."""
    missing = pb.DeviceMissing(device="ballot-box-2", reason="x" * LONG)
    record.sign(record.insert(record.position("polls_close"), device_missing=missing))
    closed = [s.device for s in record.every("device_close")].index("ballot-box-2")
    record.take_out("device_close", closed)


def long_labels(kind: str) -> Callable[[Record], None]:
    """A tally whose contest is a megabyte long stands for the one that it should be."""

    def change(record: Record) -> None:
        record.first(kind).contest = "x" * LONG

    return change


def long_options(record: Record) -> None:
    """An option of a decrypted tally has a label of a megabyte."""
    record.first("decrypted_tally").options[0].option = "x" * LONG


CHANGES = {
    "transcripts": long_transcripts,
    "parts": long_parts,
    "codes": long_codes,
    "reasons": long_reasons,
    "encrypted tallies": long_labels("encrypted_tally"),
    "decrypted tallies": long_labels("decrypted_tally"),
    "options": long_options,
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_long_is_kept(name: str, tmp_path: Path) -> None:
    """In a .zip a megabyte of one letter is a kilobyte: a thousand of them must not be kept."""
    record = Record(honest())
    CHANGES[name](record)
    survey = surveyed(record, tmp_path)
    assert max(map(len, pieces(survey))) < KEPT


def quiet() -> Reader:
    """A reader whose findings nobody looks at."""
    return Reader(group_for(BY_NAME[TOY_NAME]), Findings(), Place(artifact=1), "server")


def test_operations_have_so_much_room() -> None:
    """Ten thousand acts can be kept, and no more than so many characters of what they say."""
    with mock.patch("verifier.operations.ROOM", 1000):
        operations = Operations()
    for second in range(60, 660, 60):
        said = pb.Operation(
            role=pb.ROLE_ADMINISTRATOR, action=pb.ACTION_NOTED, reason="x" * 300, time=second
        )
        operations.take(pb.Artifact(operation=said), "operation", quiet())
    assert (len(operations.acts), operations.total) == (3, 10)


def test_a_confirmation_looks_at_its_own_complaints() -> None:
    """Else as many complaints as confirmations, of trustees that have no keys, take for ever."""

    class EachByItself(defaultdict[int, dict[int, Any]]):
        def items(self) -> Any:
            raise AssertionError("a confirmation has looked at everybody's complaints")

    complaints = Complaints(mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
    complaints._complaints = EachByItself(dict)
    complaints._complaints[2][3] = _Complaint(5)
    reader = quiet()
    complaints.confirmation(1, reader)
    assert not reader.findings.has_failed("R.complaint")
    complaints.confirmation(2, reader)
    assert reader.findings.has_failed("R.complaint")


def test_a_drill_costs_nothing_before_it_is_decrypted() -> None:
    """A session of a hundred bytes must not cost powers: there can be any number of them."""
    group = group_for(BY_NAME[TOY_NAME])
    keys = JointKeys(group.g, group.g, bytes(32))
    with mock.patch.object(Group, "power", side_effect=AssertionError("nobody has asked")):
        target = DrillTarget(group, keys, 1)
    ((alpha, beta),) = target.ciphertexts(0)
    assert beta == target.factor * group.g % group.p
    assert alpha == target.factor, "the key is g here"


def test_sessions_of_ballots_are_looked_at_for_so_long(tmp_path: Path) -> None:
    """For each its ballot is read again; but not for ever, if every second is out of turn."""

    def read(sessions: int) -> int:
        record = Record(honest())
        codes = [challenge.confirmation_code for challenge in record.every("challenge")][:2]
        assert len(codes) == 2
        position = record.position("challenged_ballot_decryption")
        last = max(session.session for session in record.every("decryption_session"))
        for i in range(sessions, 0, -1):
            session = pb.DecryptionSession(session=last + i, trustees=[2, 3])
            session.purpose, session.confirmation_code = pb.SESSION_PURPOSE_BALLOT, codes[i % 2]
            record.sign(record.insert(position, decryption_session=session))
        folder = tmp_path / str(sessions)
        publish(record.world, folder, record.encoded())
        with mock.patch.object(Log, "at", autospec=True, side_effect=Log.at) as at:
            report = verify(folder, parameters=TOY_NAME)
        assert report.failed_ids() == ("R.session",)
        assert report.checks["R.session"].failed == sessions // 2
        return at.call_count

    with mock.patch("verifier.count._PATIENCE", 3):
        assert read(8) == read(20)
    assert read(20) == read(8) + 12


@pytest.mark.parametrize("line", [b"log %(key)b", b"witness %(name)b %(key)b"])
def test_a_policy_is_read_at_a_cost_in_proportion_to_its_lines(line: bytes) -> None:
    """Ten thousand keys are not each compared with all before it."""
    compared = 0

    class Counted(bytes):
        """A public key that counts how often it is compared."""

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return bytes.__eq__(self, other)

        __hash__ = bytes.__hash__

    def key(text: bytes, _: int) -> VerifierKey:
        return VerifierKey(text.decode(), "name", bytes(4), Counted(text))

    words = [b"%d" % number for number in range(9_999)]
    lines = [line % {b"name": word, b"key": word} for word in words]
    with mock.patch("verifier.policy._key", key):
        policy = parse_policy(b"\n".join([*lines, b"quorum none", b""]))
    assert len(policy.logs) + len(policy.witnesses) == 9_999
    assert compared < 9_999
