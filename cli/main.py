"""`sailau`: one program, a subcommand for each role."""

from __future__ import annotations

import os
import sys
from importlib import import_module, metadata
from io import TextIOWrapper

import click

from cli.common import reporting_errors

_COMMANDS = {
    "board": ("cli.board", "board", "Observers: mirror, monitor or cosign a published log."),
    "demo": ("cli.demo", "demo", "Hold a small election in separate processes and verify it."),
    "device": ("cli.device", "device", "A voting device: encrypt, submit, cast, challenge."),
    "election": (
        "cli.election",
        "election",
        "The administrator: new, ceremony, open, close, tally, publish.",
    ),
    "manifest": ("cli.manifest", "manifest", "Check a manifest, or import one."),
    "receipt": (
        "cli.receipt",
        "receipt",
        "A voter's receipts: check, upgrade, look up, audit, dispute.",
    ),
    "serve": ("cli.serve", "serve", "The server of one election."),
    "trustee": ("cli.trustee", "trustee", "A trustee: make keys, confirm, decrypt."),
    "verify": ("cli.verify", "verify", "Check a published record and reach a verdict."),
}


class _Commands(click.Group):
    """Loads a command's module when it is used: `--help` need not load gRPC."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("sailau"), prog_name="sailau")
def _sailau() -> None:
    """End-to-end verifiable elections: ElectionGuard 2.1.0 over gRPC.

    \b
    A first look:       sailau demo --out demo
    An observer:        sailau verify RECORD
                        sailau board --help       docs/observers.md
    A voter:            sailau receipt --help
    A trustee:          sailau trustee --help     docs/trustees.md
    An administrator:   sailau election --help    docs/administrators.md

    Exit codes: 0 done (or verified), 1 refused or refuted, 2 wrong usage or
    unreadable input, 3 the server cannot be reached or failed, 4 the key ceremony has
    come to nothing, 5 a person did not agree to its keys, 130 interrupted.
    """


def main() -> None:
    """The console script."""
    # What goes wrong is said once, by us: not also by gRPC, on lines of its own.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter of a name gets a question mark.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    with reporting_errors():
        # Not click's own way, in which an interruption looks like a refusal.
        raise SystemExit(_sailau.main(standalone_mode=False))


if __name__ == "__main__":
    main()
