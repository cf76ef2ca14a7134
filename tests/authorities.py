"""A certificate authority of one cluster, with one certificate that all of it shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Authority:
    """Its certificate, and a member's certificate and key, as files."""

    certificate: Path
    member: Path
    member_key: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """Make them in a new folder."""
        folder.mkdir()
        root_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
        root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "member")])
        now = datetime.now(UTC)

        def certificate(subject: x509.Name, public: object, is_root: bool) -> bytes:
            builder = (
                x509.CertificateBuilder(issuer_name=root, subject_name=subject)
                .public_key(public)  # type: ignore[arg-type]
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(hours=1))
                .not_valid_after(now + timedelta(days=1))
                .add_extension(x509.BasicConstraints(is_root, None), critical=True)
            )
            return builder.sign(root_key, SHA256()).public_bytes(Encoding.PEM)

        result = cls(folder / "ca.pem", folder / "member.pem", folder / "member.key")
        result.certificate.write_bytes(certificate(root, root_key.public_key(), True))
        result.member.write_bytes(certificate(name, key.public_key(), False))
        result.member_key.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return result

    def dask_options(self) -> tuple[str, ...]:
        """Options of Dask's programs."""
        files = ("--tls-ca-file", self.certificate), ("--tls-cert", self.member)
        return tuple(str(x) for pair in (*files, ("--tls-key", self.member_key)) for x in pair)
