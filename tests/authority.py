"""A private certificate authority for tests, and servers that it has signed."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM
DAY = timedelta(days=1)


class Authority:
    """An authority whose certificate is in a file, `ca`."""

    def __init__(self, folder, name="An authority of tests"):
        self.folder = folder
        self.ca = folder / "ca.crt"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        limits = x509.BasicConstraints(ca=True, path_length=0)
        built = _builder(self._name, self._name, self._key).add_extension(limits, critical=True)
        use = dict.fromkeys(_USES, False) | {"key_cert_sign": True, "crl_sign": True}
        self._certificate = built.add_extension(x509.KeyUsage(**use), critical=True).sign(
            self._key, hashes.SHA256()
        )
        self.ca.write_bytes(self._certificate.public_bytes(PEM))

    def issue(self, *names, stem=None):
        """Files of a certificate for names and addresses, and of its key; the stem names them."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = _builder(subject, self._name, key).add_extension(alternatives, critical=False)
        made = made.add_extension(identifier, critical=False).sign(self._key, hashes.SHA256())
        files = self.folder / f"{stem or names[0]}.crt", self.folder / f"{stem or names[0]}.key"
        files[0].write_bytes(made.public_bytes(PEM))
        plain = serialization.NoEncryption()
        files[1].write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
        return files


_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _builder(subject, issuer, key):
    now, number = datetime.now(UTC), x509.random_serial_number()
    made = x509.CertificateBuilder(issuer, subject, key.public_key(), number, now - DAY, now + DAY)
    return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _alternative(name):
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
