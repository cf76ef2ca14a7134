"""`sailau verify`: the standalone verifier under the program's name."""

from __future__ import annotations

import click


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify(arguments: tuple[str, ...]) -> None:
    """Check a published record; the same as `python -m verifier`."""
    from verifier import main

    raise SystemExit(main(list(arguments), program="sailau verify"))
