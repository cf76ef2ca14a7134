"""Records that work against their reader: that change meanwhile, or grow what they cost."""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from record.artifacts import BallotContest, Selection
from record.manifest import Contest
from tests.ballots import Encryptor, Fate, Plain
from tests.decrypting import play_election
from tests.publishing import publish
from tests.tampered.kit import PARAMETERS, TOY_NAME, Record, honest
from verifier import verify
from verifier.log import Changed

Progress = Callable[[str, int, int], None]


def _exchanged(path: Path, stages: dict[str, bytes]) -> Progress:
    """Puts other bytes into a file at the end of a stage of the verification."""

    def progress(stage: str, done: int, total: int) -> None:
        if stage in stages and done == total:
            path.write_bytes(stages[stage])

    return progress


def _framed(record: Record) -> bytes:
    """What a file of these artifacts holds."""
    return b"".join(_varint(len(data)) + data for data in record.encoded())


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


@pytest.mark.parametrize("back", [True, False])
def test_a_file_that_changes_between_two_readings(tmp_path: Path, back: bool) -> None:
    """Ballots with bad proofs when the log is hashed, good ones when proofs are checked.

    The verdict must never come from two different records: nor if the first one is back
    when the count is checked.
    """
    bad = Record(honest())
    proofs = bad.first("ballot").contests[0].selections
    proofs[0].proof.CopyFrom(proofs[1].proof)
    publish(honest(), tmp_path, bad.encoded())
    path = tmp_path / "artifacts/000"
    shown, good = path.read_bytes(), _framed(Record(honest()))
    assert verify(tmp_path, parameters=TOY_NAME).failed_ids() == ("6.D",)
    stages = {"reading the log": good} | ({"checking ballots": shown} if back else {})
    with pytest.raises(Changed):
        verify(tmp_path, parameters=TOY_NAME, progress=_exchanged(path, stages))


def test_a_damaged_zip_is_refuted(tmp_path: Path) -> None:
    """A .zip that contradicts its own checksums has not "changed": its file is damaged."""
    publish(honest(), tmp_path / "record")
    path = tmp_path / "record.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in (p for p in (tmp_path / "record").rglob("*") if p.is_file()):
            packed.write(file, str(file.relative_to(tmp_path)))
        checksum = packed.getinfo("record/artifacts/000").CRC.to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(checksum, bytes(4)))
    assert verify(path, parameters=TOY_NAME).failed_ids() == ("R.entry",)


class Liar(Encryptor):
    """Gets contest hashes, codes and chain wrong, each ballot anew."""

    def contest_hash(self, contest: Contest, selections: Sequence[Selection]) -> bytes:
        """Any hash."""
        return secrets.token_bytes(32)

    def confirmation_code(self, contests: Sequence[BallotContest], b_c: bytes) -> bytes:
        """Any hash."""
        return secrets.token_bytes(32)

    def chaining_field(self) -> bytes:
        """The right mode, any hash."""
        return b"\0\0\0\1" + secrets.token_bytes(32)


def test_lies_that_multiply(tmp_path: Path) -> None:
    """What one fault leaves open for the next ballot must not double with each ballot."""
    plain = Plain({"president": (1, 0, 0)}, style="short", encryptor=Liar, fate=Fate.SPOIL)
    world = play_election(PARAMETERS[TOY_NAME], [plain] * 64, alter=lambda _, piece: piece)
    publish(world, tmp_path)
    report = verify(tmp_path, parameters=TOY_NAME)
    assert report.failed_ids() == ("8.A", "8.B", "8.E")
    assert report.failures_total == 3 * 64


def test_lists_without_end(tmp_path: Path) -> None:
    """Where a list is far too long, its beginning is enough to refute it."""
    record = Record(honest())
    options = record.first("decrypted_tally").options
    for _ in range(10_000):
        options.add()
    publish(record.world, tmp_path, record.encoded())
    report = verify(tmp_path, parameters=TOY_NAME)
    assert report.failed_ids() == ("11.B",)
    assert report.failures_total == 100
