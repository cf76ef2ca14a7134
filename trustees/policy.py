"""What a trustee refuses: one function each, which raises `Rejected` with the reason.

The server decides when to ask; whether to answer is decided here. A trustee that gives
its part to a sum of a few ballots, or to two tallies that differ by one ballot, has
opened that ballot; no proof in the record shows it, so nobody but the trustee itself
can prevent it.

| id | refused |
|---|---|
| P.election | another election than the one it was invited to, or keys that are not its own |
| P.extension | a record that is not an extension of the last one it saw |
| P.backup | to confirm the keys before a backup of the key shares has been read back |
| P.closed | a decryption before the polls have closed and all tallies are there; the |
| | decryption of a ballot before the tallies are decrypted |
| P.drill | a drill before the keys are confirmed or after the polls have closed |
| P.quorum | a set U below the quorum, or without itself |
| 9.A, 9.B | tallies that are not the products of the cast ballots it has read |
| P.other-tally | another tally than the one it has begun to decrypt |
| P.verified | a record that the verifier does not pass |
| P.challenged | the nonce, or the decryption, of a ballot that is not challenged |
| P.key-store | to go on beside messages in its name that its key store did not make |
| P.leave | to forget an election whose keys are in use |
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from crypto.errors import Rejected
from crypto.group import Group, mpz
from crypto.secret_sharing import public_key_share
from record.artifacts import EncryptedShare, Purpose, Role
from record.election import ElectionContext
from record.rule import Read
from record.state import Phase, SessionState, State, Status
from record.tally_rules import check_aggregates
from trustees.ceremony import KeyShares
from trustees.vault import ELECTION, KEY_SHARES, Seen

T = TypeVar("T")
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


def check_session(state: State, i: int, session: SessionState) -> None:
    """Raise P.drill, P.closed, P.challenged or P.quorum for a session that should not be.

    `i` is our index: nor should a session be that is not with us.
    """
    where = f"session {session.number}"
    match session.purpose:
        case Purpose.DRILL:
            _check_drill(state, where)
        case Purpose.TALLY:
            _check_closed(state, where)
        case Purpose.BALLOT:
            _check_closed(state, where)
            check_challenged(state, session.confirmation_code)
            if len(state.decrypted_tallies) < len(state.encrypted_tallies):
                problem = "no ballot is decrypted before the tallies are"
                raise Rejected("P.closed", problem, culprit="server", where=where)
    trustees = session.trustees
    if len(set(trustees)) < state.context.quorum:
        problem = f"{len(trustees)} trustees are fewer than {state.context.quorum}"
        raise Rejected("P.quorum", problem, culprit="server", where=where)
    if i not in trustees:
        raise Rejected("P.quorum", f"trustee {i} is not in it", culprit="server", where=where)


def _check_drill(state: State, where: str) -> None:
    if state.phase not in (Phase.READY, Phase.OPEN):
        problem = f"there are no drills while the election is {state.phase.name.lower()}"
        raise Rejected("P.drill", problem, culprit="server", where=where)


def _check_closed(state: State, where: str) -> None:
    if state.phase < Phase.TALLIED or state.close is None:
        problem = f"nothing is decrypted while the election is {state.phase.name.lower()}"
        raise Rejected("P.closed", problem, culprit="server", where=where)


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
            "a ballot that is not challenged stays secret, and its nonce with it",
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


def our_own(value: T | None, i: int, what: str) -> T:
    """What the key store has of us; raises P.key-store if it has nothing."""
    check_own_message(value is not None, i, what)
    if value is None:
        raise AssertionError("just checked")
    return value


def check_key_shares(state: State, i: int, shares: KeyShares | None) -> KeyShares:
    """Raise P.key-store unless z_i and z-hat_i are those of the record's keys (94)."""
    shares = our_own(shares, i, "the key confirmation")
    group, keys = state.context.group, state.all_keys()
    public: tuple[mpz, mpz] = (
        public_key_share(group, [k.vote_commitments for k in keys], i),
        public_key_share(group, [k.data_commitments for k in keys], i),
    )
    ours = (group.g_power(shares.vote), group.g_power(shares.data)) == public
    check_own_message(ours, i, "keys")
    return shares


def share_nonce(
    group: Group,
    i: int,
    ell: int,
    shares: Sequence[EncryptedShare],
    nonces: Sequence[mpz] | None,
) -> mpz:
    """xi_i,l of the share for trustee l, if it is this key store that sent `shares`.

    Raises P.key-store otherwise: a nonce that does not open the share would be a false
    answer in our name.
    """
    by_recipient = {s.recipient: (s.c0, xi) for s, xi in zip(shares, nonces or (), strict=False)}
    c0, xi = by_recipient.get(ell, (mpz(0), mpz(0)))
    check_own_message(group.g_power(xi) == c0, i, "shares")
    return xi


def check_backup(values: Mapping[str, bytes], read_back: Mapping[str, bytes], i: int) -> None:
    """Raise P.backup unless what was read back is of this election and has our key shares."""
    if any(read_back.get(name) != values[name] for name in (ELECTION, KEY_SHARES)):
        raise Rejected(
            "P.backup",
            "what was read back from the backup is not what this trustee has to keep",
            culprit=f"trustee {i}",
            where="backup",
            advice="write the backup again, on a medium that keeps it",
        )


def check_not_accused(state: State, i: int) -> None:
    """Raise, with the check that it fails, if the record shows that we broke the protocol."""
    accused = state.accused.get(i)
    if accused is not None:
        raise Rejected(
            accused.check,
            f"artifact {accused.index} of the record accuses this trustee of it; it takes no "
            "further part",
            culprit=f"trustee {i}",
            where=f"artifact {accused.index}",
            advice="tell the administrator; has another machine used a copy of the key store?",
        )


def check_leave(phase: Phase | None, secrets: Collection[str], *, insist: bool) -> None:
    """Raise P.leave unless a trustee may forget the election that it takes part in.

    `phase` is where the record stands as far as it was read, None if it was not;
    `secrets` names those of this election. A ceremony that has failed may be left, one
    that is under way only if the person insists, and an election whose polls are or may
    be open never: votes depend on it.
    """
    if phase is Phase.ABORTED or not secrets:
        return
    if (KEY_SHARES in secrets) if phase is None else (phase >= Phase.OPEN):
        problem = "this key store holds a part of the keys of an election that may be open"
        advice = "use another home for another election"
    elif not insist:
        problem = "this key store takes part in a key ceremony that has not been given up"
        advice = "if it has been, insist; the others cannot finish it without you"
    else:
        return
    raise Rejected("P.leave", problem, where="key store", advice=advice)
