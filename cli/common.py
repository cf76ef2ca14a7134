"""What every subcommand shares: errors to exit codes, passphrases, ways to print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console

from crypto.errors import Malformed, Rejected, SailauError
from identity.errors import PassphraseError
from identity.passphrase import ask_passphrase, read_passphrase

REFUSED, UNUSABLE, UNREACHABLE, ABORTED, DECLINED, INTERRUPTED = 1, 2, 3, 4, 5, 130
"""Exit codes beside 0; `ABORTED`: the key ceremony has come to nothing; `DECLINED`: a person
did not agree to its keys."""
SHORTEST = 12
"""Characters of a new passphrase at the least."""

F = TypeVar("F", bound=Callable[..., Any])

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn our errors into one readable line and an exit code; never a traceback."""
    try:
        yield
    except SailauError as error:
        # SQLite, for one, says what is wrong in several lines.
        fail(" ".join(str(error).split()), exit_code(error))
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        fail(f"{error.filename or 'file'}: {error.strerror or error}", UNUSABLE)


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong on standard error and leave."""
    errors.print(f"sailau: {plain(message)}", style="red", markup=False, soft_wrap=True)
    raise SystemExit(code)


def exit_code(error: SailauError) -> int:
    """How a command ends that ends with this error."""
    if isinstance(error, Malformed):
        return UNUSABLE
    if isinstance(error, Rejected):
        return REFUSED
    from rpc.errors import AlreadyDone, Busy, CallError, Denied, NotFound, Unauthenticated

    if isinstance(error, (Denied, NotFound, AlreadyDone, Unauthenticated)):
        return REFUSED
    if isinstance(error, (CallError, Busy)):
        return UNREACHABLE
    return UNUSABLE


def home_option(what: str) -> Callable[[F], F]:
    """`--home DIR`, where a role keeps its files."""
    return click.option(
        "--home",
        required=True,
        type=click.Path(file_okay=False, path_type=Path),
        help=f"Directory of {what}.",
    )


passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds the key store's passphrase; asked for on the terminal without it.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def passphrase(file: Path | None, purpose: str, *, new: bool = False) -> bytes:
    """The passphrase of a key store, from `file` or from the terminal.

    A `new` one is asked for twice. Raises PassphraseError, for a new one also if it is short.
    """
    chosen = read_passphrase(file) if file is not None else ask_passphrase(purpose, confirm=new)
    if new and len(chosen.decode()) < SHORTEST:
        raise PassphraseError(
            f"the new passphrase for {purpose} has less than {SHORTEST} characters: whoever "
            "finds the file would guess it. Take six words or more"
        )
    return chosen


def print_json(value: Any) -> None:
    """One JSON document on standard output, for programs: in ASCII, whatever the locale."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """A line for people on standard output."""
    console.print(plain(text), markup=False, soft_wrap=True)


def aloud(data: bytes, indent: int = 2) -> str:
    """A key or hash as it is read aloud: two lines of six groups, each indented."""
    from identity.rolekeys import spoken_rows

    return "\n".join(" " * indent + row for row in spoken_rows(data))


def note(text: str) -> None:
    """A line about progress, on standard error."""
    errors.print(plain(text), markup=False, soft_wrap=True)


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, in words for people: "1 ballot", "2,000 ballots"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def plain(text: str) -> str:
    """Without what could steer a terminal: labels and reasons are other people's words."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def write_new(path: Path, data: bytes) -> None:
    """Write a public file durably under its final name."""
    from identity.files import replace_durably

    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, data)
    path.chmod(0o644)
