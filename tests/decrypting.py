"""The second half of an election in memory: close, tally, decryption, result.

    world = play_election(TOY[-1])                        # complete, with some ballots
    world = play_election(TOY[-1], votes=[Plain({"president": (1, 0, 0)})])
    world = play_election(TOY[-1], until=Phase.TALLIED)     # the session is still to come
    session = Session(world, (1, 3))
    for part in session.commitments(1): ...                 # one round of one trustee

A record that is wrong in one place and consistent after it:

    def alter(world: World, statement: Statement) -> Altered:
        if isinstance(statement, DecryptedTally): return replace(statement, ballots=7)
        return statement

    world = play_election(TOY[-1], alter=alter)

To replace one artifact and nothing else, change `world.artifacts` (see `resigned`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from crypto import decryption_proof, sealing
from crypto.discrete_log import DiscreteLog
from crypto.group import mpz
from crypto.parameters import Parameters
from record.aggregate import encrypted_tallies, totals
from record.artifacts import (
    PART,
    Artifact,
    Ballot,
    ChallengedBallotDecryption,
    ChallengedContest,
    ChallengedSelection,
    DecryptedBallot,
    DecryptedContest,
    DecryptedOption,
    DecryptedTally,
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionSession,
    DecryptionShare,
    DecryptionShares,
    DeviceMissing,
    EncryptedTally,
    KeyCommitment,
    Purpose,
    Role,
    Statement,
    TrusteeKeys,
    sign_statement,
)
from record.ballot_hashes import identifier_hash, selection_nonce
from record.decryption import JointDecryption, combine, commitment_hash
from record.drill import drill_place
from record.entry import entry_for
from record.merkle import leaf_hash
from record.sessions import ballot_places
from record.state import Phase, Place, Status
from tests.ballots import Fate, Plain, begin_device, close_statement, submit
from tests.world import World, manifest_bytes, manifest_document

T = TypeVar("T")

VOTES = (
    Plain({"president": (1, 0, 0), "council": (2, 1)}),
    Plain({"president": (0, 1, 0), "council": (0, 2)}, fate=Fate.CHALLENGE),
    Plain({"president": (0, 1, 0)}, style="short"),
    Plain({"president": (0, 0, 1), "council": (0, 0)}, fate=Fate.SPOIL),
    Plain({"president": (0, 1, 0)}, device="ballot-box-2", unit="village", style="short"),
    Plain({"council": (0, 1)}),
    Plain(device="ballot-box-2", unit="village", style="short", fate=Fate.CHALLENGE),
)
"""A few ballots for the manifest of `tests.world`, with every fate, in both units."""

EXPECTED = {
    ("centre", "president"): (1, 1, 0),
    ("centre", "council"): (2, 2),
    ("village", "president"): (0, 1, 0),
}
"""What VOTES come to, by unit and contest."""

# --- tampering

Piece: TypeAlias = Statement | Artifact
Altered: TypeAlias = Piece | Sequence[Piece]
Alter: TypeAlias = Callable[[World, Statement], Altered]


@dataclass(frozen=True)
class TamperedWorld(World):
    """A world that checks nothing and asks `alter` before it signs anything.

    `alter` gets each statement and returns what goes into the record instead: the
    same, another, or several, none included. A statement is signed by its role and
    taken into the state, so that what follows builds on it; an `Artifact` goes into
    the record as it is and what follows does not know of it.
    """

    alter: Alter = lambda world, statement: statement
    committed: set[int] = field(default_factory=set)

    def append(self, statement: Statement) -> Artifact:
        """Alter, sign, take; returns the last artifact of the record."""
        if isinstance(statement, TrusteeKeys) and statement.trustee in self.committed:
            altered: Altered = statement  # altered before
        else:
            altered = self.alter(self, statement)
        pieces = altered if isinstance(altered, Sequence) else (altered,)
        for piece in pieces:
            self._put(piece)
        return self.artifacts[-1]

    def _put(self, piece: Piece) -> None:
        artifact = piece if isinstance(piece, Artifact) else self.sign(piece)
        self.artifacts.append(artifact)
        if isinstance(piece, Artifact):
            self.state.size += 1
            self.state.tree.append(leaf_hash(entry_for(piece.data)))
        else:
            self.transcript.take(artifact)

    def commitment(self, i: int) -> KeyCommitment:
        """Trustee i's commitment to the keys that it will publish, altered ones included."""
        altered = self.alter(self, self.trustee_keys(i))
        if isinstance(altered, TrusteeKeys):
            self.secrets.keys[i] = altered
            self.committed.add(i)
        return super().commitment(i)


def resigned(
    world: World, statement: Statement, role: Role | None = None, name: str = ""
) -> Artifact:
    """`statement` signed by its role, or by another; the record is left alone."""
    if role is None:
        signer = world.transcript.signer(statement)
        role, name = signer.role, signer.name
    key = world.role_key(role, name)
    return sign_statement(statement, world.group, world.context.base_hash, key)


# --- a whole election


def play_election(
    parameters: Parameters,
    votes: Sequence[Plain] = VOTES,
    *,
    manifest: bytes | None = None,
    chaining: str = "simple",
    trustees: int = 3,
    quorum: int = 2,
    available: Collection[int] | None = None,
    missing: Collection[str] = (),
    alter: Alter | None = None,
    until: Phase = Phase.COMPLETE,
) -> World:
    """Play an election up to the phase `until`, OPEN or later.

    `available` is U (the last k trustees by default); devices in `missing` are declared
    missing instead of closing. Every artifact is checked and proved on its way in,
    unless there is an `alter`. OPEN has all the votes in it, TALLIED no session,
    COUNTED no result.
    """
    manifest = manifest or manifest_bytes(manifest_document(chaining))
    world = _begin(parameters, manifest, trustees, quorum, alter)
    return play_on(world, votes, available=available, missing=missing, until=until)


def play_on(
    world: World,
    votes: Sequence[Plain] = VOTES,
    *,
    available: Collection[int] | None = None,
    missing: Collection[str] = (),
    until: Phase = Phase.COMPLETE,
) -> World:
    """Go on with an election whose polls are open; see `play_election`."""
    submitted = [submit(world, plain) for plain in votes]
    # Of a ballot that was altered, xi_B may not be there to be opened.
    altered = isinstance(world, TamperedWorld)
    known = {e.ballot.confirmation_code: e.nonce for e in submitted} if altered else {}
    for phase, play in (
        (Phase.OPEN, lambda: close_polls(world, missing)),
        (Phase.CLOSED, lambda: play_tallies(world)),
        (Phase.TALLIED, lambda: play_decryption(world, available, known)),
        (Phase.COUNTED, lambda: play_result(world)),
    ):
        # Where everything is below the floor, nothing is tallied and nothing decrypted.
        if phase < until and world.transcript.phase <= phase:
            play()
    return world


def _begin(
    parameters: Parameters, manifest: bytes, trustees: int, quorum: int, alter: Alter | None
) -> World:
    if alter is None:
        return World.create(parameters, manifest=manifest, trustees=trustees, quorum=quorum)
    first = World.begin(parameters, manifest, trustees, quorum)
    world = TamperedWorld(first.secrets, first.artifacts, first.transcript, alter)
    world.play_commitments()
    world.play_keys()
    world.play_shares()
    world.play_confirmations()
    world.play_opening()
    return world


def close_polls(world: World, missing: Collection[str] = ()) -> None:
    """Every device closes, or begins and closes, or is missing; then the polls close."""
    close_devices(world, missing)
    world.append(world.state.counts())


def close_devices(world: World, missing: Collection[str] = (), time: int = 0) -> None:
    """Every device closes, or begins and closes, or is missing since `time`, in seconds."""
    for device in world.context.manifest.devices:
        if device.label in missing:
            world.append(DeviceMissing(device.label, "It was stolen.", time))
            continue
        if device.label not in world.state.devices:
            begin_device(world, device.label)
        world.append(close_statement(world, device.label))


def cast_ballots(world: World) -> Iterator[Ballot]:
    """The ballots that count, in the order of the record."""
    for entry in world.state.ballots.values():
        if entry.status is Status.CAST:
            ballot = world.read(entry.index).statement
            assert isinstance(ballot, Ballot)
            yield ballot


def tallies(world: World) -> tuple[EncryptedTally, ...]:
    """The encrypted tallies of the cast ballots."""
    return encrypted_tallies(world.context, cast_ballots(world))


def play_tallies(world: World) -> None:
    """The server publishes every encrypted tally."""
    for tally in tallies(world):
        world.append(tally)


def play_decryption(
    world: World,
    available: Collection[int] | None = None,
    nonces: Mapping[bytes, bytes] | None = None,
) -> Session:
    """A session of U, the decrypted tallies, the challenged ballots.

    `nonces` are xi_B by code, where they are not to be opened with the trustees' keys.
    """
    session = Session(world, available)
    session.play()
    for tally in session.decrypted_tallies():
        world.append(tally)
    for code in world.state.challenged:
        world.append(opening(world, code, (nonces or {}).get(code)))
    return session


def play_result(world: World, time: int = 0) -> None:
    """The administrator confirms the sums."""
    result = totals(world.context, world.state.decrypted_tallies, world.state.cast_in)
    world.append(replace(result, time=time))


# --- a decryption session


class Session:
    """One decryption session on a world, with the secrets of everybody in U.

    Each round of each trustee is a list of statements. `nonces[i][m]` is u_i for
    ciphertext m, `parts[i][m]` its share; change them to have a trustee misbehave.
    """

    def __init__(
        self,
        world: World,
        available: Collection[int] | None = None,
        purpose: Purpose = Purpose.TALLY,
        code: bytes = b"",
    ) -> None:
        """`code` is the challenged ballot's, for the purpose BALLOT."""
        n, k = world.context.trustees, world.context.quorum
        self.world = world
        self.available = tuple(available if available is not None else range(n - k + 1, n + 1))
        self.number = world.state.last_session + 1
        self.purpose, self.code = purpose, code
        self.places: tuple[Place, ...] = self._places()
        self.nonces: dict[int, list[mpz]] = {}
        self.parts: dict[int, list[DecryptionShare]] = {}
        for i in self.available:
            self._prepare(i)

    def _places(self) -> tuple[Place, ...]:
        match self.purpose:
            case Purpose.DRILL:
                return (drill_place(self.world.keys, self.number),)
            case Purpose.BALLOT:
                ballot = self.world.read(self.world.state.ballots[self.code].index).statement
                assert isinstance(ballot, Ballot)
                return ballot_places(ballot)
        return self.world.state.tally_places()

    def _prepare(self, i: int) -> None:
        group, z = self.world.group, self.world.secrets.vote_shares[i]
        self.nonces[i], self.parts[i] = [], []
        for place in self.places:
            pad = place.ciphertext.alpha
            u, a, b = decryption_proof.commit(group, pad)
            self.nonces[i].append(u)
            m_i = decryption_proof.partial_decryption(group, pad, z)
            self.parts[i].append(DecryptionShare(m_i, a, b))

    def statement(self) -> DecryptionSession:
        """The server's statement that begins the session."""
        return DecryptionSession(self.number, self.available, self.purpose, self.code)

    def commitments(self, i: int) -> list[DecryptionCommitments]:
        """Round 1 of trustee i: d_i (88)."""
        keys = self.world.keys
        hashes = [
            commitment_hash(keys, place, i, share, self.available)
            for place, share in zip(self.places, self.parts[i], strict=True)
        ]
        return [DecryptionCommitments(self.number, i, m, x) for m, x in _split(hashes)]

    def shares(self, i: int) -> list[DecryptionShares]:
        """Round 2 of trustee i: M_i, a_i, b_i (84, 87)."""
        return [DecryptionShares(self.number, i, m, x) for m, x in _split(self.parts[i])]

    def responses(self, i: int) -> list[DecryptionResponses]:
        """Round 3 of trustee i: v_i (92)."""
        return [DecryptionResponses(self.number, i, m, x) for m, x in _split(self._answers(i))]

    def joint(self) -> list[JointDecryption]:
        """What everybody's shares combine to, a ciphertext each."""
        return [
            combine(self.world.keys, place, {i: self.parts[i][m] for i in self.available})
            for m, place in enumerate(self.places)
        ]

    def _answers(self, i: int) -> list[mpz]:
        z = self.world.secrets.vote_shares[i]
        return [
            decryption_proof.respond(self.world.group, u, z, joint.challenges[i])
            for joint, u in zip(self.joint(), self.nonces[i], strict=True)
        ]

    def play(self) -> None:
        """Begin the session and play its three rounds."""
        self.world.append(self.statement())
        for round_ in (self.commitments, self.shares, self.responses):
            self.play_round(round_)

    def play_round(self, round_: Callable[[int], Sequence[Statement]]) -> None:
        """Everybody in U sends all parts of one of this session's rounds."""
        for i in self.available:
            for part in round_(i):
                self.world.append(part)

    def decrypted_tallies(self) -> list[DecryptedTally]:
        """What the server publishes after the responses."""
        opened = iter(self.opened())
        contest = self.world.context.manifest.contest
        return [
            DecryptedTally(
                tally.units,
                tally.contest,
                tally.ballots,
                tuple(
                    DecryptedOption(option.label, *next(opened))
                    for option in contest(tally.contest).options
                ),
            )
            for tally in self.world.state.encrypted_tallies
        ]

    def opened(self) -> Iterator[tuple[int, mpz, mpz, mpz]]:
        """t, T, c and v of each ciphertext."""
        logarithm = DiscreteLog(self.world.group, self.world.keys.vote_key.element)
        answers = {i: self._answers(i) for i in self.available}
        for m, joint in enumerate(self.joint()):
            proof = joint.proof({i: answers[i][m] for i in self.available})
            value = joint.value()
            yield logarithm.find(value, 10_000), value, proof.challenge, proof.response


def decrypted_ballot(session: Session) -> DecryptedBallot:
    """What the server publishes after the session of a challenged ballot."""
    opened = iter(session.opened())
    ballot = session.world.read(session.world.state.ballots[session.code].index).statement
    assert isinstance(ballot, Ballot)
    contests = session.world.context.manifest.style(ballot.ballot_style).contests
    return DecryptedBallot(
        session.code,
        tuple(
            DecryptedContest(
                contest.label,
                tuple(DecryptedOption(option.label, *next(opened)) for option in contest.options),
            )
            for contest in contests
        ),
    )


def _split(items: Sequence[T]) -> list[tuple[int, tuple[T, ...]]]:
    return [(m, tuple(items[m : m + PART])) for m in range(0, len(items), PART)]


# --- challenged ballots


def ballot_nonce(world: World, ballot: Ballot) -> bytes:
    """xi_B, opened by the last k trustees (spec 3.6.7): 32 bytes."""
    n, k = world.context.trustees, world.context.quorum
    sealed = ballot.encrypted_nonce
    parts = {
        i: decryption_proof.partial_decryption(world.group, sealed.c0, world.secrets.data_shares[i])
        for i in range(n - k + 1, n + 1)
    }
    beta = decryption_proof.combine_shares(world.group, parts)
    return sealing.open_nonce(world.group, ballot.identifier_hash, sealed, beta)


def opening(world: World, code: bytes, xi_b: bytes | None = None) -> ChallengedBallotDecryption:
    """The opening of the submitted ballot with this code, values found by trial.

    xi_B is opened with the trustees' keys unless it is given.
    """
    ballot = world.read(world.state.ballots[code].index).statement
    assert isinstance(ballot, Ballot)
    xi_b = xi_b or ballot_nonce(world, ballot)
    h_i = identifier_hash(world.keys.extended_base_hash, ballot.identifier)
    logarithm = DiscreteLog(world.group, world.keys.vote_key.element)
    style = world.context.manifest.style(ballot.ballot_style)
    contests = []
    for contest, encrypted in zip(style.contests, ballot.contests, strict=True):
        selections = []
        for option, selection in zip(contest.options, encrypted.selections, strict=True):
            xi = selection_nonce(world.group, h_i, contest.index, option.index, xi_b)
            hidden = selection.beta * world.group.inverse(world.keys.vote_key.power(xi))
            value = logarithm.find(hidden % world.group.p, 10_000)
            selections.append(ChallengedSelection(option.label, value, xi))
        contests.append(ChallengedContest(contest.label, tuple(selections)))
    return ChallengedBallotDecryption(code, tuple(contests))
