"""Shards: cut from a record, run by any executor, put together in order."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest

from tests.ballots import Plain
from tests.decrypting import play_election
from tests.published_hints import write_hints
from tests.publishing import publish
from tests.tampered.kit import PARAMETERS, TOY_NAME, Record, crowded
from tests.world import World
from verifier import cli as verifier_cli
from verifier import verify
from verifier.archive import open_archive
from verifier.log import Changed
from verifier.workers import (
    WITH_HINTS,
    WITHOUT,
    Executor,
    ExecutorFailed,
    LocalExecutor,
    Result,
    Setting,
    Shard,
    ShardChecker,
    Shards,
    WorkerDied,
    useful_jobs,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of two artifact files, with wrong proofs in both."""
    path = tmp_path_factory.mktemp("crowded")
    record = Record(crowded())
    ballots = record.every("ballot")
    for ballot in (ballots[3], ballots[-1]):
        selections = ballot.contests[0].selections
        selections[0].proof.CopyFrom(selections[1].proof)
    publish(record.world, path, record.encoded())
    return path


@dataclass
class Elsewhere:
    """An executor that runs what was sent to it, in any order, from a pickled copy."""

    seen: list[Shard]
    change: Callable[[Result], Result] = lambda result: result

    def run(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
        """Run the last first; yield in order."""
        checker = ShardChecker(pickle.loads(pickle.dumps(setting)))
        self.seen += shards
        sent = [pickle.loads(pickle.dumps(shard)) for shard in self.seen]
        found = {shard: pickle.dumps(checker.check(shard)) for shard in reversed(sent)}
        for shard in self.seen:
            yield self.change(pickle.loads(found[shard]))


def test_another_executor(folder: Path) -> None:
    """It needs nothing but the setting and the shards, and the report is the same."""
    report = verify(folder, parameters=TOY_NAME)
    assert report.failed_ids() == ("6.D",)
    assert report.failures_total == 2
    elsewhere = Elsewhere([])
    executor: Executor = elsewhere
    assert verify(folder, parameters=TOY_NAME, executor=executor) == report
    assert {shard.file for shard in elsewhere.seen} == {0, 1}
    assert all(len(pickle.dumps(shard)) < 1000 for shard in elsewhere.seen)


def test_several_processes(folder: Path) -> None:
    """Two processes, the order of failures included."""
    assert verify(folder, parameters=TOY_NAME, jobs=2) == verify(folder, parameters=TOY_NAME)


def test_a_shard_read_from_another_file(folder: Path) -> None:
    """What a worker has read must be what the log was hashed over."""

    def other(result: Result) -> Result:
        return replace(result, digest=hashlib.sha256(result.digest).digest())

    with pytest.raises(Changed, match="artifacts/000 changed"):
        verify(folder, parameters=TOY_NAME, executor=Elsewhere([], other))


def test_shards_that_do_not_come_back(folder: Path) -> None:
    """An executor that loses some cannot make a verdict."""

    class Forgetful(Elsewhere):
        def run(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
            *results, _ = super().run(setting, shards)
            yield from results

    with pytest.raises(ExecutorFailed, match="did not return all"):
        verify(folder, parameters=TOY_NAME, executor=Forgetful([]))


def swapped(results: list[Result]) -> list[Result]:
    """Two of one size: the number of ballots is right at any moment."""
    return [results[1], results[0], *results[2:]]


def twice_the_first(results: list[Result]) -> list[Result]:
    """The second is passed over."""
    return [results[0], results[0], *results[2:]]


def of_another_stretch(results: list[Result]) -> list[Result]:
    """As many ballots as were asked for, and others."""
    first, *rest = results
    return [replace(first, shard=replace(first.shard, ballots=rest[0].shard.ballots)), *rest]


def of_other_fates(results: list[Result]) -> list[Result]:
    """The ballots that were asked for, taken for ones that are not cast."""
    first, *rest = results
    ballots = tuple((number, not cast) for number, cast in first.shard.ballots)
    return [replace(first, shard=replace(first.shard, ballots=ballots)), *rest]


def too_many(results: list[Result]) -> list[Result]:
    """One more at the end."""
    return [*results, results[-1]]


@pytest.mark.parametrize("wrong", [swapped, twice_the_first, of_another_stretch, of_other_fates,
                                   too_many])  # fmt: skip
def test_shards_that_are_not_those_that_were_sent(
    folder: Path,
    wrong: Callable[[list[Result]], list[Result]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each once and in order, or there is no verdict."""

    class Wrong(Elsewhere):
        def run(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
            yield from wrong(list(super().run(setting, shards)))

    with pytest.raises(ExecutorFailed, match="other ballots"):
        verify(folder, parameters=TOY_NAME, executor=Wrong([]))

    class Means:
        def add_options(self, _: object) -> None: ...

        def means(self, _: object, __: object) -> nullcontext[verifier_cli.Means]:
            return nullcontext(verifier_cli.Means(executor=Wrong([])))

    options = ["--parameters", TOY_NAME, "--quiet"]
    assert verifier_cli.main([str(folder), *options], "verify", Means()) == 2
    assert "other ballots" in capsys.readouterr().err


def test_shards_that_are_not_taken(folder: Path) -> None:
    """An executor that stops early has not checked the rest."""

    class Lazy(Elsewhere):
        def run(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
            return super().run(setting, islice(shards, 1))

    with pytest.raises(ExecutorFailed, match="did not return all"):
        verify(folder, parameters=TOY_NAME, executor=Lazy([]))


def setting_of(folder: Path) -> Setting:
    """The setting of a record, as the verifier hands it out."""
    found: list[Setting] = []

    class Curious(Elsewhere):
        def run(self, setting: Setting, shards: Iterable[Shard]) -> Iterator[Result]:
            found.append(setting)
            return super().run(setting, shards)

    verify(folder, parameters=TOY_NAME, executor=Curious([]))
    return found[0]


class Deadly(str):
    """A path that kills the process that receives it."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        """Be unpickled as an exit."""
        return os._exit, (1,)


def test_a_worker_that_dies_is_named(folder: Path) -> None:
    """It is not taken for a verdict, and does not hang."""
    setting = replace(setting_of(folder), record=Deadly())
    shard = Shard(0, 1, ((0, False),))
    with pytest.raises(WorkerDied, match="a worker process died"):
        list(LocalExecutor(2).run(setting, [shard] * 3))


def test_a_file_that_is_gone(folder: Path, tmp_path: Path) -> None:
    """A worker that cannot read a file says so, in this process and in another."""
    setting = setting_of(folder)
    shards = [Shard(7, 10, ((1792, False),))]
    for jobs in (1, 2):
        with pytest.raises(Changed, match="artifacts/007"):
            list(LocalExecutor(jobs).run(setting, shards))


def test_how_ballots_are_cut(tmp_path: Path) -> None:
    """By file; small shards without hints, large ones with; none of a file that was not read."""
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts/000").write_bytes(b"")
    archive = open_archive(tmp_path)
    ballots = [(i, i % 2 == 0) for i in range(600)]

    def cut(exact: bool, jobs: int = 1) -> list[Shard]:
        covered = {0: 256, 1: 256, 2: 0}
        return list(Shards(archive, exact, jobs).cut(ballots, len(ballots), covered.__getitem__))

    small = cut(False)
    assert [x for shard in small for x in shard.ballots] == ballots[:512]
    assert all(len({i // 256 for i, _ in shard.ballots}) == 1 for shard in small)
    assert {len(shard.ballots) for shard in small} == {WITHOUT}
    assert {shard.count for shard in small} == {256}
    (tmp_path / "hints").mkdir()
    (tmp_path / "hints/000").write_bytes(b"anything")
    sizes = {(shard.file, len(shard.ballots)) for shard in cut(False)}
    assert sizes == {(0, WITH_HINTS), (1, WITHOUT)}
    assert cut(True) == small
    assert {len(shard.ballots) for shard in cut(False, jobs=8) if shard.file == 0} == {37, 34}


def test_how_many_processes_are_worth_it(tmp_path: Path) -> None:
    """One for every 16 ballots, and with hints for every 64; one at least."""
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts/000").write_bytes(b"")
    archive = open_archive(tmp_path)
    assert [useful_jobs(archive, False, 4, 0, n) for n in (0, 31, 32, 1000)] == [1, 1, 2, 4]
    (tmp_path / "hints").mkdir()
    (tmp_path / "hints/000").write_bytes(b"")
    assert [useful_jobs(archive, False, 4, 0, n) for n in (32, 127, 128)] == [1, 1, 2]
    assert useful_jobs(archive, True, 4, 0, 32) == 2
    assert useful_jobs(archive, False, 4, 256, 32) == 2


def _world(ballots: int) -> World:
    votes = [Plain({"president": (0, 1, 0)}, style="short") for _ in range(ballots)]
    return play_election(PARAMETERS[TOY_NAME], votes)


def test_as_many_processes_as_there_is_work(tmp_path: Path) -> None:
    """Few ballots are checked here, whatever is asked for; the report is the same."""
    world = _world(3)
    publish(world, tmp_path)
    write_hints(tmp_path, world)
    one = verify(tmp_path, parameters=TOY_NAME)
    assert one == verify(tmp_path, parameters=TOY_NAME, jobs=8)
    assert one.verdict == "verified"
