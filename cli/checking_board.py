"""`serve --check`: the database, the marks beside it, and how the election stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rich.progress import track

from ballotbox.errors import StoreError
from ballotbox.high_water import Head, HighWater, Source
from ballotbox.looking import Look
from ballotbox.store import Store, StoredCheckpoint, read_all
from cli.checking_findings import Finding, ok, problem, warning
from cli.checking_machine import names
from cli.common import counted, errors
from cli.serve_acts import settings_text
from cli.serve_config import ServerConfig
from record.archive_writer import CHECKPOINT
from record.artifacts import Artifact
from record.state import Phase, State
from record.transcript import Transcript

_RESTORE = "See docs/operations.md, 'After a restore'."
_MANY = 2000


@dataclass(frozen=True, slots=True)
class Standing:
    """A log as it is stored: its state, newest checkpoint, and roots by some sizes."""

    state: State
    head: StoredCheckpoint | None
    roots: Mapping[int, bytes]


def read_standing(election: Artifact, store: Store, sizes: Iterable[int]) -> Standing:
    """Fold the log, without its proofs; `sizes` are those whose roots are wanted.

    Raises StoreError, Malformed or Rejected for a log that is none.
    """
    head = store.newest_checkpoint()
    size = store.size()
    wanted = {*sizes, *(() if head is None else (head.size,))}
    transcript, roots = Transcript(election), dict[int, bytes]()
    stored = read_all(store, size)
    if size > _MANY:
        stored = iter(track(stored, "reading the log", size, console=errors, transient=True))
    for index, data in enumerate(stored):
        if index:
            transcript.append(transcript.parse(data))
        if index + 1 in wanted:
            roots[index + 1] = transcript.state.tree.root()
    return Standing(transcript.state, head, roots)


# --- the database and what stands beside it


def look_at_database(look: Look, standing: Standing | None, trouble: str = "") -> Iterator[Finding]:
    """What was opened, and whether the log in it is one; `standing` is None if it is not."""
    name = f"database ({look.kind})"
    if look.older:
        yield warning(
            name,
            "it has the schema of an older version, and cannot be looked into",
            "Take a backup. The next start brings it up to this version; then check again.",
        )
    elif standing is None:
        yield problem(name, trouble, _RESTORE)
    else:
        head = standing.head
        if head is not None and head.size and standing.roots.get(head.size) != head.root:
            found = "the log is not what its newest checkpoint has signed"
            yield problem(name, found, _RESTORE)
        else:
            yield ok(name, f"it opens and is whole: {counted(standing.state.size, 'artifact')}")
    if look.led:
        found = "a server runs on this database; its files are only read here"
        yield ok("leadership", found)
    else:
        yield ok("leadership", "no server runs on this database")
    yield _durability(look)


def _durability(look: Look) -> Finding:
    name, settings = "durability", look.settings
    if look.kind == "SQLite":
        return ok(name, f"journal mode {settings['journal_mode']}; the server syncs each commit")
    off = [one for one in ("fsync", "full_page_writes") if settings[one] == "off"]
    if off:
        found = f"PostgreSQL has {' and '.join(off)} off"
        return problem(name, found, "Set them on: nobody leads without.")
    missing = []
    if settings["data_checksums"] == "off":
        missing.append("no data checksums")
    if not settings["synchronous_standby_names"]:
        missing.append("no synchronous standby")
    found = f"PostgreSQL {settings['server_version']} syncs each commit"
    if missing:
        advice = "A failover may lose receipts, or a bad disk go unnoticed (docs/operations.md)."
        return warning(name, f"{found}; {', '.join(missing)}", advice)
    return ok(name, f"{found}, on a synchronous standby too")


def look_at_marks(
    config: ServerConfig, standing: Standing | None, witnessed: Mapping[str, int]
) -> Finding:
    """The high-water mark and the published checkpoint against the database.

    `witnessed` is what each witness says it has cosigned: all that is left to compare with
    where the mark and the published record went with the database.
    """
    name = "high-water mark"
    try:
        heads = read_heads(config)
    except StoreError as error:
        return problem(name, str(error), _RESTORE)
    publish = config.publish
    if publish is not None and (publish / CHECKPOINT).exists():
        known = any(head.source is Source.PUBLISHED for head in heads)
        if not known:
            found = f"{publish / CHECKPOINT} is not signed by this log's key"
            return problem(name, found, "Publish to another directory, or find out whose it is.")
    if standing is None:
        return warning(name, "not compared: the log cannot be read", "Mend the database first.")
    size = standing.state.size
    for head in heads:
        if head.size > size:
            found = f"{head.where} is of {counted(head.size, 'artifact')}, the database has {size}"
            return problem(name, found, f"This is an older copy. {_RESTORE}")
        if head.size and head.root and standing.roots.get(head.size) != head.root:
            found = f"the database is not the log that {head.where} is of"
            return problem(name, found, f"A log must not fork. {_RESTORE}")
    for witness, cosigned in witnessed.items():
        if cosigned > size:
            more = counted(cosigned, "artifact")
            found = f"witness {witness} has cosigned {more}, the database has {size}"
            return problem(name, found, f"This is an older copy. {_RESTORE}")
    if not any(head.source is Source.MARK for head in heads) and standing.head is not None:
        return warning(name, "there is none, though the log has begun", "Was the home copied?")
    sizes = ", ".join(f"{head.source} {head.size}" for head in heads) or "nothing signed yet"
    return ok(name, f"they agree: {sizes}, database {size}")


def read_heads(config: ServerConfig) -> tuple[Head, ...]:
    """What is known to be signed. Raises StoreDamaged for a mark that cannot be read."""
    return HighWater(config.high_water, config.log_key, config.publish).heads()


# --- the election


def look_at_election(state: State, group: str, settings: Mapping[str, str]) -> list[Finding]:
    """Phase, settings, trustees, drill, devices, and what protects the voters.

    `group` says when a group goes onto the log, `settings` are the public ones.
    """
    manifest = state.context.manifest
    found = [_phase(state), _settings(state, settings), _trustees(state), _drill(state)]
    found.append(_devices(state))
    if floor := manifest.privacy_floor:
        least = counted(floor, "ballot")
        found.append(ok("privacy floor", f"nothing of fewer than {least} is decrypted"))
    else:
        advice = "A small unit shows how its few voters voted. Only another manifest changes it."
        found.append(warning("privacy floor", "the manifest has none", advice))
    if manifest.groups:
        found.append(ok("groups", group))
    else:
        advice = "In quiet hours a group is one ballot. Only another manifest changes it."
        found.append(warning("groups", f"the manifest has none: {group}", advice))
    return found


def _phase(state: State) -> Finding:
    found = f"phase {state.phase.name.lower()}, {counted(state.size, 'artifact')}"
    if state.phase is Phase.ABORTED:
        return problem("election", found, "Make the election again: sailau election restart.")
    return ok("election", found)


def _settings(state: State, settings: Mapping[str, str]) -> Finding:
    if not state.configuration:
        return ok("settings", "not on the record yet; the first start puts them there")
    if settings_text(settings) != state.configuration:
        return ok("settings", "others than on the record; the next start puts them there")
    return ok("settings", "as on the record")


def _trustees(state: State) -> Finding:
    name, everybody = "trustees", range(1, state.context.trustees + 1)
    if accused := sorted(state.accused):
        left, quorum = len(state.eligible()), state.context.quorum
        found = f"accused: {_named(state, accused)}; {left} are left, {quorum} are needed"
        if left < quorum or state.phase is Phase.ABORTED:
            return problem(name, found, "The totals cannot be opened: hold the vote again.")
        return warning(name, found, "The others finish without them.")
    late = [i for i in everybody if i not in state.confirmations]
    confirmed = f"{len(everybody) - len(late)} of {len(everybody)} have confirmed their keys"
    if late:
        found = f"{confirmed}; not yet: {_named(state, late)}"
        return problem(name, found, "Finish the ceremony: sailau election ceremony --watch.")
    return ok(name, f"{confirmed}; nobody is accused")


def _drill(state: State) -> Finding:
    name, hold = "drill", "Hold one: sailau election drill."
    if state.phase < Phase.READY:
        return ok(name, "not due before the ceremony is complete")
    drill, everybody = state.drill, range(1, state.context.trustees + 1)
    if drill is None:
        return warning(name, "none was held", hold)
    answered = drill.answered()
    late = [i for i in everybody if i not in answered]
    found = f"the last one, session {drill.number}: {_named(state, answered) or 'nobody'} answered"
    if len(answered) < state.context.quorum:
        return problem(name, found, f"That is too few to count. {hold}")
    if late:
        return warning(name, f"{found}; {_named(state, late)} did not", hold)
    return ok(name, found)


def _devices(state: State) -> Finding:
    labels = [device.label for device in state.context.manifest.devices]
    begun = [one for one in labels if one in state.devices]
    closed = [one for one in begun if state.devices[one].closed]
    missing = [one for one in labels if one in state.missing]
    found = f"{len(labels)} in the manifest, all enrolled: {len(begun)} have begun"
    found += f", {len(closed)} have closed, {len(missing)} are missing"
    waiting = [one for one in labels if one not in begun and one not in missing]
    if state.phase is Phase.OPEN and waiting:
        advice = "Start them: sailau device run."
        return warning("devices", f"{found}; not begun: {names(waiting)}", advice)
    return ok("devices", found)


def _named(state: State, indices: Iterable[int]) -> str:
    return names([f"{i} {state.context.trustee_key(i).name}" for i in indices])


def trouble_of(error: Exception) -> str:
    """What is wrong, in one line."""
    return " ".join(str(error).split())
