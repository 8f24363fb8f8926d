"""A server speaks TLS by a certificate that may change while it serves."""

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from uvicorn import Config
from uvicorn.server import ServerState

from concord.errors import ConfigurationError
from concord.http import certificates, connections
from concord.http.certificates import Certificate
from concord.http.connection import LimitedProtocol
from concord.http.connections import Connections
from concord.http.limits import Limits
from concord.http.tls_listener import TlsListener
from tests.authority import Authority

GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(autouse=True)
def _checks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.02)


@contextlib.asynccontextmanager
async def serving(certificate: Certificate, of: Limits) -> AsyncIterator[tuple[int, Connections]]:
    class Protocol(LimitedProtocol):
        limits = of

    state, table = ServerState(), Connections(of)
    vars(state)["limited"] = table
    config = Config(answer, log_config=None, access_log=False, lifespan="off", ws="none")
    listener = socket.create_server(("127.0.0.1", 0))
    server = TlsListener(listener, certificate, table, lambda: Protocol(config, state, {}))
    try:
        yield listener.getsockname()[1], table
    finally:
        await server.close()
        for connection in list(state.connections):
            connection.transport.close()
        await asyncio.sleep(0.02)


def run(certificate: Certificate, test: Callable[[int, Connections], Any], **limits: Any) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(30), serving(certificate, Limits(**limits)) as (port, table):
            return await test(port, table)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


async def serial(port: int, authority: Authority) -> tuple[bytes, int]:
    """What is answered under a certificate of the authority, and the certificate's serial number."""
    context = ssl.create_default_context(cafile=str(authority.ca))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    writer.write(GET)
    body = (await reader.readuntil(b"ok"))[-2:]
    number = int(writer.get_extra_info("peercert")["serialNumber"], 16)
    writer.close()
    return body, number


def test_a_client_that_knows_the_authority_is_answered(authority: Authority) -> None:
    certificate = Certificate(*authority.issue("localhost", stem="here"))
    assert run(certificate, lambda port, _: serial(port, authority))[0] == b"ok"


def test_a_changed_certificate_serves_new_connections_and_open_ones_go_on(
    authority: Authority, tmp_path: Path
) -> None:
    first, second = authority.issue("localhost", stem="first"), authority.issue("localhost", stem="second")
    paths = tmp_path / "tls.crt", tmp_path / "tls.key"

    async def ask(port: int, _: Connections) -> tuple[bool, bytes]:
        context = ssl.create_default_context(cafile=str(authority.ca))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        before = await serial(port, authority)
        for source, path in zip(second, paths, strict=True):
            shutil.copy(source, path)
        after = await serial(port, authority)
        writer.write(GET)
        still = (await reader.readuntil(b"ok"))[-2:]
        writer.close()
        return before[1] != after[1], still

    for source, path in zip(first, paths, strict=True):
        shutil.copy(source, path)
    assert run(Certificate(*paths), ask) == (True, b"ok")


def test_while_certificate_and_key_do_not_belong_together_the_old_one_serves(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = authority.issue("localhost", stem="first"), authority.issue("localhost", stem="second")

    async def ask(port: int, _: Connections) -> bool:
        before = await serial(port, authority)
        shutil.copy(second[0], first[0])
        return before == await serial(port, authority)

    assert run(Certificate(*first), ask)
    assert "certificate not read" in caplog.text


def test_a_handshake_that_is_not_finished_in_time_ends(authority: Authority) -> None:
    async def ask(port: int, table: Connections) -> tuple[bytes, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01")
        rest = await reader.read()
        writer.close()
        return rest, len(table)

    certificate = Certificate(*authority.issue("localhost", stem="here"))
    assert run(certificate, ask, head_seconds=0.1) == (b"", 0)


def test_plain_http_to_a_server_with_tls_ends_the_connection(authority: Authority) -> None:
    async def ask(port: int, table: Connections) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        await asyncio.sleep(0.05)
        return len(table)

    assert run(Certificate(*authority.issue("localhost", stem="here")), ask) == 0


def test_callers_who_do_not_finish_a_handshake_make_room(authority: Authority) -> None:
    async def ask(port: int, table: Connections) -> bytes:
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(80)]
        body = (await serial(port, authority))[0]
        for _, writer in waiting:
            writer.close()
        return body

    certificate = Certificate(*authority.issue("localhost", stem="here"))
    assert run(certificate, ask, connections=1) == b"ok"


@pytest.mark.parametrize("wrong", ["certificate", "key", "missing"])
def test_files_that_are_no_certificate_are_refused_by_the_settings_name(
    authority: Authority, tmp_path: Path, wrong: str
) -> None:
    certificate, key = authority.issue("localhost", stem="here")
    other = authority.issue("localhost", stem="other")[1]
    files = {
        "certificate": (other, key),
        "key": (certificate, other),
        "missing": (certificate, tmp_path / "none.key"),
    }
    with pytest.raises(ConfigurationError, match=r"CONCORD_TLS_KEY|no certificate with its key"):
        Certificate(*files[wrong])


def test_an_encrypted_key_is_refused_and_nothing_is_asked(authority: Authority) -> None:
    from cryptography.hazmat.primitives import serialization

    certificate, key = authority.issue("localhost", stem="here")
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(
        plain.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    with pytest.raises(ConfigurationError, match="without a password"):
        Certificate(certificate, key)
