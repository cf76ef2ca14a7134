"""No secret of a trustee in a repr, a str, an error, an event or a log line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crypto.errors import Rejected
from crypto.group import Group, mpz
from crypto.parameters import STANDARD
from record.state import Phase
from tests.ballots import Fate, Plain
from tests.trustee_machines import DictStore, Hall, tallied
from tests.world import World, manifest_bytes
from trustees.ceremony import Dealer
from trustees.decryption import Committing
from trustees.messages import PostArtifact, PostNonceShares
from trustees.nonces import NonceKey, Session
from trustees.vault import Vault


def spellings(secret: bytes | mpz) -> Iterator[str]:
    """How a secret could show: in hexadecimal, in decimal, as Python bytes."""
    number = int.from_bytes(secret, "big") if isinstance(secret, bytes) else int(secret)
    data = number.to_bytes(max((number.bit_length() + 7) // 8, 1), "big")
    yield from (str(number), f"{number:x}", f"{number:X}", str(data), data.hex())


def assert_nothing(text: str, secrets: list[bytes | mpz]) -> None:
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in text


def all_secrets(store: DictStore, group: Group) -> list[bytes | mpz]:
    """Everything secret that a store holds, in its pieces."""
    vault, found = Vault(store), list[bytes | mpz]()
    drawn, shares, session = vault.key_secrets(group), vault.key_shares(group), vault.session(group)
    if drawn is not None:
        found += [*drawn.vote.coefficients, *drawn.data.coefficients, drawn.zeta]
    if shares is not None:
        found += [shares.vote, shares.data]
    found += vault.share_nonces(group) or ()
    if session is not None and session.key is not None:
        found += [session.key.key, session.key.nonce(group, 0)]
    return found


def everything_about(hall: Hall, i: int) -> str:
    """Reprs and strings of all that a trustee's program has in its hands."""
    trustee, group = hall.trustees[i], hall.world.group
    vault = Vault(hall.stores[i])
    step = trustee.step()
    found: list[object] = [trustee, step, step.event, step.message, vault, hall.membership(i)]
    found += [vault.key_secrets(group), vault.key_shares(group), vault.session(group)]
    keys, sessions = trustee._keys, trustee._sessions  # noqa: SLF001 - private on purpose
    found += [keys, sessions, trustee._reader, trustee._desk]  # noqa: SLF001
    found += [keys._dealer, keys._confirming, keys._confirming._received]  # noqa: SLF001
    found += [sessions._running, sessions._resources]  # noqa: SLF001
    return "\n".join(f"{x!r}\n{x}" for x in found)


def test_at_every_step(caplog: pytest.LogCaptureFixture) -> None:
    """Through a ceremony and a decryption on the real group, at every step of a trustee."""
    caplog.set_level(logging.DEBUG)
    hall = Hall(World.begin(STANDARD, manifest_bytes(), 2, 2))
    secrets: list[bytes | mpz] = []
    seen = set()
    while hall.turn(1) or hall.turn(2):
        more = all_secrets(hall.stores[1], hall.world.group)
        secrets += [s for s in more if s not in secrets]
        assert_nothing(everything_about(hall, 1), secrets)
        seen.add(hall.world.state.phase)
    assert seen >= {Phase.KEYS, Phase.SHARES, Phase.CONFIRMATION, Phase.READY}
    assert len(secrets) == 2 + 2 + 1 + 1 + 2
    votes = [Plain(style="short"), Plain(style="short", fate=Fate.CHALLENGE)]
    hall = tallied(STANDARD, 2, 2, votes)
    secrets = []
    hall.attend(1, 2)
    hall.coordinator.start_decryption()
    while hall.turn(1) or hall.turn(2):
        more = all_secrets(hall.stores[1], hall.world.group)
        secrets += [s for s in more if s not in secrets]
        assert_nothing(everything_about(hall, 1), secrets)
    assert hall.tabulator.step()
    assert len(secrets) == 2 + 2
    nonce_shares = [m for row in hall.nonce_shares.rows.values() for m in [row]]
    assert nonce_shares
    assert_nothing(caplog.text, [*secrets, *nonce_shares])


def test_values_redact_themselves() -> None:
    """Each type that holds a secret says so and no more."""
    hall = tallied(STANDARD, 1, 1, [])
    group = hall.world.group
    shares = Vault(hall.stores[1]).key_shares(group)
    assert shares is not None
    session = Session(hall.world.keys, 1, 1, (1,), hall.world.state.tally_places())
    key = NonceKey.generate(session)
    assert repr(shares) == "KeyShares(<redacted>)"
    assert repr(key) == "NonceKey(<redacted>)"
    committing = Committing(session, shares, key)
    assert repr(committing) == "Committing(session 1, <redacted>)"
    revealing = committing.reveal({1: [committing.part(0)]})
    assert repr(revealing) == "Revealing(session 1, <redacted>)"
    assert repr(PostNonceShares(1, ((b"c" * 32, b"m" * 512),))) == "PostNonceShares(session=1)"
    assert repr(PostArtifact("keys", b"data")) == "PostArtifact(what='keys')"


def test_errors() -> None:
    """An error about a secret does not quote it."""
    hall = Hall(World.begin(STANDARD, manifest_bytes(), 1, 1))
    for _ in range(2):
        assert hall.turn(1)
    group, context = hall.world.group, hall.world.context
    secrets = Vault(hall.stores[1]).key_secrets(group)
    assert secrets is not None
    other = replace(secrets, zeta=(secrets.zeta + 1) % group.q)
    with pytest.raises(Rejected) as caught:
        Dealer.accept(context, 1, other, hall.world.state.trustee_keys)
    assert_nothing(f"{caught.value}{caught.value!r}", [secrets.zeta, other.zeta])
    dealer = Dealer.accept(context, 1, secrets, hall.world.state.trustee_keys)
    received = dealer.receive({})
    outcome = dealer.finish(received, {}, {})
    text = f"{dealer!r}{received!r}{outcome!r}"
    assert_nothing(text, [*all_secrets(hall.stores[1], group), *received.right[1]])
