"""The voting device: it encrypts ballots and keeps their chain. No input, no output.

`DeviceMachine` is a device from its first statement to its last. Choices are in memory
here and, encrypted, in the journal until the voter has decided. They are never in an
error, a log or a repr.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ballotbox.challenges import ChallengeFile, make_challenge_file
from ballotbox.encryption import BallotSecrets, Selections, encrypt_ballot
from ballotbox.journal import Journal, Kind, Outgoing
from crypto.errors import Rejected
from record.artifacts import (
    Artifact,
    Ballot,
    Cast,
    Challenge,
    Device,
    DeviceClose,
    Role,
    Statement,
    parse_artifact,
    sign_statement,
)
from record.ballot_hashes import Chain, information_hash
from record.election import ElectionContext, ElectionKeys
from record.manifest import Chaining


@dataclass(frozen=True, slots=True)
class BallotStanding:
    """The decision about a ballot, if there is one, and where the record has it.

    `index` is that of the decision, or of the ballot if it is not decided; None as long as
    the server has not acknowledged it.
    """

    decision: Kind | None
    index: int | None


class DeviceMachine:
    """A device from `begin` to `close`, on a journal that survives it.

    Every method that makes an artifact writes it to the journal before returning it,
    and returns the journal's if it is there already. `outgoing` are those that the
    server has not acknowledged: send them in this order, byte for byte, and
    `acknowledge` each. It needs no network for any of this. Safe to use from several
    threads.
    """

    def __init__(
        self,
        context: ElectionContext,
        keys: ElectionKeys,
        label: str,
        key: Ed25519PrivateKey,
        journal: Journal,
    ) -> None:
        """A device as far as its journal has it.

        `key` is the role key. Raises Rejected (R.role-keys) if it is not the pinned one.
        """
        pinned = context.role_key(Role.DEVICE, label).public_key
        if key.public_key().public_bytes_raw() != pinned:
            raise Rejected("R.role-keys", "the key is not the device's", where=f"device {label}")
        information = context.manifest.device(label).information
        h_e = keys.extended_base_hash
        self.context = context
        self.keys = keys
        self.label = label
        self._key = key
        self._journal = journal
        self._information = information
        self._chain = Chain(context.manifest.chaining, h_e, information_hash(h_e, information))
        self._guard = threading.RLock()

    @property
    def closed(self) -> bool:
        """Whether the device has ended its chain."""
        return self._journal.find(Kind.CLOSE) is not None

    def begin(self) -> Artifact:
        """The statement that begins the chain (spec 3.4.3, eq. 72; 3.4.4, eq. 74)."""
        with self._guard:
            return self._known(Kind.BEGIN) or self._write(
                Kind.BEGIN,
                Device(
                    self.label, self._information, self._chain.information_hash, self._chain.start()
                ),
            )

    def encrypt(self, unit: str, style: str, selections: Selections) -> Artifact:
        """The next ballot of the chain. Raises Malformed as `encrypt_ballot` does.

        Rejected (R.device) before `begin` and after `close`.
        """
        with self._guard:
            if self._journal.find(Kind.BEGIN) is None:
                raise Rejected("R.device", "the device has not begun", where=self.label)
            if self.closed:
                raise Rejected("R.device", "the device has closed its chain", where=self.label)
            field = self._chain.field(self._last())
            made = encrypt_ballot(
                self.context, self.keys, self.label, unit, style, selections, field
            )
            artifact, code = self._sign(made.ballot), made.ballot.confirmation_code
            self._journal.add_ballot(code, artifact.data, made.secrets.to_bytes(), made.hints)
            return artifact

    def cast(self, code: bytes) -> Artifact:
        """The voter casts the ballot with this code; its secrets are erased.

        Raises Rejected (R.cast) for an unknown code and one that was challenged.
        """
        return self._decide(Kind.CAST, code, Cast(self.label, code))

    def challenge(self, code: bytes) -> Artifact:
        """The voter has the ballot opened. Raises Rejected (R.cast) as `cast` does."""
        return self._decide(Kind.CHALLENGE, code, Challenge(self.label, code))

    def challenge_file(self, code: bytes) -> ChallengeFile:
        """What the voter of a challenged ballot takes to another machine.

        Raises Rejected (R.cast) unless `challenge` came before.
        """
        with self._guard:
            secrets = self._journal.secrets(code)
            decision = self._journal.decision(code)
            if decision is None or decision.kind is not Kind.CHALLENGE or secrets is None:
                raise Rejected("R.cast", "the ballot was not challenged", where=_where(code))
            known = BallotSecrets.from_bytes(secrets)
            return make_challenge_file(
                self.context, self.keys, self._ballot(code), known.ballot_nonce, known.selections
            )

    def close(self) -> Artifact:
        """The statement that ends the chain (spec 3.4.4, eq. 77, 78).

        Cast and challenge remain possible until the polls close.
        """
        with self._guard:
            if self._journal.find(Kind.BEGIN) is None:
                raise Rejected("R.device", "the device has not begun", where=self.label)
            return self._known(Kind.CLOSE) or self._write(
                Kind.CLOSE,
                DeviceClose(self.label, self._journal.ballots(), *self._chain.close(self._last())),
            )

    def finish(self) -> None:
        """The polls are closed: forget the secrets of ballots that nobody decided on."""
        self._journal.erase_undecided()

    def undecided(self) -> tuple[bytes, ...]:
        """The codes of ballots neither cast nor challenged, oldest first."""
        return self._journal.undecided()

    def outgoing(self, after: int = 0) -> tuple[Outgoing, ...]:
        """What the server has not acknowledged, in the order in which to send it.

        The first page of it behind the position `after`.
        """
        return self._journal.outgoing(after)

    def waiting(self) -> int:
        """How many messages the server has not acknowledged."""
        return self._journal.waiting()

    def acknowledge(self, position: int, index: int) -> None:
        """The server has put the message at `position` at `index` of the record."""
        self._journal.acknowledge(position, index)

    def acknowledged(self) -> Outgoing | None:
        """The newest ballot or decision that the server has acknowledged; it has `accepted`."""
        return self._journal.acknowledged()

    def status(self, code: bytes) -> BallotStanding:
        """What has become of a ballot, as far as the device knows.

        Raises Rejected (R.cast) for an unknown code.
        """
        if not self._journal.has_ballot(code):
            raise _unknown(code)
        decision = self._journal.decision(code)
        index = (decision or self._journal.submission(code)).accepted
        return BallotStanding(None if decision is None else decision.kind, index)

    def _decide(self, kind: Kind, code: bytes, statement: Cast | Challenge) -> Artifact:
        with self._guard:
            if not self._journal.has_ballot(code):
                raise _unknown(code)
            before = self._journal.decision(code)
            if before is None:
                artifact = self._sign(statement)
                self._journal.add_decision(kind, code, artifact.data)
                return artifact
            if before.kind is not kind:
                raise Rejected(
                    "R.cast",
                    f"the ballot is already {_PAST[before.kind]}",
                    where=_where(code),
                    advice="A ballot is decided once.",
                )
            return self._parse(before.data)

    def _last(self) -> bytes:
        """The last code, or H_0, or nothing without chaining."""
        if self._chain.mode is Chaining.NONE:
            return b""
        return self._journal.last_code() or self._chain.start()

    def _ballot(self, code: bytes) -> Ballot:
        statement = self._parse(self._journal.ballot(code)).statement
        if not isinstance(statement, Ballot):
            raise AssertionError("the journal has something else in a ballot's place")
        return statement

    def _known(self, kind: Kind) -> Artifact | None:
        message = self._journal.find(kind)
        return None if message is None else self._parse(message.data)

    def _write(self, kind: Kind, statement: Statement) -> Artifact:
        artifact = self._sign(statement)
        self._journal.add(kind, artifact.data)
        return artifact

    def _sign(self, statement: Statement) -> Artifact:
        return sign_statement(statement, self.context.group, self.context.base_hash, self._key)

    def _parse(self, data: bytes) -> Artifact:
        return parse_artifact(data, self.context.group)


def _unknown(code: bytes) -> Rejected:
    return Rejected("R.cast", "no such ballot on this device", where=_where(code))


_PAST = {Kind.CAST: "cast", Kind.CHALLENGE: "challenged"}


def _where(code: bytes) -> str:
    return f"code {code.hex()[:16]}"
