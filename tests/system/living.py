"""A server that publishes its record, as a program, and witnesses that are asked by it."""

from __future__ import annotations

import json
from pathlib import Path

import urllib3

from record.artifacts import parse_artifact
from record.checkpoint import VerifierKey, parse_verifier_key, verify_checkpoint
from record.cosignature import parse_cosigner_key
from record.election import check_election
from record.state import Phase
from tests.ports import HOST, free_port
from tests.system.programs import Place, Program, wait_until


class LivePlace:
    """An election whose server publishes its record."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.home = place.root / "election/server"
        self.directory = self.home / "published"
        self.http = f"{HOST}:{free_port()}"

    @property
    def key(self) -> VerifierKey:
        """The log's key."""
        artifact = parse_artifact((self.home / "election.artifact").read_bytes(), None)
        return parse_verifier_key(check_election(artifact).election.log_key)

    def configure(self, **settings: str) -> None:
        """More settings in server.json."""
        file = self.home / "server.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))

    def start(self, *options: str | Path) -> Program:
        """The server, whether or not it comes to serve."""
        arguments = ("--bind", HOST, "--workers", "1", "--http", self.http)
        return self.place.start(
            "serve", "--home", self.home, *self.place.key("server"), *arguments, *options
        )

    def serve(self, *options: str | Path) -> Program:
        """The server, serving."""
        server = self.start(*options)
        server.until(lambda: any("serving" in line for line in server.lines()))
        return server

    def check(self) -> dict[str, dict[str, str]]:
        """What `serve --check` finds, by subject."""
        arguments = ("serve", "--home", self.home, *self.place.key("server"), "--check", "--json")
        findings = self.place.attempt(*arguments).json()["findings"]
        return {one["subject"]: one for one in findings}

    def note(self) -> bytes:
        """The published checkpoint, over HTTP."""
        answer = urllib3.request("GET", f"http://{self.http}/checkpoint", retries=False, timeout=30)
        assert answer.status == 200
        return answer.data

    def published(self) -> int:
        """Its size; 0 if there is none."""
        try:
            return verify_checkpoint(self.note(), self.key).size
        except (urllib3.exceptions.HTTPError, AssertionError):
            return 0

    def commit(self) -> None:
        """Two trustees commit to their keys, and so the log grows; they are ended then.

        They have nothing more to say before the third comes, so nothing is under way.
        """
        trustees = [self.place.trustee(i) for i in (1, 2)]
        self.place.wait(lambda status: status.trustees_done == (1, 2))
        for trustee in trustees:
            trustee.kill()
        wait_until(lambda: self.published() == self.place.status().size)

    def finish_ceremony(self) -> None:
        """All three make the keys, and the log grows again."""
        trustees = [self.place.trustee(i) for i in (1, 2, 3)]
        self.place.reach(Phase.READY)
        for trustee in trustees:
            trustee.kill()
        wait_until(lambda: self.published() == self.place.status().size)


class Cosigner:
    """A `sailau board witness` for the election's log."""

    def __init__(self, live: LivePlace, name: str) -> None:
        self.live, self.name = live, name
        self.home = live.place.root / name
        made = live.place.run(
            *("board", "witness", "init", "--home", self.home, "--name", f"witness.example/{name}"),
            *("--log", str(live.key), *live.place.key(name)),
        )
        self.key = parse_cosigner_key(made.out.strip())
        self.listen = f"{HOST}:{free_port()}"
        self.program = self.run()

    def run(self) -> Program:
        program = self.live.place.start(
            *("board", "witness", "run", "--home", self.home, "--listen", self.listen),
            *self.live.place.key(self.name),
        )
        program.until(lambda: len(program.lines()) >= 2)
        return program

    @property
    def line(self) -> str:
        return f"witness {self.name} {self.key} http://{self.listen}/\n"


def policy_file(live: LivePlace, *lines: str) -> None:
    (live.home / "policy").write_text("".join([f"log {live.key}\n", *lines, "quorum none\n"]))
    live.configure(policy="policy")
