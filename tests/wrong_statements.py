"""Statements of trustees that break the protocol, on the worlds of `tests.world`, n = 3.

world, keys = committed_to(lambda keys: replace(keys, communication_key=...))
world = complained(Deal(share=+1))      # trustee 2 sent trustee 1 a share that does not fit
world.append(answer(world))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from crypto import sealing
from crypto.group import mpz
from crypto.parameters import TOY
from record.artifacts import (
    EncryptedShare,
    EncryptedShares,
    Role,
    ShareAnswer,
    ShareComplaint,
    TrusteeKeys,
    signed_message,
)
from record.state import Phase
from sailau.v1 import record_pb2
from tests.world import World, manifest_bytes, trustee_name

SENDER, RECEIVER = 2, 1


def committed_to(
    change: Callable[[TrusteeKeys], TrusteeKeys], i: int = 2
) -> tuple[World, TrusteeKeys]:
    """Everybody has committed to keys, trustee i to altered ones, which it has not sent yet."""
    world = World.begin(TOY[-1], manifest_bytes(), 3, 2)
    world.secrets.keys[i] = change(world.trustee_keys(i))
    world.play_commitments()
    return world, world.secrets.keys[i]


@dataclass(frozen=True)
class Deal:
    """What trustee 2 seals for trustee 1: added to P(1) and P-hat(1), or anything at all."""

    share: int = 0
    share_hat: int = 0
    instead: tuple[int, int] | None = None

    def seal(self, world: World) -> EncryptedShare:
        """Sealed with a valid proof; the nonce is in `share_nonces`."""
        group, secrets = world.group, world.secrets
        shares = self.instead or (
            (secrets.vote_polynomials[SENDER].evaluate(group, RECEIVER) + self.share) % group.q,
            (secrets.data_polynomials[SENDER].evaluate(group, RECEIVER) + self.share_hat) % group.q,
        )
        xi = secrets.share_nonces[SENDER, RECEIVER] = group.random_scalar()
        kappa = world.state.trustee_keys[RECEIVER].communication_key
        h_p = world.context.election.parameter_base_hash
        x, y = map(mpz, shares)
        made = sealing.seal_shares(group, h_p, SENDER, RECEIVER, kappa, x, y, xi)
        return EncryptedShare(RECEIVER, made.c0, made.c1, made.c2)


def dealt(deal: Deal | None = None) -> World:
    """The shares are there, that of trustee 2 for trustee 1 as `deal` has it."""
    world = World.create(TOY[-1], until=Phase.SHARES)
    for i in (1, 2, 3):
        shares = world._shares_from(i)
        if i == SENDER and deal is not None:
            shares[0] = deal.seal(world)
        world.append(EncryptedShares(i, tuple(shares)))
    if deal is None:
        for i in (1, 2, 3):
            world._collect(i)
    return world


def complained(deal: Deal | None = None) -> World:
    """Trustee 1 has complained of trustee 2, rightly or not."""
    world = dealt(deal)
    world.append(ShareComplaint(RECEIVER, SENDER))
    return world


def answer(world: World, i: int = SENDER, ell: int = RECEIVER) -> ShareAnswer:
    """The nonce with which trustee i sealed its share for trustee l."""
    return ShareAnswer(i, ell, world.secrets.share_nonces[i, ell])


def other_keys(world: World, i: int) -> TrusteeKeys:
    """Keys that trustee i did not commit to; its secrets stay as they are."""
    kept = replace(world.secrets, vote_polynomials={}, data_polynomials={}, communication_keys={})
    return replace(world, secrets=kept)._generate(i)


def signed_by_hand(world: World, message: record_pb2.Artifact, i: int = SENDER) -> bytes:
    """The message under trustee i's signature, whatever it says."""
    message.ClearField("signature")
    key = world.role_key(Role.TRUSTEE, trustee_name(i))
    unsigned = message.SerializeToString(deterministic=True)
    message.signature = key.sign(signed_message(world.context.base_hash, unsigned))
    return message.SerializeToString(deterministic=True)
