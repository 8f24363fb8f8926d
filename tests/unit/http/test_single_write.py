"""Head and body of an answer are one write, and a head without a body is not held back."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from concord.http.connection import LimitedProtocol

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0


def _answered(parts: list[bytes], headers: list[tuple[bytes, bytes]], request: bytes = b"") -> Wire:
    async def app(_scope: object, receive: Callable[[], Awaitable[object]], send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for left, part in enumerate(parts, 1 - len(parts)):
            await send({"type": "http.response.body", "body": part, "more_body": left < 0})

    async def answer() -> Wire:
        wire = Wire()
        config = Config(app, log_config=None, access_log=False)
        protocol = LimitedProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        protocol.connection_made(wire)
        protocol.data_received(request or b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        await asyncio.gather(*protocol.tasks)
        return wire

    return asyncio.run(answer())


def test_head_and_body_leave_together() -> None:
    wire = _answered([b"body"], [(b"content-length", b"4")])
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"]


def test_a_head_without_a_body_leaves_at_once() -> None:
    wire = _answered([b""], [(b"content-length", b"0")])
    assert wire.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]


def test_a_connection_closes_after_its_head() -> None:
    request = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"
    wire = _answered([b""], [(b"content-length", b"0")], request)
    assert (len(wire.writes), wire.closed) == (1, True)


@pytest.mark.parametrize("last", [b"end", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_of_a_body_in_parts_only_the_first_waits_for_nothing_else(last: bytes) -> None:
    wire = _answered([b"first", last], [(b"content-length", b"%d" % (5 + len(last)))])
    assert len(wire.writes) == 2
    assert wire.writes[-1] == last


def test_an_interim_answer_waits_for_nothing() -> None:
    request = b"POST / HTTP/1.1\r\nhost: here\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nab"
    wire = _answered([b""], [(b"content-length", b"0")], request)
    assert wire.writes[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
