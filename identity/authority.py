"""The certificate authority of one election.

It exists so that trustees, devices and administrators can be told apart on the
roles' listener, and so that they know the server: transport only. What stands in
the record is signed with role keys, which no certificate of ours can replace.

The authority certifies leaves alone (path length 0). A certificate is good for
one direction: a role's cannot serve, the server's cannot call.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.errors import Malformed, Rejected
from identity.roles import Identity, Role
from identity.tlskeys import (
    PEM_LIMIT,
    TlsKey,
    check_curve,
    common_name,
    parse_request,
    public_der,
    subject,
)

DEFAULT_DAYS = 400
# A machine whose clock is a little slow must not refuse a new certificate.
CLOCK_SKEW = timedelta(hours=1)


class Authority:
    """The authority's certificate and private key. The repr does not show the key."""

    def __init__(self, certificate: x509.Certificate, key: TlsKey) -> None:
        self._certificate = certificate
        self._key = key

    def __repr__(self) -> str:
        return f"Authority({self._certificate.subject.rfc4514_string()!r}, <redacted>)"

    @classmethod
    def create(cls, election: str, *, days: int = DEFAULT_DAYS) -> Self:
        """A new authority, valid for `days`, for the election of this label."""
        key = TlsKey.generate()
        text = common_name(f"Sailau authority of {election}")
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        now = datetime.now(UTC)
        builder = (
            _builder(name, name, key.private.public_key())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        return cls(builder.sign(key.private, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate_pem: bytes, key: TlsKey) -> Self:
        """The authority that a key store gave back. Raises Malformed or Rejected."""
        certificate = parse_certificate(certificate_pem, "authority")
        if certificate_key(certificate, "authority") != key.public_der:
            raise Rejected("authority.key", "the authority's certificate is for another key")
        return cls(certificate, key)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate that everybody in this election trusts for TLS."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key(self) -> TlsKey:
        """The private key, for a key store."""
        return self._key

    def issue_client(
        self, request_pem: bytes, identity: Identity, *, days: int = DEFAULT_DAYS
    ) -> bytes:
        """A client certificate (PEM) for the role that made this signing request.

        `identity` is what the administrator decided; a request that names
        another is refused. Raises Malformed or Rejected.
        """
        if identity.role is Role.SERVER:
            raise ValueError("the server has a server certificate")
        uri = x509.UniformResourceIdentifier(identity.uri)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(request_pem, identity, [uri], usage, days)

    def issue_server(
        self,
        request_pem: bytes,
        identity: Identity,
        hosts: Sequence[str],
        *,
        days: int = DEFAULT_DAYS,
    ) -> bytes:
        """The server's certificate (PEM). `hosts`: every DNS name and address it answers at.

        Raises Malformed or Rejected.
        """
        if not hosts:
            raise Malformed("hosts", "is empty: a server certificate names its hosts")
        names = [_host(host) for host in hosts]
        return self._issue(request_pem, identity, names, ExtendedKeyUsageOID.SERVER_AUTH, days)

    def _issue(
        self,
        request_pem: bytes,
        identity: Identity,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        days: int,
    ) -> bytes:
        requested, key = parse_request(request_pem, "request")
        if requested != identity:
            raise Rejected("enrolment.request", f"the request names {requested}, not {identity}")
        ours = self._certificate
        now = datetime.now(UTC)
        certificate = (
            _builder(subject(identity), ours.subject, key)
            .not_valid_before(max(now - CLOCK_SKEW, ours.not_valid_before_utc))
            .not_valid_after(min(now + timedelta(days=days), ours.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(self._key_identifier(), critical=False)
            .sign(self._key.private, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.private.public_key())


def parse_certificate(pem: bytes, field: str) -> x509.Certificate:
    """One certificate in PEM. Raises Malformed."""
    if len(pem) > PEM_LIMIT:
        raise Malformed(field, f"is longer than {PEM_LIMIT} bytes")
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed(field, "is not a certificate in PEM") from None
    if len(certificates) != 1:
        raise Malformed(field, f"holds {len(certificates)} certificates, not one")
    return certificates[0]


def certificate_key(certificate: x509.Certificate, field: str) -> bytes:
    """The certificate's public key (SubjectPublicKeyInfo, DER). Raises Malformed."""
    try:
        return public_der(check_curve(certificate.public_key(), field))
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed(field, "has a key that cannot be read") from None


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """What every certificate here has; serial numbers are random (159 bits)."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError:
        raise Malformed("hosts", f"{host!r} is neither an address nor a DNS name") from None
