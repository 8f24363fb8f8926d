"""TLS of `concord up`: its certificate, and the name by which this machine's processes call the service."""

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from concord.errors import ConfigurationError

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""How a process of this machine may call a service that listens here."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of a certificate and its key.

    Attributes:
        certificate: The certificate, followed by those that lead to its issuer.
        key: Its key, not encrypted.
    """

    certificate: Path
    key: Path

    @property
    def authority(self) -> Path:
        """What this machine's processes trust: CONCORD_CA, or a certificate that may have signed itself."""
        return Path(os.environ.get("CONCORD_CA") or self.certificate).absolute()

    def environment(self) -> dict[str, str]:
        """The variables of the service that shows the certificate."""
        return {
            "CONCORD_TLS_CERT": str(self.certificate.absolute()),
            "CONCORD_TLS_KEY": str(self.key.absolute()),
        }

    def find_host(self, host: str) -> str:
        """The name by which this machine's processes reach a service on `host` and trust its certificate.

        Raises:
            ConfigurationError: The files are no certificate with its key, or it is valid for no such name.
        """
        from concord.http.certificates import Certificate
        from concord.http.outgoing import trusting

        server = Certificate(self.certificate, self.key).context
        client = trusting(self.authority)
        names = list(_names(host))
        reasons = {name: _refusal(client, server, name) for name in names}
        valid = next((name for name, reason in reasons.items() if reason is None), None)
        if valid is None:
            raise ConfigurationError(
                f"The page and the command line on this machine would not trust {self.certificate} for "
                f"{', '.join(names)} ({reasons[names[0]]}). Take one that is valid for localhost too, "
                "name its authority in CONCORD_CA, or its own name in CONCORD_URL.",
                field="--tls-cert",
            )
        return valid


def _names(host: str) -> Iterator[str]:
    stated = urlsplit(os.environ.get("CONCORD_URL", "")).hostname
    if stated:
        yield stated
    if host not in {"0.0.0.0", "::", *LOCAL_NAMES}:  # noqa: S104 - compared, not bound
        yield host
    else:
        yield from LOCAL_NAMES


def _refusal(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> str | None:
    """Why a client would not trust a server under a name; None if it would. Nothing is sent anywhere."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    # Each turn takes the handshake one flight further, of which TLS has four at most.
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
            except ssl.SSLError as error:
                return error.reason
    return None
