"""How far long work is: a bar where there is a terminal, a line for every tenth elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bar(console: Console) -> Progress:
    """A bar with what is done, how much of it, and how long it takes still."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def tenths(done: int, total: int) -> int:
    """Whole tenths of `total` that are done."""
    return 10 * done // max(total, 1)
