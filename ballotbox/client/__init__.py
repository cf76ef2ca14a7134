"""The board, the ballot box and the administration, called from elsewhere.

Clients believe nothing they can check. They call again while the server cannot be
reached where the call allows it, and raise `SailauError`s: those of the server
(`rpc.errors.explain`), and Rejected (R.answer, R.receipt) for an answer that is wrong.

    board           what anybody may ask
    stream          the artifacts as they come, over lost connections
    status          what the server says of the election
    device          what a device sends, call by call
    upload          what it sends as one stream
    administration  what administrators do
    answers         what they have in common: how long to wait, answers that cannot be
"""

from __future__ import annotations

from ballotbox.client.administration import AdministrationClient
from ballotbox.client.answers import ANSWER, DEADLINE
from ballotbox.client.board import BallotStatus, BoardClient, FoundBallot
from ballotbox.client.device import STALL, Decided, DeviceClient
from ballotbox.client.status import ElectionStatus, TrusteeStanding
from ballotbox.client.stream import ArtifactStream
from ballotbox.client.upload import Uploading

__all__ = [
    "ANSWER",
    "DEADLINE",
    "STALL",
    "AdministrationClient",
    "ArtifactStream",
    "BallotStatus",
    "BoardClient",
    "Decided",
    "DeviceClient",
    "ElectionStatus",
    "FoundBallot",
    "TrusteeStanding",
    "Uploading",
]
