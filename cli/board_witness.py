"""`sailau board witness`: cosign the checkpoints of logs that only grow."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.board import read_file
from cli.common import home_option, note, passphrase, passphrase_option, say
from crypto.errors import Malformed
from record.checkpoint import parse_verifier_key
from record.policy_file import MAX_BYTES, parse_logs

if TYPE_CHECKING:
    from starlette.applications import Starlette

_KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: a log asks every few seconds."""
_GRACE = 10
_BACKLOG = 1024


@click.group(short_help="Cosign logs that only grow.")
def witness() -> None:
    """Cosign logs, so that nobody can be shown a log of their own (C2SP tlog-witness)."""


@witness.command()
@home_option("the witness")
@click.option(
    "--name",
    required=True,
    help="The witness's key name: a URL without scheme, like witness.example.org/north.",
)
@click.option("--log", "logs", multiple=True, metavar="VKEY", help="A log to cosign for.")
@passphrase_option
def init(home: Path, name: str, logs: tuple[str, ...], passphrase_file: Path | None) -> None:
    """Make the witness's key and its database, once, and print its verifier key.

    HOME/logs lists the logs that it cosigns for, as `log <vkey>` lines.
    """
    from observers.witness_store import LOGS, create_witness
    from record.note import check_origin
    from storage.files import write_durably

    check_origin(name, "--name")
    lines = [f"log {parse_verifier_key(text, '--log')}" for text in logs]
    key = create_witness(home, name, passphrase(passphrase_file, "the witness's key", new=True))
    content = ["# The logs that this witness cosigns for: log <vkey>", *lines, ""]
    write_durably(home / LOGS, "\n".join(content).encode())
    say(str(key))


@witness.command()
@home_option("the witness")
@click.option(
    "--listen",
    default="127.0.0.1:8420",
    show_default=True,
    metavar="HOST:PORT",
    help="Where it is asked; a web server in front speaks TLS.",
)
@click.option(
    "--logs",
    "logs_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The known logs: `log` lines of a policy file.  [default: HOME/logs]",
)
@passphrase_option
def run(home: Path, listen: str, logs_file: Path | None, passphrase_file: Path | None) -> None:
    """Answer add-checkpoint requests, and serve what was cosigned last.

    POST http://HOST:PORT/add-checkpoint, GET http://HOST:PORT/<origin hash>/checkpoint.
    Prints its verifier key and its address, and runs until it is ended.
    """
    from observers.witness import known_logs
    from observers.witness_store import LOGS, open_witness

    place = logs_file or home / LOGS
    logs = parse_logs(read_file(place, MAX_BYTES), str(place))
    if not logs:
        raise Malformed(str(place), "names no log", "Add a line: log <vkey>")
    listener = _listener(listen)
    secret = passphrase(passphrase_file, "the witness's key")
    with open_witness(home, known_logs(logs), secret) as opened:
        say(str(opened.key))
        host, port = listener.getsockname()[:2]
        say(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        for log in logs:
            note(f"cosigns for {log.key.name}")
        from observers.witness_app import witness_app

        _serve(witness_app(opened), listener)


def _listener(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.UsageError(f"--listen {listen} is not HOST:PORT")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)


def _serve(app: Starlette, listener: socket.socket) -> None:
    from ballotbox.http_connections import BoundedServer, Limits

    # The server raises the signal again when it has ended: to end so is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    limits = Limits(idle_seconds=_KEEP_ALIVE, grace_seconds=_GRACE)
    BoundedServer(app, limits).run(sockets=[listener])
