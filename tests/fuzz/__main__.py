"""Mutate published records for a while, and watch what the verifier says.

    python -m tests.fuzz --seconds 60 --seed 1

A record is verified only if it means what its makers signed. So every mutated record goes
to two judges: `verifier`, and the rules by which the server and the trustees admit
artifacts (`record.transcript`). What is reported as a finding, and kept:

  verified   the verifier has verified what the rules refuse, or files that were changed
  refuted    the verifier has refuted what the rules admit (but for the checks in ONLY_THERE)
  raised     one of the two has raised something else than a refusal
  slow       a case has taken longer than LIMIT seconds; memory is limited to 3 GiB
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from crypto.errors import SailauError
from record.artifacts import (
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShares,
    Statement,
)
from record.checkpoint import Checkpoint, sign_checkpoint
from record.manifest import parse_manifest
from record.merkle import MerkleTree, leaf_hash
from record.tiles import WIDTH, Bundle, TileBuilder, format_bundle
from sailau.v1 import record_pb2 as pb
from tests.ballots import Fate, Plain
from tests.decrypting import VOTES, Altered, play_election
from tests.everything import play_everything
from tests.fuzz.mutations import Messages, mutate_file, mutate_json, mutated, rearrange
from tests.tampered.kit import PARAMETERS, TOY_NAME, Record, refusal
from tests.world import World, manifest_bytes, manifest_document
from verifier import verify
from verifier.archive import NotARecord
from verifier.manifest import parse_manifest as parse_again

LIMIT = 10
ONLY_THERE = {
    "R.checkpoint": "the rules know no checkpoints",
    "R.combination": "V10 is enough for the server",
    "R.duplicate": "the rules know artifacts, not bytes",
}


class Finding(Exception):
    """Something that must not be."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class TooSlow(BaseException):
    """A case has taken too long; nobody catches this by accident."""


def worlds() -> list[World]:
    """Elections of every shape, small ones first."""
    toy = PARAMETERS[TOY_NAME]
    many = [Plain({"president": (0, 1, 0)}, style="short", fate=Fate.CAST) for _ in range(120)]
    return [
        play_election(toy),
        play_election(toy, chaining="none", missing=["ballot-box-2"]),
        play_election(toy, VOTES[:2], trustees=1, quorum=1),
        play_election(toy, VOTES[1:4], trustees=4, quorum=4),
        play_election(toy, ()),
        play_election(toy, alter=_two_sessions),
        play_election(toy, many),
        play_everything(),
    ]


def _two_sessions(world: World, statement: Statement) -> Altered:
    """The first session is given up at once; nobody cheats."""
    if isinstance(statement, DecryptionSession) and statement.session == 1:
        return (statement, DecryptionSession(2, statement.trustees))
    if isinstance(statement, DecryptionCommitments | DecryptionShares | DecryptionResponses):
        return replace(statement, session=2)
    return statement


def write(world: World, artifacts: Sequence[bytes], root: Path) -> None:
    """Publish artifacts, whatever they are, under a good log."""
    tree, tiles, entries = MerkleTree(), TileBuilder(), []
    files: dict[str, bytes] = {}
    for data in artifacts:
        entry = _entry(data)
        entries.append(entry)
        tree.append(leaf_hash(entry))
        files |= {tile.path: x for tile, x in tiles.append(leaf_hash(entry))}
    files |= {tile.path: x for tile, x in tiles.partial()}
    for i in range(0, len(artifacts), WIDTH):
        bundle = Bundle(i // WIDTH, len(entries[i : i + WIDTH]))
        files[bundle.entries_path] = format_bundle(entries[i : i + WIDTH])
        framed = (_varint(len(x)) + x for x in artifacts[i : i + WIDTH])
        files[bundle.artifacts_path] = b"".join(framed)
    checkpoint = Checkpoint(world.log_key.name, tree.size, tree.root())
    files["checkpoint"] = sign_checkpoint(checkpoint, world.secrets.log)
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def _entry(data: bytes) -> bytes:
    artifact, kind = pb.Artifact(), 0
    with suppress(Exception):
        artifact.ParseFromString(data)
        name = artifact.WhichOneof("statement")
        kind = pb.Artifact.DESCRIPTOR.fields_by_name[str(name)].number
    entry = pb.Entry(kind=kind, sha256=hashlib.sha256(data).digest(), size=len(data))
    return entry.SerializeToString(deterministic=True)


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


class Fuzzer:
    """One case after another."""

    def __init__(self, keep: Path) -> None:
        self._keep = keep
        self._worlds = worlds()
        self.strategies: tuple[Callable[[random.Random, Path], str], ...] = (
            self.files,
            self.zips,
            self.unsigned,
            self.fields,
            self.fields,
            self.fields,
            self.order,
            self.manifests,
        )

    def _world(self, rng: random.Random) -> World:
        return rng.choices(self._worlds, weights=(8, 4, 4, 4, 2, 4, 1, 8))[0]

    # --- strategies: each returns the verdict, or raises Finding

    def files(self, rng: random.Random, root: Path) -> str:
        """Change a published file."""
        world = self._world(rng)
        write(world, world.data(), root)
        name, before = mutate_file(rng, root)
        after = (root / name).read_bytes() if (root / name).exists() else None
        return self._files_verdict(root, _same(name, before, after), name)

    def zips(self, rng: random.Random, root: Path) -> str:
        """Change a byte or more of a .zip."""
        world = self._world(rng)
        write(world, world.data(), root / "record")
        names = sorted(p for p in (root / "record").rglob("*") if p.is_file())
        method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        with zipfile.ZipFile(root / "a.zip", "w", method) as packed:
            for path in names:
                packed.write(path, str(path.relative_to(root)))
        (root / "a.zip").write_bytes(mutated(rng, (root / "a.zip").read_bytes()))
        same = False
        with suppress(Exception), zipfile.ZipFile(root / "a.zip") as packed:
            same = all(p.read_bytes() == packed.read(str(p.relative_to(root))) for p in names)
        return self._files_verdict(root / "a.zip", same, "zip")

    def unsigned(self, rng: random.Random, root: Path) -> str:
        """Change bytes of artifacts, and make the log anew around them."""
        world = self._world(rng)
        data = [bytes(x) for x in world.data()]
        for _ in range(rng.choice((1, 1, 2))):
            i = rng.randrange(len(data))
            data[i] = mutated(rng, data[i])
        return self._compare(world, data, root)

    def fields(self, rng: random.Random, root: Path) -> str:
        """Change fields of statements, signed again or not."""
        record = Record(self._world(rng))
        changed = []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            artifact = rng.choice(record.artifacts)
            changed.append(Messages(rng, record).change(artifact))
            if rng.random() < 0.1:
                artifact.signature = mutated(rng, artifact.signature)
        return self._compare(record.world, record.encoded(), root, ", ".join(changed))

    def order(self, rng: random.Random, root: Path) -> str:
        """Drop, repeat and move artifacts."""
        record, other = Record(self._world(rng)), Record(self._world(rng))
        done = [rearrange(rng, record, other) for _ in range(rng.choice((1, 1, 2)))]
        if not record.artifacts:
            return "empty"
        return self._compare(record.world, record.encoded(), root, ", ".join(done))

    def manifests(self, rng: random.Random, root: Path) -> str:
        """Two readers of a changed manifest."""
        groups = {"privacy_floor": 3, "groups": {"ballots": 20, "seconds": 30}}
        data = manifest_bytes(manifest_document() | rng.choice(({}, groups)))
        for _ in range(rng.choice((1, 1, 2, 3))):
            data = mutate_json(rng, data)
        theirs = ""
        try:
            parse_manifest(data)
        except SailauError as error:
            theirs = str(error)
        _, problems = parse_again(data)
        if bool(problems) != bool(theirs):
            raise Finding("manifest", f"{data!r}: verifier {problems}, record {theirs!r}")
        return "manifest refused" if problems else "manifest accepted"

    # --- judging

    def _files_verdict(self, path: Path, same: bool | None, what: str) -> str:
        try:
            report = verify(path, parameters=TOY_NAME)
        except NotARecord:
            return "no record"
        if report.verdict == "verified" and same is False:
            raise Finding("verified", f"{what} was changed")
        if report.verdict == "refuted" and same and what != "zip":
            raise Finding("refuted", f"{what} was not changed: {report.failures[:3]}")
        return report.verdict

    def _compare(self, world: World, data: list[bytes], root: Path, what: str = "bytes") -> str:
        write(world, data, root)
        report = verify(root, parameters=TOY_NAME)
        theirs = refusal(data)
        failed = set(report.failed_ids())
        if report.verdict == "verified" and theirs is not None:
            raise Finding("verified", f"{what}; the rules refuse it by {theirs}")
        if theirs is None and failed - ONLY_THERE.keys():
            raise Finding("refuted", f"{what}; {report.failures[:3]}")
        until = verify(root, parameters=TOY_NAME, until="close")
        if until.verdict == "verified" and failed - {"R.complete"}:
            raise Finding("verified", f"{what}; until the close only, not {sorted(failed)}")
        return report.verdict

    # --- the loop

    def case(self, seed: str, root: Path) -> tuple[str, str]:
        """Play one case; return its strategy and the verdict."""
        rng = random.Random(seed)
        strategy = rng.choice(self.strategies)
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        try:
            return strategy.__name__, strategy(rng, root)
        except Finding:
            raise
        except TooSlow:
            raise Finding("slow", strategy.__name__) from None
        except Exception as error:
            text = f"{strategy.__name__}: {error!r}\n{traceback.format_exc()}"
            raise Finding("raised", text) from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def run(self, seconds: float, seed: str) -> list[str]:
        """Play cases for a while; return the findings."""
        end, findings, slowest = time.monotonic() + seconds, [], (0.0, "")
        verdicts: Counter[tuple[str, str]] = Counter()
        number = 0
        while time.monotonic() < end:
            number += 1
            root = Path(tempfile.mkdtemp(prefix="fuzz-", dir=self._keep))
            begun = time.monotonic()
            try:
                verdicts[self.case(f"{seed}:{number}", root)] += 1
                shutil.rmtree(root)
            except Finding as finding:
                findings.append(f"case {seed}:{number}, {finding}\n  kept in {root}")
                print(findings[-1], flush=True)
            slowest = max(slowest, (time.monotonic() - begun, f"{seed}:{number}"))
        _summary(number, verdicts, slowest, findings)
        return findings


def _same(name: str, before: bytes, after: bytes | None) -> bool | None:
    """Whether a file still says what it said; None if that is a matter of taste."""
    if after is None or not after.startswith(before):
        return False
    if name.startswith("artifacts") or after == before:
        return True
    # Behind a checkpoint there may be further signatures, if they have the form of one.
    return None if name == "checkpoint" else False


def _summary(
    number: int,
    verdicts: Counter[tuple[str, str]],
    slowest: tuple[float, str],
    findings: list[str],
) -> None:
    print(f"\n{number:,} cases")
    for (strategy, verdict), count in sorted(verdicts.items()):
        print(f"  {strategy:<12} {verdict:<20} {count:>8,}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"slowest {slowest[0]:.2f} s (case {slowest[1]}), at most {memory:.0f} MiB")
    kinds = Counter(finding.split(", ")[1].split(":")[0] for finding in findings)
    print("findings: " + (", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "none"))


def main() -> int:
    """Run from the command line; 1 if something was found."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=summary)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", default=str(random.randrange(10**6)))
    parser.add_argument("--case", help="play only this one, as SEED:NUMBER")
    arguments = parser.parse_args()

    def too_slow(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    keep = Path(tempfile.mkdtemp(prefix="sailau-fuzz-"))
    fuzzer = Fuzzer(keep)
    if arguments.case:
        print(fuzzer.case(arguments.case, keep))
        return 0
    print(f"seed {arguments.seed}, {arguments.seconds:.0f} s")
    findings = fuzzer.run(arguments.seconds, arguments.seed)
    if not findings:
        shutil.rmtree(keep)
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
