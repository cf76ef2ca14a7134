"""The nonces of a decryption session against their formula, with the standard library alone."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

from crypto.parameters import TOY
from record.artifacts import DecryptionSession
from record.state import Phase
from tests.decrypting import play_election
from trustees.nonces import NonceKey, Session, tally_digest

KEY = bytes(range(32))


def a_session() -> Session:
    """Trustee 2 in session 1 of trustees 2 and 3."""
    world = play_election(TOY[-1], until=Phase.TALLIED)
    world.append(DecryptionSession(1, (2, 3)))
    return Session(world.keys, 2, 1, (2, 3), world.state.tally_places())


def four(*numbers: int) -> bytes:
    return b"".join(n.to_bytes(4, "big") for n in numbers)


def test_nonce() -> None:
    """u_i is 512 bits of HMAC-SHA-256 over counter, session, place and binding, mod q."""
    session = a_session()
    group, width = session.group, session.group.parameters.element_width
    tallies = hashlib.sha256(len(session.places).to_bytes(8, "big"))
    for place in session.places:
        a, b = int(place.ciphertext.alpha), int(place.ciphertext.beta)
        tallies.update(four(place.contest, place.option))
        tallies.update(a.to_bytes(width, "big") + b.to_bytes(width, "big"))
    head = b"sailau.v1.decryption-session\0" + session.keys.extended_base_hash
    numbers = four(2, 1, 2, 2, 3)
    binding = hashlib.sha256(head + numbers + tallies.digest()).digest()
    assert session.binding() == binding
    for place_number in (0, 3):
        wide = b"".join(
            hmac.new(
                KEY,
                b"sailau.v1.decryption-nonce\0"
                + bytes([counter])
                + four(1)
                + place_number.to_bytes(8, "big")
                + binding,
                hashlib.sha256,
            ).digest()
            for counter in (1, 2)
        )
        expected = int.from_bytes(wide, "big") % int(group.q)
        assert NonceKey(KEY, 1, binding).nonce(group, place_number) == expected


def test_binding_depends_on_everything() -> None:
    """Another trustee, number, set U or tally gives another binding, and so other nonces."""
    session = a_session()
    first, *rest = session.places
    swapped = (rest[0], first, *rest[1:])
    others = [
        replace(session, trustee=3),
        replace(session, number=2),
        replace(session, trustees=(1, 2)),
        replace(session, trustees=(1, 2, 3)),
        replace(session, places=swapped),
        replace(session, places=tuple(rest)),
    ]
    bindings = {s.binding() for s in (session, *others)}
    assert len(bindings) == 1 + len(others)


def test_tally_digest_is_about_every_ciphertext() -> None:
    """One changed element, or index, of any ciphertext changes the digest."""
    session = a_session()
    group, places = session.group, session.places
    digests = {tally_digest(group, places)}
    for n, place in enumerate(places):
        c = place.ciphertext
        for other in (
            replace(place, option=place.option + 1),
            replace(place, contest=place.contest + 1),
            replace(place, ciphertext=replace(c, alpha=c.alpha * group.g % group.p)),
            replace(place, ciphertext=replace(c, beta=c.beta * group.g % group.p)),
        ):
            digests.add(tally_digest(group, (*places[:n], other, *places[n + 1 :])))
    assert len(digests) == 1 + 4 * len(places)


def test_fresh_keys_differ() -> None:
    """Two sessions never share a key, even for the same content."""
    session = a_session()
    assert NonceKey.generate(session).key != NonceKey.generate(session).key
