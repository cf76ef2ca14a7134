"""Where a passphrase comes from: a file, or a person at a terminal.

Never from the command line, which every process of the machine can read, and
never from the environment, which child processes inherit and crash reports
print. Text is normalized (Unicode NFC): the same words typed on two keyboards,
or typed once and kept in a file, are the same passphrase.
"""

from __future__ import annotations

import getpass
import logging
import stat
import sys
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path

from identity.errors import PassphraseError

LOGGER = logging.getLogger(__name__)
LIMIT = 1024


def read_passphrase(path: Path | str) -> bytes:
    """The passphrase in a file of one line; the line's end does not belong to it.

    At most 1024 bytes of UTF-8. A file that other users may read is used, with a
    warning in the log. Raises PassphraseError.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(LIMIT + 3)
            mode = Path(path).stat().st_mode
    except OSError as error:
        raise PassphraseError(f"passphrase file {path}: {error.strerror}") from None
    # A pipe or a terminal (/dev/fd/3) has no readers to be warned of.
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        LOGGER.warning("other users may open the passphrase file %s; try chmod 600", path)
    return _checked(data.removesuffix(b"\n").removesuffix(b"\r"), f"passphrase file {path}")


def ask_passphrase(
    purpose: str, *, confirm: bool, ask: Callable[[str], str] | None = None
) -> bytes:
    """Ask on the terminal, without echo; `confirm` asks twice, for a new passphrase.

    `purpose` completes "Passphrase for ...". `ask` takes the prompt and returns
    the answer; by default it needs a terminal. Raises PassphraseError.
    """
    ask = ask or _ask_on_terminal
    first = ask(f"Passphrase for {purpose}: ")
    if confirm and ask("The same again: ") != first:
        raise PassphraseError("the two passphrases differ")
    try:
        data = first.encode()
    except UnicodeEncodeError:
        data = b"\xff"
    return _checked(data, "passphrase")


def _checked(data: bytes, where: str) -> bytes:
    """Normalized bytes. Errors are raised outside the handler: theirs carry the text."""
    try:
        text = unicodedata.normalize("NFC", data.decode())
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise PassphraseError(f"{where}: is not UTF-8")
    if not text:
        raise PassphraseError(f"{where}: is empty")
    if "\n" in text or "\r" in text or "\0" in text:
        raise PassphraseError(f"{where}: has more than one line")
    if len(data) > LIMIT:
        raise PassphraseError(f"{where}: is longer than {LIMIT} bytes")
    return text.encode()


def _ask_on_terminal(prompt: str) -> str:
    """getpass, but without its fallback of reading standard input with the echo on."""
    problem = "there is no terminal to ask on. Give a passphrase file instead"
    if not sys.stdin.isatty():
        raise PassphraseError(problem)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except (getpass.GetPassWarning, EOFError):
            raise PassphraseError(problem) from None
