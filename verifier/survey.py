"""The first reading: everything that is cheap or depends on order, artifact by artifact."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.ballots import CAST, CHALLENGED, Ballots
from verifier.ceremony import Ceremony, JointKeys
from verifier.counting import Counting
from verifier.devices import Devices
from verifier.election import Election, check_signature, read_election, settle
from verifier.findings import Findings, Place
from verifier.frames import Item
from verifier.hashing import device_information_hash
from verifier.log import Log
from verifier.order import PHASE_OF, Order, Phase, Trustees
from verifier.parameters import Parameters
from verifier.schema import pb
from verifier.signers import signing_key, speaker
from verifier.tally import Tallies
from verifier.wire import Reader, kind_number, kind_of, parse_artifact


@dataclass(frozen=True, slots=True)
class Books:
    """What is followed from the opening of the polls on."""

    election: Election
    ceremony: Ceremony
    keys: JointKeys
    devices: Devices
    ballots: Ballots
    tallies: Tallies
    counting: Counting


class Preparation:
    """What is followed from artifact 0 to the opening of the polls."""

    def __init__(self, election: Election, order: Order, findings: Findings) -> None:
        """Begin the key ceremony of an election."""
        self.election = election
        self.ceremony = Ceremony(election, findings)
        self._trustees = Trustees(order, findings, election.trustees)
        self._order = order
        self._findings = findings
        self._keys: JointKeys | None = None

    def take(self, artifact: pb.Artifact, kind: str, reader: Reader) -> None:
        """Check a statement of the ceremony, or the opening."""
        if kind == "opening":
            self._keys = self.ceremony.opening(artifact.opening, reader)
            self._order.end(Phase.READY)
            return
        trustee = reader.place.trustee or 0
        if not self._trustees.enter(kind, trustee, reader.place, reader.culprit):
            return
        if kind == "trustee_keys":
            self.ceremony.trustee_keys(artifact.trustee_keys, reader)
        elif kind == "encrypted_shares":
            self.ceremony.encrypted_shares(artifact.encrypted_shares, reader)
        elif kind == "key_confirmation":
            self.ceremony.key_confirmation(artifact.key_confirmation, reader)

    def open_books(self, artifact: pb.Artifact) -> Books:
        """Fix the keys, and start following devices and ballots with this artifact."""
        keys = _settled(self._keys or self.ceremony.without_opening(), artifact.device)
        extended = keys.extended_hash
        ballots = Ballots(self.election, extended, self._findings)
        tallies = Tallies(self.election, ballots.cast_in, self._findings)
        return Books(
            self.election,
            self.ceremony,
            keys,
            Devices(self.election, extended, self._findings),
            ballots,
            tallies,
            Counting(self.election, tallies, self._findings),
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
        self._preparation: Preparation | None = None
        self._opened: set[bytes] = set()
        self.order = Order(findings)
        self.books: Books | None = None
        self.first_after_close = 0
        """The number of the first artifact that is not of the polls or before."""
        self.last_session = 0
        """The number of the artifact that begins the last decryption session."""
        self.ignored: set[int] = set()
        """Statements, ballots apart, that later readings pass over: out of phase or repeated."""
        self.readable = True
        """Whether artifact 0 and its manifest say enough to go on."""

    @property
    def election(self) -> Election | None:
        """The election, once artifact 0 has been read."""
        return self._preparation.election if self._preparation else None

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
        elif self._preparation is None:
            self._first(artifact, kind, place)
        elif artifact is not None and kind is not None and self.readable:
            preparation = self._settled(self._preparation, artifact, kind, place)
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
        self._preparation = Preparation(election, self.order, self._findings)

    def _settled(
        self, preparation: Preparation, artifact: pb.Artifact, kind: str, place: Place
    ) -> Preparation:
        """Settle H_B with artifact 1 if artifact 0 could not, before anything uses it."""
        election = preparation.election
        key = signing_key(election, kind, place)
        if election.unsettled and key is not None:
            election = settle(election, artifact, key)
            self._preparation = Preparation(election, self.order, self._findings)
            return self._preparation
        return preparation

    def _statement(
        self, artifact: pb.Artifact, kind: str, reader: Reader, preparation: Preparation
    ) -> None:
        number = reader.place.artifact or 0
        election = preparation.election
        key = signing_key(election, kind, reader.place)
        if kind != "ballot" and key is not None:
            check_signature(election, artifact, key, reader)
        late = not self.order.enter(kind, reader.place)
        if late and kind != "ballot":
            self.ignored.add(number)
            return
        if PHASE_OF[kind] < Phase.OPEN:
            preparation.take(artifact, kind, reader)
            return
        if PHASE_OF[kind] > Phase.OPEN and not self.first_after_close:
            self.first_after_close = number
        if election.manifest is None:
            self.readable = False
            return
        if self.books is None:
            self.books = preparation.open_books(artifact)
        if PHASE_OF[kind] == Phase.OPEN:
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
            self.order.end(Phase.OPEN)

    def _count(self, artifact: pb.Artifact, kind: str, reader: Reader, books: Books) -> None:
        if kind == "encrypted_tally":
            if books.tallies.encrypted_tally(artifact.encrypted_tally, reader):
                self.order.end(Phase.CLOSED)
        elif kind == "decryption_session":
            self.last_session = reader.place.artifact or 0
        elif kind == "decrypted_tally":
            books.counting.decrypted_tally(artifact.decrypted_tally, reader)
        elif kind == "challenged_ballot_decryption":
            code = artifact.challenged_ballot_decryption.confirmation_code
            self._opened |= {code} & books.ballots.challenges.keys()
        elif kind == "result":
            books.counting.result = (artifact.result, reader)
            self.order.end(Phase.COUNTED)
        all_decrypted = len(books.counting.decrypted) == len(books.tallies.expected)
        if all_decrypted and len(self._opened) == len(books.ballots.challenges):
            self.order.end(Phase.TALLIED)
