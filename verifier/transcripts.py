"""Which root of the log a trustee's statement must name (docs/record.md, "Transcripts").

Whoever signs the root of the log as it stood when a round began cannot have been shown
another record. The rounds of decryption sessions are followed in `sessions`.
"""

from __future__ import annotations

from verifier.wire import Reader

_FOLLOWING: dict[str, tuple[str, ...]] = {
    "election": ("key_commitment",),
    "key_commitment": ("trustee_keys",),
    "trustee_keys": ("encrypted_shares",),
    "encrypted_shares": ("share_complaint", "share_answer", "key_confirmation"),
}
"""By the kind of statement whose last one begins a round: what is said in that round."""


class Transcripts:
    """The roots of the key ceremony's rounds."""

    def __init__(self) -> None:
        """Start before artifact 0."""
        self._roots: dict[str, bytes] = {}

    def follow(self, kind: str, root: bytes) -> None:
        """Take a statement of the ceremony that stands where it should; `root` ends with it."""
        for following in _FOLLOWING.get(kind, ()):
            self._roots[following] = root

    def root(self, kind: str) -> bytes | None:
        """Return the root for a kind of statement; None if nothing begins its round."""
        return self._roots.get(kind)


def check_transcript(reader: Reader, recorded: bytes, root: bytes | None) -> None:
    """Check that a statement names the root of its round (R.transcript)."""
    transcript = reader.hash(recorded, "the transcript")
    if transcript is not None and root is not None:
        message = "the transcript is not the log's root at the beginning of the round"
        holds = transcript == root
        reader.findings.check("R.transcript", holds, reader.place, message, "server")
