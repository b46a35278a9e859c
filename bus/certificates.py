"""Certificates for the routes between nats-servers: an authority of the bus's own, and one certificate a server.

Both sides of a route show theirs (mutual TLS), so only who was given one by this authority joins the cluster. Imported
by `bus.cluster` alone, and only where there is one: it needs the package cryptography (``trinario[cluster]``).
"""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_GOOD_FOR = timedelta(days=3650)
_RENEW_BEFORE = timedelta(days=90)
_CLOCKS_APART = timedelta(hours=1)

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


class BadCertificate(Exception):
    """A file that holds no certificate, or no key, of ours."""


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """A server's certificate and key, and the authority it believes; PEM files, mode 0600."""

    cert: Path
    key: Path
    authority: Path


def ensure(folder: Path, name: str, hosts: tuple[str, ...]) -> Paths:
    """The certificate of the server called `name`, for these addresses; made when it is missing or ends soon.

    The authority is made with the first. Raises `BadCertificate`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    root, own = folder / "authority", folder / name
    authority = _load(root)
    if authority is None:
        authority = _made("trinario cluster", signer=None, hosts=())
        _keep(root, authority)
    found = _load(own)
    if found is None or not _signed_by(found[0], authority[0]):
        _keep(own, _made(name, signer=authority, hosts=hosts))
    return Paths(cert=_cert(own), key=_key(own), authority=_cert(root))


def _made(name: str, *, signer: Pair | None, hosts: tuple[str, ...]) -> Pair:
    """A new pair, signed by itself (an authority) or by `signer`."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_called(name))
        .issuer_name(_called(name) if signer is None else signer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_APART)
        .not_valid_after(now + _GOOD_FOR)
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
    )
    if signer is not None:
        both_sides = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(both_sides, critical=False).add_extension(
            x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
        )
    return builder.sign(key if signer is None else signer[1], hashes.SHA256()), key


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _signed_by(cert: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        cert.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError):
        return False
    return True


def _load(path: Path) -> Pair | None:
    """What is kept; None when it is not there or ends soon."""
    try:
        cert = x509.load_pem_x509_certificate(_cert(path).read_bytes())
        key = serialization.load_pem_private_key(_key(path).read_bytes(), password=None)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BadCertificate(f"{path}.pem or .key cannot be read. Remove both to have new ones made.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadCertificate(f"{_key(path)} is not a key that Trinario has made. Remove it to have a new one made.")
    return None if cert.not_valid_after_utc - datetime.now(UTC) < _RENEW_BEFORE else (cert, key)


def _keep(path: Path, pair: Pair) -> None:
    cert, key = pair
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(_key(path), plain)
    _write(_cert(path), cert.public_bytes(serialization.Encoding.PEM))


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _cert(path: Path) -> Path:
    return path.with_name(path.name + ".pem")


def _key(path: Path) -> Path:
    return path.with_name(path.name + ".key")
