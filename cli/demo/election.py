"""The steps of the demo, each by the command that a person would type."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ballotbox.receipts import EXTENSION, parse_receipt
from cli.common import errors
from cli.demo.processes import Child, Children
from cli.demo.votes import CONTEST, Voter, draw
from record.archive import read_archive
from record.artifacts import Ballot, parse_artifact
from record.checkpoint import parse_verifier_key
from record.election import check_election
from record.manifest import Manifest, parse_manifest

TRUSTEES = ("Aigerim", "Bolat", "Dinara", "Yerlan", "Saule")
QUORUM = 3
GONE = (2, 5)
"""Trustees that are shut down before the count."""

REFUTED = 1


class DemoFailed(Exception):
    """A step did not give what it must."""


@dataclass(slots=True)
class Outcome:
    """What the demo found; `report` turns it into tables and summary.json."""

    manifest: Manifest
    seed: int
    voters: list[Voter]
    seconds: dict[str, float] = field(default_factory=dict)
    decrypted: dict[str, Any] = field(default_factory=dict)
    looked_up: dict[str, Any] = field(default_factory=dict)
    audited: int = 0
    verdict: dict[str, Any] = field(default_factory=dict)
    altered: dict[str, Any] = field(default_factory=dict)


class DemoElection:
    """One demo election, from keys to verdict."""

    def __init__(self, out: Path, work: Path, children: Children, ballots: int, seed: int) -> None:
        self.out, self.work, self.children = out, work, children
        self.manifest_file = work / "manifest.json"
        source = files("cli.demo").joinpath("manifest.json").read_bytes()
        self.manifest_file.write_bytes(source)
        manifest = parse_manifest(source)
        self.outcome = Outcome(manifest, seed, draw(manifest, ballots, seed))
        self.admin = ("--home", work / "election/administrator", *self._key("administrator"))
        self.trustees: list[Child] = []
        self._progress = Progress(
            TextColumn("{task.description:<52}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=errors,
            disable=not errors.is_terminal,
        )

    def hold(self) -> Outcome:
        """Hold the election; raises `ChildFailed` or `DemoFailed`."""
        steps = (
            ("set-up", "Five trustees and three devices make their keys", self._set_up),
            ("key ceremony", "The trustees make the election's keys together", self._ceremony),
            ("voting", "Voters vote at three polling places", self._vote),
            ("audit", "Challenged ballots are audited on another machine", self._audit),
            ("close", "The polls close; trustees 2 and 5 are gone", self._close),
            ("tally", "The other three open the totals", self._tally),
            ("publish", "The record is published", self._publish),
            ("look-up", "A voter looks a code up", self._look_up),
            ("verify", "Anyone verifies the record", self._verify),
            ("verify altered", "The same record with one byte changed", self._verify_altered),
        )
        with self._progress:
            for name, description, step in steps:
                with self._timed(name, description):
                    step()
        return self.outcome

    @contextmanager
    def _timed(self, name: str, description: str) -> Iterator[None]:
        self._task = self._progress.add_task(description, total=1)
        if not errors.is_terminal:
            errors.print(f"{description} ...", markup=False)
        begin = time.monotonic()
        yield
        self.outcome.seconds[name] = round(time.monotonic() - begin, 2)
        total = self._progress.tasks[self._task].total
        self._progress.update(self._task, completed=total)

    def _steps(self, total: int) -> None:
        self._progress.update(self._task, total=total, completed=0)

    def _key(self, name: str) -> tuple[str, Path]:
        """A passphrase file for a role, with a fresh passphrase."""
        file = self.work / "passphrases" / name
        if not file.exists():
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24) + "\n")
        return "--passphrase-file", file

    # --- before the vote

    def _set_up(self) -> None:
        devices = [d.label for d in self.outcome.manifest.devices]
        running = []
        for role, names in (("trustee", TRUSTEES), ("device", devices)):
            for number, name in enumerate(names, start=1):
                home = self.work / f"{role}-{number}"
                running.append(
                    self.children.start(
                        f"{role}-{number}-init",
                        *(role, "init", "--home", home, "--name", name),
                        *self._key(f"{role}-{number}"),
                    )
                )
        self._steps(len(running) + 1)
        for child in running:
            child.wait()
            self._progress.advance(self._task)
        self._new_election(len(devices))

    def _new_election(self, devices: int) -> None:
        public, roles = _free_ports()
        enrolments: list[str | Path] = []
        for role, count in (("trustee", len(TRUSTEES)), ("device", devices)):
            for i in range(1, count + 1):
                enrolments += [f"--{role}", self.work / f"{role}-{i}/enrolment.json"]
        self.children.run(
            "election-new",
            *("election", "new", "--out", self.work / "election"),
            *("--manifest", self.manifest_file, "--quorum", str(QUORUM)),
            *("--host", "127.0.0.1", "--public-port", str(public), "--roles-port", str(roles)),
            *enrolments,
            *self._key("administrator"),
            *("--server-passphrase-file", self._key("server")[1]),
        )
        for role, count in (("trustee", len(TRUSTEES)), ("device", devices)):
            for i in range(1, count + 1):
                self._join(role, i)

    def _join(self, role: str, number: int) -> None:
        invitation = next((self.work / "election/invitations").glob(f"{role}-{number}-*.json"))
        shutil.copy(invitation, self.work / f"{role}-{number}" / "invitation.json")

    def _ceremony(self) -> None:
        server = self.children.start(
            "server",
            *("serve", "--home", self.work / "election/server", "--bind", "127.0.0.1"),
            *self._key("server"),
        )
        self.children.until(lambda: server.lines() > 0, "the server's start", 60)
        for i in range(1, len(TRUSTEES) + 1):
            home = self.work / f"trustee-{i}"
            self.trustees.append(
                self.children.start(
                    f"trustee-{i}",
                    *("trustee", "run", "--home", home, "--yes"),
                    *("--backup", self.work / f"trustee-{i}.backup"),
                    *self._key(f"trustee-{i}"),
                )
            )
        phases = ("COMMITMENT", "KEYS", "SHARES", "CONFIRMATION")
        self._steps(len(phases))

        def ready() -> bool:
            phase = self._status()["phase"]
            if phase in phases:
                self._progress.update(self._task, completed=phases.index(phase))
            return bool(phase == "READY")

        self.children.until(ready, "the key ceremony", 180)
        self.children.run("election-open", "election", "open", *self.admin)

    def _status(self) -> dict[str, Any]:
        _, text = self.children.run(
            "election-status", "election", "status", *self.admin[:2], "--json"
        )
        status: dict[str, Any] = json.loads(text)
        return status

    # --- voting

    def _vote(self) -> None:
        self._steps(len(self.outcome.voters))
        children = []
        for number, device in enumerate(self.outcome.manifest.devices, start=1):
            voters = [v for v in self.outcome.voters if v.device == device.label]
            child = self.children.start(
                f"device-{number}",
                *("device", "run", "--home", self.work / f"device-{number}"),
                *("--receipts", self.out / "receipts", *self._key(f"device-{number}")),
            )
            child.feed("".join(_order(v) for v in voters))
            children.append(child)

        def done() -> bool:
            self._progress.update(self._task, completed=sum(c.lines() for c in children))
            return not any(c.running() for c in children)

        self.children.until(done, "voting", 60 + 5 * len(self.outcome.voters))
        for child in children:
            child.wait()

    def _server(self) -> tuple[str | Path, ...]:
        invitation = json.loads((self.work / "device-1/invitation.json").read_text())
        authority = self.work / "election/server/authority.pem"
        return ("--server", invitation["public_address"], "--authority", authority)

    def _audit(self) -> None:
        challenges = sorted((self.out / "receipts").glob("*.challenge.json"))
        if not challenges:
            return
        _, text = self.children.run(
            "audit", "receipt", "audit", "--json", *self._server(), *challenges
        )
        self.outcome.audited = sum(1 for a in json.loads(text) if a["agrees"])

    def _close(self) -> None:
        for i in GONE:
            self.trustees[i - 1].stop()
        for number in range(1, len(self.outcome.manifest.devices) + 1):
            self.children.run(
                f"device-{number}-close",
                *("device", "close", "--home", self.work / f"device-{number}"),
                *self._key(f"device-{number}"),
            )
        self.children.run("election-close", "election", "close", *self.admin)

    # --- after the vote

    def _tally(self) -> None:
        # Named, because the server takes ten seconds to notice that somebody is gone.
        left = [i for i in range(1, len(TRUSTEES) + 1) if i not in GONE]
        named = [part for i in left for part in ("--trustee", str(i))]
        self.children.run("election-tally", "election", "tally", *self.admin, *named)

    def _publish(self) -> None:
        _, text = self.children.run(
            "election-publish",
            *("election", "publish", *self.admin, "--out", self.out / "record", "--json"),
        )
        self.outcome.decrypted = json.loads(text)

    def _look_up(self) -> None:
        receipt = parse_receipt(
            next(
                file.read_bytes() for file in sorted((self.out / "receipts").glob(f"*{EXTENSION}"))
            )
        )
        _, text = self.children.run(
            "look-up",
            *("receipt", "look-up", receipt.confirmation_code.hex()),
            *("--record", self.out / "record", "--json"),
        )
        self.outcome.looked_up = json.loads(text)

    def _verify(self) -> None:
        _, text = self.children.run("verify", "verify", self.out / "record", "--json", "--quiet")
        self.outcome.verdict = json.loads(text)

    def _verify_altered(self) -> None:
        altered = self.work / "altered"
        shutil.copytree(self.out / "record", altered)
        place = _alter(altered)
        code, text = self.children.run(
            "verify-altered", "verify", altered, "--json", "--quiet", accept=(0, REFUTED)
        )
        self.outcome.altered = {**json.loads(text), "exit_code": code, "byte": place}


def _order(voter: Voter) -> str:
    order = {
        "unit": voter.unit,
        "selections": {CONTEST: {voter.choice: 1}},
        "then": voter.then,
    }
    return json.dumps(order) + "\n"


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def _alter(record: Path) -> str:
    """Flip the last bit of the first ciphertext of a ballot in the middle of the record."""
    ballot, alpha = _some_ballot(record)
    for file in sorted(f for f in (record / "artifacts").rglob("*") if f.is_file()):
        data = bytearray(file.read_bytes())
        position = data.find(alpha, max(data.find(ballot), 0))
        if ballot in data and position >= 0:
            position += len(alpha) - 1
            data[position] ^= 1
            file.write_bytes(data)
            return f"{file.relative_to(record)}, byte {position}"
    raise DemoFailed("no ballot in the record to alter")


def _some_ballot(record: Path) -> tuple[bytes, bytes]:
    """A ballot artifact from the middle of the record, and the alpha of its first option."""
    with read_archive(record) as reader:
        context = check_election(parse_artifact(reader.first_artifact(), None))
        key = parse_verifier_key(context.election.log_key)
        parsed = (parse_artifact(data, context.group) for data in reader.artifacts(key))
        ballots = [a for a in parsed if isinstance(a.statement, Ballot)]
    chosen = ballots[len(ballots) // 2]
    assert isinstance(chosen.statement, Ballot)  # noqa: S101 - they were chosen for it
    alpha = chosen.statement.contests[0].selections[0].alpha
    return chosen.data, context.group.encode_element(alpha)
