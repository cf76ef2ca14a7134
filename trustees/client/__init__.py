"""The trustee's program around `machine.Trustee`: it reads the board, posts and attends.

It connects outward only, to the roles' listener, which serves the board and the
coordinator. It may be killed at any moment: everything that matters is in the key store,
and the machine says again what the record lacks. While the server cannot be reached, or
another program has this trustee's place there, it tries again for ever.

    calls    the coordinator's calls
    feed     the board's artifacts through any number of broken connections; attendance
    place    what tells this program from another one of the same trustee
    program  `TrusteeClient`: reads, steps, posts, and asks the person
"""

from trustees.client.calls import CoordinatorClient
from trustees.client.place import program_of
from trustees.client.program import (
    AnotherProgram,
    Confirm,
    Disconnected,
    NotTaken,
    Progress,
    Told,
    TrusteeClient,
)

__all__ = [
    "AnotherProgram",
    "Confirm",
    "CoordinatorClient",
    "Disconnected",
    "NotTaken",
    "Progress",
    "Told",
    "TrusteeClient",
    "program_of",
]
