"""Policy files against the example of C2SP tlog-policy, and one broken rule at a time."""

from __future__ import annotations

from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import Malformed, Rejected
from record.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from record.cosignature import cosign, cosigner_key
from record.merkle import EMPTY_ROOT
from record.note import NoteSignature, SignatureType, with_signatures
from record.policy import Group, log_alone
from record.policy_file import parse_logs, parse_policy

ORIGIN = "example.org/log"
TIME = 1_800_000_000


def private(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))


def vkey(seed: int, name: str, kind: SignatureType = SignatureType.COSIGNATURE) -> str:
    return str(verifier_key(name, private(seed).public_key().public_bytes_raw(), kind))


LOG = vkey(1, ORIGIN, SignatureType.NOTE)
LOG_2 = vkey(2, "example.org/other", SignatureType.NOTE)
WITNESSES = {f"{group}{i}": 10 * x + i for x, group in ((1, "X"), (2, "Y")) for i in (1, 2, 3)}
KEYS = {name: vkey(seed, f"witness.example/{name}") for name, seed in WITNESSES.items()}
X, Y = ("".join(f"witness {n} {KEYS[n]}\n" for n in KEYS if n[0] == group) for group in "XY")

# The example of the document, with keys.
EXAMPLE = f"""\
log {LOG}

{X}group X-witnesses 2 X1 X2 X3

{Y}group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def note(*cosigners: str, log: int = 1, origin: str = ORIGIN) -> bytes:
    """A checkpoint, cosigned by these."""
    head = Checkpoint(origin, 0, EMPTY_ROOT)
    lines = []
    for name in cosigners:
        secret = private(WITNESSES[name])
        key = cosigner_key(f"witness.example/{name}", secret.public_key().public_bytes_raw())
        lines.append(cosign(head.text(), key, secret, TIME))
    return with_signatures(sign_checkpoint(head, private(log)), lines)


def test_the_example_of_the_document() -> None:
    """One log, six witnesses, three groups, and the quorum's name."""
    policy = parse_policy(EXAMPLE.encode())
    assert [str(log.key) for log in policy.logs] == [LOG]
    assert {w.name: str(w.key) for w in policy.witnesses} == KEYS
    assert policy.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert policy.quorum == "X-and-Y"


def test_the_quorum_of_the_example() -> None:
    """At least two X and one Y, of all sixty-four sets of witnesses."""
    policy = parse_policy(EXAMPLE.encode())
    for count in range(7):
        for chosen in combinations(WITNESSES, count):
            of_x = sum(name[0] == "X" for name in chosen)
            expected = of_x >= 2 and count - of_x >= 1
            assert policy.satisfied(chosen) == expected, chosen


def test_signatures_are_counted_and_verified() -> None:
    """From the note to the judgement: whose cosignatures hold, and whether they are enough."""
    policy = parse_policy(EXAMPLE.encode())
    judgement = policy.verify(note("X1", "X3", "Y2"))
    assert judgement.cosignatures == dict.fromkeys(("X1", "X3", "Y2"), TIME)
    assert judgement.quorum
    assert str(judgement.log) == LOG
    few = policy.judge(note("X1", "Y1", "Y2", "Y3"))
    assert not few.quorum
    with pytest.raises(Rejected, match="X1, Y1, Y2, Y3, which is not the quorum") as caught:
        policy.verify(note("X1", "Y1", "Y2", "Y3"))
    assert caught.value.check == "R.quorum"


def test_a_false_cosignature_spoils_the_note() -> None:
    """Of a known witness; strangers may write what they like."""
    policy = parse_policy(EXAMPLE.encode())
    good = note("X1", "X2", "Y1")
    x3 = private(WITNESSES["X3"]).public_key().public_bytes_raw()
    false = cosigner_key("witness.example/X3", x3)
    with pytest.raises(Rejected) as caught:
        policy.judge(with_signatures(good, [NoteSignature(false.name, false.key_id, bytes(72))]))
    assert caught.value.check == "R.cosignature"
    stranger = NoteSignature(false.name, b"1234", bytes(72))
    assert policy.verify(with_signatures(good, [stranger])).quorum


def test_the_log_has_to_be_listed() -> None:
    """Its origin is its key's name, and its key has signed."""
    policy = parse_policy(f"log {LOG}\nlog {LOG_2} https://x/\nquorum none\n".encode())
    assert policy.logs[1].url == "https://x/"
    assert str(policy.verify(note()).log) == LOG
    assert str(policy.verify(note(log=2, origin="example.org/other")).log) == LOG_2
    for data in (note(log=2), note(origin="example.org/other"), note(log=3)):
        with pytest.raises(Rejected) as caught:
            policy.verify(data)
        assert caught.value.check == "R.checkpoint"


def test_a_policy_for_one_log() -> None:
    """A log that is known from elsewhere takes the place of those listed."""
    policy = parse_policy(f"{X}quorum X1\n".encode())
    with pytest.raises(Rejected, match="any known log"):
        policy.judge(note("X1"))
    key = parse_logs(f"log {LOG}\n".encode())[0].key
    assert policy.for_log(key).verify(note("X1")).quorum
    assert log_alone(key).verify(note("X1")).cosignatures == {}


@pytest.mark.parametrize(
    ("lines", "quorum"),
    [
        ("quorum none", ()),
        (f"{X}quorum X2", ("X2",)),
        (f"{X}group any 1 X1\nquorum any", ("X1",)),
        (f"{X}group all all X1 X2\nquorum all", ("X1", "X2")),
        (f"{X}group 3 003 X1 X2 X3\nquorum 3", ("X1", "X2", "X3")),
        (f"\t {X}  # comment\n\n \t\n#\n  quorum\tX1  ", ("X1",)),
        (f"witness сайлау {KEYS['X1']} http://x\nquorum сайлау", ("сайлау",)),
        (f"quorum none\n{X}", ()),
        (f"{X}log {LOG}\nquorum X1\nlog {LOG_2}", ("X1",)),
    ],
)
def test_what_a_file_may_say(lines: str, quorum: tuple[str, ...]) -> None:
    """Any white space, any order of logs and witnesses, keywords as names, any script."""
    policy = parse_policy(f"{lines}\n".encode())
    assert policy.satisfied(quorum)
    assert not quorum or not policy.satisfied(quorum[1:])


def test_names_are_octets() -> None:
    """Not even UTF-8; K and the Kelvin sign are two names."""
    one, two = (KEYS[name].encode() for name in ("X1", "X2"))
    data = b"witness \xff\xfe " + one + b" http://\xfe/\n# \x80\nquorum \xff\xfe\n"
    policy = parse_policy(data)
    assert policy.satisfied([policy.witnesses[0].name])
    data = b"witness K " + one + b"\nwitness \xe2\x84\xaa " + two + b"\nquorum K\n"
    policy = parse_policy(data)
    assert policy.satisfied(["K"])
    assert not policy.satisfied(["\u212a"])


def test_thirty_two_of_each() -> None:
    """Logs, witnesses and groups, in a chain."""
    lines = [f"log {vkey(i, f'l{i}', SignatureType.NOTE)}" for i in range(1, 33)]
    lines += [f"witness w{i} {vkey(100 + i, f'w{i}')}" for i in range(1, 33)]
    lines += ["group g0 any w32", *(f"group g{i} 2 g{i - 1} w{i}" for i in range(1, 32))]
    policy = parse_policy("\n".join([*lines, "quorum g31", ""]).encode())
    everybody = [f"w{i}" for i in range(1, 33)]
    assert policy.satisfied(everybody)
    assert not policy.satisfied(everybody[1:])


W1, W2 = f"witness a {KEYS['X1']}\n", f"witness b {KEYS['X2']}\n"
MALFORMED = {
    "empty": ("", "no quorum", ""),
    "no quorum": (f"log {LOG}\n{W1}", "no quorum", ""),
    "two quorums": (f"{W1}quorum a\nquorum a\n", "second quorum", "line 3"),
    "no newline at the end": (f"{W1}quorum a", "newline", "line 2"),
    "unknown keyword": ("logs x\nquorum none\n", "begins with", "line 1"),
    "keyword in capitals": ("Quorum none\n", "begins with", "line 1"),
    "quorum later defined": (f"quorum a\n{W1}", "no line before", "line 1"),
    "quorum of two": (f"{W1}{W2}quorum a b\n", "is not `quorum", "line 3"),
    "quorum of nobody": (f"{W1}quorum\n", "is not `quorum", "line 2"),
    "log without key": ("log\nquorum none\n", "is not `log", "line 1"),
    "log with more": (f"log {LOG} http://x y\nquorum none\n", "is not `log", "line 1"),
    "log with a witness's key": (f"log {KEYS['X1']}\nquorum none\n", "type 01", "line 1"),
    "log with another id": (
        f"log {ORIGIN}+00000000+{LOG.rpartition('+')[2]}\nquorum none\n",
        "key id",
        "line 1",
    ),
    "the same log twice": (f"log {LOG}\nlog {LOG} http://x\nquorum none\n", "another", "line 2"),
    "the same key, two logs": (
        f"log {LOG}\nlog {vkey(1, 'b', SignatureType.NOTE)}\nquorum none\n",
        "public key",
        "line 2",
    ),
    "witness without key": ("witness a\nquorum none\n", "is not `witness", "line 1"),
    "witness with a log's key": (f"witness a {LOG}\nquorum a\n", "type 04", "line 1"),
    "witness of ML-DSA": (
        "witness a a+00000000+Bk" + "A" * 1750 + "\nquorum a\n",
        "type 04|base64",
        "line 1",
    ),
    "witness called none": (f"witness none {KEYS['X1']}\nquorum none\n", "none", "line 1"),
    "the same witness twice": (
        f"{W1}witness c {KEYS['X1']}\nquorum a\n",
        "public key",
        "line 2",
    ),
    "the same name twice": (f"{W1}witness a {KEYS['X2']}\nquorum a\n", "second time", "line 2"),
    "group with a witness's name": (f"{W1}{W2}group a any b\nquorum a\n", "second", "line 3"),
    "group of itself": (f"{W1}group g all a g\nquorum g\n", "no line before", "line 2"),
    "group without members": (f"{W1}group g all\nquorum g\n", "is not `group", "line 2"),
    "group of none": (f"{W1}group g any none\nquorum g\n", "no line before", "line 2"),
    "group called none": (f"{W1}group none any a\nquorum none\n", "none", "line 2"),
    "member twice": (f"{W1}{W2}group g 2 a a\nquorum g\n", "already a member", "line 3"),
    "member of two groups": (
        f"{W1}{W2}group g any a\ngroup h all a b\nquorum h\n",
        "already a member",
        "line 4",
    ),
    "threshold 0": (f"{W1}group g 0 a\nquorum g\n", "threshold", "line 2"),
    "threshold above": (f"{W1}group g 2 a\nquorum g\n", "threshold", "line 2"),
    "threshold negative": (f"{W1}group g -1 a\nquorum g\n", "threshold", "line 2"),
    "threshold in words": (f"{W1}group g one a\nquorum g\n", "threshold", "line 2"),
    "threshold endless": (f"{W1}group g {'9' * 5000} a\nquorum g\n", "threshold", "line 2"),
    "other digits": (f"{W1}group g ١ a\nquorum g\n", "threshold", "line 2"),
    "carriage return": (f"{W1}quorum a\r\n", "control character 0d", "line 2"),
    "delete in a comment": ("# \x7f\nquorum none\n", "control character 7f", "line 1"),
    "zero byte": ("\0quorum none\n", "control character 00", "line 1"),
    "other white space": (f"{W1}quorum\u00a0a\n", "begins with", "line 2"),
    "comment behind": (f"{W1}quorum a # comment\n", "is not `quorum", "line 2"),
    "too long": ("#" * (1 << 20) + "\nquorum none\n", "more than", ""),
}


@pytest.mark.parametrize(("text", "problem", "line"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_policy_is_malformed(text: str, problem: str, line: str) -> None:
    """One broken rule, and the line it is in."""
    with pytest.raises(Malformed, match=problem) as caught:
        parse_policy(text.encode(), "policy.txt")
    assert caught.value.field == (f"policy.txt, {line}" if line else "policy.txt")


def test_a_list_of_logs_needs_no_quorum() -> None:
    """What a witness is given; several keys of one origin are several lines."""
    second = vkey(3, ORIGIN, SignatureType.NOTE)
    logs = parse_logs(f"log {LOG}\nlog {second}\n{W1}".encode())
    assert [str(log.key) for log in logs] == [LOG, second]
    assert parse_logs(b"# none\n") == ()
    with pytest.raises(Malformed):
        parse_logs(b"log x\n")
