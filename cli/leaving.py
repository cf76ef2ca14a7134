"""From an election that came to nothing to the next one, with the same keys of one's own.

When a ceremony is aborted, the administrator makes the election again and those who stay
get new invitations. What the old ceremony left is erased: its shares open nothing, and
must not be taken for those of the new one.
"""

from __future__ import annotations

from contextlib import closing

from cli.homes import INVITATION, Home
from cli.taking_part import COPY, SCRATCH
from crypto.errors import Rejected
from identity.invitation import Invitation, parse_invitation
from record.state import Phase
from trustees.machine import Membership, Trustee
from trustees.record_copy import FileCopy
from trustees.scratch import FolderScratch

LEFT = "left-elections"
"""H_B of every election that was left, one after the other, 32 bytes each."""


def leave_for(home: Home, data: bytes, *, willing: bool) -> None:
    """Leave the election of the home's invitation if `data` is the invitation to another one.

    `willing` is the person's word that a ceremony which was not aborted, as far as this
    home knows, is over. Raises Rejected (P.leave) if the old election cannot be left or
    the new one cannot be joined after it; nothing has changed then.
    """
    file = home.path / INVITATION
    if not file.exists() or file.read_bytes() == data:
        return
    old, new = home.invitation(), parse_invitation(data)
    left = home.keystore.secrets.get(LEFT, b"")
    _check_another(old, new, left)
    _leave(home, old, willing)
    home.keystore.update({LEFT: left + old.base_hash})
    (home.path / COPY).unlink(missing_ok=True)
    file.unlink()


def _check_another(old: Invitation, new: Invitation, left: bytes) -> None:
    """H_B is all that tells the elections apart in which a role key signs."""
    known = {old.base_hash, *(left[n : n + 32] for n in range(0, len(left), 32))}
    if new.base_hash in known:
        raise Rejected(
            "P.leave",
            "the new invitation has the same H_B as an election that this home was in: what was "
            "signed there could be shown as signed in the new one",
            where="join",
            advice="have the election made again with `sailau election restart`, or use a fresh "
            "home",
        )


def _leave(home: Home, old: Invitation, willing: bool) -> None:
    """Erase what the home has of the old election, if it may."""
    member = Membership.from_invitation(old, home.role_key)
    with closing(FileCopy(home.path / COPY)) as copy:
        scratch = FolderScratch(home.path / SCRATCH)
        machine = Trustee(
            member, home.keystore, lambda: "nothing is decrypted here", copy, scratch=scratch
        )
        phase = machine.phase
        try:
            machine.leave(insist=willing)
        except Rejected as error:
            opened = phase is not None and phase >= Phase.OPEN
            advice = "use a fresh home for another election" if opened or willing else _UNWILLING
            raise Rejected(error.check, error.problem, where="join", advice=advice) from None


_UNWILLING = (
    "run `sailau trustee run` once more, so that it reads of the end; or add --leave if the "
    "administrator says that the ceremony is over; or use a fresh home for another election"
)
