"""Artifact 0: the parameters, the base hashes, the manifest and the roles' keys (V1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from verifier.findings import Findings, Place
from verifier.group import Group, group_for
from verifier.hashing import VERSION, base_hash, parameter_base_hash
from verifier.manifest import Manifest, parse_manifest
from verifier.manifest_rules import is_label
from verifier.note import NoteError, VerifierKey, ed25519_holds, parse_verifier_key
from verifier.parameters import ALL, Parameters
from verifier.schema import pb
from verifier.wire import Reader, signed_message

_ADMINISTRATOR = "administrator"
_MAX_LOG_KEY = 2000


@dataclass(frozen=True, slots=True)
class Election:
    """What everything later is checked against."""

    parameters: Parameters
    trustees: int
    quorum: int
    parameter_hash: bytes
    base_hash: bytes
    manifest: Manifest | None
    manifest_file: bytes
    log_key: VerifierKey | None
    administrator: bytes
    server: bytes
    trustee_keys: dict[int, bytes]
    device_keys: dict[str, bytes]
    unsettled: tuple[tuple[bytes, bytes], ...] = ()
    """Other pairs (H_P, H_B) the record may work with, where artifact 0 cannot say."""

    @property
    def group(self) -> Group:
        """Arithmetic under these parameters."""
        return group_for(self.parameters)


class _Hashes:
    """H_P and H_B: recorded, recomputed, and which of them the record works with.

    Later checks need one value. It is the recomputed one, as docs/record.md has it,
    unless 1.E or 1.F has failed and only the recorded one makes a signature hold, that
    of artifact 0 or of the artifact after it: then the failure is named already and need
    not spread to every signature of the record.
    """

    def __init__(self, group: Group, election: pb.Election) -> None:
        encoded = (
            group.element(group.p),
            group.scalar(group.q),
            group.element(group.g),
        )
        n, k = election.trustees, election.quorum
        self.parameter = parameter_base_hash(*encoded, n, k)
        self.parameter_as_recorded = parameter_base_hash(election.p, election.q, election.g, n, k)
        self.base = base_hash(self.parameter, election.manifest)
        self._election = election

    def check(self, reader: Reader, parameters_hold: bool) -> None:
        """Record 1.E and 1.F."""
        findings, place, election = reader.findings, reader.place, self._election
        recorded = reader.hash(election.parameter_base_hash, "H_P")
        holds = True
        if recorded is not None:
            holds = recorded == self.parameter or (
                not parameters_hold and recorded == self.parameter_as_recorded
            )
            findings.check("1.E", holds, place, "H_P is not the hash (4)", _ADMINISTRATOR)
        base = reader.hash(election.base_hash, "H_B")
        if base is not None:
            # A wrong H_P is the fault of 1.E alone.
            bases = [self.base] if holds else [self.base, self._base_as_recorded()]
            message = "H_B is not the hash (5) of the manifest"
            findings.check("1.F", base in bases, place, message, _ADMINISTRATOR)

    def _base_as_recorded(self) -> bytes:
        return base_hash(self._election.parameter_base_hash, self._election.manifest)

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Return (H_P, H_B) as they should be, then as the record may have them."""
        recorded = self._election.parameter_base_hash
        pairs = [
            (self.parameter, self.base),
            (recorded, self._base_as_recorded()),
            (self.parameter, self._election.base_hash),
            (recorded, self._election.base_hash),
        ]
        width = len(self.base)
        return [pair for pair in dict.fromkeys(pairs) if len(pair[0]) == len(pair[1]) == width]


def _parameters(election: pb.Election, expected: Parameters) -> Parameters:
    """Return the known set the record works with; the expected one if it is unknown."""
    numbers = tuple(
        int.from_bytes(data[:1024], "big") for data in (election.p, election.q, election.g)
    )
    return next((known for known in ALL if numbers == (known.p, known.q, known.g)), expected)


def _check_parameters(reader: Reader, election: pb.Election, expected: Parameters) -> bool:
    rows = (
        ("1.B", "p", reader.element(election.p, "p"), expected.p),
        ("1.C", "q", reader.scalar(election.q, "q"), expected.q),
        ("1.D", "g", reader.element(election.g, "g"), expected.g),
    )
    outcomes = [
        reader.findings.check(
            check,
            recorded == value,
            reader.place,
            f"{name} is not that of the parameters {expected.name!r}",
            _ADMINISTRATOR,
        )
        for check, name, recorded, value in rows
    ]
    return all(outcomes)


def _check_manifest(reader: Reader, data: bytes) -> Manifest | None:
    manifest, problems = parse_manifest(data)
    for problem in problems:
        reader.findings.failed("R.manifest", reader.place, problem, _ADMINISTRATOR)
    if not problems:
        reader.findings.passed("R.manifest")
    return manifest


def _expected_roles(election: pb.Election, manifest: Manifest | None) -> list[tuple[int, int, str]]:
    """(role, index, name or "") of every key, in order. Bounded by the keys there are."""
    trustees = min(election.trustees, len(election.role_keys))
    devices = list(manifest.devices) if manifest else []
    return [
        (pb.ROLE_ADMINISTRATOR, 0, ""),
        (pb.ROLE_SERVER, 0, ""),
        *((pb.ROLE_TRUSTEE, i + 1, "") for i in range(trustees)),
        *((pb.ROLE_DEVICE, 0, label) for label in devices),
    ]


def _check_role_keys(reader: Reader, election: pb.Election, manifest: Manifest | None) -> None:
    keys = list(election.role_keys)
    expected = _expected_roles(election, manifest)
    problems = []
    if len(keys) != len(expected) and manifest is not None:
        problems.append(f"there are {len(keys)} keys, not {len(expected)}")
    for position, (key, (role, index, name)) in enumerate(zip(keys, expected, strict=False)):
        if (key.role, key.index) != (role, index) or (name and key.name != name):
            problems.append(f"key {position + 1} is not that of the role expected there")
        if not is_label(key.name):
            problems.append(f"the name of key {position + 1} is not a label")
        if len(key.public_key) != 32:
            problems.append(f"key {position + 1} is not 32 bytes")
    names = [key.name for key in keys]
    if len(set(names)) != len(names):
        problems.append("a name stands twice")
    if len({key.public_key for key in keys}) != len(keys):
        problems.append("a key stands twice")
    for problem in problems:
        reader.findings.failed("R.role-keys", reader.place, problem, _ADMINISTRATOR)
    if not problems:
        reader.findings.passed("R.role-keys")


def _log_key(reader: Reader, text: str) -> VerifierKey | None:
    try:
        if len(text.encode()) > _MAX_LOG_KEY:
            raise NoteError(f"it is longer than {_MAX_LOG_KEY} bytes")
        return parse_verifier_key(text)
    except NoteError as error:
        message = f"log_key: {error}"
        reader.findings.failed("R.checkpoint", reader.place, message, _ADMINISTRATOR)
        return None


def _key_of(election: pb.Election, role: int) -> bytes:
    return next((key.public_key for key in election.role_keys if key.role == role), b"")


def read_election(artifact: pb.Artifact, expected: Parameters, findings: Findings) -> Election:
    """Check artifact 0 and return what the rest is checked against."""
    election = artifact.election
    parameters = _parameters(election, expected)
    group = group_for(parameters)
    reader = Reader(group, findings, Place(artifact=0), _ADMINISTRATOR)
    message = f"the version is {election.version[:40]!r}, not {VERSION!r}"
    findings.check("1.A", election.version == VERSION, reader.place, message, _ADMINISTRATOR)
    parameters_hold = _check_parameters(reader, election, expected)
    if not 1 <= election.quorum <= election.trustees < min(2**31, parameters.q):
        reader.problem("trustees and quorum are not 1 <= k <= n")
    hashes = _Hashes(group, election)
    hashes.check(reader, parameters_hold)
    manifest = _check_manifest(reader, election.manifest)
    _check_role_keys(reader, election, manifest)
    administrator = _key_of(election, pb.ROLE_ADMINISTRATOR)
    pairs = hashes.pairs()
    chosen = working_pair(artifact, administrator, pairs)
    parameter_hash, base = chosen or pairs[0]
    return Election(
        parameters=parameters,
        trustees=election.trustees,
        quorum=election.quorum,
        parameter_hash=parameter_hash,
        base_hash=base,
        manifest=manifest,
        manifest_file=election.manifest,
        log_key=_log_key(reader, election.log_key),
        administrator=administrator,
        server=_key_of(election, pb.ROLE_SERVER),
        trustee_keys={
            key.index: key.public_key for key in election.role_keys if key.role == pb.ROLE_TRUSTEE
        },
        device_keys={
            key.name: key.public_key for key in election.role_keys if key.role == pb.ROLE_DEVICE
        },
        unsettled=() if chosen else tuple(pairs),
    )


def working_pair(
    artifact: pb.Artifact, key: bytes, pairs: Sequence[tuple[bytes, bytes]]
) -> tuple[bytes, bytes] | None:
    """Return the first (H_P, H_B) under which an artifact's signature holds, or None."""
    return next(
        (
            pair
            for pair in pairs
            if ed25519_holds(key, artifact.signature, signed_message(pair[1], artifact))
        ),
        None,
    )


def settle(election: Election, artifact: pb.Artifact, key: bytes) -> Election:
    """Let the artifact after an unsigned artifact 0 show which H_P and H_B are in use."""
    pair = working_pair(artifact, key, election.unsettled) if election.unsettled else None
    if pair is None:
        return replace(election, unsettled=())
    return replace(election, parameter_hash=pair[0], base_hash=pair[1], unsettled=())


def without_file(election: Election) -> Election:
    """Return the same election without the manifest's bytes, cheaper to send to workers."""
    return replace(election, manifest_file=b"")


def check_signature(election: Election, artifact: pb.Artifact, key: bytes, reader: Reader) -> None:
    """Check an artifact's signature under its role's key (R.signature)."""
    message = signed_message(election.base_hash, artifact)
    holds = ed25519_holds(key, artifact.signature, message)
    problem = "the signature is not that of its role over this statement"
    reader.findings.check("R.signature", holds, reader.place, problem, reader.culprit)
