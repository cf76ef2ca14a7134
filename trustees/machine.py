"""`Trustee`: from what has been read of the record to what is due next. Free of I/O.

    trustee = Trustee(membership, keystore, verify)
    trustee.receive(artifact)           # the next artifact of the board, again and again
    step = trustee.step()
    step.message                        # post it, or None
    step.event                          # tell a person
    trustee.backup()                    # after ConfirmationDue: write it, read it back
    trustee.confirm(read_back)          # when the person agrees
    trustee.posted(step.message)        # when the server has taken a message

It may be dropped at any moment and made again from the same key store: what was once
said in a round is said again byte for byte, and nothing else ever.

A refusal is final. Whatever fails a check, of the record's or of the policy's, is kept in
`refusal`; from then on nothing is read and nothing said. That a ceremony was aborted is no
refusal but an event, and the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import Malformed, Rejected, SailauError
from identity.invitation import Invitation
from identity.rolekeys import RoleKey
from record.artifacts import PART
from record.state import Phase, State
from trustees import policy, vault
from trustees.decryption import Resources
from trustees.desk import Desk
from trustees.key_rounds import KeyRounds
from trustees.messages import Computing, Event, Message, PostNonceShares, Refusing, Step, Waiting
from trustees.parallel import SERIAL, Executor
from trustees.reading import Reader, RecordCopy
from trustees.record_copy import MemoryCopy
from trustees.scratch import MemoryScratch, Scratch
from trustees.session_rounds import SessionRounds
from trustees.vault import SECRETS, SecretStore, Vault


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
        *,
        executor: Executor = SERIAL,
        scratch: Scratch | None = None,
    ) -> None:
        """`store` keeps the secrets; `verify` is called once, before the first decryption.

        `copy` keeps what is read (in memory, if it is None); what it holds is read first.
        `executor` is where long computations run, `scratch` keeps what they have done.
        Raises nothing: a store or copy that is not this election's shows in `step`.
        """
        self._store = store
        role_key = membership.role_key
        expected = policy.Expected(
            membership.index,
            role_key.public_bytes,
            membership.base_hash,
            membership.administrator_key,
        )
        opened = Vault(store)
        self._reader = Reader(opened, expected, MemoryCopy() if copy is None else copy)
        private = Ed25519PrivateKey.from_private_bytes(role_key.secret_bytes())
        self._desk = Desk(membership.index, private, opened, self._reader)
        self._teller = _Teller()
        resources = Resources(executor, scratch or MemoryScratch(), self._teller)
        self._keys = KeyRounds(self._desk)
        self._sessions = SessionRounds(self._desk, self._keys.key_shares, verify, resources)
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
            return self._due()
        except (Malformed, Rejected) as error:
            self._refusal = error
            return Step(Refusing(error))

    def backup(self) -> Mapping[str, bytes]:
        """What a backup holds beside the identity (`vault.BACKUP`); secret.

        There from when a confirmation is due, `ValueError` before.
        """
        return self._keys.backup()

    def confirm(self, read_back: Mapping[str, bytes]) -> None:
        """Agree to what the event `ConfirmationDue` showed; durable when this returns.

        `read_back` are the values of `backup` as they were read from where it was
        written. Raises `Rejected` (P.backup) if they are others, `ValueError` if no
        confirmation is due.
        """
        self._keys.confirm(read_back)

    def posted(self, message: Message) -> None:
        """The server has taken this message. (Artifacts show up on the board besides.)"""
        if isinstance(message, PostNonceShares):
            self._sessions.posted(message)

    def listen(self, listener: Callable[[Computing], None]) -> None:
        """Tell `listener` how far a long computation is, at most a hundred times for each.

        What it raises comes out of `step`, and the computation goes on at the next one.
        """
        self._teller.listener = listener

    def close(self) -> None:
        """Stop what is being computed ahead. The next `step` may begin it again."""
        self._sessions.close()

    def leave(self, *, insist: bool = False) -> None:
        """Erase everything of this election, so that the key store is free for another.

        Raises `Rejected` (P.leave) if it may not be: see `policy.check_leave`. This
        object is of no use afterwards.
        """
        there = [name for name in SECRETS if self._desk.vault.get(name) is not None]
        policy.check_leave(self.phase, there, insist=insist)
        self._sessions.forget()
        vault.leave(self._store)

    def _due(self) -> Step:
        step = self._keys.step()
        state = self._reader.state
        if state.phase is Phase.ABORTED:
            return step
        policy.check_not_accused(state, self._desk.index)
        return step if state.phase < Phase.READY else self._sessions.step()

    def _catching_up(self) -> Event:
        known = self._reader.known_size
        if self.size == 0 or known == 0:
            return Waiting("the record")
        return Waiting(f"the record: {self.size} of the {known} artifacts seen before")


class _Teller:
    """Says how far a computation is, each percent once; of short ones nothing."""

    def __init__(self) -> None:
        self.listener: Callable[[Computing], None] = lambda event: None
        self._said = ("", 0)

    def __call__(self, done: int, total: int, what: str) -> None:
        said = what, 100 * done // total
        if total > PART and said != self._said:
            self._said = said
            self.listener(Computing(what, done, total))
