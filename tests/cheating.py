"""Trustees that cheat, each in one way; for tests in memory and in real processes.

    hall.cheat(2, CHEATS["wrong-proof"]())

    python -m tests.cheating wrong-proof trustee run --home DIR ...

The second one is the program itself, `sailau trustee run`, with such a machine in it. A
cheat is in every other respect a trustee: it keeps what it sent, and sends it again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from crypto import sealing
from crypto.group import mpz
from crypto.secret_sharing import Polynomial
from record.artifacts import (
    DecryptionCommitments,
    DecryptionResponses,
    DecryptionShare,
    DecryptionShares,
    EncryptedShare,
    EncryptedShares,
    KeyCommitment,
    ShareAnswer,
    ShareComplaint,
    Statement,
    TrusteeKeys,
    TrusteeStatement,
    key_commitment,
)
from record.decryption import commitment_hash
from record.state import Phase
from trustees.ceremony import KeySecrets, _public_half, generate
from trustees.desk import Desk
from trustees.machine import Trustee
from trustees.messages import ConfirmationDue, PostArtifact, Sending, Step, Waiting
from trustees.parts import pack_shares
from trustees.vault import (
    SENT_COMMITMENT,
    SENT_SHARES,
    key_secrets_value,
    share_nonces_value,
)

_CHEATED = "trustee.cheated"


class Cheat:
    """Honest; the others override a method."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """What to say instead of `step`."""
        return step


class CheatingTrustee(Trustee):
    """A trustee that asks a cheat before it says anything."""

    def __init__(self, *args: Any, cheat: Cheat, **more: Any) -> None:
        """Everything but `cheat` is as for `Trustee`."""
        super().__init__(*args, **more)
        self._cheat = cheat

    @property
    def desk(self) -> Desk:
        """Its secrets."""
        return self._desk

    def step(self) -> Step:
        """What a cheat says."""
        return self._cheat(self, super().step())

    def first_time(self) -> bool:
        """Whether this has not been asked before, restarts included."""
        first = self._desk.vault.get(_CHEATED) is None
        self._desk.vault.save({_CHEATED: b"1"})
        return first

    def forge(self, alter: Callable[[DecryptionShare], DecryptionShare]) -> None:
        """Alter the first share of the session that is on, its commitment included."""
        running = self._sessions._running  # noqa: SLF001
        assert running is not None
        committing = running._committing  # noqa: SLF001
        assert committing is not None
        session, own = committing.session, committing.own
        first, *rest = committing.shares(0)
        shares = (alter(first), *rest)
        hashes = (
            commitment_hash(session.keys, place, session.trustee, share, session.trustees)
            for place, share in zip(session.places, shares, strict=False)
        )
        own._last = 0, pack_shares(session.group, shares) + b"".join(hashes)  # noqa: SLF001
        own.scratch.put("shares", 0, own._last[1])  # noqa: SLF001


def said(trustee: CheatingTrustee, step: Step) -> Statement | None:
    """The statement that is due."""
    if not isinstance(step.message, PostArtifact):
        return None
    return trustee.desk.reader.transcript.parse(step.message.data).statement


def saying(trustee: CheatingTrustee, statement: TrusteeStatement) -> Step:
    """Say this."""
    return Step(Sending("a lie"), PostArtifact("a lie", trustee.desk.sign(statement)))


# --- keys


class WrongKeys(Cheat):
    """Commits to keys that `alter` has altered, and publishes those."""

    def alter(self, desk: Desk, keys: TrusteeKeys) -> TrusteeKeys:
        """The keys to publish."""
        raise NotImplementedError

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """The commitment is to the altered keys."""
        if not isinstance(said(trustee, step), KeyCommitment) or not trustee.first_time():
            return step
        desk, context = trustee.desk, trustee.desk.context
        group, base_hash = context.group, context.base_hash
        secrets, keys = desk.vault.key_secrets(group), desk.vault.keys(group)
        assert secrets is not None
        assert keys is not None
        wrong = self.alter(desk, keys)
        commitment = KeyCommitment(desk.index, key_commitment(wrong, group, base_hash))
        drawn = key_secrets_value(group, base_hash, secrets, wrong)
        desk.keep(SENT_COMMITMENT, commitment, drawn)
        return desk.send(SENT_COMMITMENT, "commitment to wrong keys")


class WrongProof(WrongKeys):
    """Does not know one of its coefficients."""

    def alter(self, desk: Desk, keys: TrusteeKeys) -> TrusteeKeys:
        """Another constant coefficient."""
        group = desk.context.group
        first, *rest = keys.vote_commitments
        return replace(keys, vote_commitments=(first * group.g % group.p, *rest))


class MissingProof(WrongKeys):
    """Publishes no proof for one of its commitments."""

    def alter(self, desk: Desk, keys: TrusteeKeys) -> TrusteeKeys:
        """One response fewer."""
        proof = keys.data_proof
        return replace(keys, data_proof=replace(proof, responses=proof.responses[:-1]))


class OutsideSubgroup(WrongKeys):
    """A key outside the subgroup of order q."""

    def alter(self, desk: Desk, keys: TrusteeKeys) -> TrusteeKeys:
        """The negative of kappa."""
        return replace(keys, communication_key=desk.context.group.p - keys.communication_key)


class OtherDegree(WrongKeys):
    """Polynomials of a degree that is one too high, with good proofs."""

    def alter(self, desk: Desk, keys: TrusteeKeys) -> TrusteeKeys:
        """New keys altogether."""
        group, k = desk.context.group, desk.context.quorum + 1
        vote, data = Polynomial.generate(group, k), Polynomial.generate(group, k)
        secrets = KeySecrets(vote, data, group.random_scalar())
        return _public_half(desk.context, desk.index, secrets)


class OtherKeys(Cheat):
    """Publishes other keys than those it has committed to."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """Keys drawn after it has seen what the others published."""
        if not isinstance(said(trustee, step), TrusteeKeys):
            return step
        _, keys = generate(trustee.desk.context, trustee.desk.index)
        return saying(trustee, keys)


class TwoCommitments(Cheat):
    """Signs two commitments."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """A second one, while it waits for the others."""
        desk = trustee.desk
        waits = isinstance(step.event, Waiting) and desk.reader.caught_up
        if not waits or desk.state.phase is not Phase.COMMITMENT:
            return step
        return saying(trustee, KeyCommitment(desk.index, bytes(32)))


# --- shares


class WrongShare(Cheat):
    """Sends one trustee a share that does not fit, and opens it when it is asked."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """The first share of the message is of another number."""
        statement = said(trustee, step)
        if not isinstance(statement, EncryptedShares) or not trustee.first_time():
            return step
        desk, group = trustee.desk, trustee.desk.context.group
        nonces = desk.vault.share_nonces(group)
        assert nonces is not None
        first = self.share(desk, statement.shares[0].recipient, nonces[0])
        wrong = EncryptedShares(desk.index, (first, *statement.shares[1:]))
        desk.keep(SENT_SHARES, wrong, share_nonces_value(group, nonces))
        return desk.send(SENT_SHARES, "a wrong share")

    def share(self, desk: Desk, ell: int, xi: mpz) -> EncryptedShare:
        """What it sends to trustee l, with a good proof."""
        group, secrets = desk.context.group, desk.vault.key_secrets(desk.context.group)
        assert secrets is not None
        sealed = sealing.seal_shares(
            group,
            desk.context.election.parameter_base_hash,
            desk.index,
            ell,
            desk.state.trustee_keys[ell].communication_key,
            (secrets.vote.evaluate(group, ell) + 1) % group.q,
            secrets.data.evaluate(group, ell),
            xi,
        )
        return EncryptedShare(ell, sealed.c0, sealed.c1, sealed.c2)


class SilentAboutShare(WrongShare):
    """Sends a wrong share and never opens it."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """No answer."""
        if isinstance(said(trustee, step), ShareAnswer):
            return Step(Waiting("better times"))
        return super().__call__(trustee, step)


class FalseAnswer(WrongShare):
    """Sends a wrong share and opens it with another nonce."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """An answer that opens nothing."""
        statement = said(trustee, step)
        if not isinstance(statement, ShareAnswer):
            return super().__call__(trustee, step)
        q = trustee.desk.context.group.q
        return saying(trustee, replace(statement, nonce=(statement.nonce + 1) % q))


class FalseComplaint(Cheat):
    """Complains of a share that is right."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """Of the first other trustee, instead of confirming at once."""
        desk = trustee.desk
        if not isinstance(step.event, ConfirmationDue):
            return step
        sender = 1 if desk.index > 1 else 2
        if (desk.index, sender) not in desk.state.complaints:
            return saying(trustee, ShareComplaint(desk.index, sender))
        answered = desk.state.complaints[desk.index, sender] is not None
        return step if answered else Step(Waiting("the answer"))


# --- decryptions


class UnhonouredCommitment(Cheat):
    """Shows another share than it has committed to."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """Another M_i."""
        statement, group = said(trustee, step), trustee.desk.context.group
        if not isinstance(statement, DecryptionShares):
            return step
        first, *rest = statement.shares
        wrong = replace(first, partial_decryption=first.partial_decryption * group.g % group.p)
        return saying(trustee, replace(statement, shares=(wrong, *rest)))


class SilentAboutDecryption(Cheat):
    """Commits to its part of a decryption, and then never shows it."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """No share."""
        if isinstance(said(trustee, step), DecryptionShares):
            return Step(Waiting("better times"))
        return step


class WrongShareOfDecryption(Cheat):
    """Commits to a partial decryption that is not A^z_i."""

    def alter(self, trustee: CheatingTrustee, share: DecryptionShare) -> DecryptionShare:
        """Another member of the subgroup."""
        group = trustee.desk.context.group
        return replace(share, partial_decryption=share.partial_decryption * group.g % group.p)

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """Everything about it but the response is consistent."""
        statement = said(trustee, step)
        if not isinstance(statement, DecryptionCommitments) or not trustee.first_time():
            return step
        trustee.forge(partial(self.alter, trustee))
        return trustee.step()


class OutsideShareOfDecryption(WrongShareOfDecryption):
    """Commits to a partial decryption outside the subgroup."""

    def alter(self, trustee: CheatingTrustee, share: DecryptionShare) -> DecryptionShare:
        """The negative of M_i."""
        p = trustee.desk.context.group.p
        return replace(share, partial_decryption=p - share.partial_decryption)


class WrongResponse(Cheat):
    """Answers the challenge wrongly."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """Another v_i."""
        statement, q = said(trustee, step), trustee.desk.context.group.q
        if not isinstance(statement, DecryptionResponses):
            return step
        first, *rest = statement.responses
        return saying(trustee, replace(statement, responses=((first + 1) % q, *rest)))


class TwoParts(Cheat):
    """Signs two versions of its first commitments of a session."""

    def __call__(self, trustee: CheatingTrustee, step: Step) -> Step:
        """A second one, while it waits for the others."""
        desk = trustee.desk
        session = desk.state.session if desk.reader.caught_up else None
        if step.message is not None or session is None:
            return step
        round_ = session.round()
        parts = [] if round_ is None else session.parts.get((round_, desk.index), [])
        statement = desk.reader.read(parts[0]).statement if parts else None
        if not isinstance(statement, DecryptionCommitments):
            return step
        _, *rest = statement.commitments
        return saying(trustee, replace(statement, commitments=(bytes(32), *rest)))


CEREMONY_CHEATS: Mapping[str, tuple[type[Cheat], str]] = {
    "wrong-proof": (WrongProof, "2.C"),
    "missing-proof": (MissingProof, "R.trustee-keys"),
    "outside-subgroup": (OutsideSubgroup, "2.A"),
    "other-degree": (OtherDegree, "R.trustee-keys"),
    "other-keys": (OtherKeys, "R.key-commitment"),
    "two-commitments": (TwoCommitments, "R.equivocation"),
    "wrong-share": (WrongShare, "R.share-answer"),
    "false-answer": (FalseAnswer, "R.share-answer"),
}
"""Cheats that end a key ceremony, with the check that each fails."""
DECRYPTION_CHEATS: Mapping[str, tuple[type[Cheat], str]] = {
    "unhonoured-commitment": (UnhonouredCommitment, "R.decryption-commitment"),
    "wrong-partial-decryption": (WrongShareOfDecryption, "R.decryption-share"),
    "outside-partial-decryption": (OutsideShareOfDecryption, "R.decryption-share"),
    "wrong-response": (WrongResponse, "R.decryption-share"),
    "two-parts": (TwoParts, "R.equivocation"),
}
"""Cheats that exclude a trustee from decryptions, with the check that each fails."""
CHEATS: Mapping[str, type[Cheat]] = {
    **{name: cheat for name, (cheat, _) in (*CEREMONY_CHEATS.items(), *DECRYPTION_CHEATS.items())},
    "silent-about-decryption": SilentAboutDecryption,
    "silent-about-share": SilentAboutShare,
    "false-complaint": FalseComplaint,
}


def main() -> None:
    """`sailau` with a machine that cheats: NAME ARGUMENTS..."""
    from cli import taking_part
    from cli.main import main as sailau

    name = sys.argv.pop(1)
    cheating = partial(CheatingTrustee, cheat=CHEATS[name]())
    setattr(taking_part, "Trustee", cheating)  # noqa: B010 - it is a class there
    sailau()


if __name__ == "__main__":
    main()
