"""What a trustee refuses: one function each, which raises `Rejected` with the reason.

The server decides when to ask; whether to answer is decided here. A trustee that gives
its part to a sum of a few ballots, or to two tallies that differ by one ballot, has
opened that ballot; no proof in the record shows it, so nobody but the trustee itself
can prevent it.

| id | refused |
|---|---|
| P.election | another election than the one it was invited to, or keys that are not its own |
| P.extension | a record that is not an extension of the last one it saw |
| P.closed | a decryption before the polls have closed and all tallies are there |
| P.quorum | a set U below the quorum, or without itself |
| 9.A, 9.B | tallies that are not the products of the cast ballots it has read |
| P.other-tally | another tally than the one it has begun to decrypt |
| P.verified | a record that the verifier does not pass |
| P.challenged | the nonce of a ballot that is not challenged |
| P.key-store | to go on beside messages in its name that its key store did not make |
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from crypto.errors import Rejected
from crypto.group import mpz
from crypto.secret_sharing import public_key_share
from record.artifacts import Role
from record.election import ElectionContext
from record.rule import Read
from record.state import Phase, State, Status
from record.tally_rules import check_aggregates
from trustees.ceremony import KeyShares
from trustees.vault import Seen

Verify = Callable[[], str | None]
"""Runs the verifier on the record as read: None, or why it does not pass."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a trustee knows before it reads: from its invitation and its key store.

    `index` is i; `public_key` (our own) and `administrator_key` are Ed25519, 32 bytes;
    `base_hash` is H_B.
    """

    index: int
    public_key: bytes
    base_hash: bytes
    administrator_key: bytes

    def check(self, context: ElectionContext) -> None:
        """Raise P.election unless this is the election of the invitation, with our own key."""
        if context.base_hash != self.base_hash:
            problem = "the record is of another election than the invitation (H_B differs)"
        elif context.single_key(Role.ADMINISTRATOR).public_key != self.administrator_key:
            problem = "the record is signed by another administrator than the invitation names"
        elif context.trustee_key(self.index).public_key != self.public_key:
            problem = f"trustee {self.index} of the election has another key than this key store"
        else:
            return
        raise Rejected("P.election", problem, culprit="server", where="artifact 0")


def check_bound(bound: bytes | None, base_hash: bytes) -> None:
    """Raise P.election if the key store takes part in another election already."""
    if bound is not None and bound != base_hash:
        problem = "this key store belongs to another election"
        raise Rejected("P.election", problem, culprit="server", where="artifact 0")


def extend(seen: Seen, artifact: bytes) -> Seen:
    """The record as seen, one artifact longer: SHA-256(digest || SHA-256(artifact))."""
    digest = hashlib.sha256(seen.digest + hashlib.sha256(artifact).digest()).digest()
    return Seen(seen.size + 1, digest)


def check_extension(now: Seen, before: Seen) -> None:
    """Raise P.extension if a record of the size seen before is not the same record."""
    if now.size == before.size and now.digest != before.digest:
        raise Rejected(
            "P.extension",
            "the record is not an extension of the one this trustee has seen: the board has "
            "shown two different records",
            culprit="server",
            where=f"the first {before.size} artifacts",
            advice="keep your copy and tell the other trustees and the public",
        )


def check_session(state: State, i: int, number: int, trustees: tuple[int, ...]) -> None:
    """Raise P.closed or P.quorum for a session that should not be, or not with us.

    `trustees` is U, `i` our index.
    """
    where = f"session {number}"
    if state.phase < Phase.TALLIED or state.close is None:
        raise Rejected(
            "P.closed",
            f"nothing is decrypted while the election is {state.phase.name.lower()}",
            culprit="server",
            where=where,
        )
    if len(set(trustees)) < state.context.quorum:
        problem = f"{len(trustees)} trustees are fewer than {state.context.quorum}"
        raise Rejected("P.quorum", problem, culprit="server", where=where)
    if i not in trustees:
        raise Rejected("P.quorum", f"trustee {i} is not in it", culprit="server", where=where)


def check_tallies(state: State, read: Read) -> None:
    """Raise 9.A or 9.B unless every encrypted tally is what we compute from the cast ballots."""
    check_aggregates(state, read)


def check_same_tally(begun: bytes | None, digest: bytes) -> None:
    """Raise P.other-tally unless `digest` is the tally begun before, if one was."""
    if begun is not None and begun != digest:
        raise Rejected(
            "P.other-tally",
            "this trustee has begun to decrypt another tally; the difference of two tallies "
            "would open single ballots",
            culprit="server",
            where="encrypted tallies",
        )


def check_verdict(verify: Verify) -> None:
    """Raise P.verified with the verifier's reason unless the record passes."""
    reason = verify()
    if reason is not None:
        raise Rejected(
            "P.verified",
            f"the verifier does not pass the record: {reason}",
            culprit="server",
            where="record",
        )


def check_challenged(state: State, code: bytes) -> None:
    """Raise P.challenged unless the record shows the ballot of this code challenged."""
    entry = state.ballots.get(code)
    if entry is None or entry.status is not Status.CHALLENGED or state.close is None:
        raise Rejected(
            "P.challenged",
            "the nonce of a ballot that is not challenged stays secret",
            culprit="server",
            where=f"code {code.hex()[:16]}",
        )


def check_own_message(ours: bool, i: int, what: str) -> None:
    """Raise P.key-store if the record has a message of ours that we did not make."""
    if not ours:
        raise Rejected(
            "P.key-store",
            f"the record holds {what} of this trustee that this key store did not make",
            culprit=f"trustee {i}",
            where=what,
            advice="is this an old copy of the key store, or is another machine using a copy?",
        )


def check_key_shares(state: State, i: int, shares: KeyShares | None) -> KeyShares:
    """Raise P.key-store unless z_i and z-hat_i are those of the record's keys (94)."""
    check_own_message(shares is not None, i, "the key confirmation")
    if shares is None:
        raise AssertionError("just checked")
    group, keys = state.context.group, state.all_keys()
    public: tuple[mpz, mpz] = (
        public_key_share(group, [k.vote_commitments for k in keys], i),
        public_key_share(group, [k.data_commitments for k in keys], i),
    )
    ours = (group.g_power(shares.vote), group.g_power(shares.data)) == public
    check_own_message(ours, i, "keys")
    return shares
