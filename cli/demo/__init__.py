"""`sailau demo`: a whole election in separate processes on this machine.

votes      who votes for whom: the 2005 shares, drawn by the seed
processes  children with log files, ended whatever happens
election   the steps, each by the command that a person would type
report     the tables and summary.json
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click

from cli.common import UNUSABLE, fail, say
from cli.demo.election import DemoElection, DemoFailed
from cli.demo.processes import ChildFailed, Children
from cli.demo.report import SUMMARY, agreed, show, write_summary

_MARK = ".sailau-demo"
"""Says that a directory is a demo's, and may be replaced by another."""


@click.command()
@click.option(
    "--out",
    default="sailau-demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where record/, receipts/ and summary.json go.",
)
@click.option("--ballots", default=150, show_default=True, type=click.IntRange(1, 100_000))
@click.option(
    "--seed",
    default=2005,
    show_default=True,
    help="Draws the voters' choices; keys and nonces never come from it.",
)
@click.option("--keep", is_flag=True, help="Keep the homes of all roles in OUT/work.")
def demo(out: Path, ballots: int, seed: int, keep: bool) -> None:
    """Hold a small election and verify it.

    Kazakhstan's presidential election of 2005, the last that the Sailau system of
    its time counted: five candidates, three polling places, five trustees of whom
    three are enough. Real processes, TLS, keys and proofs in the 4096-bit group.
    Two trustees are gone before the count; some voters challenge their ballots,
    some leave; one polling place is so small that it is counted together with
    another. At the end the record is verified, and once more with one byte
    changed.

    Exit code 0 only if everything agreed.
    """
    _prepare(out)
    work = Path(tempfile.mkdtemp(prefix="sailau-demo-"))
    try:
        with Children(work / "logs") as children:
            outcome = DemoElection(out, work, children, ballots, seed).hold()
    except (ChildFailed, DemoFailed) as error:
        logs = out / "logs"
        shutil.copytree(work / "logs", logs, dirs_exist_ok=True)
        fail(f"{error}\nThe programs' output is in {logs}.", 1)
    finally:
        if keep and work.exists():
            shutil.copytree(work, out / "work", dirs_exist_ok=True)
        shutil.rmtree(work, ignore_errors=True)
    write_summary(outcome, out / SUMMARY)
    show(outcome)
    # Who has not activated the environment finds the program where it was started.
    program = "sailau" if shutil.which("sailau") else sys.argv[0]
    say(f"\nThe record: {out / 'record'}   Look yourself: {program} verify {out / 'record'}")
    if not agreed(outcome):
        fail("something did not agree; see the tables above", 1)


def _prepare(out: Path) -> None:
    """Replace an earlier demo's output, and nothing else."""
    if out.exists() and any(out.iterdir()):
        if not (out / _MARK).exists():
            fail(f"{out} is not empty and not an earlier demo's; choose another --out", UNUSABLE)
        shutil.rmtree(out)
    (out / "receipts").mkdir(parents=True)
    (out / _MARK).touch()
