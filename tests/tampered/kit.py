"""How records are tampered with here, and how they are judged.

A tampering is a function with a line that says what a cheater did, and a decorator that
says which checks fail, and who is to blame:

    @KEYS.edited("2.C", who="trustee 2")
    def copied_proof(record: Record) -> None:
        \"\"\"Trustee 2 publishes trustee 1's keys and proofs as its own.\"\"\"

`edited` changes the messages of an honest record; whatever is changed is signed again by
its role, and the log is made anew around it, so that nothing but the claim is wrong: the
trustees sign their transcripts of the altered record, and the commitments to altered keys.
`played` alters statements while the election is played, so that everything later builds on
the lie; `encrypted` has a device make the ballots. `filed` changes published files.

`server` is what `record.transcript` says of the same artifacts, by which the server and the
trustees decide what comes into the record: the same id unless `because` says why not, or
None if it takes them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from crypto.errors import Malformed, Rejected
from crypto.parameters import STANDARD, TOY, Parameters
from record.artifacts import Artifact, Role, parse_artifact
from record.entry import entry_for
from record.merkle import MerkleTree, leaf_hash
from record.state import Phase
from record.tally_rules import check_aggregates
from record.transcript import Transcript
from sailau.v1 import record_pb2 as pb
from tests.ballots import Encryptor, Fate, Plain
from tests.decrypting import VOTES, Alter, play_election
from tests.publishing import publish
from tests.world import World, manifest_bytes, trustee_name
from verifier import Report, verify

TOY_NAME = "toy-64-256"
PARAMETERS: Mapping[str, Parameters] = {TOY_NAME: TOY[-1], "standard": STANDARD}
FEW = (
    Plain({"president": (0, 1, 0), "council": (2, 1)}),
    Plain({"president": (1, 0, 0)}, style="short", fate=Fate.CHALLENGE),
    Plain({"president": (0, 0, 1)}, style="short"),
    Plain(style="short", fate=Fate.SPOIL),
)
"""Ballots enough for the standard group, where each costs."""

_ADMINISTRATOR = (
    "election",
    "ceremony_abandoned",
    "opening",
    "device_missing",
    "polls_close",
    "result",
)
_SERVER = (
    "accusation",
    "decrypted_ballot",
    "encrypted_tally",
    "decryption_session",
    "decrypted_tally",
    "challenged_ballot_decryption",
)
_DEVICE = ("device", "ballot", "cast", "challenge", "device_close")


@cache
def honest(group: str = TOY_NAME) -> World:
    """A complete election in which nobody cheats."""
    return play_election(PARAMETERS[group], VOTES if group == TOY_NAME else FEW)


@cache
def crowded() -> World:
    """An election with more artifacts than a tile holds."""
    votes = [Plain({"president": (0, 1, 0)}, style="short") for _ in range(130)]
    return play_election(PARAMETERS[TOY_NAME], votes)


# --- records as messages


def kind_of(artifact: pb.Artifact) -> str:
    """The name of its statement."""
    return str(artifact.WhichOneof("statement"))


def unsigned(artifact: pb.Artifact) -> bytes:
    """The statement alone, serialized."""
    copy = pb.Artifact()
    copy.CopyFrom(artifact)
    copy.ClearField("signature")
    return copy.SerializeToString(deterministic=True)


class Record:
    """A record as a list of messages, to be edited in place."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.group = world.group
        self.artifacts = [pb.Artifact.FromString(bytes(data)) for data in world.data()]
        self._before = {id(a): (unsigned(a), a.signature) for a in self.artifacts}
        self._kept = list(self.artifacts)  # so that no id is used again
        self._raw: dict[int, Callable[[bytes], bytes]] = {}
        self._by_hand: dict[int, tuple[Role, str]] = {}
        self._ends = _round_ends(self.artifacts)
        self.commitments_follow = True
        """Whether the commitment to keys that were altered is altered, too."""

    # --- finding

    def every(self, kind: str) -> list[Any]:
        """All statements of a kind."""
        return [getattr(a, kind) for a in self.artifacts if kind_of(a) == kind]

    def first(self, kind: str) -> Any:
        """The first statement of a kind."""
        return self.every(kind)[0]

    def last(self, kind: str) -> Any:
        """The last statement of a kind."""
        return self.every(kind)[-1]

    def position(self, kind: str, n: int = 0) -> int:
        """The number of the n-th artifact of a kind; n may count from the end."""
        return [i for i, a in enumerate(self.artifacts) if kind_of(a) == kind][n]

    def ballot(self, fate: str) -> Any:
        """The first ballot that is "cast", "challenge"d or "spoiled"."""
        decided = {
            kind: [s.confirmation_code for s in self.every(kind)] for kind in ("cast", "challenge")
        }
        codes = decided.get(fate)
        if codes is None:
            known = decided["cast"] + decided["challenge"]
            return next(b for b in self.every("ballot") if b.confirmation_code not in known)
        return next(b for b in self.every("ballot") if b.confirmation_code == codes[0])

    # --- changing

    def insert(self, position: int, **statement: Any) -> pb.Artifact:
        """Put a new statement, given as `kind=message`, before a position."""
        artifact = pb.Artifact(**statement)
        self.artifacts.insert(position, artifact)
        return artifact

    def follow(self, added: pb.Artifact, like: str) -> None:
        """Let the transcript of an inserted statement be that of the first other of a kind."""
        known = next(a for a in self.artifacts if kind_of(a) == like and a is not added)
        self._ends[id(added)] = self._ends[id(known)]

    def take_out(self, kind: str, n: int = 0) -> pb.Artifact:
        """Remove and return the n-th artifact of a kind."""
        return self.artifacts.pop(self.position(kind, n))

    def swap(self, i: int, j: int) -> None:
        """Exchange two artifacts."""
        self.artifacts[i], self.artifacts[j] = self.artifacts[j], self.artifacts[i]

    def sign(self, artifact: pb.Artifact, role: Role | None = None, name: str = "") -> None:
        """Sign a statement by the role that makes it, or by another."""
        key = self._key(artifact) if role is None else self.world.role_key(role, name)
        if role is not None:
            self._by_hand[id(artifact)] = role, name
        domain = b"sailau.v1.Artifact\0" + self.world.context.base_hash
        artifact.signature = key.sign(domain + unsigned(artifact))

    def _key(self, artifact: pb.Artifact) -> Any:
        kind = kind_of(artifact)
        statement = getattr(artifact, kind)
        if kind in _ADMINISTRATOR:
            return self.world.role_key(Role.ADMINISTRATOR)
        if kind in _SERVER:
            return self.world.role_key(Role.SERVER)
        if kind == "operation":
            administrator = statement.role == pb.ROLE_ADMINISTRATOR
            return self.world.role_key(Role.ADMINISTRATOR if administrator else Role.SERVER)
        if kind in _DEVICE:
            role, name = Role.DEVICE, statement.device
        else:
            role, name = Role.TRUSTEE, trustee_name(statement.trustee)
        # Nobody can sign for a role that does not exist; the server tries.
        return self.world.secrets.roles.get((role, name)) or self.world.role_key(Role.SERVER)

    def raw(self, kind: str, change: Callable[[bytes], bytes]) -> None:
        """Replace the bytes of the first artifact of a kind, whatever they then are."""
        self._raw[id(self.artifacts[self.position(kind)])] = change

    def encoded(self) -> list[bytes]:
        """The artifacts as bytes: what was changed and not signed by hand is signed again."""
        if self.commitments_follow:
            self._commit_again()
        tree, roots, encoded = MerkleTree(), dict[int, bytes](), list[bytes]()
        for artifact in self.artifacts:
            self._see(artifact, roots)
            before, signature = self._before.get(id(artifact), (b"", b""))
            if unsigned(artifact) != before and artifact.signature == signature:
                self.sign(artifact)
            data = self._raw.get(id(artifact), bytes)(
                artifact.SerializeToString(deterministic=True)
            )
            encoded.append(data)
            tree.append(leaf_hash(_entry(data)))
            roots[id(artifact)] = tree.root()
        return encoded

    def _see(self, artifact: pb.Artifact, roots: Mapping[int, bytes]) -> None:
        """Put the root of this record into a transcript that was not altered by hand."""
        end = self._ends.get(id(artifact))
        if end is None:
            return
        statement, (root, last) = getattr(artifact, kind_of(artifact)), end
        if statement.transcript == root and last in roots and roots[last] != root:
            statement.transcript = roots[last]
            if id(artifact) in self._by_hand:
                self.sign(artifact, *self._by_hand[id(artifact)])

    def _commit_again(self) -> None:
        for artifact in self.artifacts:
            if kind_of(artifact) != "trustee_keys":
                continue
            before, _ = self._before.get(id(artifact), (b"", b""))
            if unsigned(artifact) == before:
                continue
            for commitment in self.every("key_commitment"):
                if commitment.trustee == artifact.trustee_keys.trustee:
                    commitment.commitment = self.commitment_to(artifact.trustee_keys)

    def commitment_to(self, keys: Any) -> bytes:
        """What a trustee commits to that is going to publish these keys."""
        copy = pb.TrusteeKeys()
        copy.CopyFrom(keys)
        copy.ClearField("transcript")
        domain = b"sailau.v1.KeyCommitment\0" + self.world.context.base_hash
        return hashlib.sha256(domain + copy.SerializeToString(deterministic=True)).digest()

    def touched(self) -> set[int]:
        """The numbers of the artifacts that an honest record does not have."""
        return {
            i
            for i, a in enumerate(self.artifacts)
            if id(a) in self._raw or self._before.get(id(a)) != (unsigned(a), a.signature)
        }

    # --- numbers

    def number(self, data: bytes) -> int:
        """Decode an integer."""
        return int.from_bytes(data, "big")

    def negated(self, data: bytes) -> bytes:
        """-x: twice the order, and in no proof about x would anybody see it."""
        return self.group.encode_element(self.group.p - self.number(data))

    def times(self, data: bytes, factor: int) -> bytes:
        """x times another number mod p."""
        return self.group.encode_element(self.number(data) * factor % self.group.p)

    def outside(self) -> int:
        """An element whose order divides the cofactor: 1 in the group, and 1 nowhere else."""
        return int(pow(3, int(self.group.q), int(self.group.p)))

    @property
    def q(self) -> bytes:
        """q itself as a scalar: 0 mod q, and not below q."""
        return int(self.group.q).to_bytes(self.group.parameters.scalar_width, "big")

    def more(self, scalar: bytes, by: int = 1) -> bytes:
        """A scalar that is larger by one, mod q."""
        return self.group.encode_scalar((self.number(scalar) + by) % self.group.q)


def _round_ends(artifacts: Sequence[pb.Artifact]) -> dict[int, tuple[bytes, int]]:
    """By id of a trustee's artifact: its transcript, and the id of the artifact it ends with."""
    tree, last, ends = MerkleTree(), dict[bytes, int](), dict[int, tuple[bytes, int]]()
    for artifact in artifacts:
        transcript = getattr(getattr(artifact, kind_of(artifact)), "transcript", b"")
        if transcript in last:
            ends[id(artifact)] = transcript, last[transcript]
        tree.append(leaf_hash(_entry(artifact.SerializeToString(deterministic=True))))
        last[tree.root()] = id(artifact)
    return ends


def _entry(data: bytes) -> bytes:
    try:
        return entry_for(data)
    except Malformed:
        return data  # no artifact at all: the log's own tests say what becomes of it


def flipped(data: bytes) -> bytes:
    """The same bytes but for the last bit."""
    return data[:-1] + bytes([data[-1] ^ 1])


class Files:
    """A published record, to be edited on the disk."""

    def __init__(self, world: World, root: Path) -> None:
        self.world, self.root = world, root

    def path(self, pattern: str) -> Path:
        """The one file that a pattern names."""
        (found,) = (p for p in self.root.glob(pattern) if p.is_file())
        return found

    def rewrite(self, pattern: str, change: Callable[[bytes], bytes]) -> None:
        """Replace a file's bytes."""
        path = self.path(pattern)
        path.write_bytes(change(path.read_bytes()))


# --- the catalogue

SERVER_READS_NO_FILES = "the server reads no published files"


@dataclass(frozen=True)
class Forged:
    """A tampered record: its artifacts, whose log publishes them, what was touched."""

    world: World
    artifacts: list[bytes]
    touched: set[int] | None = None


@dataclass(frozen=True)
class Tampering:
    """One way to cheat, and what is to be said of it."""

    subject: str
    name: str
    story: str
    fails: tuple[str, ...]
    who: tuple[str, ...]
    where: Mapping[str, object]
    at: str | None
    server: str | None
    because: str
    also_standard: bool
    forge: Callable[[str], Forged]
    disk: Callable[[Files], None] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    given: Callable[[Path], Mapping[str, Any]] | None = None
    """Options that name files of the published folder."""

    def __str__(self) -> str:
        return f"{self.subject}-{self.name}"

    def publish(self, folder: Path, group: str = TOY_NAME) -> Forged:
        """Forge the record and publish it."""
        forged = self.forge(group)
        publish(forged.world, folder, forged.artifacts)
        if self.disk is not None:
            self.disk(Files(forged.world, folder))
        return forged

    def judge(self, folder: Path, group: str = TOY_NAME) -> Report:
        """The verifier's report."""
        return verify(folder, **{"parameters": group, **self.options_in(folder)})

    def options_in(self, folder: Path) -> dict[str, Any]:
        """The verifier's options for the record that was published there."""
        return {**self.options, **(self.given(folder) if self.given is not None else {})}


Editor = Callable[[Record], None]
Disk = Callable[[Files], None]
E = TypeVar("E", bound=Encryptor)


class Catalogue:
    """The tamperings of one subject."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.entries: list[Tampering] = []

    def edited(
        self, *fails: str, world: Callable[[], World] | None = None, **rest: Any
    ) -> Callable[[Editor], Editor]:
        """An honest record whose messages are changed afterwards."""

        def register(change: Editor) -> Editor:
            def forge(group: str) -> Forged:
                record = Record(world() if world is not None else honest(group))
                change(record)
                encoded = record.encoded()
                return Forged(record.world, encoded, record.touched())

            self._add(change, fails, forge, **rest)
            return change

        return register

    def played(
        self, *fails: str, votes: Sequence[Plain] | None = None, **rest: Any
    ) -> Callable[[Alter], Alter]:
        """An election in which somebody cheats from the statement that is altered on."""
        election = {
            name: rest.pop(name)
            for name in (
                "manifest",
                "chaining",
                "trustees",
                "quorum",
                "available",
                "missing",
                "around",
            )
            if name in rest
        }

        def register(alter: Alter) -> Alter:
            def forge(group: str) -> Forged:
                around = election.get("around", contextlib.nullcontext)
                options = {k: v for k, v in election.items() if k != "around"}
                ballots = votes or (VOTES if group == TOY_NAME else FEW)
                with around():
                    world = play_election(PARAMETERS[group], ballots, alter=alter, **options)
                return Forged(world, [bytes(data) for data in world.data()])

            self._add(alter, fails, forge, **rest)
            return alter

        return register

    def encrypted(self, *fails: str, **rest: Any) -> Callable[[type[E]], type[E]]:
        """A device whose program makes the ballots wrong, two of them, spoiled or not."""
        fate = rest.pop("fate", Fate.SPOIL)
        chaining = rest.pop("chaining", "simple")
        values = rest.pop("values", {"president": (0, 0, 1), "council": (1, 0)})

        def register(encryptor: type[E]) -> type[E]:
            def forge(group: str) -> Forged:
                wrong = Plain(values, encryptor=encryptor, fate=fate)
                votes = [FEW[0], wrong, wrong, FEW[2]]
                world = play_election(
                    PARAMETERS[group], votes, chaining=chaining, alter=lambda _, piece: piece
                )
                return Forged(world, [bytes(data) for data in world.data()])

            rest.setdefault("at", "ballot")
            rest.setdefault("who", "device ballot-box-1")
            self._add(encryptor, fails, forge, **rest)
            return encryptor

        return register

    def filed(
        self, *fails: str, world: Callable[[], World] | None = None, **rest: Any
    ) -> Callable[[Disk], Disk]:
        """An honest record whose published files are changed."""

        def register(change: Disk) -> Disk:
            def forge(group: str) -> Forged:
                mine = world() if world is not None else honest(group)
                return Forged(mine, [bytes(data) for data in mine.data()])

            rest.setdefault("server", None)
            rest.setdefault("because", SERVER_READS_NO_FILES)
            rest.setdefault("at", "")
            self._add(change, fails, forge, disk=change, **rest)
            return change

        return register

    def _add(
        self,
        what: Any,
        fails: tuple[str, ...],
        forge: Callable[[str], Forged],
        *,
        who: str | tuple[str, ...],
        where: Mapping[str, object] | None = None,
        at: str | None = None,
        server: str | None = "same",
        because: str = "",
        standard: bool = False,
        disk: Disk | None = None,
        options: Mapping[str, Any] | None = None,
        given: Callable[[Path], Mapping[str, Any]] | None = None,
    ) -> None:
        self.entries.append(
            Tampering(
                subject=self.subject,
                name=what.__name__,
                story=" ".join((what.__doc__ or "").split()),
                fails=fails,
                who=(who,) if isinstance(who, str) else who,
                where=where or {},
                at=at,
                server=fails[0] if server == "same" else server,
                because=because,
                also_standard=standard,
                forge=forge,
                disk=disk,
                options=options or {},
                given=given,
            )
        )


# --- the server's opinion


def refusal(artifacts: Sequence[bytes]) -> str | None:
    """The check by which the server, or a trustee, refuses a record; None if it takes it all.

    Bytes that are no artifact of the election are R.encoding, a wrong manifest R.manifest.
    """
    taken: list[Artifact] = []
    if not artifacts:
        return None
    try:
        taken.append(parse_artifact(artifacts[0], None))
        transcript = _begin(taken[0])
        for data in artifacts[1:]:
            _take(transcript, data, taken)
    except Rejected as error:
        return error.check
    except Malformed:
        return "R.encoding"
    return None if transcript.phase is Phase.COMPLETE else "R.complete"


def _begin(first: Artifact) -> Transcript:
    try:
        return Transcript(first)
    except Malformed as error:
        if error.field.startswith("election"):
            raise
        raise Rejected("R.manifest", error.problem, where=error.field) from error


def _take(transcript: Transcript, data: bytes, taken: list[Artifact]) -> None:
    artifact = transcript.parse(data)
    transcript.check(artifact)
    transcript.prove(artifact, taken.__getitem__)
    before = transcript.phase
    taken.append(artifact)
    transcript.take(artifact)
    if before is Phase.CLOSED and transcript.phase is Phase.TALLIED:
        check_aggregates(transcript.state, taken.__getitem__)


@contextlib.contextmanager
def lenient_about_manifests() -> Iterator[None]:
    """Let the programs accept a manifest that breaks rules."""
    with mock.patch("record.manifest.rule_complaints", return_value=iter(())):
        yield


def changed_manifest(change: Callable[[Any], None]) -> bytes:
    """The tests' manifest, changed."""
    document = json.loads(manifest_bytes())
    change(document)
    return manifest_bytes(document)
