"""Certificates for simulated machines: an authority, and what it has signed."""

import datetime
import hashlib
import ipaddress
import ssl
import tempfile
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from spnego.channel_bindings import GssChannelBindings

_PRIVATE = serialization.PrivateFormat.PKCS8
_PEM = serialization.Encoding.PEM


class Certificate:
    """What a machine speaks TLS with."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
        self.bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + digest)
        """What the login has to be bound to: this very certificate."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(certificate.public_bytes(_PEM))
            file.write(key.private_bytes(_PEM, _PRIVATE, serialization.NoEncryption()))
            file.flush()
            self.context.load_cert_chain(file.name)


def authority() -> str:
    """Return the certificate of the authority that signs for every machine of this process, as PEM."""
    return _authority()[0].public_bytes(_PEM).decode()


def certificate(host: str = "127.0.0.1", *, days: int = 2) -> Certificate:
    """Return a certificate for ``host``, valid for ``days`` from yesterday on; 0: it has expired."""
    signer, signer_key = _authority()
    key = ec.generate_private_key(ec.SECP256R1())
    name: x509.GeneralName
    try:
        name = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        name = x509.DNSName(host)
    built = _builder(f"peer {host}", signer.subject, days).public_key(key.public_key())
    built = built.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    built = built.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False
    )
    return Certificate(built.sign(signer_key, hashes.SHA256()), key)


@cache
def _authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Peer authority")])
    built = _builder("Peer authority", name, 30).public_key(key.public_key())
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    built = built.add_extension(_signing(), critical=True)
    built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return built.sign(key, hashes.SHA256()), key


def _builder(subject: str, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    end = start + (datetime.timedelta(days=days) if days >= 1 else datetime.timedelta(hours=1))
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _signing() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
