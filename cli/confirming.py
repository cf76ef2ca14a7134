"""What a person sees, agrees to and keeps before a trustee's confirmation counts."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click
from rich.panel import Panel
from rich.text import Text

from cli.backups import backup_file, backup_of, check_place, tell_backup, write_backup
from cli.common import INTERRUPTED, UNUSABLE, aloud, console, errors, fail, say
from cli.homes import INVITATION, Home
from crypto.errors import SailauError
from trustees.messages import Confirmation

_NOBODY = "nobody is there to confirm; start it in a terminal"
NO_PLACE = (
    "your share of the key needs a backup before you confirm; say where with --backup FILE, "
    "best on another medium"
)


@dataclass(frozen=True, slots=True, repr=False)
class Confirming:
    """Asks the person at the terminal, or takes the answers from the options.

    `yes` agrees without asking; `file` is where the backup goes, None to ask for it;
    `backup_passphrase` gives the backup's passphrase when it is needed.
    """

    home: Home
    yes: bool
    file: Path | None
    backup_passphrase: Callable[[], bytes]

    def __repr__(self) -> str:
        return "Confirming(<redacted>)"

    def __call__(
        self, confirmation: Confirmation, values: Mapping[str, bytes]
    ) -> Mapping[str, bytes] | None:
        """What was read back from the backup; None if the person does not agree."""
        _show(confirmation)
        if not (self.yes or _agrees()):
            return None
        made = backup_of(
            {**self.home.keystore.secrets, **values},
            (self.home.path / INVITATION).read_bytes(),
        )
        passphrase = self.backup_passphrase()
        while True:
            file = backup_file(self.file or self._ask(), self.home.invitation().index)
            try:
                check_place(file, self.home.path)
                read = write_backup(file, made, passphrase)
            except (SailauError, OSError) as error:
                if self.file is not None:
                    raise
                errors.print(f"{error}. Choose another file.", style="red", markup=False)
                continue
            tell_backup(file, self.home.path)
            return read.values

    def _ask(self) -> Path:
        """Where to, from the terminal."""
        if self.yes or not sys.stdin.isatty():
            fail(NO_PLACE, UNUSABLE)
        name = backup_file(Path(), self.home.invitation().index).name
        say(
            "Your share of the key now needs a backup: one encrypted file, best on a memory stick "
            "that you keep apart from this machine. Its passphrase is your key store's, unless "
            "you have given another. Type the stick's directory, or a file on it. What is "
            f"proposed, {name}, is on this machine and does not help when the machine is lost."
        )
        while True:
            with interruptible():
                answer = Path(_prompt("Write it to which file", name).strip()).expanduser()
            if answer.is_dir() or answer.suffix:
                return answer
            # A stick that is not there would make a file of its name on this machine.
            problem = f"There is no directory {answer}: is the stick in, and is that its name?"
            errors.print(problem, style="red", markup=False)


def _show(confirmation: Confirmation) -> None:
    name = confirmation.election.in_language("en")
    body = (
        f"{name}\n{confirmation.trustees} trustees, any {confirmation.quorum} can decrypt\n\n"
        f"Manifest and numbers (H_B):\n{aloud(confirmation.base_hash)}\n\n"
        f"Keys (H_G):\n{aloud(confirmation.key_ceremony_hash)}\n\n"
        "Every trustee must see the same digits. Read them to each other."
    )
    console.print(Panel(Text(body), title="Before you confirm", expand=False))


def _agrees() -> bool:
    with interruptible():
        try:
            return click.confirm("Have you compared them, and do they agree?", default=False)
        except click.Abort:
            fail(_NOBODY, UNUSABLE)


def _prompt(question: str, default: str) -> str:
    try:
        answer: str = click.prompt(question, default=default)
    except click.Abort:
        fail(NO_PLACE, UNUSABLE)
    return answer


@contextmanager
def interruptible() -> Iterator[None]:
    """While a question is asked a signal ends the program at once.

    Elsewhere it ends in good order; here the next line would be taken for the answer.
    """
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in kept:
            signal.signal(number, _end)
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _end(_: int, __: FrameType | None) -> None:
    console.print()
    fail("interrupted; nothing was confirmed. Start it again and it asks once more", INTERRUPTED)
