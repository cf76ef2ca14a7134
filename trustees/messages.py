"""What a trustee has to say: messages to the server, and events for the person at its screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from crypto.errors import SailauError
from record.manifest import Text

# --- messages


@dataclass(frozen=True, slots=True)
class PostArtifact:
    """A signed artifact for the record; `what` says it in words."""

    what: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PostNonceShares:
    """Parts of the nonces of challenged ballots: codes and elements m_i (107), encoded.

    For the server only. They are not for the record, and so not for a log line either.
    """

    session: int
    shares: tuple[tuple[bytes, bytes], ...] = field(repr=False)

    @property
    def what(self) -> str:
        """In words."""
        return f"shares of {len(self.shares)} challenged ballots' nonces"


Message: TypeAlias = PostArtifact | PostNonceShares


# --- events


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a person compares before agreeing: with the administrator and other trustees.

    `base_hash` is H_B, which stands for the manifest, n and k; `key_ceremony_hash` is H_G,
    which stands for H_B and all keys. Both are 32 bytes.
    """

    election: Text
    label: str
    trustees: int
    quorum: int
    base_hash: bytes
    key_ceremony_hash: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing to do now. `trustees` are the names of those who are waited for."""

    what: str
    trustees: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = f": {', '.join(self.trustees)}" if self.trustees else ""
        return f"waiting for {self.what}{names}"


@dataclass(frozen=True, slots=True)
class ConfirmationDue:
    """All keys and shares are right; a person has to compare and agree (`Trustee.confirm`).

    The key shares are written, and `Trustee.backup` gives what a backup holds.
    """

    confirmation: Confirmation

    def __str__(self) -> str:
        return "waiting for your confirmation of the keys"


@dataclass(frozen=True, slots=True)
class Sending:
    """A message is due: part `part` of `parts` of what `what` says, counted from 1."""

    what: str
    part: int = 1
    parts: int = 1

    def __str__(self) -> str:
        count = f" ({self.part} of {self.parts})" if self.parts > 1 else ""
        return f"sending {self.what}{count}"


@dataclass(frozen=True, slots=True)
class Computing:
    """A long computation is under way: `done` of `total` ciphertexts of what `what` says."""

    what: str
    done: int
    total: int

    def __str__(self) -> str:
        return f"computing the {self.what}: {self.done} of {self.total}"


@dataclass(frozen=True, slots=True)
class Refusing:
    """The trustee takes no further part; `reason` is a `Rejected` or `Malformed`."""

    reason: SailauError

    def __str__(self) -> str:
        return f"refusing to go on: {self.reason}"


@dataclass(frozen=True, slots=True)
class Finished:
    """There is nothing left for a trustee to do in this election."""

    def __str__(self) -> str:
        return "everything is decrypted; nothing is left to do"


@dataclass(frozen=True, slots=True)
class Aborted:
    """The key ceremony has come to nothing, and with it the election.

    `trustee` is the index of the trustee that broke the protocol, or None if the
    administrator has given the ceremony up. The ceremony's secrets are erased.
    """

    reason: str
    trustee: int | None = None

    def __str__(self) -> str:
        return f"the key ceremony has ended without keys: {self.reason}"


Event: TypeAlias = Waiting | ConfirmationDue | Sending | Computing | Refusing | Finished | Aborted


@dataclass(frozen=True, slots=True)
class Step:
    """What is due next: at most one message, and how things stand."""

    event: Event
    message: Message | None = None
