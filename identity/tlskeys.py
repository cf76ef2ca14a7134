"""The TLS key of a role and the request for its certificate.

ECDSA over P-256: the TLS library inside gRPC does not take Ed25519 certificates
unless it is built to. The private key never leaves the machine that made it;
what travels is a certificate signing request.
"""

from __future__ import annotations

import contextlib
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crypto.errors import Malformed, Rejected
from identity.roles import Identity, parse_identity_uri

COMMON_NAME = 64
PEM_LIMIT = 16 << 10


class TlsKey:
    """A private P-256 key. The repr shows nothing of it."""

    __slots__ = ("_private",)

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    def __repr__(self) -> str:
        return "TlsKey(<redacted>)"

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """The key that a key store gave back. Raises Malformed."""
        private = None
        with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
            private = serialization.load_pem_private_key(pem, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise Malformed("TLS key", "is not an unencrypted elliptic curve key in PEM")
        check_curve(private.public_key(), "TLS key")
        return cls(private)

    @property
    def private(self) -> ec.EllipticCurvePrivateKey:
        """The key itself, to sign certificates with."""
        return self._private

    @property
    def public_der(self) -> bytes:
        """The public key as SubjectPublicKeyInfo, DER: equal for equal keys."""
        return public_der(self._private.public_key())

    def private_pem(self) -> bytes:
        """The private key (PKCS 8, PEM, not encrypted), for a key store and for gRPC."""
        return self._private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def request(self, identity: Identity) -> bytes:
        """A certificate signing request (PEM) that names `identity`."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject(identity))
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)])
        request = builder.add_extension(names, critical=False).sign(self._private, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.PEM)


def parse_request(pem: bytes, field: str) -> tuple[Identity, ec.EllipticCurvePublicKey]:
    """Whom a signing request names, and the key it is signed with.

    Raises Malformed if it cannot be read, Rejected ("enrolment.request") if it
    is not signed with the key that it asks a certificate for.
    """
    if len(pem) > PEM_LIMIT:
        raise Malformed(field, f"is longer than {PEM_LIMIT} bytes")
    try:
        request = x509.load_pem_x509_csr(pem)
        key = check_curve(request.public_key(), field)
        identity = identity_of(request, field)
        signed = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature, x509.UnsupportedGeneralNameType):
        raise Malformed(field, "is not a certificate signing request in PEM") from None
    if not signed:
        raise Rejected("enrolment.request", "the request is not signed with its own key")
    return identity, key


def identity_of(named: x509.Certificate | x509.CertificateSigningRequest, field: str) -> Identity:
    """The one `sailau:` URI among the alternative names. Raises Malformed."""
    try:
        names = named.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        raise Malformed(field, "has no readable alternative names") from None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        raise Malformed(field, f"names {len(uris)} identities, not one")
    return parse_identity_uri(uris[0], field)


def subject(identity: Identity) -> x509.Name:
    """CN = name, OU = role: for people who look at a certificate.

    X.509 allows a common name 64 bytes, so a long one is cut; the URI is what counts.
    """
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, str(identity.role)),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name(identity.name)),
        ]
    )


def common_name(text: str) -> str:
    """The longest beginning of `text` that a common name holds."""
    return text.encode()[:COMMON_NAME].decode(errors="ignore")


def public_der(key: ec.EllipticCurvePublicKey) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def check_curve(key: object, field: str) -> ec.EllipticCurvePublicKey:
    """Return a public key if it is one on P-256. Raises Malformed."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Malformed(field, "is not an ECDSA key on P-256")
    return key
