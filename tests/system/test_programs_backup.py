"""Backups: made, read back, refused, and an election that is completed with one."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from identity.keystore import read_keystore
from record.state import Phase
from tests.system.programs import PATIENCE, Place, call, refused

pytestmark = pytest.mark.system

REFUSED, UNUSABLE, DECLINED, INTERRUPTED = 1, 2, 5, 130


def secret(place: Place, text: str) -> Path:
    """A passphrase file."""
    file = place.root / "keys" / text.replace(" ", "-")
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def restore(place: Place, i: int, home: str, file: Path | None = None) -> None:
    """A new home from trustee i's backup, with the passphrase of the lost one."""
    shutil.copy(place.key(f"trustee-{i}")[1], place.root / "keys" / home)
    restored = call("trustee", "restore", file or place.backup(i), *place.home(home))
    assert restored.code == 0, restored
    assert f"is trustee {i} of town-2026 again" in restored.out
    assert "never start the old machine's program again" in restored.out


@pytest.mark.slow
def test_election_with_a_restored_trustee(at: Callable[[str], Place]) -> None:
    """A machine lost in the middle of a decryption: its backup takes part in the next session."""
    place = at("voted")
    place.serve()
    place.trustee(1)
    lost = place.cheat("silent-about-decryption", 2)  # or it might finish before it is lost
    place.wait(lambda status: set(status.trustees_present) == {1, 2})
    place.close()
    tally = place.start("election", "tally", *place.admin, "--patience", "5")
    place.wait(lambda status: status.of(2).session_commitments > 0)
    lost.kill()
    shutil.rmtree(place.root / "trustee-2")
    restore(place, 2, "another")
    place.start("trustee", "run", *place.home("another"), "--server", place.addresses()[1])
    ended = tally.wait()
    assert ended.code == 0, ended
    assert "session 2: trustees 1, 2\n" in ended.err
    out = ("--out", place.root / "record")
    place.run("election", "publish", *place.admin, *out)
    place.run("verify", place.root / "record", "--quiet")


def test_backup_and_restore(at: Callable[[str], Place], tmp_path: Path) -> None:
    """A backup has its own passphrase, if wanted; it is only replaced by a newer one of its own."""
    place = at("ready")
    home, file = place.home("trustee-1"), tmp_path / "stick" / "my.backup"
    mine, other = secret(place, "for the stick"), secret(place, "something else")
    write = ("trustee", "backup", *home, "--out", file, "--backup-passphrase-file", mine)
    refused(call(*write), UNUSABLE, "no directory")
    file.parent.mkdir()
    for _ in range(2):
        made = call(*write)
        assert made.code == 0, made
        assert "it was read back" in made.out
    assert file.stat().st_mode & 0o777 == 0o600
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    before = file.read_bytes()
    theirs = ("trustee", "backup", *place.home("trustee-2"), "--out", file)
    refused(call(*theirs), UNUSABLE, "stays as it is")
    refused(call(*theirs, "--backup-passphrase-file", mine), UNUSABLE, "of something else")
    refused(call(*write[:-1], other), UNUSABLE, "stays as it is")
    assert file.read_bytes() == before

    new = tmp_path / "new"
    take = ("trustee", "restore", file, "--home", new)
    refused(call(*take, "--backup-passphrase-file", other), UNUSABLE, "cannot be told apart")
    refused(call(*take, *place.key("trustee-1")), UNUSABLE, "cannot be told apart")
    key = ("--backup-passphrase-file", mine, *place.key("trustee-1"))
    assert call(*take, *key).code == 0
    assert new.stat().st_mode & 0o777 == 0o700
    assert (new / "keystore").stat().st_mode & 0o777 == 0o600
    passphrase = Path(place.key("trustee-1")[1]).read_bytes().strip()
    had, has = (
        dict(read_keystore(h / "keystore", passphrase)) for h in (place.root / "trustee-1", new)
    )
    assert has == {k: v for k, v in had.items() if k in has}
    assert set(had) - set(has) <= {"trustee.tally", "trustee.session"}
    refused(call(*take, *key), UNUSABLE, "exists already")
    assert file.read_bytes() == before


@pytest.mark.parametrize("where", ["first", "middle", "last", "cut", "empty", "a key store"])
def test_damaged_backup(at: Callable[[str], Place], tmp_path: Path, where: str) -> None:
    """A backup with a byte changed or missing is no home, and says so; nothing is written."""
    place = at("ready")
    file, key = tmp_path / "b", place.key("trustee-1")
    assert call("trustee", "backup", *place.home("trustee-1"), "--out", file).code == 0
    data = bytearray(file.read_bytes())
    if where in ("first", "middle", "last"):
        data[{"first": 0, "middle": len(data) // 2, "last": -1}[where]] ^= 1
    elif where == "a key store":
        data[:] = (place.root / "trustee-1/keystore").read_bytes()
    else:
        del data[0 if where == "empty" else -1 :]
    file.write_bytes(data)
    refused(call("trustee", "restore", file, "--home", tmp_path / "h", *key), UNUSABLE, str(file))
    assert [f.name for f in tmp_path.iterdir() if f.name in ("h", "b") or "h-" in f.name] == ["b"]
    # Neither is it written over: perhaps something can still be saved of it.
    again = call("trustee", "backup", *place.home("trustee-1"), "--out", file)
    refused(again, UNUSABLE, "stays as it is")
    assert file.read_bytes() == data


def test_no_backup_before_there_is_something(at: Callable[[str], Place], tmp_path: Path) -> None:
    """Before the key shares are there nothing can be backed up; beside a running program it can."""
    place = at("made")
    write = ("trustee", "backup", *place.home("trustee-1"), "--out", tmp_path / "b")
    refused(call(*write), REFUSED, "P.backup", "no share of the key")
    place = at("ready")
    place.serve()
    place.trustee(1)
    place.wait(lambda status: 1 in status.trustees_present)
    write = ("trustee", "backup", *place.home("trustee-1"), "--out", tmp_path / "b")
    assert call(*write).code == 0


def test_no_confirmation_without_a_backup(at: Callable[[str], Place], tmp_path: Path) -> None:
    """A backup that cannot be written, or is somebody else's file, holds the confirmation up."""
    place = at("made")
    place.serve()
    for i in (1, 2):
        place.trustee(i)
    home = ("trustee", "run", *place.home("trustee-3"), "--yes", "--backup")
    result = place.attempt(*home, tmp_path / "nowhere" / "b")
    assert result.code == UNUSABLE
    assert "could not be written" in result.err.splitlines()[-1]
    theirs = tmp_path / "holiday.jpg"
    theirs.write_bytes(b"\xff\xd8 holiday")
    result = place.attempt(*home, theirs)
    assert result.code == UNUSABLE
    assert "stays as it is" in result.err.splitlines()[-1]
    assert theirs.read_bytes() == b"\xff\xd8 holiday"
    status = place.status()
    assert status.phase is Phase.CONFIRMATION
    assert not status.of(3).confirmed
    place.trustee(3)
    place.reach(Phase.READY)


def test_at_a_terminal(at: Callable[[str], Place], tmp_path: Path) -> None:
    """A person is shown what to compare, asked, and asked again where the backup cannot go."""
    place = at("made")
    place.serve()
    for i in (1, 2):
        place.trustee(i)
    answers = [
        ("do they agree? [y/N]:", "y"),
        ("to which file [trustee-3.backup]:", f"{tmp_path}/stick"),
        ("to which file [trustee-3.backup]:", f"{tmp_path}/nowhere/b.backup"),
        ("to which file [trustee-3.backup]:", f"{place.root}/trustee-3/b.backup"),
        ("to which file [trustee-3.backup]:", f"{tmp_path}"),
    ]
    command = ("trustee", "run", *place.home("trustee-3"), "--until", "confirmed")
    shown = at_terminal(command, answers)
    for words in ("The town", "any 2 can decrypt", "Choose another file", "it was read back"):
        assert words in shown, shown
    assert "The key is confirmed." in shown
    assert "is inside the trustee's own directory" in shown
    assert "is the stick in" in shown
    assert not (tmp_path / "stick").exists()
    assert (tmp_path / "trustee-3.backup").exists()
    assert "copy the file to another" in " ".join(shown.split())
    assert "this machine" in shown


def test_a_person_who_sees_other_digits(at: Callable[[str], Place]) -> None:
    """Nothing is confirmed and nothing written, and the program says so and ends."""
    place = at("made")
    place.serve()
    for i in (1, 2):
        place.trustee(i)
    command = ("trustee", "run", *place.home("trustee-3"), "--until", "confirmed")
    shown = at_terminal(command, [("do they agree? [y/N]:", "n")], code=DECLINED)
    assert "You have not confirmed. Nothing was sent." in shown
    assert not place.status().of(3).confirmed
    # Ctrl-C at a question ends it at once: no line after it is taken for the answer.
    shown = at_terminal(command, [("do they agree? [y/N]:", "\x03")], code=INTERRUPTED)
    assert "interrupted; nothing was confirmed" in shown
    answers = [("do they agree? [y/N]:", "y"), ("to which file [trustee-3.backup]:", "\x03")]
    shown = at_terminal(command, answers, code=INTERRUPTED)
    assert "interrupted; nothing was confirmed" in shown
    assert not place.status().of(3).confirmed


def at_terminal(
    command: tuple[str | Path, ...], answers: list[tuple[str, str]], code: int = 0
) -> str:
    """Run `sailau` at a terminal and answer its questions; all that was on the screen.

    It must end with `code`. The answer "\\x03" is Ctrl-C.
    """
    mine, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *map(str, command)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(theirs)
    shown, decoder = "", getincrementaldecoder("utf-8")()
    try:
        for question, answer in answers:
            before = len(shown)
            while question not in shown[before:]:
                shown += decoder.decode(os.read(mine, 4096))
            if answer == "\x03":
                time.sleep(0.5)  # The question is on the screen a moment before it is asked.
                program.send_signal(signal.SIGINT)
            else:
                os.write(mine, answer.encode() + b"\n")
        with suppress(OSError):
            while data := os.read(mine, 4096):
                shown += decoder.decode(data)
        assert program.wait(PATIENCE) == code, shown
    finally:
        program.kill()
        os.close(mine)
    return shown
