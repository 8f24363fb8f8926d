"""What a server refuses before the application, found by asking it."""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

HOST: Final = "127.0.0.1"
WAIT_SECONDS: Final = 35.0
"""How long a probe waits for the end of a connection."""

HALF_OPEN: Final = 1_100
"""Connections that are opened at a time; the server may open 1,024 files."""

_HEAD: Final = b"host: localhost\r\n"
_GET: Final = b"GET / HTTP/1.1\r\n" + _HEAD
_POST: Final = b"POST / HTTP/1.1\r\n" + _HEAD
_OFFER: Final = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"

Probe = Callable[[int], Awaitable[str]]


async def _ask(port: int, *parts: bytes, seconds: float = WAIT_SECONDS, until_closed: bool = False) -> str:
    """Statuses of what is answered, and after how long the connection was closed, if it was."""
    began, answered, is_open = time.monotonic(), b"", True
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        async with asyncio.timeout(seconds):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.1)
            while is_open and (until_closed or not answered):
                data = await reader.read(1 << 16)
                answered += data
                is_open = bool(data)
    except TimeoutError:
        pass
    except ConnectionError:
        is_open = False
    writer.close()
    statuses = " ".join(re.findall(r"HTTP/1\.[01] (\d{3})", answered.decode("latin-1"))) or "no answer"
    took = time.monotonic() - began
    state = (
        ""
        if not until_closed
        else f", open after {seconds:g} s"
        if is_open
        else f", closed after {took:.0f} s"
    )
    return statuses + state


async def _half_open(port: int) -> str:
    writers = []
    for _ in range(HALF_OPEN):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"GET / HT")
            writers.append(writer)
    try:
        return await _ask(port, _GET + b"\r\n", seconds=5)
    except OSError as error:
        return type(error).__name__
    finally:
        for writer in writers:
            writer.close()


def _header(size: int) -> Probe:
    return lambda port: _ask(port, _GET + b"x: " + b"a" * size + b"\r\n\r\n")


PROBES: Final[dict[str, Probe]] = {
    "a header of 100 KiB": _header(100 << 10),
    "a header of 400 KiB": _header(400 << 10),
    "a header of 4 MiB": _header(4 << 20),
    "200 headers": lambda port: _ask(port, _GET + b"x: a\r\n" * 200 + b"\r\n"),
    "POST that offers h2c, its body in a second segment": lambda port: _ask(
        port,
        _POST + _OFFER + b"content-length: 5\r\n\r\n",
        b"GET /",
        _GET + b"\r\n",
        seconds=3,
        until_closed=True,
    ),
    "HTTP/2 with prior knowledge": lambda port: _ask(
        port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", seconds=3, until_closed=True
    ),
    "a head that does not end": lambda port: _ask(port, b"GET / HT", until_closed=True),
    "a body that does not end": lambda port: _ask(
        port, _POST + b"content-length: 9\r\n\r\nabc", until_closed=True
    ),
    "a connection that sends nothing": lambda port: _ask(port, until_closed=True),
    "an idle connection after an answer": lambda port: _ask(port, _GET + b"\r\n", until_closed=True),
    f"a call beside {HALF_OPEN:,} half-open connections, with 1,024 files": _half_open,
}
"""What is asked → how it is asked; the last one by itself, the others together."""


async def probe(port: int) -> dict[str, str]:
    """What a server does at each of them."""
    *together, alone = PROBES
    found = await asyncio.gather(*(PROBES[name](port) for name in together))
    return dict(zip(together, found, strict=True)) | {alone: await PROBES[alone](port)}
