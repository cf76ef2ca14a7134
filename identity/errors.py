"""What can go wrong with a key store or a passphrase.

No message here contains a passphrase or anything that a key store holds.
"""

from __future__ import annotations

from crypto.errors import SailauError


class PassphraseError(SailauError):
    """No usable passphrase: none given, empty, unreadable, or two that differ."""


class KeystoreError(SailauError):
    """The root of everything that can go wrong with a key store."""


class KeystoreMissing(KeystoreError):
    """There is no file at this path."""


class KeystoreExists(KeystoreError):
    """There is a file at this path already; a new key store never replaces one."""


class KeystoreInUse(KeystoreError):
    """Another process, or another part of this one, has the key store open."""


class KeystoreTooOpen(KeystoreError):
    """Other users of the machine could read the file, or exchange it."""


class KeystoreDamaged(KeystoreError):
    """The file is not a key store, or its header has been changed."""


class KeystoreTruncated(KeystoreError):
    """The file ends before its content does."""


class KeystoreUnsupported(KeystoreError):
    """A key store of another version, or made at a cost this program refuses."""


class KeystoreRefused(KeystoreError):
    """The passphrase is wrong or the file has been changed.

    The two cannot be told apart: both show only as a failed authentication tag.
    """


class KeystoreWriteFailed(KeystoreError):
    """A change could not be written; nothing is promised about it."""


class KeystoreClosed(KeystoreError):
    """The key store was closed; its secrets are no longer in this object."""
