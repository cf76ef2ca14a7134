"""Policies: whose signatures make a checkpoint valid (C2SP tlog-policy).

    log example.org/election-2005+0123abcd+AX...
    witness north witness.example/north+89abcdef+BA...
    witness south witness.example/south+01234567+BB...
    group both all north south
    quorum both

A checkpoint is valid if one of the logs has signed it and the witnesses that have
cosigned it are the quorum. A file is read by `policy_file`; this module says what it
means. A policy file that says `quorum none` trusts the log's word alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from crypto.errors import Rejected
from record.checkpoint import Checkpoint, VerifierKey, parse_checkpoint, verify_log_signatures
from record.cosignature import cosigned_at

CHECK = "R.quorum"
"""The id of the check that enough witnesses have cosigned a checkpoint."""

NONE = "none"
"""The quorum that needs nobody."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is accepted; `url` may be empty."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """A known witness: its name in this policy, its key (type 04), its URL or nothing."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Satisfied by `threshold` of its members: names of witnesses and of earlier groups."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the signatures of a checkpoint amount to.

    `cosignatures` has the time (POSIX seconds) of every known witness that signed, by
    its name in the policy; `quorum` says whether they are enough.
    """

    checkpoint: Checkpoint
    log: VerifierKey
    cosignatures: Mapping[str, int]
    quorum: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """Known logs and witnesses, and the quorum: the name of a witness or group, or `none`."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE

    def satisfied(self, cosigned: Collection[str]) -> bool:
        """Whether these witnesses, by name, are the quorum."""
        if self.quorum == NONE:
            return True
        met = {witness.name for witness in self.witnesses} & set(cosigned)
        # Members stand before their group, so one pass settles all of them.
        for group in self.groups:
            if len(met.intersection(group.members)) >= group.threshold:
                met.add(group.name)
        return self.quorum in met

    def judge(self, note: bytes, field: str = "checkpoint") -> Judgement:
        """Verify every signature by somebody known; the quorum need not be there.

        Raises Malformed if it is no checkpoint, and Rejected if no known log has signed
        it or the signature of a log or a witness that we know does not hold.
        """
        signed = parse_checkpoint(note, field, any_log=True)
        log = verify_log_signatures(signed, [log.key for log in self.logs], field)
        times = {
            witness.name: time
            for witness in self.witnesses
            if (time := cosigned_at(signed.signatures, witness.key, signed.text, field)) is not None
        }
        return Judgement(signed.checkpoint, log, times, self.satisfied(times))

    def verify(self, note: bytes, field: str = "checkpoint") -> Judgement:
        """The judgement of a checkpoint that this policy accepts.

        Raises as `judge` does, and Rejected if the quorum is missing.
        """
        judgement = self.judge(note, field)
        self.check_quorum(judgement, field)
        return judgement

    def check_quorum(self, judgement: Judgement, field: str = "checkpoint") -> None:
        """Raises Rejected unless the checkpoint has the quorum of cosignatures."""
        if judgement.quorum:
            return
        signed = ", ".join(judgement.cosignatures) or "no known witness"
        problem = f"cosigned by {signed}, which is not the quorum {self.quorum}"
        raise Rejected(CHECK, problem, where=field)

    def for_log(self, key: VerifierKey) -> Policy:
        """This policy for one log alone, whether or not it lists it."""
        listed = [log for log in self.logs if log.key == key]
        return replace(self, logs=(listed[0] if listed else Log(key),))


def log_alone(key: VerifierKey) -> Policy:
    """The policy that takes the log's word."""
    return Policy((Log(key),))
