"""The authority's certificates, and the enrolment and invitation files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.errors import Malformed, Rejected, SailauError
from identity.authority import Authority
from identity.enrolment import make_enrolment, parse_enrolment
from identity.invitation import Invitation, parse_invitation, verify_invitation
from identity.rolekeys import RoleKey
from identity.roles import Identity, Role
from identity.tlskeys import TlsKey, identity_of

TRUSTEE = Identity(Role.TRUSTEE, "Әлия")
OTHER = Identity(Role.TRUSTEE, "Borat")
SERVER = Identity(Role.SERVER, "server")
AUTHORITY = Authority.create("demo-2005")
ROLE_KEY = RoleKey.generate()
TLS_KEY = TlsKey.generate()


def _extension(certificate: x509.Certificate, kind: type[Any]) -> Any:
    return certificate.extensions.get_extension_for_class(kind).value


def _client(days: int = 400) -> x509.Certificate:
    pem = AUTHORITY.issue_client(TLS_KEY.request(TRUSTEE), TRUSTEE, days=days)
    return x509.load_pem_x509_certificate(pem)


def _request(names: list[x509.GeneralName], key: Any = None) -> bytes:
    """A signing request with these alternative names."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    hash_ = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = builder.sign(key or TLS_KEY.private, hash_)
    return request.public_bytes(serialization.Encoding.PEM)


def test_authority_certificate() -> None:
    """The authority may sign leaves and nothing else, for 400 days."""
    certificate = x509.load_pem_x509_certificate(AUTHORITY.certificate_pem)
    constraints = _extension(certificate, x509.BasicConstraints)
    assert (constraints.ca, constraints.path_length) == (True, 0)
    usage = _extension(certificate, x509.KeyUsage)
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=399) < left <= timedelta(days=400)
    certificate.verify_directly_issued_by(certificate)


def test_client_certificate() -> None:
    """A client certificate names its role and holder, and is good for calling only."""
    certificate = _client()
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(AUTHORITY.certificate_pem))
    assert identity_of(certificate, "certificate") == TRUSTEE
    names = {attribute.oid: attribute.value for attribute in certificate.subject}
    assert names == {NameOID.COMMON_NAME: "Әлия", NameOID.ORGANIZATIONAL_UNIT_NAME: "trustee"}
    assert _extension(certificate, x509.BasicConstraints).ca is False
    assert list(_extension(certificate, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.public_key() == TLS_KEY.private.public_key()


def test_server_certificate() -> None:
    """The server's certificate has its names and addresses, and is good for serving only."""
    key = TlsKey.generate()
    pem = AUTHORITY.issue_server(key.request(SERVER), SERVER, ["localhost", "127.0.0.1", "::1"])
    certificate = x509.load_pem_x509_certificate(pem)
    names = _extension(certificate, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(host) for host in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert list(_extension(certificate, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_validity_and_serials() -> None:
    """Validity is as asked but never beyond the authority's; serial numbers differ."""
    short, long = _client(days=2), _client(days=4000)
    assert short.not_valid_after_utc - short.not_valid_before_utc <= timedelta(days=2, hours=2)
    authority = x509.load_pem_x509_certificate(AUTHORITY.certificate_pem)
    assert long.not_valid_after_utc == authority.not_valid_after_utc
    assert short.serial_number != long.serial_number


def test_long_names_fit() -> None:
    """A label of 100 characters, two bytes each, fits: cut in the subject, whole in the URI."""
    identity = Identity(Role.DEVICE, "ә" * 100)
    pem = AUTHORITY.issue_client(TLS_KEY.request(identity), identity)
    certificate = x509.load_pem_x509_certificate(pem)
    assert identity_of(certificate, "certificate") == identity
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert common == "ә" * 32


def test_authority_from_a_key_store() -> None:
    """Authority and TLS key survive the key store; a certificate for another key is refused."""
    key = TlsKey.from_pem(AUTHORITY.key.private_pem())
    again = Authority.load(AUTHORITY.certificate_pem, key)
    assert again.certificate_pem == AUTHORITY.certificate_pem
    with pytest.raises(Rejected):
        Authority.load(AUTHORITY.certificate_pem, TLS_KEY)


def test_private_keys_are_redacted() -> None:
    """Neither an authority nor a TLS key prints its private half."""
    secret = format(TLS_KEY.private.private_numbers().private_value, "x")
    assert repr(TLS_KEY) == "TlsKey(<redacted>)"
    assert secret not in repr(vars(AUTHORITY))
    assert "redacted" in repr(AUTHORITY)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    ],
    ids=["empty", "no key", "other curve"],
)
def test_tls_key_refused(pem: bytes) -> None:
    """A TLS key is one on P-256, in PEM."""
    with pytest.raises(Malformed, match="TLS key"):
        TlsKey.from_pem(pem)


URI = x509.UniformResourceIdentifier(TRUSTEE.uri)


@pytest.mark.parametrize(
    ("request_pem", "error"),
    [
        (b"", Malformed),
        (
            b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
            Malformed,
        ),
        (AUTHORITY.certificate_pem, Malformed),
        (b"\n" * 20_000 + TLS_KEY.request(TRUSTEE), Malformed),
        (_request([]), Malformed),
        (_request([x509.DNSName("example.org")]), Malformed),
        (_request([URI, URI]), Malformed),
        (_request([x509.UniformResourceIdentifier("sailau:king/a")]), Malformed),
        (_request([URI], ec.generate_private_key(ec.SECP384R1())), Malformed),
        (_request([URI], ed25519.Ed25519PrivateKey.generate()), Malformed),
        (TLS_KEY.request(OTHER), Rejected),
    ],
    ids=[
        "empty",
        "junk",
        "certificate",
        "too long",
        "no names",
        "no uri",
        "two uris",
        "unknown role",
        "other curve",
        "ed25519",
        "other identity",
    ],
)
def test_request_refused(request_pem: bytes, error: type[SailauError]) -> None:
    """A signing request that is unreadable, of another kind or for another role gets nothing."""
    with pytest.raises(error):
        AUTHORITY.issue_client(request_pem, TRUSTEE)


def test_request_signed_by_another_key() -> None:
    """A request whose signature is broken is refused: its sender need not have the key."""
    der = bytearray(
        x509.load_pem_x509_csr(TLS_KEY.request(TRUSTEE)).public_bytes(serialization.Encoding.DER)
    )
    der[-1] ^= 1
    pem = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(Rejected, match="not signed with its own key"):
        AUTHORITY.issue_client(pem, TRUSTEE)


def test_hosts_refused() -> None:
    """A server certificate needs hosts that are names or addresses."""
    for hosts in ([], ["қала.kz"]):
        with pytest.raises(Malformed, match="hosts"):
            AUTHORITY.issue_server(TLS_KEY.request(SERVER), SERVER, hosts)


# --- Enrolment ---------------------------------------------------------------------


def _enrolment() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(make_enrolment(TRUSTEE, ROLE_KEY, TLS_KEY))
    return document


def _bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_enrolment() -> None:
    """What a role makes, the administrator reads; spelling of the JSON does not matter."""
    for data in (make_enrolment(TRUSTEE, ROLE_KEY, TLS_KEY), _bytes(_enrolment())):
        enrolment = parse_enrolment(data)
        assert enrolment.identity == TRUSTEE
        assert enrolment.public_key == ROLE_KEY.public_bytes
        AUTHORITY.issue_client(enrolment.request, TRUSTEE)


def test_enrolment_has_no_private_key() -> None:
    """Neither private key is in the file."""
    data = make_enrolment(TRUSTEE, ROLE_KEY, TLS_KEY)
    assert b"PRIVATE" not in data
    assert ROLE_KEY.secret_bytes().hex().encode() not in data


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "name": lambda document: document.update(name="Borat"),
    "role": lambda document: document.update(role="administrator"),
    "key": lambda document: document.update(public_key=RoleKey.generate().public_bytes.hex()),
    "request": lambda document: document.update(request=TLS_KEY.request(TRUSTEE).decode()),
    "signature": lambda document: document.update(signature="00" * 64),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_enrolment_changed(change: Callable[[dict[str, Any]], object]) -> None:
    """Any member replaced by another well-formed one breaks the signature."""
    document = _enrolment()
    change(document)
    with pytest.raises(Rejected) as caught:
        parse_enrolment(_bytes(document))
    assert caught.value.check == "enrolment.signature"


def test_enrolment_for_another_identity() -> None:
    """A signed file whose signing request names somebody else is refused."""

    class Impostor(TlsKey):
        def request(self, identity: Identity) -> bytes:
            return super().request(OTHER)

    with pytest.raises(Rejected) as caught:
        parse_enrolment(make_enrolment(TRUSTEE, ROLE_KEY, Impostor.generate()))
    assert caught.value.check == "enrolment.request"


def _without(member: str) -> dict[str, Any]:
    document = _enrolment()
    del document[member]
    return document


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "file"),
        (b"\xff", "file"),
        (b"[" * 50_000, "file"),
        (b" " * 70_000, "file"),
        (b"[]", "format"),
        (b"{}", "format"),
        (b'{"format":"sailau-enrolment/1","format":"sailau-enrolment/1"}', "file"),
        (_bytes(_enrolment() | {"format": "sailau-enrolment/2"}), "format"),
        (_bytes(_enrolment() | {"more": 1}), "'more'"),
        (_bytes(_enrolment() | {"name": 1}), "name"),
        (_bytes(_enrolment() | {"name": ""}), "name"),
        (_bytes(_enrolment() | {"name": "\ud800"}), "name"),
        (_bytes(_enrolment() | {"name": "a\u001b"}), "name"),
        (_bytes(_enrolment() | {"role": "voter"}), "role"),
        (_bytes(_enrolment() | {"public_key": "00" * 31}), "public_key"),
        (_bytes(_enrolment() | {"public_key": "00" * 32}), "public_key"),
        (_bytes(_enrolment() | {"signature": "zz" * 64}), "signature"),
        (_bytes(_enrolment() | {"signature": "AA" * 64}), "signature"),
        *((_bytes(_without(member)), member) for member in ("role", "name", "public_key")),
        *((_bytes(_without(member)), member) for member in ("request", "signature")),
    ],
)
def test_enrolment_malformed(data: bytes, field: str) -> None:
    """Each malformed file is refused with the member that is wrong."""
    with pytest.raises(Malformed) as caught:
        parse_enrolment(data)
    assert caught.value.field == field


# --- Invitation --------------------------------------------------------------------

INVITATION = Invitation(
    identity=TRUSTEE,
    index=1,
    election="demo-2005",
    base_hash=bytes(range(32)),
    authority=AUTHORITY.certificate_pem,
    certificate=AUTHORITY.issue_client(TLS_KEY.request(TRUSTEE), TRUSTEE),
    roles_address="127.0.0.1:4433",
    public_address="[::1]:4434",
    server_name="localhost",
    log_key="example.org/demo+00000000+AAAA",
    public_key=ROLE_KEY.public_bytes,
    administrator_key=RoleKey.generate().public_bytes,
)


def test_invitation() -> None:
    """What the administrator gives back, the role reads, and knows for its own."""
    assert parse_invitation(INVITATION.to_bytes()) == INVITATION
    verify_invitation(INVITATION, ROLE_KEY, TLS_KEY)


def test_invitation_for_other_keys() -> None:
    """An invitation made for other keys is refused, whichever of the two it is."""
    for role_key, tls_key in (
        (RoleKey.generate(), TLS_KEY),
        (ROLE_KEY, TlsKey.generate()),
    ):
        with pytest.raises(Rejected) as caught:
            verify_invitation(INVITATION, role_key, tls_key)
        assert caught.value.check == "invitation.keys"


def test_invitation_of_another_authority() -> None:
    """The certificate has to be by the authority that the file names."""
    other = Authority.create("demo-2005")
    changed = replace(INVITATION, authority=other.certificate_pem)
    with pytest.raises(Rejected, match="not issued by this authority"):
        parse_invitation(changed.to_bytes())


def test_invitation_for_another_identity() -> None:
    """The certificate has to be for the role that the file names."""
    with pytest.raises(Rejected, match="another role or name"):
        parse_invitation(replace(INVITATION, identity=OTHER).to_bytes())


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("index", 0),
        ("index", -1),
        ("index", 1 << 32),
        ("index", True),
        ("index", "1"),
        ("election", ""),
        ("base_hash", "00" * 31),
        ("authority", "none"),
        ("authority", INVITATION.certificate.decode()),
        ("certificate", "none"),
        ("certificate", INVITATION.certificate.decode() * 2),
        ("certificate", AUTHORITY.certificate_pem.decode()),
        ("roles_address", "unix:/tmp/socket"),
        ("roles_address", "127.0.0.1"),
        ("roles_address", "ipv4:127.0.0.1:1,127.0.0.2:1"),
        ("public_address", "host:1\n"),
        ("server_name", ""),
        ("server_name", "a b"),
        ("log_key", "two\nlines"),
        ("public_key", "01" + "00" * 31),
        ("administrator_key", "00" * 33),
    ],
)
def test_invitation_malformed(member: str, value: object) -> None:
    """Each malformed member is refused by its name."""
    document = json.loads(INVITATION.to_bytes())
    with pytest.raises(Malformed) as caught:
        parse_invitation(_bytes(document | {member: value}))
    assert caught.value.field == member
