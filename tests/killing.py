"""Elections whose server and trustees are killed at random: `make kill-ceremony`.

    python -m tests.killing --rounds 20 --seed 7

Each round makes an election, kills programs with SIGKILL at random moments of the key
ceremony and of the decryption and starts them again at once, and has the record verified.
The seed draws whom and when; what a program does in the meantime it cannot repeat.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ballotbox.client import ElectionStatus
from record.artifacts import TRUSTEE_STATEMENTS, KeyConfirmation
from record.state import Phase
from tests.system.programs import PATIENCE, TRUSTEES, Place, Program, wait_until

SERVER = 0
DEVICES = ("box-1", "box-2")


class Killing:
    """A place whose server (0) and trustees are killed and started again."""

    def __init__(self, place: Place, rng: random.Random, longest: float = 1.0) -> None:
        """`longest` is the longest time without a kill, in seconds."""
        self.kills = 0
        self._place = place
        self._rng = rng
        self._longest = longest
        self._running: dict[int, Program] = {}

    def start(self) -> None:
        """Everybody."""
        for who in range(TRUSTEES + 1):
            self._start(who)

    def _start(self, who: int) -> None:
        self._running[who] = self._place.serve() if who == SERVER else self._place.trustee(who)

    def until(self, condition: Callable[[ElectionStatus], bool], kills: int) -> None:
        """Kill so often, or until it is so; then wait until it is."""
        for _ in range(kills):
            time.sleep(self._rng.uniform(0.0, self._longest))
            if condition(self._place.status()):
                return
            who = self._rng.randrange(TRUSTEES + 1)
            self._running[who].kill()
            self._start(who)
            self.kills += 1
        self._place.wait(condition)

    def stop(self) -> None:
        """End everybody in good order; nobody may have ended by itself, but who is done."""
        for who, program in self._running.items():
            # One that was just started dies of the signal before it knows what to do with it.
            wait_until(lambda p=program: not p.running() or p.said())  # type: ignore[misc]
            done = not program.running()
            result = program.stop()
            assert result.code == 0, result
            assert not done or who != SERVER


def hold_ceremony(place: Place, rng: random.Random, kills: int) -> Killing:
    """A key ceremony with kills; everybody confirms the same keys, and says each thing once."""
    killing = Killing(place, rng)
    killing.start()
    killing.until(lambda status: status.phase >= Phase.READY, kills)
    check_ceremony(place)
    return killing


def check_ceremony(place: Place) -> None:
    """Four statements of each trustee, no accusation, one H_G."""
    with place.board() as board:
        transcript = board.transcript()
        artifacts = [transcript.parse(data) for data in list(board.read())[1:]]
    state = transcript.state
    assert not state.accused
    said = [a.statement for a in artifacts if isinstance(a.statement, TRUSTEE_STATEMENTS)]
    for i in range(1, TRUSTEES + 1):
        assert len({type(s) for s in said if s.trustee == i}) == 4
    hashes = {s.key_ceremony_hash for s in said if isinstance(s, KeyConfirmation)}
    assert hashes == {state.need_keys().key_ceremony_hash}


def hold_count(place: Place, killing: Killing, kills: int) -> None:
    """No votes, but the whole decryption, with kills; the record is complete and verified."""
    place.open()
    missing = [f"--missing={label}=not delivered" for label in DEVICES]
    place.run("election", "close", *place.admin, *missing)
    tally = place.start("election", "tally", *place.admin, "--patience", "20")
    killing.until(lambda status: status.phase >= Phase.COUNTED, kills)
    ended = tally.wait()
    assert ended.code == 0, ended
    place.run("election", "publish", *place.admin, "--out", place.root / "record")
    place.run("verify", place.root / "record", "--quiet")


def main() -> int:
    """Hold elections until one fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kills", type=int, default=12, help="in the ceremony, and in the count")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}; whatever is waited for has {PATIENCE:.0f} seconds", flush=True)
    for number in range(1, options.rounds + 1):
        rng = random.Random(f"{seed}/{number}")
        with tempfile.TemporaryDirectory(prefix="sailau-killing-") as directory:
            place = Place.make(Path(directory) / "place")
            begin = time.monotonic()
            with place.running():
                killing = hold_ceremony(place, rng, options.kills)
                ceremony = killing.kills
                hold_count(place, killing, options.kills)
                killing.stop()
            seconds = time.monotonic() - begin
            counted = killing.kills - ceremony
            print(
                f"round {number}: {ceremony} kills in the ceremony, {counted} in the count, "
                f"{seconds:.0f} seconds, verified",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
