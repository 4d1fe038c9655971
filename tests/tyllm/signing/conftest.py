"""Keys, certificates and a signed toy package, made once: all offline."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Keys:
    """A folder of PEM files, and how to make more of them."""

    folder: Path

    def pair(self, name: str, key=None, password: bytes | None = None) -> Path:
        """`name`.pem and `name`.pub.pem; the private key's path."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        secret = BestAvailableEncryption(password) if password else NoEncryption()
        path = self.folder / f"{name}.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.folder / f"{name}.pub.pem").write_bytes(public)
        return path

    def certificate(self, name: str, key, issuer=None, days=(-2, 2), authority=False, signing=True):
        """A certificate of `key`, in `name`.crt.pem; self-signed, or by `issuer`, a (certificate, key)."""
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        above, above_key = issuer or (None, key)
        usage = x509.KeyUsage(signing, False, not signing, False, False, authority, False, False, False)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(above.subject if above else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + timedelta(days=days[0]))
            .not_valid_after(NOW + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(usage, critical=True)
            .sign(above_key, hashes.SHA256())
        )
        (self.folder / f"{name}.crt.pem").write_bytes(made.public_bytes(Encoding.PEM))
        return made

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="session")
def keys(tmp_path_factory) -> Keys:
    """The author's keys on each curve, a stranger's, ones that cannot be used, and some certificates."""
    keys = Keys(tmp_path_factory.mktemp("keys"))
    for name in ("author", "stranger"):
        keys.pair(name)
    keys.pair("p384", ec.generate_private_key(ec.SECP384R1()))
    keys.pair("p521", ec.generate_private_key(ec.SECP521R1()))
    keys.pair("bitcoin", ec.generate_private_key(ec.SECP256K1()))
    keys.pair("rsa", rsa.generate_private_key(65537, 2048))
    keys.pair("locked", password=b"sesame")
    root, between, leaf, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    keys.pair("leaf", leaf)
    keys.pair("other", other)
    top = keys.certificate("root", root, days=(-9, 9), authority=True)
    middle = keys.certificate("between", between, (top, root), days=(-8, 8), authority=True)
    direct = ec.generate_private_key(ec.SECP256R1())
    keys.pair("direct", direct)
    keys.certificate("direct", direct, (top, root))
    keys.certificate("leaf", leaf, (middle, between))
    keys.certificate("expired", leaf, (middle, between), days=(-5, -1))
    keys.certificate("early", leaf, (middle, between), days=(1, 2))
    keys.certificate("no_signing", leaf, (middle, between), signing=False)
    keys.certificate("other_root", other, authority=True)
    (keys / "text.txt").write_text("no key\n")
    (keys / "damaged.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (keys / "damaged.pub.pem").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    (keys / "damaged.crt.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return keys


@pytest.fixture
def signed(own_toy, keys) -> Path:
    """A package of two dies that the author signed, for a test that breaks it."""
    from tyllm.signing import sign_package

    sign_package(own_toy, keys / "author.pem")
    return own_toy
