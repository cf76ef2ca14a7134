"""Parameter sets by name, and a loud word about the toy ones."""

from __future__ import annotations

import click

from cli.common import errors
from crypto.parameters import REDUCED_3072, STANDARD, TOY, Parameters

ALL = {p.name: p for p in (STANDARD, REDUCED_3072, *TOY)}

parameters_option = click.option(
    "--parameters",
    type=click.Choice(list(ALL)),
    default=STANDARD.name,
    show_default=True,
    help="The group. The toy sets protect nothing and are for trying things out.",
)


def warn_of_toys(parameters: Parameters) -> None:
    """Say loudly that an election in a toy group has no secrets."""
    if parameters.toy:
        errors.print(
            f"WARNING: the parameters {parameters.name} are a toy. Anybody can open every "
            "ballot of this election. Never use them for a vote.",
            style="bold white on red",
            soft_wrap=True,
        )
