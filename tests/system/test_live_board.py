"""The live board as programs: published files, HTTP, witnesses, mirrors, kills, a second server."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from ballotbox.store import SqliteStore
from cli.common import UNUSABLE
from crypto.errors import Malformed
from record.artifacts import Action, parse_artifact
from record.checkpoint import verify_checkpoint
from record.cosignature import cosigner_key
from record.election import check_election
from record.entry import entry_for
from record.merkle import leaf_hash, verify_consistency, verify_inclusion
from record.policy import Log, Policy, Witness
from record.state import Phase
from rpc.errors import NotFound
from tests.ports import HOST
from tests.system.living import Cosigner, LivePlace, policy_file
from tests.system.programs import Place, refused, wait_until

pytestmark = pytest.mark.system


@pytest.fixture
def live(tmp_path: Path) -> LivePlace:
    place = Place.make(tmp_path / "place")
    return LivePlace(place)


def test_published_cosigned_mirrored_and_taken_up_again(live: LivePlace) -> None:
    """With two witnesses, one of which dies, and a mirror by our own observers' program."""
    with live.place.running():
        north, south = Cosigner(live, "north"), Cosigner(live, "south")
        dead = f"witness dead {_stranger()} http://{HOST}:9/\n"
        policy_file(live, north.line, south.line, dead)
        server = live.serve()
        known = (Witness("north", north.key), Witness("south", south.key))
        policy = Policy((Log(live.key),), known)

        def signed() -> set[str]:
            return set(policy.judge(live.note()).cosignatures)

        wait_until(lambda: live.published() == 1 and signed() == {"north", "south"})
        south.program.kill()
        live.commit()
        wait_until(lambda: live.published() == live.place.status().size)
        wait_until(lambda: signed() == {"north"})

        def told(name: str) -> bool:
            return any(name in notice for notice in live.place.status().notices)

        wait_until(lambda: told("dead") and not told("north"))
        _check_asks_witnesses(live)
        copy = live.place.root / "copy"
        live.place.run("board", "mirror", f"http://{live.http}", copy, "--log-key", str(live.key))
        assert (copy / "checkpoint").read_bytes().startswith(live.note().split(b"\n\n")[0])
        with live.place.board() as board:
            note, checkpoint = board.cosigned_checkpoint(live.key)
            assert policy.judge(note).cosignatures.keys() >= {"north"}
            assert board.checkpoint(live.key)[1] == checkpoint
            root, size = checkpoint.root, checkpoint.size
            first, *_, last = [leaf_hash(entry_for(data)) for data in board.read(0, size)]
            verify_inclusion(last, size - 1, size, board.inclusion_proof(size - 1, size), root)
            verify_consistency(1, first, size, root, board.consistency_proof(1, size))
            for wrong in (board.inclusion_proof, board.consistency_proof):
                with pytest.raises(NotFound):
                    wrong(0, size + 1)
                with pytest.raises(Malformed):
                    wrong(size + 1, size)
        south.program = south.run()
        wait_until(lambda: signed() == {"north", "south"})
        assert server.stop().code == 0
        # What was deleted is made again at the next start.
        kept = (live.directory / "artifacts/000").read_bytes()
        shutil.rmtree(live.directory / "tile")
        live.serve()
        assert live.place.status().size > checkpoint.size
        wait_until(lambda: live.published() == live.place.status().size)
        assert (live.directory / "artifacts/000").read_bytes().startswith(kept)
        again = live.place.root / "again"
        live.place.run("board", "mirror", f"http://{live.http}", again, "--log-key", str(live.key))


def _check_asks_witnesses(live: LivePlace) -> None:
    """`serve --check` beside the server: one witness is there, two are not."""
    found = live.check()
    north_knows = found["witness north"]["found"]
    assert re.fullmatch(r"it has cosigned ([0-9]+) of \1 artifacts", north_knows)
    assert {name: found[name]["verdict"] for name in ("witness dead", "witness south")} == {
        "witness dead": "warning",
        "witness south": "warning",
    }
    assert HOST not in found["witness dead"]["found"]
    assert (found["clock"]["verdict"], found["quorum"]["verdict"]) == ("ok", "ok")
    assert "witness north" in found["clock"]["found"]


def _stranger() -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from record.cosignature import cosigner_key

    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return str(cosigner_key("witness.example/dead", public))


@pytest.mark.slow
def test_a_restored_backup_refuses_and_is_filled_up(live: LivePlace) -> None:
    """By the mark, by the directory, by a witness; with the published record it goes on."""
    with live.place.running():
        north = Cosigner(live, "north")
        policy_file(live, north.line)
        server = live.serve()
        database, backup = live.home / "board.sqlite", live.place.root / "backup"
        with closing(sqlite3.connect(database)) as here, closing(sqlite3.connect(backup)) as there:
            here.backup(there)
        live.commit()
        wait_until(lambda: live.published() == live.place.status().size)
        wait_until(lambda: len(live.note().splitlines()) == 6)
        assert server.stop().code == 0
        size, older = _stored(database), _stored(backup)
        last = verify_checkpoint((live.directory / "checkpoint").read_bytes(), live.key)
        assert last.size == size  # the server's last word is published, too
        for file in live.home.glob("board.sqlite-*"):
            file.unlink()
        shutil.copy(backup, database)
        database.chmod(0o600)
        kept = live.place.root / "kept"
        refused(live.start().wait(), UNUSABLE, "older copy", "Nothing is signed", "--recover")
        (live.home / "high-water").unlink()
        refused(live.start().wait(), UNUSABLE, "published checkpoint", "older copy")
        live.directory.rename(kept)
        refused(live.start().wait(), UNUSABLE, "witness north", "older copy")
        server = live.serve("--recover", kept)
        assert f"{size - older} artifacts" in server.lines()[0]
        said = [(act.action, act.reason) for act in live.place.operations()]
        *_, stopped, _, (action, recovered), (_, started) = said
        assert stopped == (Action.SERVER_STOPPED, "stopped by SIGTERM")
        assert action is Action.RECOVERED
        assert f" {size - older} artifacts" in recovered
        assert started == "start after an orderly end"
        assert live.place.status().size == size + 3
        wait_until(lambda: live.published() == size + 3)
        assert server.stop().code == 0


def _stored(database: Path) -> int:
    """How many artifacts a SQLite database has."""
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM artifacts").fetchone()[0])


@pytest.mark.slow
def test_kills_leave_files_and_database_that_agree(live: LivePlace) -> None:
    """SIGKILL at any moment while trustees drive the ceremony, and the mirror is content."""
    dice = random.Random(4)
    with live.place.running():
        server = live.serve()
        trustees = [live.place.trustee(i) for i in (1, 2, 3)]
        for _ in range(4):
            time.sleep(dice.uniform(0.2, 1.5))
            server.kill()
            _agree(live)
            server = live.serve()
        live.place.reach(Phase.READY)
        wait_until(lambda: live.published() == live.place.status().size)
        copy = live.place.root / "copy"
        live.place.run("board", "mirror", f"http://{live.http}", copy, "--log-key", str(live.key))
        for trustee in trustees:
            trustee.kill()


def _agree(live: LivePlace) -> None:
    """Everything published is in the database, and the mark is not above it."""
    artifact = parse_artifact((live.home / "election.artifact").read_bytes(), None)
    store = SqliteStore.open(live.home / "board.sqlite", check_election(artifact).base_hash)
    with closing(store):
        sizes = {checkpoint.size: checkpoint for checkpoint in store.checkpoints()}
        mark = live.home / "high-water"
        assert mark.exists()  # since the server's first start
        for place in (live.directory / "checkpoint", mark):
            if place.exists():
                head = verify_checkpoint(place.read_bytes(), live.key)
                assert sizes[head.size].root == head.root
                assert head.size <= store.size()


def test_settings_that_are_none(live: LivePlace) -> None:
    """Each refusal names the file and what is wrong."""
    with live.place.running():
        file = live.home / "server.json"
        good = file.read_text()
        (live.home / "policy").write_text("quorum none")
        north = cosigner_key("witness.example/north", bytes(range(32)))
        (live.home / "bare").write_text(f"witness north {north} witness.example:80\nquorum none\n")
        (live.home / "dsn").write_text("postgresql://board:secret-word@db/election")
        for settings, words in (
            ({"polcy": "policy"}, "polcy"),
            ({"publish": 7}, "publish"),
            ({"policy": "policy"}, "newline"),
            ({"policy": "nowhere"}, "No such file"),
            ({"policy": "bare"}, "Begin it with https://"),
            ({"database": "postgresql://b:secret-word@db/x"}, "service=NAME"),
            ({"database": "service=a", "database_file": "dsn"}, "both"),
            ({"http": "8080"}, "HOST:PORT"),
        ):
            file.write_text(json.dumps({**json.loads(good), **settings}))
            arguments = ("--bind", HOST, "--workers", "1", *live.place.key("server"))
            result = live.place.start("serve", "--home", live.home, *arguments).wait()
            assert "secret-word" not in refused(result, UNUSABLE, words)


def test_a_second_server_takes_over(live: LivePlace, postgres_dsn: str) -> None:
    """One PostgreSQL database, two homes with the same keys: SIGKILL, and the other goes on."""
    place = live.place
    with place.running():
        dsn = live.home / "dsn"
        dsn.touch(0o600)
        dsn.write_text(postgres_dsn)
        live.configure(database_file="dsn")
        assert "nothing in" in live.start().wait().err
        second = LivePlace(place)
        second.home = place.root / "election/second"
        second.directory = second.home / "published"
        shutil.copytree(live.home, second.home, ignore=shutil.ignore_patterns("*.lock"))
        first = live.serve("--new-database")
        live.commit()
        size = place.status().size
        found = live.check()
        assert "a server runs" in found["leadership"]["found"]
        assert "PostgreSQL" in found["clock"]["found"]
        assert found["clock"]["verdict"] == found["database (PostgreSQL)"]["verdict"] == "ok"
        assert "no synchronous standby" in found["durability"]["found"]
        waiting = second.start()
        waiting.until(lambda: bool(waiting.lines()))
        assert "waiting" in waiting.lines()[0]
        wait_until(lambda: live.published() == size)
        first.kill()
        waiting.until(lambda: any("serving" in line for line in waiting.lines()))
        assert place.status().size == size + 2
        assert place.operations()[-1].reason == "took over from another server"
        second.finish_ceremony()
        # The first one comes back, with its own published directory, and waits in its turn.
        back = live.start()
        back.until(lambda: bool(back.lines()))
        assert "waiting" in back.lines()[0]
        assert waiting.stop().code == 0
        back.until(lambda: any("serving" in line for line in back.lines()))
        wait_until(lambda: live.published() == place.status().size)
        ends = [act.reason for act in place.operations() if act.action is Action.SERVER_STOPPED]
        assert ends == ["stopped by SIGTERM"]
        assert back.stop().code == 0
