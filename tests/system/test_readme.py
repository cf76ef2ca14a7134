"""What the documents tell people to type is there to be typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.main import _sailau as sailau
from cli.verify import extension
from verifier.cli import parser as verifier_parser

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(d.relative_to(ROOT)) for d in DOCUMENTS]


def snippets(text: str) -> Iterator[str]:
    """What is typed: the lines of code blocks, whole commands, and code in sentences."""
    text = re.sub(r"\\\n\s*", "", text)
    fenced = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    for block in fenced.findall(text):
        yield from (line.strip() for line in block.splitlines()[1:-1])
    text = fenced.sub("", text)
    prose = []
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.strip()
        else:
            prose.append(line)
    # A code span may go over the end of a line.
    for span in re.findall(r"`([^`]+)`", "\n".join(prose)):
        yield " ".join(span.split())


def mistake(line: str) -> str:
    """What is wrong with a `sailau` command; nothing if it can be typed."""
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = sailau
    context = click.Context(command, info_name="sailau")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(context, name)
        if found is None:
            return f"no command {name!r}"
        command = found
        context = click.Context(command, context, info_name=name)
    known = {o: p for p in command.get_params(context) for o in (*p.opts, *p.secondary_opts)}
    if command.name == "verify" and context.parent and context.parent.parent is None:
        return _verifier_mistake(words)
    return _options_mistake(words, known, command)


def _options_mistake(
    words: list[str], known: dict[str, click.Parameter], command: click.Command
) -> str:
    positional = 0
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if not word.startswith("-"):
            positional += word != "..."
        elif name not in known:
            return f"no option {name}"
        elif not getattr(known[name], "is_flag", False) and not equals and not next(rest, ""):
            return f"{name} without a value"
    if positional > len(arguments) and not any(a.nargs < 0 for a in arguments):
        return f"{positional} arguments"
    return ""


def _verifier_mistake(words: list[str]) -> str:
    parser = verifier_parser()
    extension().add_options(parser)
    known = parser._option_string_actions
    wrong = [w for w in words if w.startswith("-") and w.partition("=")[0] not in known]
    return f"no option {wrong[0]}" if wrong else ""


def commands(text: str) -> list[str]:
    """Every `sailau ...` in a document. What stands in brackets is left out."""
    found = (re.sub(r"\[.*?\]", "", s) for s in snippets(text))
    return [s for s in found if s == "sailau" or s.startswith("sailau ")]


def targets(text: str) -> list[str]:
    """Every `make TARGET` in a document."""
    return [m[1] for s in snippets(text) if (m := re.match(r"make ([a-z-]+)", s))]


@pytest.mark.parametrize("name", NAMES)
def test_commands(name: str) -> None:
    """Every `sailau` command in the documents exists, with every option that it is shown with."""
    for line in commands((ROOT / name).read_text()):
        assert mistake(line) == "", f"{name}: {line}"


def test_every_role_is_shown_its_commands() -> None:
    """The manuals show every command of the role that they are for."""
    shown = {line for d in DOCUMENTS for line in commands(d.read_text())}
    for group in ("trustee", "device", "election", "receipt", "manifest"):
        command = sailau.get_command(click.Context(sailau), group)
        assert isinstance(command, click.Group)
        for name in command.commands:
            assert any(s.startswith(f"sailau {group} {name}") for s in shown), f"{group} {name}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sailau fly", "no command 'fly'"),
        ("sailau election fly", "no command 'fly'"),
        ("sailau election new --fast", "no option --fast"),
        ("sailau election close --missing", "without a value"),
        ("sailau receipt show A B", "2 arguments"),
        ("sailau verify RECORD --fast", "no option --fast"),
        ("sailau verify RECORD --json   # --fast", ""),
        ("sailau receipt audit A B C --record R", ""),
    ],
)
def test_mistakes_are_found(line: str, words: str) -> None:
    """The test above finds what it looks for."""
    assert mistake(line) == words or (words and words in mistake(line))


def test_code_is_found() -> None:
    """Commands in blocks, over several lines and in sentences are found."""
    text = "A `sailau a\nb` and\n\n    sailau c \\\n        --d\n\n```sh\nsailau e\nmake f\n```\n"
    assert commands(text) == ["sailau e", "sailau c --d", "sailau a b"]
    assert targets(text) == ["f"]


def test_make() -> None:
    """Every make target in the documents is one, and `make help` lists them all with a word."""
    makefile = (ROOT / "Makefile").read_text()
    phony = {t for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.M) for t in line.split()}
    named = {t for d in DOCUMENTS for t in targets(d.read_text())}
    assert {"demo", "test"} <= named <= phony
    # The tests may run under make themselves, which would have this one say where it works.
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    done = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
    )
    listed = dict(line.split(maxsplit=2)[1:] for line in done.stdout.splitlines())
    assert set(listed) == phony
    assert all(listed.values())


@pytest.mark.parametrize("name", NAMES)
def test_links(name: str) -> None:
    """Every relative link points to a file or folder that is there."""
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target):
            assert ((ROOT / name).parent / target).exists(), f"{name}: {target}"


@pytest.mark.parametrize("name", NAMES)
def test_paths(name: str) -> None:
    """Every path of the project that a document names is there."""
    text = (ROOT / name).read_text()
    for path in re.findall(r"`([a-z]+/[\w./-]*)`", text):
        if (ROOT / path.split("/")[0]).is_dir() and path.split("/")[0] != "record":
            assert (ROOT / path).exists(), f"{name}: {path}"
