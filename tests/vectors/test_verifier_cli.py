"""The verifier as a program: what is no record, and what its help says."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto.parameters import TOY
from record.state import Phase
from tests.disputing import LOG, entry_dispute
from tests.everything import NOTED, play_everything
from tests.publishing import publish
from tests.world import World
from verifier.cli import ProgressLines, main

ROOT = Path(__file__).parents[2]


def test_what_is_not_there_is_unreadable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line, for a path that does not exist and an empty directory."""
    assert main([str(tmp_path / "nothing")]) == 2
    assert main([str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2


def test_unreadable_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the verdict "unreadable" goes to stdout."""
    assert main([str(tmp_path), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verdict"] == "unreadable"


def test_a_file_that_is_no_zip_is_unreadable(tmp_path: Path) -> None:
    """Exit code 2 for any other file."""
    path = tmp_path / "record.zip"
    path.write_bytes(b"PK\x03\x04 but no more")
    assert main([str(path)]) == 2


def test_a_zip_with_two_files_of_one_name_is_unreadable(tmp_path: Path) -> None:
    """Two readers could take two different files: that is no record."""
    path = tmp_path / "record.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("checkpoint", "a")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("checkpoint", "b")
    assert main([str(path)]) == 2


def test_an_empty_log_is_never_verified(tmp_path: Path) -> None:
    """A record with nothing to check is refuted, with or without a checkpoint."""
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "000").write_bytes(b"")
    assert main([str(tmp_path), "--quiet"]) == 1
    (tmp_path / "checkpoint").write_bytes(
        b"example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    )
    assert main([str(tmp_path), "--quiet"]) == 1


def test_links_and_pipes_are_not_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link out of the record and a named pipe are damaged files, not read, not waited for."""
    record = tmp_path / "record"
    (record / "artifacts").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.write_bytes(b"zebra\n1\nx\n")
    (record / "checkpoint").symlink_to(outside)
    os.mkfifo(record / "artifacts" / "000")
    assert main([str(record)]) == 1
    shown = capsys.readouterr().out
    assert "link out of the record" in shown
    assert "not a regular file" in shown
    assert "zebra" not in shown


def test_bad_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option, a bad verifier key, no record: usage, and exit code 2."""
    for arguments in (
        ["x", "--jobs", "0"],
        ["x", "--log-key", "abc"],
        [],
        ["x", "--until", "noon"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_toy_parameters_are_loudly_refused_their_meaning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks for toy parameters reads a warning."""
    main([str(tmp_path), "--parameters", "toy-64-256"])
    assert "WARNING" in capsys.readouterr().err


def test_a_copy_of_the_folder_runs(tmp_path: Path) -> None:
    """verifier/ and record_pb2.py alone, beside it or in it; without it a clear message.

    Receipts and disputes, of which record_pb2.py knows nothing, are read there, too.
    """
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "verifier", tmp_path / "verifier", ignore=ignore)
    command = [sys.executable, "-m", "verifier", "nothing"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    # -S leaves installed copies of the project out, but the dependencies, too: name them.
    site = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    environment["PYTHONPATH"] = site
    command.insert(1, "-S")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    without = run()
    assert without.returncode == 2
    assert "record_pb2.py" in without.stderr
    assert "Traceback" not in without.stderr
    for place in (tmp_path, tmp_path / "verifier"):
        copy = place / "record_pb2.py"
        shutil.copy(ROOT / "proto/sailau/v1/record_pb2.py", copy)
        assert "neither a directory nor a file" in run().stderr
        copy.unlink()
    copy = tmp_path / "record_pb2.py"
    shutil.copy(ROOT / "proto/sailau/v1/record_pb2.py", copy)
    (tmp_path / "dispute.json").write_bytes(entry_dispute("ballot").to_bytes())
    command[-1:] = ["--dispute", "dispute.json", "--log-key", str(LOG)]
    judged = run()
    assert judged.returncode == 0, judged.stderr
    assert "PROVED" in judged.stdout


def _on_a_record(
    world: World, tmp_path: Path, stdout: Any = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The program on the record of a world."""
    publish(world, tmp_path / "record")
    command = [sys.executable, "-m", "verifier", str(tmp_path / "record"), "--jobs", "1"]
    command += ["--parameters", TOY[-1].name]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def test_a_terminal_that_cannot_show_every_letter(tmp_path: Path) -> None:
    """It gets question marks, and the whole report."""
    world = World.create(TOY[-1], until=Phase.COMMITMENT)
    world.append(replace(NOTED, reason="дождь"))
    done = _on_a_record(world, tmp_path, PYTHONIOENCODING="ascii:strict")
    assert "?????" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("REFUTED: ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is full")
def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    """Exit code 2 and one line: nothing that could be taken for a verdict."""
    with Path("/dev/full").open("w") as full:
        done = _on_a_record(play_everything(), tmp_path, stdout=full)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("verifier: the report could not be written: ")
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_has_a_rate_and_the_time_left() -> None:
    """Plain lines, every ten seconds, from two seconds on; each stage has its own rate."""
    clock = [0.0]
    shown = io.StringIO()
    progress = ProgressLines(shown, lambda: clock[0])
    for clock[0], *told in (
        (1.0, "reading the log", 1, 1000),  # not yet
        (3.0, "reading the log", 201, 1000),  # 200 in two seconds
        (4.0, "reading the log", 999, 1000),  # too soon after the last
        (12.0, "checking ballots", 16, 0),
        (14.0, "checking ballots", 40, 4000),  # began at 4: 4 a second
        (24.0, "checking ballots", 40, 80000),  # 2 a second
        (99.0, "counting", 0, 0),
    ):
        progress(*told)  # type: ignore[arg-type]
    progress.finish()
    assert shown.getvalue().splitlines() == [
        "reading the log: 201 of 1,000 (20 %), 100 a second, 0:08 left",
        "checking ballots: 40 of 4,000 (1 %), 4.0 a second, 16:30 left",
        "checking ballots: 40 of 80,000 (0 %), 2.0 a second, 11:06:20 left",
        "counting: 0",
    ]


def test_progress_on_a_terminal_is_one_line() -> None:
    """A shorter line leaves nothing of a longer one, and nothing is left at the end."""
    clock = [0.0]
    shown = _Terminal()
    progress = ProgressLines(shown, lambda: clock[0])
    for clock[0], done in ((0.5, 1000), (3.0, 1000), (3.3, 5)):
        progress("reading", done, 0)
    progress.finish()
    assert shown.getvalue() == "\rreading: 1,000\rreading: 5    \r" + " " * 10 + "\r"
