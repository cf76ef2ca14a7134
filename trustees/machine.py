"""`Trustee`: from what has been read of the record to what is due next. Free of I/O.

    trustee = Trustee(membership, keystore, verify)
    trustee.receive(artifact)           # the next artifact of the board, again and again
    step = trustee.step()
    step.message                        # post it, or None
    step.event                          # tell a person
    trustee.confirm()                   # after ConfirmationDue, when the person agrees
    trustee.posted(step.message)        # when the server has taken a message

It may be dropped at any moment and made again from the same key store: what was once
said in a round is said again byte for byte, and nothing else ever.

A refusal is final. Whatever fails a check, of the record's or of the policy's, is kept in
`refusal`; from then on nothing is read and nothing said.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import Malformed, Rejected, SailauError
from identity.invitation import Invitation
from identity.rolekeys import RoleKey
from record.state import Phase, State
from trustees import policy
from trustees.desk import Desk
from trustees.key_rounds import KeyRounds
from trustees.messages import Event, Message, PostNonceShares, Refusing, Step, Waiting
from trustees.reading import Reader, RecordCopy
from trustees.record_copy import MemoryCopy
from trustees.session_rounds import SessionRounds
from trustees.vault import SecretStore, Vault


@dataclass(frozen=True, slots=True)
class Membership:
    """Who this trustee is, and in which election: index i, H_B and the keys to expect.

    `role_key` is secret (its repr shows the public half); `administrator_key` is
    Ed25519, 32 bytes.
    """

    index: int
    role_key: RoleKey
    base_hash: bytes
    administrator_key: bytes

    @classmethod
    def from_invitation(cls, invitation: Invitation, role_key: RoleKey) -> Membership:
        """Of a checked invitation (`identity.verify_invitation`)."""
        return cls(invitation.index, role_key, invitation.base_hash, invitation.administrator_key)


class Trustee:
    """One trustee. Not for several threads at once."""

    def __init__(
        self,
        membership: Membership,
        store: SecretStore,
        verify: policy.Verify,
        copy: RecordCopy | None = None,
    ) -> None:
        """`store` keeps the secrets; `verify` is called once, before the first decryption.

        `copy` keeps what is read (in memory, if it is None); what it holds is read first.
        Raises nothing: a store or copy that is not this election's shows in `step`.
        """
        vault = Vault(store)
        role_key = membership.role_key
        expected = policy.Expected(
            membership.index,
            role_key.public_bytes,
            membership.base_hash,
            membership.administrator_key,
        )
        self._reader = Reader(vault, expected, MemoryCopy() if copy is None else copy)
        private = Ed25519PrivateKey.from_private_bytes(role_key.secret_bytes())
        desk = Desk(membership.index, private, vault, self._reader)
        self._keys = KeyRounds(desk)
        self._sessions = SessionRounds(desk, self._keys.key_shares, verify)
        self._refusal: SailauError | None = None

    def __repr__(self) -> str:
        return f"Trustee({self.size} artifacts read, <redacted>)"

    @property
    def size(self) -> int:
        """How many artifacts have been read; the next one to `receive`."""
        return self._reader.seen.size

    @property
    def state(self) -> State | None:
        """What has happened in the election; None before the first artifact."""
        return self._reader.state if self.size else None

    @property
    def phase(self) -> Phase | None:
        """Where the election stands; None before the first artifact."""
        return self._reader.state.phase if self.size else None

    @property
    def record(self) -> RecordCopy:
        """The artifacts as read, for the verifier and for people."""
        return self._reader.copy

    @property
    def refusal(self) -> SailauError | None:
        """Why this trustee takes no further part, if it does not."""
        return self._refusal

    def receive(self, artifact: bytes) -> None:
        """Read the next artifact of the board.

        Raises `Malformed` or `Rejected` for one that does not belong there; that is a
        refusal, and so every later call raises it again.
        """
        if self._refusal is not None:
            raise self._refusal
        try:
            self._reader.take(artifact)
        except (Malformed, Rejected) as error:
            self._refusal = error
            raise

    def step(self) -> Step:
        """What is due now. The same until something is received, confirmed or posted."""
        if self._refusal is not None:
            return Step(Refusing(self._refusal))
        if not self._reader.caught_up:
            return Step(self._catching_up())
        try:
            if self._reader.state.phase < Phase.TALLIED:
                return self._keys_or_polls()
            self._keys.step()
            return self._sessions.step()
        except (Malformed, Rejected) as error:
            self._refusal = error
            return Step(Refusing(error))

    def confirm(self) -> None:
        """Agree to what the event `ConfirmationDue` showed; durable when this returns.

        `ValueError` if no confirmation is due.
        """
        self._keys.confirm()

    def posted(self, message: Message) -> None:
        """The server has taken this message. (Artifacts show up on the board besides.)"""
        if isinstance(message, PostNonceShares):
            self._sessions.posted(message)

    def _keys_or_polls(self) -> Step:
        step = self._keys.step()
        match self._reader.state.phase:
            case Phase.OPEN:
                return Step(Waiting("the polls to close"))
            case Phase.CLOSED:
                return Step(Waiting("the encrypted tallies"))
        return step

    def _catching_up(self) -> Event:
        known = self._reader.known_size
        if self.size == 0 or known == 0:
            return Waiting("the record")
        return Waiting(f"the record: {self.size} of the {known} artifacts seen before")
