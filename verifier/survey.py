"""The first reading: everything that is cheap or depends on order, artifact by artifact."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.ballots import CAST, CHALLENGED, Ballots
from verifier.ceremony import JointKeys
from verifier.counting import Counting
from verifier.devices import Devices
from verifier.election import Election, check_signature, read_election, settle
from verifier.findings import Findings, Place
from verifier.frames import Item
from verifier.hashing import device_information_hash
from verifier.log import Log
from verifier.operations import Operations
from verifier.order import OF_SESSIONS, PHASES, Order, Phase
from verifier.parameters import Parameters
from verifier.preparation import Preparation
from verifier.schema import pb
from verifier.sessions import TALLY
from verifier.signers import signing_key, speaker
from verifier.tally import Tallies
from verifier.transcripts import Transcripts
from verifier.wire import Reader, kind_number, kind_of, parse_artifact


@dataclass(frozen=True, slots=True)
class Books:
    """What is followed from the opening of the polls on."""

    election: Election
    keys: JointKeys
    devices: Devices
    ballots: Ballots
    tallies: Tallies
    counting: Counting


def open_books(preparation: Preparation, artifact: pb.Artifact, findings: Findings) -> Books:
    """Fix the keys, and start following devices and ballots with this artifact."""
    election, ceremony = preparation.election, preparation.ceremony
    keys = _settled(preparation.keys or ceremony.without_opening(), artifact.device)
    extended = keys.extended_hash
    ballots = Ballots(election, extended, findings)
    tallies = Tallies(election, ballots.cast_in, findings)
    return Books(
        election,
        keys,
        Devices(election, extended, findings),
        ballots,
        tallies,
        Counting(election, tallies, findings),
    )


def _settled(keys: JointKeys, device: pb.Device) -> JointKeys:
    """Return the keys with the H_E that the record works with.

    That is the right one, but where 4.A has failed, a device's first statement may
    show that the recorded one is in use; the fault is named already.
    """
    for other in keys.alternatives:
        if device.information_hash == device_information_hash(other, device.information):
            return JointKeys(keys.vote, keys.data, other)
    return keys


class Survey:
    """Reads the record once, in order, and keeps what the later readings need."""

    def __init__(self, log: Log, findings: Findings, expected: Parameters) -> None:
        """Take the log to read and the parameters that the record must have."""
        self._log = log
        self._findings = findings
        self._expected = expected
        self._transcripts = Transcripts()
        self._opened: set[bytes] = set()
        self.operations = Operations()
        """What was done to run the election, by whom and when."""
        self.preparation: Preparation | None = None
        self.order = Order(findings)
        self.books: Books | None = None
        self.first_after_close = 0
        """The number of the first artifact that is not of the polls or before."""
        self.roots: dict[int, bytes] = {}
        """By artifact, of those that sessions are made of: the log's root with it as its last."""
        self.last_session = 0
        """The number of the artifact that begins the last session of the tallies."""
        self.last_tally = 0
        """The number of the last decrypted tally."""
        self.ignored: set[int] = set()
        """Statements, ballots apart, that later readings pass over: out of phase or repeated."""
        self.readable = True
        """Whether artifact 0 and its manifest say enough to go on."""

    @property
    def election(self) -> Election | None:
        """The election, once artifact 0 has been read."""
        return self.preparation.election if self.preparation else None

    def take(self, item: Item) -> None:
        """Check one artifact as far as this reading goes."""
        artifact, problem = parse_artifact(item.data)
        place, culprit = speaker(item.number, artifact)
        if problem:
            self._findings.failed("R.encoding", place, problem, culprit)
        else:
            self._findings.passed("R.encoding")
        kind = kind_of(artifact) if artifact is not None else None
        number = kind_number(kind) if kind is not None else None
        earlier = self._log.commit(item, number)
        if earlier is not None:
            message = f"artifact {earlier} is the same"
            self._findings.failed("R.duplicate", place, message, "server")
            self.ignored.add(item.number)
        elif self.preparation is None:
            self._first(artifact, kind, place)
        elif artifact is not None and kind is not None and self.readable:
            preparation = self._settled(self.preparation, artifact, kind, place)
            reader = Reader(preparation.election.group, self._findings, place, culprit)
            self._statement(artifact, kind, reader, preparation)

    def _first(self, artifact: pb.Artifact | None, kind: str | None, place: Place) -> None:
        if artifact is None or kind != "election" or place.artifact != 0:
            message = "artifact 0 is not an election that can be read"
            self._findings.failed("R.order", place, message, "administrator")
            self.readable = False
            self._log.cut = True
            return
        self.order.enter(kind, place)
        election = read_election(artifact, self._expected, self._findings)
        reader = Reader(election.group, self._findings, place, "administrator")
        check_signature(election, artifact, election.administrator, reader)
        self.order.end(Phase.START)
        self._transcripts.follow(kind, self._log.root())
        self.preparation = self._prepare(election)

    def _prepare(self, election: Election) -> Preparation:
        return Preparation(
            election, self.order, self._transcripts, self.roots, self._log.at, self._findings
        )

    def _settled(
        self, preparation: Preparation, artifact: pb.Artifact, kind: str, place: Place
    ) -> Preparation:
        """Settle H_B with artifact 1 if artifact 0 could not, before anything uses it."""
        election = preparation.election
        key = signing_key(election, artifact, place)
        if election.unsettled and key is not None:
            self.preparation = self._prepare(settle(election, artifact, key))
            return self.preparation
        return preparation

    def _statement(
        self, artifact: pb.Artifact, kind: str, reader: Reader, preparation: Preparation
    ) -> None:
        number = reader.place.artifact or 0
        election = preparation.election
        key = signing_key(election, artifact, reader.place)
        if kind != "ballot" and key is not None:
            check_signature(election, artifact, key, reader)
        if kind == "encrypted_tally":
            self._reopen(artifact.encrypted_tally)
        self.operations.take(artifact, kind, reader)
        late = not self.order.enter(kind, reader.place)
        if late and (kind != "ballot" or self.order.phase < Phase.OPEN):
            self.ignored.add(number)
            return
        if kind in OF_SESSIONS:
            self.roots[number] = self._log.root()
        first = PHASES[kind][0]
        if kind == "operation":
            self.ignored.add(number)
        elif kind == "accusation":
            self._accusation(artifact.accusation, reader, preparation)
        elif kind in OF_SESSIONS and self.order.phase < Phase.CLOSED:
            self._drill(artifact, kind, reader, preparation)
        elif first < Phase.OPEN and kind not in OF_SESSIONS:
            preparation.take(artifact, kind, reader, self._log.root())
        else:
            self._voted(artifact, kind, reader, preparation, late)

    def _accusation(
        self, statement: pb.Accusation, reader: Reader, preparation: Preparation
    ) -> None:
        """Judge an accusation; one among the sessions of the tallies has to wait for them."""
        if self.order.phase < Phase.TALLIED:
            preparation.accusation(statement, reader, self.order.phase)
            self.ignored.add(reader.place.artifact or 0)

    def _drill(
        self, artifact: pb.Artifact, kind: str, reader: Reader, preparation: Preparation
    ) -> None:
        if kind == "decryption_session":
            keys = self.books.keys if self.books is not None else None
            preparation.session(artifact.decryption_session, reader, keys)
        else:
            preparation.decryption.part(artifact, reader)

    def _voted(
        self,
        artifact: pb.Artifact,
        kind: str,
        reader: Reader,
        preparation: Preparation,
        late: bool,
    ) -> None:
        """Take a statement of the polls or of the count."""
        of_the_polls = PHASES[kind] == (Phase.OPEN,)
        if not of_the_polls and not self.first_after_close:
            self.first_after_close = reader.place.artifact or 0
        if preparation.election.manifest is None:
            self.readable = False
            return
        if self.books is None:
            self.books = open_books(preparation, artifact, self._findings)
        if of_the_polls:
            self._polls(artifact, kind, reader, self.books, late)
        else:
            self._count(artifact, kind, reader, self.books)

    def _polls(
        self, artifact: pb.Artifact, kind: str, reader: Reader, books: Books, late: bool
    ) -> None:
        if kind == "device":
            books.devices.device(artifact.device, reader)
        elif kind == "ballot":
            books.ballots.ballot(artifact.ballot, books.devices, reader, late)
        elif kind == "cast":
            books.ballots.decide(artifact.cast, CAST, reader)
        elif kind == "challenge":
            books.ballots.decide(artifact.challenge, CHALLENGED, reader)
        elif kind == "device_close":
            books.devices.close(artifact.device_close, reader)
        elif kind == "device_missing":
            books.devices.missing(artifact.device_missing, reader)
        elif kind == "polls_close":
            books.ballots.polls_close(artifact.polls_close, books.devices, reader)
            self.first_after_close = self.first_after_close or (reader.place.artifact or 0) + 1
            self.end_drill()
            self.order.end(Phase.OPEN)
            self._advance(books)

    def _count(self, artifact: pb.Artifact, kind: str, reader: Reader, books: Books) -> None:
        number = reader.place.artifact or 0
        self.end_drill()
        if kind == "encrypted_tally":
            books.tallies.encrypted_tally(artifact.encrypted_tally, reader)
        elif kind == "decryption_session":
            if artifact.decryption_session.purpose == TALLY:
                self.last_session = number
        elif kind == "decrypted_tally":
            self.last_tally = number
            books.counting.decrypted_tally(artifact.decrypted_tally, reader)
        elif kind in ("challenged_ballot_decryption", "decrypted_ballot"):
            code = getattr(artifact, kind).confirmation_code
            self._opened |= {code} & books.ballots.challenges.keys()
        elif kind == "result":
            books.counting.result = (artifact.result, reader)
            self.order.end(Phase.COUNTED)
        self._advance(books)

    def end_drill(self) -> None:
        """Close a drill that is on: the polls are closed, or the record ends."""
        if self.preparation is not None:
            self.preparation.end_drill()

    def _advance(self, books: Books) -> None:
        """Leave the phases after the close as soon as everything they wait for is there."""
        if self.order.phase == Phase.CLOSED and books.tallies.complete():
            self.order.end(Phase.CLOSED)
        opened = len(self._opened) == len(books.ballots.challenges)
        if self.order.phase == Phase.TALLIED and opened and books.counting.complete():
            self.order.end(Phase.TALLIED)

    def _reopen(self, statement: pb.EncryptedTally) -> None:
        """Take a tally beyond those of the rule as what it is, and not as one out of order."""
        if (
            self.books is not None
            and self.order.phase in (Phase.TALLIED, Phase.COUNTED)
            and not self.last_session
            and not self.last_tally
            and not self._opened
            and self.books.tallies.late(statement)
        ):
            self.order.reopen()
