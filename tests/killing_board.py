"""A live board whose programs are killed at random: `make kill-board`.

    python -m tests.killing_board --rounds 5 --seed 7

One election. In each round a server, two devices, a witness and a mirror are killed with
SIGKILL at random moments while voters vote, and started again at once. Then all is counted:
what the devices answered, the database, the published files, the mirror, the witness. At
the end the polls are closed, the votes counted and the record verified. The seed draws whom
and when; what a program does in the meantime it cannot repeat.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import urllib3
from rich.console import Console
from rich.table import Table

from ballotbox.store import SqliteStore, StoredCheckpoint, read_all
from record.archive import read_archive
from record.artifacts import parse_artifact
from record.checkpoint import Checkpoint, verify_checkpoint
from record.election import check_election
from record.state import Phase, State
from tests.system.living import Cosigner, LivePlace, policy_file
from tests.system.programs import Place, Program, wait_until
from tests.system.voting import Voting, check_receipts, promised

VICTIMS = {"server": 5, "device-1": 3, "device-2": 3, "witness": 2, "mirror": 3}
"""Who is killed, and how often by comparison."""


class Board:
    """The running programs, and how each of them is killed and started again."""

    def __init__(self, live: LivePlace) -> None:
        self.live = live
        self.copy = live.place.root / "copy"
        self.witness = Cosigner(live, "north")
        policy_file(live, self.witness.line)
        self.server = live.serve()
        self.mirror = self._mirror()
        self.voting = {n: Voting(live.place, n) for n in (1, 2)}

    def kill(self, victim: str) -> None:
        """SIGKILL, and start it again."""
        match victim:
            case "server":
                self.alive(self.server).kill()
                self.server = self.live.serve()
            case "witness":
                self.alive(self.witness.program).kill()
                self.witness.program = self.witness.run()
            case "mirror":
                self.alive(self.mirror).kill()
                self.mirror = self._mirror()
            case _:
                self.voting[int(victim[-1])].kill()

    def alive(self, program: Program) -> Program:
        """Nobody but a device may have ended by itself."""
        assert program.running(), program.err.read_text()
        return program

    def answers(self) -> list[dict[str, Any]]:
        """What both devices have ever answered."""
        return [answer for voting in self.voting.values() for answer in voting.answers()]

    def settle(self) -> None:
        """Wait until all that votes have made is published, cosigned and mirrored."""
        for voting in self.voting.values():
            voting.wait_for(1)
            voting.delivered()
        size = self.live.place.status().size
        wait_until(lambda: self.live.published() == size)
        wait_until(lambda: checkpoint_of(self.live, self.copy / "checkpoint").size == size)
        wait_until(lambda: self.cosigned().size == size)

    def resume(self) -> None:
        """Voters come again."""
        for voting in self.voting.values():
            voting.resume()

    def cosigned(self) -> Checkpoint:
        """What the witness says it cosigned last."""
        origin = hashlib.sha256(self.live.key.name.encode()).hexdigest()
        url = f"http://{self.witness.listen}/{origin}/checkpoint"
        answer = urllib3.request("GET", url, retries=False, timeout=30)
        return verify_checkpoint(answer.data, self.live.key)

    def _mirror(self) -> Program:
        options = ("--log-key", str(self.live.key), "--watch", "--interval", "0.3")
        url = f"http://{self.live.http}"
        return self.live.place.start("board", "mirror", url, self.copy, *options)


def checkpoint_of(live: LivePlace, place: Path) -> Checkpoint:
    """A checkpoint in a file; that of the empty log if there is none."""
    if not place.exists():
        return Checkpoint(live.key.name, 0, hashlib.sha256().digest())
    return verify_checkpoint(place.read_bytes(), live.key)


def count(board: Board) -> Mapping[str, str]:
    """Compare everything; a row of the table. Raises AssertionError with what is wrong."""
    live = board.live
    answers = board.answers()
    with live.place.board(30.0) as client:
        told = list(client.read())
    board.alive(board.server).kill()  # only one process opens the database
    artifacts, heads = stored(live)
    assert told == artifacts
    state = check_receipts(artifacts, answers)
    assert found(state, answers) == len(answers), "a code is not on the board"
    roots = {head.size: head.root for head in heads}
    sizes = {}
    for name, head in {
        "published": checkpoint_of(live, live.directory / "checkpoint"),
        "mirror": checkpoint_of(live, board.copy / "checkpoint"),
        "witness": board.cosigned(),
        "high-water mark": checkpoint_of(live, live.home / "high-water"),
    }.items():
        assert roots[head.size] == head.root, f"{name}: another tree than the database's"
        sizes[name] = str(head.size)
    for directory in (live.directory, board.copy):
        with read_archive(directory) as record:
            kept = list(record.artifacts(live.key))
        assert kept == artifacts[: len(kept)], f"{directory} holds other artifacts"
    board.server = live.serve()
    return {
        "answers": str(len(answers)),
        "on the board": str(found(state, answers)),
        "at once": str(promised(answers)),
        "ballots": str(len(state.ballots)),
        "database": str(len(artifacts)),
        **sizes,
    }


def found(state: State, answers: Iterable[Mapping[str, Any]]) -> int:
    """How many of the answered codes, provisional or not, are on the board."""
    codes = {bytes.fromhex(answer["confirmation_code"]) for answer in answers}
    return len(codes & set(state.ballots))


def stored(live: LivePlace) -> tuple[list[bytes], list[StoredCheckpoint]]:
    """What the database holds: artifacts, signed checkpoints."""
    first = parse_artifact((live.home / "election.artifact").read_bytes(), None)
    base_hash = check_election(first).base_hash
    with closing(SqliteStore.open(live.home / "board.sqlite", base_hash)) as store:
        return list(read_all(store, store.size())), list(store.checkpoints())


def play(board: Board, dice: random.Random, kills: int, longest: float) -> Counter[str]:
    """Kill so often, with at most so many seconds between; whom how often."""
    killed: Counter[str] = Counter()
    for _ in range(kills):
        time.sleep(dice.uniform(0.0, longest))
        (victim,) = dice.choices(list(VICTIMS), list(VICTIMS.values()))
        board.kill(victim)
        killed[victim] += 1
    return killed


def finish(board: Board) -> None:
    """Close, count, publish; the live directory and the mirror are verified records."""
    place = board.live.place
    for voting in board.voting.values():
        voting.stop()
    place.close()
    trustees = [place.trustee(i) for i in (1, 2)]
    chosen = ("--trustee", "1", "--trustee", "2")
    tally = place.start("election", "tally", *place.admin, *chosen, "--patience", "60")
    for program in (tally, *trustees):
        while program.running():  # many challenged ballots take long
            time.sleep(0.2)
        assert program.wait().code == 0, program.err.read_text()
    place.run("election", "publish", *place.admin, "--out", place.root / "record")
    size = place.status().size
    wait_until(lambda: checkpoint_of(board.live, board.copy / "checkpoint").size == size)
    for directory in (board.live.directory, board.copy):
        place.run("verify", directory, "--quiet")


def main() -> int:
    """Hold one election, round after round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kills", type=int, default=12, help="in each round")
    parser.add_argument("--longest", type=float, default=2.0, help="seconds without a kill")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    console = Console(width=140)
    console.print(f"seed {seed}; an election is made, which takes half a minute")
    with tempfile.TemporaryDirectory(prefix="sailau-killing-") as directory:
        place = Place.make(Path(directory) / "place")
        with place.running():
            hold(place, random.Random(seed), options, console.print)
    return 0


def hold(
    place: Place, dice: random.Random, options: argparse.Namespace, tell: Callable[..., None]
) -> None:
    """The ceremony, the rounds, the count."""
    server = place.serve()
    trustees = [place.trustee(i) for i in (1, 2, 3)]
    place.reach(Phase.READY)
    place.open()
    for program in (*trustees, server):
        program.kill()
    board = Board(LivePlace(place))
    table = Table(title="Counted after each round")
    total: Counter[str] = Counter()
    begin = time.monotonic()
    for number in range(1, options.rounds + 1):
        total += (killed := play(board, dice, options.kills, options.longest))
        board.settle()
        row = {"round": str(number), "kills": str(killed.total()), **count(board)}
        if not table.columns:
            for name in row:
                table.add_column(name, justify="right")
        table.add_row(*row.values())
        tell(f"round {number}: {dict(killed)}, {row['answers']} answers, all there", style="dim")
        if number < options.rounds:
            board.resume()
    finish(board)
    tell(table)
    names = ", ".join(f"{who} {count}" for who, count in sorted(total.items()))
    tell(f"{total.total()} kills ({names}) in {time.monotonic() - begin:.0f} seconds. Verified.")


if __name__ == "__main__":
    sys.exit(main())
