"""The outcome of a verification, as a value and as JSON (docs/verification.md)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from verifier.catalogue import CHECKS
from verifier.conduct import Misconduct
from verifier.exhibits import Exhibit
from verifier.findings import Count, Failure
from verifier.operations import Act

FORMAT = "sailau-verification/1"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the record holds."""

    artifacts: int = 0
    submitted: int = 0
    cast: int = 0
    challenged: int = 0
    spoiled: int = 0
    trustees: int = 0
    quorum: int = 0
    devices: int = 0
    missing: tuple[tuple[str, str], ...] = ()
    """(label, reason) of every device declared missing."""


@dataclass(frozen=True, slots=True)
class Total:
    """The sums of one contest's decrypted tallies; a count is None where it is refuted.

    Without options if the contest is not decrypted: it is below the privacy floor.
    """

    contest: str
    ballots: int
    options: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill: its session, the trustees that were asked, and those that answered."""

    session: int
    trustees: tuple[int, ...]
    answered: tuple[int, ...]
    """Who has answered all three rounds, with proofs that hold."""


@dataclass(frozen=True, slots=True)
class Header:
    """What was verified: enough to compare with what was announced elsewhere."""

    parameters: str = ""
    election: str = ""
    manifest_sha256: str = ""
    base_hash: str = ""
    log_key: str = ""
    size: int = 0
    root: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome. `verdict` is "verified" or "refuted"."""

    verdict: str
    until: str
    header: Header
    checks: dict[str, Count]
    """Every check that was made, by id."""
    failures: tuple[Failure, ...]
    """In the order of the record; at most findings.MAX_FAILURES of them."""
    failures_total: int
    counts: Counts
    totals: tuple[Total, ...]
    """Empty unless everything that is tallied has been decrypted."""
    misconduct: tuple[Misconduct, ...] = ()
    """What trustees are proved to have done, in the order of the record."""
    drills: tuple[Drill, ...] = ()
    operations: tuple[Act, ...] = ()
    """What was done to run the election, in the order of the record; at most operations.MOST."""
    operations_total: int = 0
    given: tuple[Exhibit, ...] = ()
    """What was given besides the record, and what it shows."""

    def failed_ids(self) -> tuple[str, ...]:
        """Return the ids of the checks that failed, in the order of the catalogue."""
        return tuple(
            check.id for check in CHECKS if check.id in self.checks and self.checks[check.id].failed
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        none = Count()
        rows = [(check, self.checks.get(check.id, none)) for check in CHECKS]
        header = self.header
        return {
            "format": FORMAT,
            "verdict": self.verdict,
            "until": self.until,
            "election": {
                "label": header.election,
                "parameters": header.parameters,
                "manifest_sha256": header.manifest_sha256,
                "base_hash": header.base_hash,
                "log_key": header.log_key,
            },
            "log": {"size": header.size, "root": header.root},
            "checks": [
                {
                    "id": check.id,
                    "passed": count.passed,
                    "failed": count.failed,
                    "meaning": check.meaning,
                }
                for check, count in rows
            ],
            "failures": [
                {
                    "check": failure.check,
                    "place": dict(failure.place.items()),
                    "message": failure.message,
                    "culprit": failure.culprit,
                }
                for failure in self.failures
            ],
            "failures_total": self.failures_total,
            "misconduct": [
                {
                    "trustee": act.trustee,
                    "check": act.check,
                    "artifact": act.artifact,
                    "message": act.message,
                }
                for act in self.misconduct
            ],
            "drills": [
                {
                    "session": drill.session,
                    "trustees": list(drill.trustees),
                    "answered": list(drill.answered),
                }
                for drill in self.drills
            ],
            "operations": [asdict(act) for act in self.operations],
            "operations_total": self.operations_total,
            "given": [exhibit.to_dict() for exhibit in self.given],
            "counts": {
                "artifacts": self.counts.artifacts,
                "ballots": {
                    "submitted": self.counts.submitted,
                    "cast": self.counts.cast,
                    "challenged": self.counts.challenged,
                    "spoiled": self.counts.spoiled,
                },
                "trustees": self.counts.trustees,
                "quorum": self.counts.quorum,
                "devices": self.counts.devices,
                "devices_missing": [
                    {"device": device, "reason": reason} for device, reason in self.counts.missing
                ],
            },
            "totals": [
                {
                    "contest": total.contest,
                    "ballots": total.ballots,
                    "options": [
                        {"option": option, "count": count} for option, count in total.options
                    ],
                }
                for total in self.totals
            ],
        }

    def to_json(self) -> str:
        """Return the report as JSON text in ASCII, without a final newline."""
        return json.dumps(self.to_dict(), indent=2)
