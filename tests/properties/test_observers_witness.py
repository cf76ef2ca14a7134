"""The witness: every answer of tlog-witness, and that it never signs a fork."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from identity.errors import KeystoreExists, KeystoreInUse, KeystoreRefused
from identity.keystore import Keystore
from identity.keystore_format import ScryptCost
from observers.errors import WitnessFailed
from observers.witness import NEVER, Answer, Latest, admit, decide, known_logs
from observers.witness_app import _response
from observers.witness_store import Witness, create_witness, open_witness
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key, verify_checkpoint
from record.cosignature import cosign, cosigned_at, cosigner_key, parse_answer
from record.merkle import EMPTY_ROOT, root_of
from record.note import NoteSignature, parse_note, with_signatures
from record.policy import Log
from tests.observing import KEY, ORIGIN, SECRET, TIME, add_checkpoint, leaves, note

SECOND = Ed25519PrivateKey.from_private_bytes(bytes(32))
SECOND_KEY = verifier_key(ORIGIN, SECOND.public_key().public_bytes_raw())
OTHER_KEY = verifier_key("example.org/other", SECOND.public_key().public_bytes_raw())
LOGS = known_logs([Log(KEY), Log(SECOND_KEY), Log(OTHER_KEY)])
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(9, 41)))
COSIGNER = cosigner_key("witness.example/w1", PRIVATE.public_key().public_bytes_raw())
PASSPHRASE = b"correct horse"


def sign(text: str) -> NoteSignature:
    return cosign(text, COSIGNER, PRIVATE, TIME)


def latest(size: int) -> Latest:
    """What is stored after this size was cosigned."""
    return Latest(size, root_of(leaves(size)), b"") if size else NEVER


def ask(body: bytes, known: Latest = NEVER) -> Answer:
    request = admit(body, LOGS)
    return request if isinstance(request, Answer) else decide(request, known, sign)


# --- One answer after the other --------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (3, 5), (5, 5), (256, 300), (0, 300)])
def test_200(old: int, new: int) -> None:
    """Cosignature lines on the checkpoint, and what to store before they are sent."""
    answer = ask(add_checkpoint(old, new), latest(old))
    assert answer.status == 200
    text = note(new).decode().split("\n\n")[0] + "\n"
    (signature,) = parse_answer(answer.body, COSIGNER, text)
    assert signature.signature[:8] == TIME.to_bytes(8, "big")
    assert answer.body.startswith("— ".encode())
    assert answer.body.endswith(b"\n")
    assert answer.latest == Latest(new, root_of(leaves(new)), note(new) + answer.body)


def test_200_without_what_strangers_signed() -> None:
    """What is kept and served holds the log's signatures and ours alone."""
    data = add_checkpoint(0, 5)
    head = Checkpoint(ORIGIN, 5, root_of(leaves(5)))
    second = parse_note(sign_checkpoint(head, SECOND)).signatures[0]
    stranger = NoteSignature("stranger.example", b"1234", bytes(64))
    body = data.partition(b"\n\n")[0] + b"\n\n" + with_signatures(note(5), [stranger, second])
    answer = ask(body)
    assert answer.latest is not None
    names = [(s.name, s.key_id) for s in parse_note(answer.latest.note).signatures]
    expected = [(k.name, k.key_id) for k in (KEY, SECOND_KEY, COSIGNER)]
    assert names == expected


@pytest.mark.parametrize("known", [0, 2, 4, 5, 300])
def test_409_says_what_is_known(known: int) -> None:
    """The size in decimal, a newline, and a content type of its own."""
    answer = ask(add_checkpoint(3, 5), latest(known))
    assert answer == Answer(409, f"{known}\n".encode(), "text/x.tlog.size")
    response: Response = _response(answer.status, answer.body, answer.content_type)
    assert response.headers["content-type"] == "text/x.tlog.size"


def test_404_for_an_unknown_log() -> None:
    """Whoever signed it; also an origin that can name no key."""
    for origin in ("example.org/unknown", "go.sum database tree"):
        text = note(5).decode().split("\n\n")[0].replace(ORIGIN, origin) + "\n"
        signature = NoteSignature(KEY.name, KEY.key_id, SECRET.sign(text.encode()))
        body = f"old 0\n\n{text}\n{signature.line()}".encode()
        assert ask(body).status == 404


def test_403_for_a_missing_or_false_signature() -> None:
    """No known key, a false signature, or a false one beside a good one."""
    good = add_checkpoint(0, 5)
    head, _, _ = good.partition("\n— ".encode())
    false = NoteSignature(ORIGIN, KEY.key_id, bytes(64)).line().encode()
    unknown = NoteSignature(ORIGIN, b"1234", bytes(64)).line().encode()
    short = NoteSignature(ORIGIN, KEY.key_id, b"\0").line().encode()
    for lines in (false, unknown, short):
        assert ask(head + b"\n" + lines).status == 403
    assert ask(good + unknown).status == 200
    for lines in (false, short):
        assert ask(good + lines).status == 403
    # The key of another log, which is known, too, has not signed for this one.
    assert ask(good.replace(ORIGIN.encode() + b"\n5", b"example.org/other\n5")).status == 403


def test_any_key_of_a_log_will_do() -> None:
    """Logs change their keys: both are listed, and either may sign."""
    assert ask(b"old 0\n\n" + note(5, signer=SECOND)).status == 200


MALFORMED = {
    "empty": b"",
    "no empty line": add_checkpoint(0, 5).replace(b"\n\n", b"\n"),
    "no old line": note(5),
    "no size": add_checkpoint(0, 5).replace(b"old 0", b"old "),
    "leading zero": add_checkpoint(0, 5).replace(b"old 0", b"old 00"),
    "negative": add_checkpoint(0, 5).replace(b"old 0", b"old -1"),
    "two spaces": add_checkpoint(0, 5).replace(b"old 0", b"old  0"),
    "carriage return": add_checkpoint(0, 5).replace(b"old 0\n", b"old 0\r\n"),
    "proof that is no base64": add_checkpoint(0, 5).replace(b"old 0\n", b"old 0\nxxx\n"),
    "short hash": add_checkpoint(0, 5).replace(b"old 0\n", b"old 0\nAAAA\n"),
    "64 hashes": add_checkpoint(0, 5).replace(
        b"old 0\n", b"old 0\n" + (base64.b64encode(bytes(32)) + b"\n") * 64
    ),
    "no checkpoint": b"old 0\n\n",
    "no root": b"old 0\n\nexample.org/log\n5\n\n" + "— a AAAAAAAA\n".encode(),
    "too long": add_checkpoint(0, 5) + b"x" * 300_000,
    "old above new": add_checkpoint(6, 5),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_400_for_what_is_no_request(body: bytes) -> None:
    """And for an old size above the checkpoint's, whatever is known."""
    assert ask(body, latest(5)).status == 400


def test_422_for_what_is_no_continuation() -> None:
    """Each of the rules, with a request that is right in everything else."""
    zero = Checkpoint(ORIGIN, 0, bytes(32))
    hash_line = base64.b64encode(bytes(32)) + b"\n"
    cases = {
        "empty tree with a root": (b"old 0\n\n" + sign_checkpoint(zero, SECRET), 0),
        "proof from nothing": (b"old 0\n" + hash_line + b"\n" + note(5), 0),
        "proof of the same": (b"old 5\n" + hash_line + b"\n" + note(5), 5),
        "another root of this size": (b"old 5\n\n" + note(5, fork_at=4), 5),
        "no proof": (b"old 3\n\n" + note(5), 3),
        "a fork, with its own proof": (add_checkpoint(3, 5, fork_at=1), 3),
        "a proof too long": (
            add_checkpoint(3, 5).replace(b"\n\n", b"\n" + hash_line + b"\n", 1),
            3,
        ),
    }
    for name, (body, known) in cases.items():
        answer = ask(body, latest(known))
        assert answer.status == 422, name
        assert answer.latest is None
        assert answer.contradiction == (name == "another root of this size")


# --- Storing --------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def cheap_key_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key stores at a cost for tests."""
    monkeypatch.setattr(Keystore, "create", partial(Keystore.create, cost=ScryptCost(n=2)))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_witness(tmp_path / "witness", "witness.example/w1", PASSPHRASE)
    return tmp_path / "witness"


def open_it(home: Path, time: float = TIME) -> Witness:
    return open_witness(home, LOGS, PASSPHRASE, lambda: time)


@pytest.fixture
def witness(home: Path) -> Iterator[Witness]:
    with open_it(home) as opened:
        yield opened


HASH = hashlib.sha256(ORIGIN.encode()).hexdigest()


def test_it_remembers(home: Path) -> None:
    """What was cosigned is known after a restart, and served with both signatures."""
    with open_it(home) as witness:
        assert witness.checkpoint(HASH) is None
        assert witness.add_checkpoint(add_checkpoint(0, 5)).status == 200
        with pytest.raises(KeystoreInUse):
            open_it(home)
    with open_it(home, TIME + 5.9) as witness:
        data = witness.checkpoint(HASH)
        assert data is not None
        assert verify_checkpoint(data, KEY).size == 5
        assert witness.add_checkpoint(add_checkpoint(0, 6)).body == b"5\n"
        assert witness.add_checkpoint(add_checkpoint(5, 6, fork_at=2)).status == 422
        answer = witness.add_checkpoint(add_checkpoint(5, 6))
        (line,) = parse_note(b"x\n\n" + answer.body).signatures
        text = note(6).decode().split("\n\n")[0] + "\n"
        assert cosigned_at([line], witness.key, text) == TIME + 5
        assert witness.checkpoint(HASH) == note(6) + answer.body
        for nothing in ("", "00" * 32, HASH.upper(), f"{HASH}0", "x" * 64):
            assert witness.checkpoint(nothing) is None


def test_logs_do_not_know_each_other(witness: Witness) -> None:
    """One head for each origin."""
    other = Checkpoint("example.org/other", 0, EMPTY_ROOT)
    assert witness.add_checkpoint(add_checkpoint(0, 5)).status == 200
    body = b"old 0\n\n" + sign_checkpoint(other, SECOND)
    assert witness.add_checkpoint(body).status == 200
    assert witness.add_checkpoint(add_checkpoint(5, 6)).status == 200


def test_two_trees_of_one_size_are_kept(witness: Witness, home: Path) -> None:
    """The log has signed both: that is proof, and neither note is lost."""
    witness.add_checkpoint(add_checkpoint(0, 5))
    for _ in range(2):
        assert witness.add_checkpoint(b"old 5\n\n" + note(5, fork_at=4)).status == 422
    (kept,) = (home / "evidence").iterdir()
    assert kept.name.startswith("fork-")
    assert verify_checkpoint((kept / "older").read_bytes(), KEY).root == root_of(leaves(5))
    assert (kept / "newer").read_bytes() == note(5, fork_at=4)


def test_what_cannot_be_stored_is_not_signed(
    witness: Witness,
) -> None:
    """A commit that fails, and nobody gets a cosignature; the next try is as the first."""
    driver = witness._database._writer.connection.driver_connection
    assert driver is not None
    driver.execute("PRAGMA query_only = ON")
    with pytest.raises(WitnessFailed):
        witness.add_checkpoint(add_checkpoint(0, 5))
    driver.execute("PRAGMA query_only = OFF")
    assert witness.checkpoint(HASH) is None
    assert witness.add_checkpoint(add_checkpoint(0, 4)).status == 200


def test_requests_at_the_same_time(witness: Witness) -> None:
    """Of many that build on the same head, one wins, and the others learn of it."""
    witness.add_checkpoint(add_checkpoint(0, 5))
    sizes = list(range(6, 26))
    bodies = {size: add_checkpoint(5, size) for size in sizes}
    answers: dict[int, Answer] = {}
    start = threading.Barrier(len(sizes))

    def send(size: int) -> None:
        start.wait()
        answers[size] = witness.add_checkpoint(bodies[size])

    threads = [threading.Thread(target=send, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (size for size, answer in answers.items() if answer.status == 200)
    losers = {answer.body for size, answer in answers.items() if size != winner}
    assert losers == {f"{winner}\n".encode()}


def test_a_witness_is_made_once(home: Path) -> None:
    """Not over another one, not without its database, not with another's."""
    with pytest.raises(KeystoreExists):
        create_witness(home, "witness.example/w2", PASSPHRASE)
    with pytest.raises(KeystoreRefused):
        open_witness(home, LOGS, b"wrong")
    create_witness(home.parent / "second", "witness.example/w2", PASSPHRASE)
    (home.parent / "second/witness.db").replace(home / "witness.db")
    with pytest.raises(WitnessFailed, match="another witness"):
        open_it(home)
    (home / "witness.db").write_bytes(b"")
    with pytest.raises(WitnessFailed, match="not a witness's"):
        open_it(home)
    (home / "witness.db").write_bytes(b"no database" * 100)
    with pytest.raises(WitnessFailed):
        open_it(home)
    (home / "witness.db").unlink()
    with pytest.raises(WitnessFailed, match="make a new one"):
        open_it(home)


# --- Whatever it is asked ----------------------------------------------------------------


STEP = st.tuples(
    st.integers(0, 12), st.integers(0, 12), st.none() | st.integers(0, 11), st.booleans()
)


@given(st.lists(STEP, max_size=25))
def test_all_that_it_signs_is_one_log(steps: list[tuple[int, int, int | None, bool]]) -> None:
    """Any requests in any order, of a log and its forks, with right and wrong proofs: the
    trees that were cosigned grow, and each continues the one before."""
    known, signed = NEVER, []
    for old, size, fork_at, follow in steps:
        start = known.size if follow else old
        branch = fork_at if fork_at is not None and fork_at < size else None
        answer = ask(add_checkpoint(start, size, branch), known)
        if answer.latest is not None:
            known = answer.latest
            signed.append((size, branch))
    for (size, branch), (larger, other) in zip(signed, signed[1:], strict=False):
        assert size <= larger
        assert leaves(size, branch) == leaves(larger, other)[:size]
