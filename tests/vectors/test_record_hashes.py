"""The hashes of a ballot and its chain, restated with hmac and hashlib alone.

Nothing here computes with the code under test: what it made is taken apart into
bytes and integers, and every hash is written down again from its equation.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TypeVar

import pytest

from crypto.elgamal import Ciphertext
from crypto.group import Group, group_for, mpz
from crypto.parameters import STANDARD, TOY, Parameters
from record import ballot_hashes
from record.artifacts import Ballot, Device, DeviceClose
from record.ballot_hashes import Chain
from record.manifest import Chaining
from tests.ballots import Plain, begin_device, close_statement, encrypt
from tests.decrypting import play_election
from tests.world import World, manifest_bytes, manifest_document

H_E = bytes(range(32))
H_I = hashlib.sha256(b"an identifier hash").digest()
ID_B = b"\xff" * 32
XI_B = b"\xfe" * 32


def h(key: bytes, *parts: bytes) -> bytes:
    """H(key; parts...)."""
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def number(i: int) -> bytes:
    """b(i, 4)."""
    return i.to_bytes(4, "big")


@pytest.fixture(scope="module", params=["simple", "none"])
def world(request: pytest.FixtureRequest) -> World:
    """An election with three ballots on one device, over the largest toy group."""
    votes = [Plain({"president": (1, 0, 0)}), Plain(style="short"), Plain({"council": (2, 1)})]
    return play_election(TOY[-1], votes, chaining=request.param)


S = TypeVar("S")


def statements(world: World, kind: type[S]) -> list[S]:
    """All statements of one kind."""
    return [a.statement for a in world.artifacts if isinstance(a.statement, kind)]


# --- known answers, byte by byte


def test_identifier_hash() -> None:
    """H_I = H(H_E; 20, id_B): id_B is raw, and not reduced although it is above q."""
    expected = hmac.new(H_E, b"\x20" + b"\xff" * 32, "sha256").hexdigest()
    assert ballot_hashes.identifier_hash(H_E, ID_B).hex() == expected


@pytest.mark.parametrize("parameters", [*TOY, STANDARD], ids=lambda p: p.name)
def test_selection_nonce(parameters: Parameters) -> None:
    """xi_i,j = H_q(H_I; 21, i, j, xi_B), for every width of q."""
    group = group_for(parameters)
    digest = h(H_I, b"\x21", number(2), number(1), XI_B)
    expected = int.from_bytes(digest, "big") % int(group.q)
    assert ballot_hashes.selection_nonce(group, H_I, 2, 1, XI_B) == expected


def test_selection_nonce_tells_contest_and_option_apart() -> None:
    """(1, 2) and (2, 1) have different nonces."""
    group = group_for(STANDARD)
    first = ballot_hashes.selection_nonce(group, H_I, 1, 2, XI_B)
    assert first != ballot_hashes.selection_nonce(group, H_I, 2, 1, XI_B)


def test_contest_hash_of_known_numbers() -> None:
    """chi_l = H(H_I; 28, l, alpha_1, beta_1, ...) with elements as wide as p."""
    group = group_for(STANDARD)
    pairs = [(2, 3), (5, 2**4000)]
    data = b"\x28" + number(7) + b"".join(x.to_bytes(512, "big") for pair in pairs for x in pair)
    assert len(data) == 5 + 2 * 2 * 512
    made = ballot_hashes.contest_hash(group, H_I, 7, [Ciphertext(mpz(a), mpz(b)) for a, b in pairs])
    assert made == h(H_I, data)


def test_confirmation_code_of_known_bytes() -> None:
    """H_C = H(H_I; 29, chi_1, ..., B_C), the contest hashes in the order given."""
    chi = [b"\x01" * 32, b"\x02" * 32]
    field = number(1) + b"\x03" * 32
    assert ballot_hashes.confirmation_code(H_I, chi, field) == h(H_I, b"\x29", *chi, field)


@pytest.mark.parametrize("text", ["Hall 1", "Зал № 1, Әлия"])
def test_information_hash(text: str) -> None:
    """H_DI = H(H_E; 2A, length, S_device): UTF-8, its length in bytes in front."""
    data = text.encode("utf-8")
    assert ballot_hashes.information_hash(H_E, text) == h(H_E, b"\x2a", number(len(data)), data)


def test_simple_chain() -> None:
    """H_0 (74), B_C (76), B_C-bar (78) and H-bar (77) of the simple mode."""
    h_di = b"\x05" * 32
    chain = Chain(Chaining.SIMPLE, H_E, h_di)
    field_0 = b"\0\0\0\x01" + h_di
    assert chain.start() == h(H_E, b"\x29", field_0)
    code = b"\x06" * 32
    assert chain.field(code) == b"\0\0\0\x01" + code
    closing = b"\0\0\0\x01" + h(H_E, b"\x2b", code, field_0)
    assert chain.close(code) == (closing, h(H_E, b"\x29", closing))


def test_no_chain() -> None:
    """Without chaining B_C is 00000000 || H_DI for every ballot, and there is no H_0, no H-bar."""
    h_di = b"\x05" * 32
    chain = Chain(Chaining.NONE, H_E, h_di)
    assert chain.start() == b""
    assert chain.field(b"") == chain.field(b"\x06" * 32) == bytes(4) + h_di
    assert chain.close(b"\x06" * 32) == (b"", b"")


# --- a whole record


def test_election_hashes(world: World) -> None:
    """H_P (4) and H_B (5) of artifact 0 follow from its own bytes."""
    e = world.context.election
    ver = b"v2.1.0" + bytes(26)
    h_p = h(ver, b"\0", e.p, e.q, e.g, number(3), number(2))
    assert e.parameter_base_hash == h_p
    assert e.base_hash == h(h_p, b"\x01", number(len(e.manifest)), e.manifest)


def test_extended_base_hash(world: World) -> None:
    """H_E (30) follows from the trustees' keys, and H_G (27) from all of them."""
    group = world.group
    keys = world.state.all_keys()
    p, width = int(group.p), group.parameters.element_width

    def element(x: int | mpz) -> bytes:
        return int(x).to_bytes(width, "big")

    vote = data = 1
    for k in keys:
        vote, data = vote * int(k.vote_commitments[0]) % p, data * int(k.data_commitments[0]) % p
    h_b = world.context.base_hash
    assert world.keys.extended_base_hash == h(h_b, b"\x14", element(vote), element(data))
    everything: list[int | mpz] = [vote, data]
    everything += [x for k in keys for x in k.vote_commitments]
    everything += [x for k in keys for x in k.data_commitments]
    everything += [k.communication_key for k in keys]
    assert world.keys.key_ceremony_hash == h(h_b, b"\x13", *map(element, everything))


def _element_bytes(group: Group, x: int | mpz) -> bytes:
    return int(x).to_bytes(group.parameters.element_width, "big")


def test_ballots_and_chain(world: World) -> None:
    """Every H_I, chi, B_C, H_C and the close of a device, from first to last."""
    h_e = world.keys.extended_base_hash
    device = statements(world, Device)[0]
    information = b"Hall 1"
    h_di = h(h_e, b"\x2a", number(len(information)), information)
    assert (device.information, device.information_hash) == ("Hall 1", h_di)
    simple = world.context.manifest.chaining is Chaining.SIMPLE
    field_0 = number(1) + h_di
    last = h(h_e, b"\x29", field_0)
    assert device.initial_hash == (last if simple else b"")
    ballots = statements(world, Ballot)
    assert len(ballots) == 3
    for ballot in ballots:
        b_c = number(1) + last if simple else number(0) + h_di
        last = _code(world, ballot, b_c)
        assert (ballot.chaining_field, ballot.confirmation_code) == (b_c, last)
    close = statements(world, DeviceClose)[0]
    bar = number(1) + h(h_e, b"\x2b", last, field_0)
    expected = (bar, h(h_e, b"\x29", bar)) if simple else (b"", b"")
    assert (close.chaining_field, close.closing_hash) == expected


def _code(world: World, ballot: Ballot, b_c: bytes) -> bytes:
    """H_C of a ballot, whose H_I and contest hashes are compared on the way."""
    h_i = h(world.keys.extended_base_hash, b"\x20", ballot.identifier)
    assert ballot.identifier_hash == h_i
    hashes = []
    for contest in ballot.contests:
        pairs = (
            _element_bytes(world.group, x) for s in contest.selections for x in (s.alpha, s.beta)
        )
        hashes.append(h(h_i, b"\x28", number(contest.index), *pairs))
    assert [c.contest_hash for c in ballot.contests] == hashes
    return h(h_i, b"\x29", *hashes, b_c)


def test_close_of_a_device_without_ballots(world: World) -> None:
    """H_l is H_0 where a device submitted nothing."""
    close = statements(world, DeviceClose)[1]
    h_e = world.keys.extended_base_hash
    h_di = h(h_e, b"\x2a", number(6), b"Hall 2")
    field_0 = number(1) + h_di
    bar = number(1) + h(h_e, b"\x2b", h(h_e, b"\x29", field_0), field_0)
    simple = world.context.manifest.chaining is Chaining.SIMPLE
    expected = (bar, h(h_e, b"\x29", bar)) if simple else (b"", b"")
    assert (close.ballots, close.chaining_field, close.closing_hash) == (0, *expected)


def test_contest_index_is_the_manifests() -> None:
    """On a ballot without the first contest, the second is hashed with index 2."""
    document = manifest_document()
    document["ballot_styles"][1]["contests"] = ["council"]
    world = play_election(TOY[-1], [Plain(style="short")], manifest=manifest_bytes(document))
    (ballot,) = statements(world, Ballot)
    assert [c.index for c in ballot.contests] == [2]
    _code(world, ballot, ballot.chaining_field)


def test_nonces_open_the_ballot() -> None:
    """alpha = g^xi and beta = K^(sigma + xi) with xi from xi_B alone, by pow."""
    world = World.create(TOY[-1])
    begin_device(world)
    encrypted = encrypt(world, Plain({"president": (0, 0, 1)}))
    h_i = encrypted.ballot.identifier_hash
    p, q, g = (int(x) for x in (world.group.p, world.group.q, world.group.g))
    key = int(world.keys.vote_key.element)
    for j, (sigma, selection) in enumerate(
        zip((0, 0, 1), encrypted.ballot.contests[0].selections, strict=True), start=1
    ):
        digest = h(h_i, b"\x21", number(1), number(j), encrypted.nonce)
        xi = int.from_bytes(digest, "big") % q
        assert (int(selection.alpha), int(selection.beta)) == (
            pow(g, xi, p),
            pow(key, sigma + xi, p),
        )


def test_code_depends_on_the_chain() -> None:
    """Two ballots of a device have different B_C in the simple mode, the same in none."""
    for chaining, different in (("simple", True), ("none", False)):
        world = play_election(TOY[-1], [Plain(), Plain()], chaining=chaining)
        first, second = statements(world, Ballot)
        assert (first.chaining_field != second.chaining_field) is different
        assert close_statement(world, "ballot-box-1").ballots == 2
