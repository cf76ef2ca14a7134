"""What trustees are proved to have done, whether or not the record is right all the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Misconduct:
    """Something a trustee did: by the id of the check that it fails."""

    trustee: int
    check: str
    artifact: int
    """The accusation, or the complaint."""
    message: str


class Conduct:
    """Keeps what has been proved so far."""

    def __init__(self) -> None:
        """Start with a good opinion of everybody."""
        self.accused: dict[int, Misconduct] = {}
        """By trustee: the accusation that stands."""
        self._complaints: list[Misconduct] = []

    def accuse(self, misconduct: Misconduct) -> None:
        """Take an accusation that stands."""
        self.accused[misconduct.trustee] = misconduct

    def false_complaint(self, trustee: int, sender: int, complaint: int, answer: int) -> None:
        """Take a complaint that its answer has shown to be false."""
        message = f"it complained of trustee {sender}, whose answer (artifact {answer}) is right"
        self._complaints.append(Misconduct(trustee, "R.complaint", complaint, message))

    def all(self) -> tuple[Misconduct, ...]:
        """Return everything, in the order of the record."""
        found = [*self._complaints, *self.accused.values()]
        return tuple(sorted(found, key=lambda misconduct: misconduct.artifact))
