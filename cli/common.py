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
from identity.passphrase import ask_passphrase, read_passphrase

REFUSED, UNUSABLE, UNREACHABLE, ABORTED, INTERRUPTED = 1, 2, 3, 4, 130
"""Exit codes beside 0; `ABORTED`: the key ceremony has come to nothing."""

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
        fail(" ".join(str(error).split()), _exit_code(error))
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
    errors.print(f"sailau: {_plain(message)}", style="red", markup=False, soft_wrap=True)
    raise SystemExit(code)


def _exit_code(error: SailauError) -> int:
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
    """The passphrase of a key store, from `file` or from the terminal."""
    if file is not None:
        return read_passphrase(file)
    return ask_passphrase(purpose, confirm=new)


def print_json(value: Any) -> None:
    """One JSON document on standard output, for programs: in ASCII, whatever the locale."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """A line for people on standard output."""
    console.print(_plain(text), markup=False, soft_wrap=True)


def note(text: str) -> None:
    """A line about progress, on standard error."""
    errors.print(_plain(text), markup=False, soft_wrap=True)


def _plain(text: str) -> str:
    """Without what could steer a terminal: labels and reasons are other people's words."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def write_new(path: Path, data: bytes) -> None:
    """Write a public file durably under its final name."""
    from identity.files import replace_durably

    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, data)
    path.chmod(0o644)
