"""Every check by its id, and what it says; docs/verification.md has more of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """A check. Ids like 6.D are the specification's; R.something is the record's own."""

    id: str
    group: str
    meaning: str


_GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Log and encoding",
        (
            ("R.checkpoint", "the checkpoint's origin, signature, size and root"),
            ("R.tile", "every tile of hashes is that of the tree"),
            ("R.entry", "every entry is that of its artifact"),
            ("R.encoding", "one valid encoding; widths and ranges"),
            ("R.signature", "every artifact is signed by its role"),
            ("R.order", "every statement stands in its phase"),
            ("R.after-close", "no ballot, cast or challenge after the close"),
            ("R.duplicate", "no artifact or confirmation code twice"),
            ("R.operation", "operations are said by whose act they are"),
            ("R.complete", "the record goes to its end"),
            ("R.nothing", "there was something to check"),
            ("R.given-log-key", "the log key is the one you gave"),
            ("R.given-manifest", "the manifest is the one you gave"),
            ("R.given-checkpoint", "the record continues what you gave"),
            ("R.given-receipt", "the record keeps the receipts you gave"),
            ("R.given-policy", "cosignatures hold, and are the quorum"),
            ("R.given-dispute", "the log is not convicted by what you gave"),
        ),
    ),
    (
        "1 Parameters",
        (
            ("1.A", "the version is v2.1.0"),
            ("1.B", "p is the expected prime"),
            ("1.C", "q is the expected prime"),
            ("1.D", "g is the expected generator"),
            ("1.E", "H_P, the parameter base hash"),
            ("1.F", "H_B, the election base hash"),
            ("R.manifest", "the manifest parses and its rules hold"),
            ("R.role-keys", "one key for every role, in order"),
        ),
    ),
    (
        "2-4 Keys",
        (
            ("R.transcript", "trustees' statements name the log's root"),
            ("R.key-commitment", "keys are those committed to"),
            ("2.A", "commitments and communication keys in the group"),
            ("2.B", "responses below q"),
            ("2.C", "proofs of knowledge of every secret"),
            ("R.trustee-keys", "k commitments and k + 1 responses: the degree"),
            ("R.share-recipients", "one share for each other trustee"),
            ("R.share-proof", "proofs of encrypted shares"),
            ("R.complaint", "complaints are made once, and answered"),
            ("R.share-answer", "answers open shares that fit"),
            ("R.accusation", "accusations show what they say"),
            ("R.confirmation", "every trustee confirms H_B and H_G"),
            ("3.A", "K is the product of the trustees' keys"),
            ("3.B", "K-hat is the product of the trustees' keys"),
            ("R.joint-keys", "neither K nor K-hat is 1"),
            ("4.A", "H_E, the extended base hash"),
        ),
    ),
    (
        "5 Identifiers",
        (
            ("5.A", "no selection encryption identifier twice"),
            ("5.B", "H_I, the identifier hash"),
        ),
    ),
    (
        "6 Selections",
        (
            ("6.A", "alpha and beta in the group"),
            ("6.B", "challenges below q"),
            ("6.C", "responses below q"),
            ("6.D", "each selection encrypts 0..R"),
        ),
    ),
    (
        "7 Vote limits",
        (
            ("7.A", "alpha and beta of a contest in the group"),
            ("7.B", "challenges below q"),
            ("7.C", "responses below q"),
            ("7.D", "each contest's sum is 0..L"),
            ("R.nonce-proof", "proof of the encrypted ballot nonce"),
        ),
    ),
    (
        "8 Confirmation codes",
        (
            ("8.A", "contest hashes"),
            ("8.B", "confirmation codes"),
            ("8.C", "device information hashes"),
            ("8.D", "chaining fields without chaining"),
            ("8.E", "chaining fields: each names the code before it"),
            ("8.F", "H_0, the beginning of each chain"),
            ("8.G", "the closing of each chain"),
        ),
    ),
    (
        "Ballots and polls",
        (
            ("R.device", "a device's opening statement fits the manifest"),
            ("R.ballot", "style, unit, device and contests fit the manifest"),
            ("R.cast", "each cast or challenge decides one ballot once"),
            ("R.device-close", "devices count right, or are missing for a reason"),
            ("R.polls-close", "the polls' counts; every device accounted for"),
        ),
    ),
    (
        "9 Aggregation",
        (
            ("R.tally-cells", "one tally for each set of units, right count"),
            ("R.small-units", "small units are counted with others"),
            ("9.A", "A is the product of the cast ballots' alphas"),
            ("9.B", "B is the product of the cast ballots' betas"),
            ("R.tally-membership", "A and B in the group"),
        ),
    ),
    (
        "10-11 Decryption",
        (
            ("R.session", "sessions: a quorum, rounds complete, in order"),
            ("R.decryption-commitment", "each d_i opens to a_i, b_i, M_i"),
            ("R.decryption-share", "each share's own proof"),
            ("R.combination", "c, v and T combine the shares"),
            ("10.A", "v below q"),
            ("10.B", "each decryption's proof"),
            ("10.C", "T = K^t: the count"),
            ("11.A", "tally contests are the manifest's"),
            ("11.B", "tally options are the manifest's"),
            ("11.C", "every option of the manifest is in the tally"),
            ("11.D", "every contest on a ballot is in the tally"),
            ("R.result", "the totals are the sums of the tallies"),
        ),
    ),
    (
        "13-14 Challenged ballots",
        (
            ("R.challenged", "each challenged ballot opened once, in order"),
            ("13.A", "contest data (this record carries none)"),
            ("13.B", "the opening re-encrypts to the confirmation code"),
            ("R.challenged-nonce", "the opening re-encrypts to the ballot"),
            ("14.A", "contests are those of the ballot style"),
            ("14.B", "every contest of the ballot style is opened"),
            ("14.C", "options are the manifest's"),
            ("14.D", "every option of the manifest is opened"),
            ("14.E", "each value is within R"),
            ("14.F", "each contest's sum is within L"),
        ),
    ),
)

CHECKS: tuple[Check, ...] = tuple(
    Check(name, group, meaning) for group, rows in _GROUPS for name, meaning in rows
)
"""All checks, in the order in which they are reported."""
