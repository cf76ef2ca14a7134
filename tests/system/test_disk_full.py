"""A server whose disk is full or read-only: it says so, promises nothing, and goes on later."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from cli.common import UNUSABLE
from tests.system.living import LivePlace
from tests.system.programs import Place, Program, refused, wait_until
from tests.system.voting import Voting, check_receipts

pytestmark = pytest.mark.system

MEGABYTES = 3


class Disk:
    """A small file system of its own, over a directory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filler = place / ".filler"

    def mount(self) -> None:
        """With what the directory has. Skips the test where it may not be done."""
        kept = self.place.with_name(f"{self.place.name}.kept")
        self.place.rename(kept)
        self.place.mkdir(mode=0o700)
        options = f"size={MEGABYTES}m,mode=700"
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(self.place)]
        if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            pytest.skip("NO FILE SYSTEM CAN BE MOUNTED HERE, so none was filled up")
        shutil.copytree(kept, self.place, dirs_exist_ok=True, symlinks=True)

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.place)], check=False, capture_output=True)

    def fill(self) -> None:
        """To the last byte."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with pytest.raises(OSError, match="No space"):
                    _write_for_ever(file, bytes(size))

    def free(self) -> None:
        self._filler.unlink()

    def remount(self, how: str) -> None:
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.place)], check=True)


def _write_for_ever(file: IO[bytes], data: bytes) -> None:
    while True:
        file.write(data)


@pytest.fixture
def disk(at: Callable[[str], Place]) -> Iterator[Callable[[str], tuple[LivePlace, Disk]]]:
    """`disk("published")`: an open election, and a disk under this part of the server's home."""
    disks: list[Disk] = []

    def make(where: str) -> tuple[LivePlace, Disk]:
        live = LivePlace(at("open"))
        disks.append(Disk(live.home / where))
        disks[-1].place.mkdir(exist_ok=True)
        disks[-1].mount()
        return live, disks[-1]

    yield make
    for made in disks:
        made.unmount()


def voting(live: LivePlace, server: Program) -> Voting:
    """A device at work."""
    assert server.running()
    voters = Voting(live.place, 1)
    voters.wait_for(1)
    return voters


def agreed(live: LivePlace, voters: Voting) -> None:
    """Everything promised is there, and published."""
    with live.place.board() as board:
        check_receipts(list(board.read()), voters.answers())
    wait_until(lambda: live.published() == live.place.status().size)
    wait_until(lambda: live.place.status().notices == ())


def test_a_full_disk(disk: Callable[[str], tuple[LivePlace, Disk]]) -> None:
    """Database, mark and published files on it: no receipt without room, and later all goes on."""
    live, full = disk(".")
    with live.place.running():
        server = live.serve()
        voters = voting(live, server)
        full.fill()
        server.until(lambda: "disk is full" in server.err.read_text())
        wait_until(lambda: any("cannot be written" in n for n in live.place.status().notices))
        answers = voters.answers()  # before the record, which may have grown a little meanwhile
        with live.place.board() as board:
            check_receipts(list(board.read()), answers)
        full.free()
        voters.wait_for(2)
        voters.delivered()
        voters.stop()
        agreed(live, voters)
        assert server.stop().code == 0


def test_published_files_that_cannot_be_written(
    disk: Callable[[str], tuple[LivePlace, Disk]],
) -> None:
    """Read-only or full: voting goes on, the notices say it, and they are written later."""
    live, small = disk("published")
    with live.place.running():
        small.remount("ro")
        server = live.serve()
        voters = voting(live, server)
        wait_until(lambda: any("Read-only" in n for n in live.place.status().notices))
        small.remount("rw")
        wait_until(lambda: live.place.status().notices == ())
        small.fill()
        voters.wait_for(1)
        wait_until(lambda: any("No space" in n for n in live.place.status().notices))
        small.free()
        voters.delivered()
        voters.stop()
        agreed(live, voters)
        assert server.stop().code == 0


def test_a_home_that_cannot_be_written(disk: Callable[[str], tuple[LivePlace, Disk]]) -> None:
    """The server does not start, and says why."""
    live, home = disk(".")
    with live.place.running():
        home.remount("ro")
        refused(live.start().wait(), UNUSABLE, "ead-only")
