"""Groups of commands of which some are loaded only when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LaterGroup(click.Group):
    """A group with further commands: `later` has the module of each, where it has its name."""

    def __init__(self, *args: Any, later: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._later = later

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, sorted."""
        return sorted([*super().list_commands(ctx), *self._later])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loaded now if it is one of the later ones."""
        if cmd_name in self._later:
            command: click.Command = getattr(import_module(self._later[cmd_name]), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)
