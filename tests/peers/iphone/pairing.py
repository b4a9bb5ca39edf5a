"""The keys and certificates by which a phone and a computer know each other."""

from __future__ import annotations

import datetime as dt
import functools
import os
import ssl
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from collections.abc import Iterator

PEM = serialization.Encoding.PEM
NOBODY = x509.Name([])
"""Apple's tools and libimobiledevice leave all names in these certificates empty."""
USAGES = dict.fromkeys(
    (
        *("key_cert_sign", "crl_sign", "content_commitment", "data_encipherment", "key_agreement", "encipher_only"),
        "decipher_only",
    ),
    False,
)


def new_key() -> rsa.RSAPrivateKey:
    """A key of the size that lockdownd uses."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def computer_keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """The keys of this computer, the one that signs and its own; made once, as that takes a while."""
    return new_key(), new_key()


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """The public half as lockdownd gives it."""
    return key.public_key().public_bytes(PEM, serialization.PublicFormat.PKCS1)


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    """The private half, not encrypted."""
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def new_record(device_key: rsa.RSAPrivateKey, *, buid: str, wifi_address: str) -> dict[str, Any]:
    """What usbmuxd keeps of a phone that trusts this computer."""
    root_key, host_key = computer_keys()
    return {
        "DeviceCertificate": _certificate(device_key.public_key(), root_key, authority=False),
        "EscrowBag": os.urandom(32),
        "HostCertificate": _certificate(host_key.public_key(), root_key, authority=False),
        "HostID": str(uuid.uuid4()).upper(),
        "HostPrivateKey": private_pem(host_key),
        "RootCertificate": _certificate(root_key.public_key(), root_key, authority=True),
        "RootPrivateKey": private_pem(root_key),
        "SystemBUID": buid,
        "WiFiMACAddress": wifi_address,
    }


def _certificate(key: rsa.RSAPublicKey, signer: rsa.RSAPrivateKey, *, authority: bool) -> bytes:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder(NOBODY, NOBODY, key, 1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        usage = x509.KeyUsage(digital_signature=True, key_encipherment=True, **USAGES)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(signer, hashes.SHA256()).public_bytes(PEM)


def is_sound(record: object, device_key: rsa.RSAPrivateKey) -> bool:
    """Whether a phone with this key can trust a computer by that record: it is whole, and signed as it must be."""
    if not isinstance(record, dict) or not isinstance(record.get("HostID"), str):
        return False
    try:
        root, host, device = (
            x509.load_pem_x509_certificate(record[f"{name}Certificate"]) for name in ("Root", "Host", "Device")
        )
        signer = root.public_key()
        assert isinstance(signer, rsa.RSAPublicKey)
        for one in (root, host, device):
            assert one.signature_hash_algorithm is not None
            signer.verify(one.signature, one.tbs_certificate_bytes, padding.PKCS1v15(), one.signature_hash_algorithm)
    except (AssertionError, InvalidSignature, KeyError, TypeError, ValueError):
        return False
    return device.public_key() == device_key.public_key()


def phones_side(record: dict[str, Any], device_key: rsa.RSAPrivateKey) -> ssl.SSLContext:
    """TLS as the phone speaks it to the computer of that record, and to no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0  # nobody reads them, and what is unread resets the connection at its end
    with _in_memory(record["DeviceCertificate"] + private_pem(device_key)) as path:
        context.load_cert_chain(path)
    trusted = record["RootCertificate"] + b"\n" + record["HostCertificate"]
    context.load_verify_locations(cadata=trusted.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # without names, the computer's seems to be its own signer
    return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path to it that is no file, as ssl takes keys by path only."""
    descriptor = os.memfd_create("key")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
