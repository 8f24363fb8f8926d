"""The certificate of a server that speaks TLS, read again when its files change."""

import logging
import ssl
import time
from pathlib import Path
from typing import Final

from concord.errors import ConfigurationError
from concord.util.file_versions import file_version

CHECK_SECONDS: Final = 1.0
"""How often, at most, a new connection looks whether the files have changed."""

_log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key; connections that are open keep the one that they began with.

    Args:
        certificate: PEM file of the certificate, followed by those that lead to its issuer.
        key: PEM file of its key, which is not encrypted.

    Raises:
        ConfigurationError: A file cannot be read, or the two do not belong together.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._version = self._read_version()
        self._context = self._load()
        self._checked = time.monotonic()

    @property
    def context(self) -> ssl.SSLContext:
        """What a new connection is served by."""
        if time.monotonic() - self._checked >= CHECK_SECONDS:
            self._checked = time.monotonic()
            self._refresh()
        return self._context

    def _refresh(self) -> None:
        """Reads the files again if they have changed; until they belong together, the old one serves."""
        version = self._read_version()
        if version == self._version:
            return
        # Before reading, so that an invalid file is reported once, and tried again when it changes.
        self._version = version
        try:
            self._context = self._load()
        except ConfigurationError as error:
            _log.error("certificate not read", extra={"reason": error.message})
            return
        _log.info("certificate read again", extra={"file": str(self._certificate)})

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        for path, field in ((self._certificate, "CONCORD_TLS_CERT"), (self._key, "CONCORD_TLS_KEY")):
            try:
                path.read_bytes()
            except OSError as error:
                raise ConfigurationError(
                    f"{field}: {path} cannot be read ({error.strerror}).", field=field
                ) from error
        try:
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(self._certificate, self._key, password=lambda: "")
        except (ssl.SSLError, OSError, ValueError) as error:
            raise ConfigurationError(
                f"{self._certificate} and {self._key} are no certificate with its key ({_reason(error)}). "
                "Both are PEM files, the key without a password.",
                field="CONCORD_TLS_CERT",
            ) from error
        return context

    def _read_version(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(file_version(path) for path in (self._certificate, self._key))


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or type(error).__name__
