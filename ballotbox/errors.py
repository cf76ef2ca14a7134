"""What can go wrong with our own files and processes, as opposed to what is sent to us."""

from __future__ import annotations

from crypto.errors import NotNow, SailauError


class StoreError(SailauError):
    """The root of everything that can go wrong with a database.

    `told` is what a client of the server may read of it (`rpc.errors`), without a full stop:
    the error itself, which may name files and machines, is for the server's log; `said` is
    whether it is there.
    """

    said = False

    told = "the server cannot use its database now; nothing that it acknowledged is lost"


class StoreMissing(StoreError):
    """There is no database at this path."""


class StoreExists(StoreError):
    """There is a database at this path already; a new one never replaces it."""


class StoreInUse(StoreError):
    """Another process has the database open."""


class StoreForeign(StoreError):
    """The database belongs to another election or another device."""


class StoreUnsupported(StoreError):
    """The database has a schema that this version does not know."""


class StoreDamaged(StoreError):
    """The database cannot be read, or what it holds is not what was written."""

    told = (
        "what the server's database holds is not what was written, and is not shown: its "
        "administrator has to stop the server and to restore it (docs/operations.md, 'Restore')"
    )


class StoreContradicted(StoreDamaged):
    """What is stored is sound, but more was signed, or something else: nothing more may be."""

    def __init__(self, problem: str, told: str) -> None:
        super().__init__(problem)
        self.told = told


class StoreFailed(StoreError, NotNow):
    """The system could not read or write: a full disk, lost permissions."""

    told = "the server cannot store or read anything at the moment; try again"


class StoreConflict(StoreError):
    """What was to be stored does not fit what is: another has written, or the same twice."""

    told = "nothing was stored: it does not fit what is by now, or what came before it was refused"


class StoreNotLeading(StoreError, NotNow):
    """Another server may write, not this one: nothing was stored.

    After `wait_for_leadership` the state is to be read anew.
    """

    told = "this server does not write now: another one leads, or the database is away; try again"


class StoreOutcomeUnknown(StoreError, NotNow):
    """The database was lost while it committed, and did not come back in time.

    The one error after which something may have changed. The store no longer leads:
    after `wait_for_leadership` the state is to be read anew.
    """

    told = "the database was lost, and whether this was stored is not known yet; send it again"


class AdmissionBusy(SailauError):
    """As many ballots are being checked as this server takes on at once.

    There may be room again after `retry_after` seconds.
    """

    def __init__(self, problem: str, retry_after: float = 1.0) -> None:
        super().__init__(problem, retry_after)
        self.problem = problem
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.problem


class AdmissionAbandoned(SailauError):
    """Nobody waits for the answer any more, so nothing was checked or stored."""


class AdmissionFailed(SailauError):
    """A ballot could not be checked, whatever it is worth: the checking itself failed."""


class BallotLost(NotNow):
    """The server does not have what it acknowledged to this device, which still has it."""

    def __init__(self, code: bytes) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return (
            f"the server does not have ballot {self.code.hex()} as it acknowledged it: tell the "
            "administrator; nothing is lost here"
        )


class NotConnected(NotNow):
    """A device would need the server for this, and it cannot be reached. Nothing is promised."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem}. {advice}")
