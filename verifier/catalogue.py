"""Every check by its id: what it says, where it comes from, who is to blame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A check. Ids like 6.D are the specification's; R.something is the record's own."""

    id: str
    group: str
    meaning: str
    source: str
    blame: str


_TRUSTEE = "trustee"
_DEVICE = "device"
_ADMIN = "administrator"
_SERVER = "server"
_PUBLISHER = "publisher"

_GROUPS: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "Log and encoding",
        (
            ("R.checkpoint", "the checkpoint's origin, signature, size and root", "record", "log"),
            ("R.tile", "every tile of hashes is that of the tree", "record", _PUBLISHER),
            ("R.entry", "every entry is that of its artifact", "record", _PUBLISHER),
            ("R.encoding", "one valid encoding; widths and ranges", "record", "signer"),
            ("R.signature", "every artifact is signed by its role", "record", "signer"),
            ("R.order", "every statement stands in its phase", "record", _SERVER),
            ("R.after-close", "no ballot, cast or challenge after the close", "record", _SERVER),
            ("R.duplicate", "no artifact or confirmation code twice", "record", _SERVER),
            ("R.operation", "operations are said by whose act they are", "record", "signer"),
            ("R.complete", "the record goes to its end", "record", _PUBLISHER),
            ("R.nothing", "there was something to check", "record", _PUBLISHER),
            ("R.given-log-key", "the log key is the one you gave", "option", _PUBLISHER),
            ("R.given-manifest", "the manifest is the one you gave", "option", _ADMIN),
            ("R.given-checkpoint", "the record continues what you gave", "option", "log"),
            ("R.given-receipt", "the record keeps the receipts you gave", "option", "log"),
            ("R.given-policy", "cosignatures hold, and are the quorum", "option", _PUBLISHER),
            ("R.given-dispute", "the log is not convicted by what you gave", "option", "log"),
        ),
    ),
    (
        "1 Parameters",
        (
            ("1.A", "the version is v2.1.0", "V1", _ADMIN),
            ("1.B", "p is the expected prime", "V1", _ADMIN),
            ("1.C", "q is the expected prime", "V1", _ADMIN),
            ("1.D", "g is the expected generator", "V1", _ADMIN),
            ("1.E", "H_P, the parameter base hash", "V1, eq. 4", _ADMIN),
            ("1.F", "H_B, the election base hash", "V1, eq. 5", _ADMIN),
            ("R.manifest", "the manifest parses and its rules hold", "record", _ADMIN),
            ("R.role-keys", "one key for every role, in order", "record", _ADMIN),
        ),
    ),
    (
        "2-4 Keys",
        (
            ("R.transcript", "trustees' statements name the log's root", "record", _SERVER),
            ("R.key-commitment", "keys are those committed to", "record", _TRUSTEE),
            ("2.A", "commitments and communication keys in the group", "V2", _TRUSTEE),
            ("2.B", "responses below q", "V2", _TRUSTEE),
            ("2.C", "proofs of knowledge of every secret", "V2, eq. 11, 13", _TRUSTEE),
            ("R.trustee-keys", "k commitments and k + 1 responses: the degree", "3.2.2", _TRUSTEE),
            ("R.share-recipients", "one share for each other trustee", "3.2.2", _TRUSTEE),
            ("R.share-proof", "proofs of encrypted shares", "eq. 22", _TRUSTEE),
            ("R.complaint", "complaints are made once, and answered", "record", _TRUSTEE),
            ("R.share-answer", "answers open shares that fit", "eq. 15-23, 28, 29", _TRUSTEE),
            ("R.accusation", "accusations show what they say", "record", _SERVER),
            ("R.confirmation", "every trustee confirms H_B and H_G", "eq. 27", _TRUSTEE),
            ("3.A", "K is the product of the trustees' keys", "V3, eq. 25", _ADMIN),
            ("3.B", "K-hat is the product of the trustees' keys", "V3, eq. 26", _ADMIN),
            ("R.joint-keys", "neither K nor K-hat is 1", "notes to V3", _ADMIN),
            ("4.A", "H_E, the extended base hash", "V4, eq. 30", _ADMIN),
        ),
    ),
    (
        "5 Identifiers",
        (
            ("5.A", "no selection encryption identifier twice", "V5", _DEVICE),
            ("5.B", "H_I, the identifier hash", "V5, eq. 32", _DEVICE),
        ),
    ),
    (
        "6 Selections",
        (
            ("6.A", "alpha and beta in the group", "V6", _DEVICE),
            ("6.B", "challenges below q", "V6", _DEVICE),
            ("6.C", "responses below q", "V6", _DEVICE),
            ("6.D", "each selection encrypts 0..R", "V6, eq. 59", _DEVICE),
        ),
    ),
    (
        "7 Vote limits",
        (
            ("7.A", "alpha and beta of a contest in the group", "V7", _DEVICE),
            ("7.B", "challenges below q", "V7", _DEVICE),
            ("7.C", "responses below q", "V7", _DEVICE),
            ("7.D", "each contest's sum is 0..L", "V7, eq. 62", _DEVICE),
            ("R.nonce-proof", "proof of the encrypted ballot nonce", "eq. 38", _DEVICE),
        ),
    ),
    (
        "8 Confirmation codes",
        (
            ("8.A", "contest hashes", "V8, eq. 70", _DEVICE),
            ("8.B", "confirmation codes", "V8, eq. 71", _DEVICE),
            ("8.C", "device information hashes", "V8, eq. 72", _DEVICE),
            ("8.D", "chaining fields without chaining", "V8, eq. 73", _DEVICE),
            ("8.E", "chaining fields: each names the code before it", "V8, eq. 76", _DEVICE),
            ("8.F", "H_0, the beginning of each chain", "V8, eq. 74", _DEVICE),
            ("8.G", "the closing of each chain", "V8, eq. 77, 78", _DEVICE),
        ),
    ),
    (
        "Ballots and polls",
        (
            ("R.device", "a device's opening statement fits the manifest", "record", _DEVICE),
            ("R.ballot", "style, unit, device and contests fit the manifest", "record", _DEVICE),
            ("R.cast", "each cast or challenge decides one ballot once", "record", _DEVICE),
            (
                "R.device-close",
                "devices count right, or are missing for a reason",
                "record",
                _DEVICE,
            ),
            ("R.polls-close", "the polls' counts; every device accounted for", "record", _ADMIN),
        ),
    ),
    (
        "9 Aggregation",
        (
            ("R.tally-cells", "one tally for each set of units, right count", "record", _SERVER),
            ("R.small-units", "small units are counted with others", "record", _SERVER),
            ("9.A", "A is the product of the cast ballots' alphas", "V9, eq. 79", _SERVER),
            ("9.B", "B is the product of the cast ballots' betas", "V9, eq. 79", _SERVER),
            ("R.tally-membership", "A and B in the group", "V10", _SERVER),
        ),
    ),
    (
        "10-11 Decryption",
        (
            ("R.session", "sessions: a quorum, rounds complete, in order", "record", _SERVER),
            ("R.decryption-commitment", "each d_i opens to a_i, b_i, M_i", "eq. 88", _TRUSTEE),
            ("R.decryption-share", "each share's own proof", "eq. 94, 95", _TRUSTEE),
            ("R.combination", "c, v and T combine the shares", "eq. 86-93", _SERVER),
            ("10.A", "v below q", "V10", _SERVER),
            ("10.B", "each decryption's proof", "V10, eq. 90", _SERVER),
            ("10.C", "T = K^t: the count", "V10", _SERVER),
            ("11.A", "tally contests are the manifest's", "V11", _SERVER),
            ("11.B", "tally options are the manifest's", "V11", _SERVER),
            ("11.C", "every option of the manifest is in the tally", "V11", _SERVER),
            ("11.D", "every contest on a ballot is in the tally", "V11", _SERVER),
            ("R.result", "the totals are the sums of the tallies", "record", _ADMIN),
        ),
    ),
    (
        "13-14 Challenged ballots",
        (
            ("R.challenged", "each challenged ballot opened once, in order", "record", _SERVER),
            ("13.A", "contest data (this record carries none)", "V13", _SERVER),
            ("13.B", "the opening re-encrypts to the confirmation code", "V13", _SERVER),
            ("R.challenged-nonce", "the opening re-encrypts to the ballot", "V13", _SERVER),
            ("14.A", "contests are those of the ballot style", "V14", _SERVER),
            ("14.B", "every contest of the ballot style is opened", "V14", _SERVER),
            ("14.C", "options are the manifest's", "V14", _SERVER),
            ("14.D", "every option of the manifest is opened", "V14", _SERVER),
            ("14.E", "each value is within R", "V14", _SERVER),
            ("14.F", "each contest's sum is within L", "V14", _SERVER),
        ),
    ),
)

CHECKS: tuple[Check, ...] = tuple(
    Check(name, group, meaning, source, blame)
    for group, rows in _GROUPS
    for name, meaning, source, blame in rows
)
"""All checks, in the order in which they are reported."""

BY_ID: dict[str, Check] = {check.id: check for check in CHECKS}
