"""`sailau serve --check`: is this installation ready? It looks, says, and serves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ballotbox.admission import Admission
from ballotbox.errors import StoreDamaged, StoreError, StoreInUse
from ballotbox.high_water import HighWater
from ballotbox.looking import Look, look_at
from ballotbox.store import open_store
from cli.checking_board import (
    Standing,
    look_at_database,
    look_at_election,
    look_at_marks,
    read_heads,
    read_standing,
    trouble_of,
)
from cli.checking_findings import (
    Finding,
    as_dicts,
    problem,
    ready,
    record_lines,
    summary,
    table,
)
from cli.checking_machine import (
    look_at_certificate,
    look_at_clock,
    look_at_disks,
    look_at_keys,
    look_at_open_files,
)
from cli.checking_protocol import protocol as protocol_text
from cli.checking_witnesses import ask_witnesses, look_at_witnesses
from cli.common import REFUSED, console, counted, note, print_json, say
from cli.homes import KEYSTORE
from cli.serve_acts import KEYS, Acts, Start, checked
from cli.serve_config import ServerConfig
from cli.serve_leading import board_of
from cli.serve_live import LiveBoard
from crypto.errors import Malformed, Rejected
from identity.errors import KeystoreInUse
from identity.keystore import Keystore
from record.election import ElectionContext, check_election


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found; `key_ceremony_hash` is H_G, None where it is not there or not known."""

    context: ElectionContext
    findings: tuple[Finding, ...]
    phase: str
    size: int
    key_ceremony_hash: bytes | None
    now: float


def check_server(
    config: ServerConfig,
    passphrase: bytes,
    workers: int,
    *,
    protocol: Path | None,
    on_record: bool,
    as_json: bool,
) -> None:
    """Look at everything, say it, and leave with 1 if something must be mended.

    Raises what keeps it from looking or from saying: then nobody knows.
    """
    outcome = look(config, passphrase, workers)
    if protocol is not None:
        text = protocol_text(
            outcome.context, outcome.key_ceremony_hash, outcome.findings, outcome.now
        )
        protocol.write_text(text, encoding="utf-8")
    if as_json:
        print_json(as_dict(outcome))
    else:
        size = counted(outcome.size, "artifact")
        say(f"{outcome.context.manifest.label}: {outcome.phase}, {size}")
        console.print(table(outcome.findings))
        say(summary(outcome.findings))
    if protocol is not None:
        note(f"The protocol is in {protocol}: print it, read it, sign it.")
    if on_record:
        whole = counted(put_on_record(config, passphrase, workers, outcome), "artifact")
        note(f"The outcome is on the record, which has {whole} now.")
    if not ready(outcome.findings):
        raise SystemExit(REFUSED)


def as_dict(outcome: Outcome) -> dict[str, object]:
    """For programs."""
    h_g = outcome.key_ceremony_hash
    return {
        "election": outcome.context.manifest.label,
        "base_hash": outcome.context.base_hash.hex(),
        "key_ceremony_hash": h_g.hex() if h_g else None,
        "log_key": outcome.context.election.log_key,
        "phase": outcome.phase,
        "size": outcome.size,
        "time": int(outcome.now),
        "ready": ready(outcome.findings),
        "findings": as_dicts(outcome.findings),
    }


def look(
    config: ServerConfig,
    passphrase: bytes,
    workers: int,
    clock: Callable[[], float] = time.time,
) -> Outcome:
    """All checks, in the order in which they are said."""
    context = check_election(config.election)
    findings = [look_at_keys(config, context, passphrase)]
    findings.append(look_at_certificate(config, context, clock()))
    seen = _look_inside(config)
    standing, head = seen.standing, seen.standing.head if seen.standing else None
    asked = ask_witnesses(config.policy(), head)
    others = {f"witness {one.name}": one.ahead for one in asked if one.ahead is not None}
    if seen.clock is not None:
        others = {"PostgreSQL": seen.clock, **others}
    state = standing.state if standing else None
    latest = max((act.time for act in state.operations), default=0) if state else 0
    findings.append(look_at_clock(config, clock(), others, latest))
    findings += look_at_disks(config.places())
    findings.append(look_at_open_files())
    findings += seen.findings
    findings.append(look_at_marks(config, standing, {one.name: one.size for one in asked}))
    findings += look_at_witnesses(config.policy(), asked, head)
    if state is not None:
        findings += look_at_election(state, config.group, config.public(workers))
    return Outcome(
        context,
        tuple(findings),
        state.phase.name.lower() if state else "not known",
        state.size if state else 0,
        state.keys.key_ceremony_hash if state and state.keys else None,
        clock(),
    )


@dataclass(frozen=True, slots=True)
class _Inside:
    """The database as it was found."""

    findings: tuple[Finding, ...]
    standing: Standing | None = None
    clock: float | None = None


def _look_inside(config: ServerConfig) -> _Inside:
    advice = "docs/operations.md, 'What the errors mean', says what to do."
    try:
        with look_at(config.database(), config.base_hash) as seen:
            standing, trouble = _standing(config, seen)
            findings = tuple(look_at_database(seen, standing, trouble))
            return _Inside(findings, standing, seen.clock)
    except (StoreError, OSError) as error:
        return _Inside((problem("database", trouble_of(error), advice),))


def _standing(config: ServerConfig, seen: Look) -> tuple[Standing | None, str]:
    if seen.older:
        return None, ""
    try:
        sizes = [head.size for head in read_heads(config)]
    except StoreDamaged:
        sizes = []  # said with the marks
    try:
        return read_standing(config.election, seen.store, sizes), ""
    except (StoreError, Malformed, Rejected) as error:
        return None, trouble_of(error)


def put_on_record(config: ServerConfig, passphrase: bytes, workers: int, outcome: Outcome) -> int:
    """Write CHECKED, as a server that starts, says it, and ends; returns the log's size.

    Raises StoreInUse while a server runs: it alone may write.
    """
    with ExitStack() as stack:
        try:
            keystore = Keystore.open(config.home / KEYSTORE, passphrase)
            secrets = stack.enter_context(keystore).secrets
            store = open_store(config.database(), config.base_hash)
        except (KeystoreInUse, StoreInUse):
            raise _in_use() from None
        stack.callback(store.close)
        if not store.wait_for_leadership(1.0):
            raise _in_use()
        high_water = HighWater(config.high_water, config.log_key, config.publish)
        admission = Admission(config.election, workers=0)
        board = board_of(store, config, secrets, admission, high_water)
        # The same as a server does before it signs, and the files are published with it.
        live = LiveBoard(stack, board, config, high_water)
        live.start()
        purpose = "only to put a check on the record"
        acts = Acts(board, Start(config.public(workers), keys=KEYS, purpose=purpose))
        acts.started()
        with board.reading() as state:
            due = checked(state, record_lines(outcome.findings), outcome.now)
        for act in due:
            board.publish(act)
        acts.stopped("the check is on the record")
        return board.size()


def _in_use() -> StoreInUse:
    return StoreInUse(
        "a server runs on this database, and it alone may write: the check is not on the "
        "record. Stop the server, check with --record, and start it again"
    )
