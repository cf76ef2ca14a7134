"""`sailau serve --check`: what is altered is what is named, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
import sqlite3
import time
from collections import namedtuple
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.migrations import MIGRATIONS
from ballotbox.store import StoredCheckpoint
from cli.checking import Outcome, look
from cli.checking_board import look_at_election
from cli.checking_findings import Finding, Verdict, ok, ready, warning
from cli.checking_machine import (
    look_at_certificate,
    look_at_clock,
    look_at_disks,
    look_at_open_files,
)
from cli.checking_protocol import WIDTH, protocol
from cli.checking_witnesses import Asked, look_at_witnesses
from cli.common import REFUSED, UNUSABLE
from cli.homes import KEYSTORE
from cli.new_election import LOG_KEY
from cli.serve_config import ServerConfig
from crypto.parameters import TOY
from identity.authority import Authority
from identity.keystore import Keystore, read_keystore
from identity.keystore_format import ScryptCost
from record.artifacts import Action, Purpose
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from record.cosignature import cosigner_key
from record.election import ElectionContext, check_election
from record.manifest import Groups
from record.policy import Group, Policy, Witness
from record.state import Accused, Phase, State
from tests.decrypting import Session
from tests.ports import HOST
from tests.system.programs import Place, refused
from tests.world import World, manifest_bytes, manifest_document, trustee_name

pytestmark = pytest.mark.system

WORKERS = 1
USUAL = {"clock", "witnesses", "privacy floor", "groups"}
"""What is a warning in an election without witnesses, floor and groups."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An election whose server ran once and ended."""
    place = Place.make(tmp_path_factory.mktemp("check") / "place")
    with place.running():
        assert place.serve().stop().code == 0
    return place


class Home:
    """A copy of the server's home, to be altered."""

    def __init__(self, place: Place, root: Path) -> None:
        self.home = root / "server"
        skip = shutil.ignore_patterns("*.lock")
        shutil.copytree(place.root / "election/server", self.home, ignore=skip)
        self.home.chmod(0o700)
        self.passphrase = Path(place.key("server")[1]).read_bytes().strip()
        # The same keys, for less work.
        secrets = read_keystore(self.home / KEYSTORE, self.passphrase)
        (self.home / KEYSTORE).unlink()
        cost = ScryptCost(n=16)
        Keystore.create(self.home / KEYSTORE, self.passphrase, secrets, cost=cost).close()

    @property
    def config(self) -> ServerConfig:
        return ServerConfig.read(self.home)

    def configure(self, **settings: str) -> None:
        file = self.home / "server.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))

    def look(self) -> Outcome:
        return look(self.config, self.passphrase, WORKERS)

    def wrong(self) -> set[str]:
        """The subjects that are not ok, beside the usual ones and the ceremony."""
        return wrong(self.look()) - USUAL - {"trustees"}


@pytest.fixture
def home(made: Place, tmp_path: Path) -> Home:
    return Home(made, tmp_path)


def wrong(outcome: Outcome) -> set[str]:
    return {one.subject for one in outcome.findings if one.verdict is not Verdict.OK}


# --- the installation


def test_as_it_should_be(home: Home) -> None:
    """Before the ceremony only the trustees are missing."""
    outcome = home.look()
    assert wrong(outcome) == {*USUAL, "trustees"}
    assert not ready(outcome.findings)
    assert outcome.phase == "commitment"
    assert ready(one for one in outcome.findings if one.subject != "trustees")


def _another_log_key(home: Home) -> None:
    with Keystore.open(home.home / KEYSTORE, home.passphrase) as store:
        store.update({LOG_KEY: bytes(32)})


def _another_passphrase(home: Home) -> None:
    home.passphrase = b"not the passphrase"


def _another_authority(home: Home) -> None:
    (home.home / "authority.pem").write_bytes(Authority.create("other").certificate_pem)


def _no_database(home: Home) -> None:
    (home.home / "board.sqlite").unlink()


def _damaged_artifact(home: Home) -> None:
    with closing(sqlite3.connect(home.home / "board.sqlite")) as database:
        database.execute("UPDATE artifacts SET data = X'00' WHERE idx = 2")
        database.commit()


def _older_copy(home: Home) -> None:
    with closing(sqlite3.connect(home.home / "board.sqlite")) as database:
        (last,) = database.execute("SELECT max(idx) FROM artifacts").fetchone()
        database.execute("DELETE FROM checkpoints WHERE size = ?", (last + 1,))
        database.execute("DELETE FROM artifacts WHERE idx = ?", (last,))
        database.commit()


def _older_schema(home: Home) -> None:
    with closing(sqlite3.connect(home.home / "board.sqlite")) as database:
        older = MIGRATIONS[-1].before
        database.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (older,))
        database.commit()


def _another_mark(home: Home) -> None:
    (home.home / "high-water").write_bytes(b"nothing\n")


def _no_mark(home: Home) -> None:
    (home.home / "high-water").unlink()


def _foreign_checkpoint(home: Home) -> None:
    (home.home / "published").mkdir()
    (home.home / "published/checkpoint").write_bytes(b"another log's\n")
    home.configure(publish="published")


def _no_place_for_files(home: Home) -> None:
    home.configure(publish="/proc/sailau")


def _a_witness_that_is_gone(home: Home) -> None:
    key = cosigner_key("witness.example/gone", bytes(range(32)))
    lines = [f"log {home.config.log_key}", f"witness gone {key} http://{HOST}:9/", "quorum gone"]
    (home.home / "policy").write_text("\n".join([*lines, ""]))
    home.configure(policy="policy")


@pytest.mark.parametrize(
    ("alter", "subjects"),
    [
        (_another_log_key, {"keys"}),
        (_another_passphrase, {"keys"}),
        (_another_authority, {"certificate"}),
        (_no_database, {"database", "high-water mark"}),
        (_damaged_artifact, {"database (SQLite)", "high-water mark"}),
        (_older_copy, {"high-water mark"}),
        (_older_schema, {"database (SQLite)", "high-water mark"}),
        (_another_mark, {"high-water mark"}),
        (_no_mark, {"high-water mark"}),
        (_foreign_checkpoint, {"high-water mark"}),
        (_no_place_for_files, {"disk: published"}),
        (_a_witness_that_is_gone, {"witness gone", "quorum"}),
    ],
)
def test_what_is_altered_is_named(
    home: Home, alter: Callable[[Home], None], subjects: set[str]
) -> None:
    """That, and what cannot be compared without it."""
    alter(home)
    assert home.wrong() == subjects


def test_another_log_in_the_database(home: Home) -> None:
    """A checkpoint of the log's key over something else."""
    config = home.config
    with Keystore.open(home.home / KEYSTORE, home.passphrase) as store:
        log_key = Ed25519PrivateKey.from_private_bytes(store.secrets[LOG_KEY])
    root = bytes(32)
    size = home.look().size
    note = sign_checkpoint(Checkpoint(config.log_key.name, size, root), log_key)
    (home.home / "high-water").write_bytes(note)
    assert home.wrong() == {"high-water mark"}


def test_it_changes_nothing(home: Home) -> None:
    """The database, the mark and the settings are as before; nothing is left."""
    before = {path.name: path.read_bytes() for path in home.home.iterdir()}
    home.look()
    after = {path.name: path.read_bytes() for path in home.home.iterdir()}
    ours = {"board.sqlite.lock", "board.sqlite-shm", "board.sqlite-wal"}
    assert {name for name in after if after[name] != before.get(name)} <= ours
    assert {name: after.get(name) for name in before if name not in ours} == {
        name: data for name, data in before.items() if name not in ours
    }


# --- as a program


def test_beside_a_server_and_on_the_record(made: Place, tmp_path: Path) -> None:
    """Exit codes, JSON, the paper, and CHECKED between a start and an end."""
    place = made.copy(tmp_path / "copy")
    home = place.root / "election/server"
    arguments = ("serve", "--home", home, *place.key("server"), "--workers", "1")
    with place.running():
        server = place.serve()
        result = place.attempt(*arguments, "--check", "--json")
        found = {one["subject"]: one for one in result.json()["findings"]}
        assert result.code == REFUSED
        assert not result.json()["ready"]
        assert "a server runs" in found["leadership"]["found"]
        assert found["settings"]["found"] == "as on the record"
        assert result.json()["size"] == place.status().size
        result = place.attempt(*arguments, "--check", "--record")
        assert result.code == UNUSABLE
        assert "Stop the server" in result.err
        assert server.stop().code == 0
        paper = tmp_path / "protocol.txt"
        result = place.attempt(*arguments, "--check", "--record", "--protocol", paper)
        assert (result.code, "trustees" in result.out) == (REFUSED, True)
        assert "town-2026" in paper.read_text()
        place.serve()
        acts = place.operations()[-6:]
        assert [act.action for act in acts] == [
            Action.KEYS_USED,
            Action.SERVER_STARTED,
            Action.CHECKED,
            Action.SERVER_STOPPED,
            Action.KEYS_USED,
            Action.SERVER_STARTED,
        ]
        assert acts[1].reason == ("start after an orderly end, only to put a check on the record")
        lines = acts[2].details.splitlines()
        assert {"keys: ok", "trustees: problem", "privacy floor: warning"} <= set(lines)
        assert all(
            line.partition(": ")[2] in {"ok", "warning", "problem"} or line.startswith("disk: ")
            for line in lines
        )
        assert str(place.root) not in acts[2].details
        refused(place.attempt(*arguments, "--check", "--protocol", "/proc/x/y"), UNUSABLE, "/proc")


def test_options_that_go_with_it(made: Place) -> None:
    """Nobody thinks to have checked who has begun to serve."""
    home = made.root / "election/server"
    with made.running():
        result = made.attempt("serve", "--home", home, *made.key("server"), "--json")
    assert result.code == UNUSABLE
    assert "--check" in result.err


# --- one look at a time


def verdicts(findings: list[Finding]) -> Mapping[str, Verdict]:
    return {one.subject: one.verdict for one in findings}


def test_certificate_and_clock(home: Home) -> None:
    """Too early, soon over, over, over before the polls close."""
    config = home.config
    context = check_election(config.election)
    now = time.time()
    day = 86_400

    def certificate(at: float, context: ElectionContext = context) -> Verdict:
        return look_at_certificate(config, context, at).verdict

    assert certificate(now) is Verdict.OK
    assert certificate(now + 380 * day) is Verdict.WARNING
    assert certificate(now + 401 * day) is Verdict.PROBLEM
    assert certificate(now - 2 * day) is Verdict.PROBLEM
    late = datetime.fromtimestamp(now + 500 * day, UTC).date()
    manifest = dataclasses.replace(context.manifest, closes=late)
    later = dataclasses.replace(context, manifest=manifest)
    assert certificate(now, later) is Verdict.PROBLEM

    def clock(at: float, others: Mapping[str, float], latest: int = 0) -> Finding:
        return look_at_clock(config, at, others, latest)

    assert clock(now, {}).verdict is Verdict.WARNING
    assert "nothing" in clock(now, {}).found
    fine = clock(now, {"PostgreSQL": 0.1, "witness north": -0.4})
    assert fine.verdict is Verdict.OK
    assert "witness north -0.4 s" in fine.found
    assert clock(now, {"PostgreSQL": 20}).verdict is Verdict.WARNING
    assert clock(now, {"PostgreSQL": 0, "witness north": -90}).verdict is Verdict.PROBLEM
    assert clock(now - 2 * day, {"PostgreSQL": 0}).verdict is Verdict.PROBLEM
    assert clock(now, {"PostgreSQL": 0}, int(now) + 60).verdict is Verdict.PROBLEM


def test_disks_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room, too little, and few open files; the probe is not left behind."""
    usage = namedtuple("usage", "total used free")  # noqa: PYI024
    for free, verdict in ((10 << 30, Verdict.OK), (2 << 30, Verdict.WARNING), (1, Verdict.PROBLEM)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(1, 1, free))
        (found,) = look_at_disks({"home": tmp_path / "not" / "made"})
        assert (found.subject, found.verdict) == ("disk: home", verdict)
        assert "made at the start" in found.found
    assert list(tmp_path.iterdir()) == []
    for limit, verdict in (
        (resource.RLIM_INFINITY, Verdict.OK),
        (65_536, Verdict.OK),
        (2048, Verdict.WARNING),
        (256, Verdict.PROBLEM),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (1, limit))
        assert look_at_open_files().verdict is verdict


def test_witnesses() -> None:
    """One that is behind is fine, one that is ahead is not, and the quorum decides."""
    key = verifier_key("w", bytes(range(32)))
    known = tuple(Witness(name, key, "http://w/") for name in ("north", "south"))
    one_of_both = Policy((), known, (Group("any", 1, ("north", "south")),), "any")
    head = StoredCheckpoint(10, bytes(32), b"")

    def judged(*asked: Asked, policy: Policy | None = one_of_both) -> Mapping[str, Verdict]:
        return verdicts(list(look_at_witnesses(policy, asked, head)))

    assert judged(Asked("north", 10), Asked("south", 3)) == {
        "witness north": Verdict.OK,
        "witness south": Verdict.OK,
        "quorum": Verdict.OK,
    }
    assert judged(Asked("north", 10), Asked("south", trouble="gone")) == {
        "witness north": Verdict.OK,
        "witness south": Verdict.WARNING,
        "quorum": Verdict.OK,
    }
    assert judged(Asked("north", 11), Asked("south"))["witness north"] is Verdict.PROBLEM
    both = dataclasses.replace(one_of_both, groups=(Group("any", 2, ("north", "south")),))
    lacking = judged(Asked("north", 10), Asked("south", trouble="gone"), policy=both)
    assert lacking["quorum"] is Verdict.PROBLEM
    assert judged(policy=None) == {"witnesses": Verdict.WARNING}


# --- how the election stands


def election(state: State, settings: Mapping[str, str] | None = None) -> Mapping[str, Finding]:
    found = look_at_election(state, "at once", settings or {"workers": "1"})
    return {one.subject: one for one in found}


def not_ok(state: State) -> Mapping[str, Verdict]:
    return {n: f.verdict for n, f in election(state).items() if f.verdict is not Verdict.OK}


GUARDED = manifest_bytes({**manifest_document(), "privacy_floor": 30})


def test_trustees_and_drill() -> None:
    """The ceremony, a drill that was not held, and one that too few answered."""
    world = World.create(TOY[-1], manifest=GUARDED, until=Phase.SHARES)
    assert not_ok(world.state) == {"trustees": Verdict.PROBLEM, "groups": Verdict.WARNING}
    world = World.create(TOY[-1], manifest=GUARDED, until=Phase.READY)
    assert not_ok(world.state) == {"drill": Verdict.WARNING, "groups": Verdict.WARNING}
    world.append(Session(world, (1, 2, 3), Purpose.DRILL).statement())
    assert not_ok(world.state) == {"drill": Verdict.PROBLEM, "groups": Verdict.WARNING}
    Session(world, (1, 2), Purpose.DRILL).play()
    assert not_ok(world.state) == {"drill": Verdict.WARNING, "groups": Verdict.WARNING}
    assert f"3 {trustee_name(3)} did not" in election(world.state)["drill"].found
    Session(world, (1, 2, 3), Purpose.DRILL).play()
    assert not_ok(world.state) == {"groups": Verdict.WARNING}
    world.state.accused[1] = Accused("R.decryption-share", 20)
    assert not_ok(world.state)["trustees"] is Verdict.WARNING
    world.state.accused[2] = Accused("R.decryption-share", 21)
    assert not_ok(world.state)["trustees"] is Verdict.PROBLEM


def test_groups_and_floor() -> None:
    """Each of the two warns when it is missing, and says what it is when it is there."""
    world = World.create(TOY[-1], manifest=GUARDED)
    manifest = dataclasses.replace(world.context.manifest, groups=Groups(20, 30))
    state = State(dataclasses.replace(world.context, manifest=manifest), phase=Phase.COMMITMENT)
    assert set(not_ok(state)) == {"trustees"}
    assert "30 ballots" in election(state)["privacy floor"].found
    manifest = dataclasses.replace(manifest, privacy_floor=0)
    state = State(dataclasses.replace(world.context, manifest=manifest), phase=Phase.COMMITMENT)
    assert set(not_ok(state)) == {"trustees", "privacy floor"}


def test_settings_and_devices() -> None:
    """Others than on the record; devices that have not begun while the polls are open."""
    world = World.create(TOY[-1], manifest=GUARDED)
    assert "not begun" in election(world.state)["devices"].found
    assert election(world.state)["devices"].verdict is Verdict.WARNING
    world.state.configuration = "workers: 2"
    assert "others" in election(world.state)["settings"].found
    world.state.configuration = "workers: 1"
    assert election(world.state)["settings"].found == "as on the record"


def test_an_election_that_came_to_nothing() -> None:
    """There is nothing to open."""
    world = World.create(TOY[-1], manifest=GUARDED, until=Phase.COMMITMENT)
    state = State(world.context, phase=Phase.ABORTED)
    assert not_ok(state)["election"] is Verdict.PROBLEM


# --- the paper


def test_the_paper_is_narrow(home: Home) -> None:
    """80 columns, whatever the names; everything that was found is on it."""
    context = check_election(home.config.election)
    findings = (
        ok("keys", "fine"),
        warning("trustees", "Өте ұзақ аты бар адам " * 12, "Call them. " * 20),
        warning("devices", "選舉" * 60, "x" * 300),
        Finding("drill", Verdict.PROBLEM, "a\x1b[31mb\nc", "Hold one."),
    )
    text = protocol(context, bytes(range(32)), findings, time.time())
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "\x1b" not in text
    for word in ("town-2026", "The town (қазақша)", "Signature", "(H_G)", "Not ready.", "Hold one"):
        assert word in text
    for row in (str(context.election.log_key)[:40],):
        assert row in text
    assert "not made yet" in protocol(context, None, findings, 0.0)
