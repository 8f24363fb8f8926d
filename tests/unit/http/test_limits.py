"""What the server refuses before the application, and that every answer stays in its order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
import uvloop
from uvicorn import Config
from uvicorn.server import ServerState

from concord.http import connections
from concord.http.connection import LimitedProtocol
from concord.http.connections import Connections
from concord.http.limits import Limits

_two = b"content-length: 2\r\n\r\nab"
GET = b"GET /one HTTP/1.1\r\nhost: here\r\n\r\n"


LARGE = {"/large": 2 << 20, "/larger": 12 << 20}
"""Bytes of an answer by its path; the larger is more than the kernel takes for one that does not read."""


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with method, path and body; at /early without reading, at /large with megabytes."""
    body = bytearray()
    message = {"more_body": scope["path"] != "/early"}
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    await asyncio.sleep({"/slow": 0.05, "/slower": 2}.get(scope["path"], 0))
    answer = b"%s %s %d" % (scope["method"].encode(), scope["path"].encode(), len(body))
    answer = b"." * LARGE.get(scope["path"], 0) or answer
    headers = [(b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Caller:
    """A connection of a caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        # uvloop has an error of its own for a connection that is closed.
        with contextlib.suppress(ConnectionError, RuntimeError):
            self.writer.write(data)
            await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        await self.send(data)
        return await self.answer()

    async def is_closed(self) -> bool:
        """Waits for the end of the connection; what is still sent is read."""
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(1 << 16):
                    pass
        return True


class World:
    """A server with limits, and callers."""

    def __init__(self, port: int, table: Connections) -> None:
        self.port, self.table = port, table
        self.callers: list[Caller] = []

    async def caller(self) -> Caller:
        self.callers.append(Caller(*await asyncio.open_connection("127.0.0.1", self.port)))
        return self.callers[-1]

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        return await (await self.caller()).ask(data)


@contextlib.asynccontextmanager
async def serving(of: Limits, app: Any = echo) -> AsyncIterator[World]:
    class Protocol(LimitedProtocol):
        limits = of

    state = ServerState()
    table = Connections(of)
    vars(state)["limited"] = table
    config = Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}, loop), "127.0.0.1", 0)
    world = World(server.sockets[0].getsockname()[1], table)
    try:
        yield world
    finally:
        for caller in world.callers:
            caller.writer.close()
        server.close()
        for connection in list(state.connections):
            connection.transport.close()
        await asyncio.sleep(0.02)


def run(test: Callable[[World], Awaitable[object]], app: Any = echo, **limits: float) -> Any:
    """Runs a test against a server of an application with these limits; its result."""

    async def main() -> object:
        async with asyncio.timeout(60), serving(replace(Limits(), **limits), app) as world:  # type: ignore[arg-type]
            return await test(world)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def code_of(answer: tuple[int, dict[str, str], bytes]) -> str:
    return str(orjson.loads(answer[2])["error"]["code"])


@pytest.fixture(autouse=True)
def _sweeps_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.02)


def test_a_request_within_the_limits_is_answered() -> None:
    assert run(lambda world: world.ask(GET))[2] == b"GET /one 0"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"GET / HTTP/1.1\r\nhost: here\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", "head_too_large"),
        (b"GET / HTTP/1.1\r\nhost: here\r\nx: " + b"a" * 300_000, "head_too_large"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: here\r\n\r\n", "head_too_large"),
        (b"GET / HTTP/1.1\r\nhost: here\r\n" + b"x: a\r\n" * 100 + b"\r\n", "too_many_headers"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed_request"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "malformed_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed_request"),
        (b"CONNECT here:443 HTTP/1.1\r\nhost: here\r\n\r\n", "no_tunnel"),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "no_transfer_coding",
        ),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: ,chunked\r\n\r\n0\r\n\r\n", "no_transfer_coding"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "malformed_request"),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 2_000,
            "small_pieces",
        ),
    ],
    ids=[
        "a long header", "an endless header", "a long path", "many headers", "no host", "two hosts", "HTTP/2",
        "a tunnel", "another coding", "an empty coding", "TLS", "small chunks",
    ],
)  # fmt: skip
def test_is_refused_by_name_and_the_connection_closes(request_: bytes, code: str) -> None:
    async def ask(world: World) -> tuple[str, str, bool, int]:
        caller = await world.caller()
        answer = await caller.ask(request_)
        return code_of(answer), answer[1]["connection"], await caller.is_closed(), world.table.requests

    assert run(ask) == (code, "close", True, 0)


_CHUNKED = b"POST /one HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"


@pytest.mark.parametrize("trailers", [b"x: " + b"a" * 300_000, b"x: a\r\n" * 60_000], ids=["endless", "many"])
def test_long_trailers_are_refused(trailers: bytes) -> None:
    async def ask(world: World) -> str:
        return code_of(await world.ask(_CHUNKED + trailers))

    assert run(ask) == "head_too_large"


def test_a_trailer_is_no_header() -> None:
    seen: list[Any] = []

    async def show(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await echo(scope, receive, send)

    async def ask(world: World) -> bytes:
        return (await world.ask(_CHUNKED + b"x-forwarded-for: 198.51.100.9\r\n\r\n"))[2]

    assert (run(ask, app=show), b"x-forwarded-for" in seen) == (b"POST /one 3", False)


def test_many_and_long_headers_within_the_limits_are_taken() -> None:
    head = b"GET / HTTP/1.1\r\nhost: here\r\n" + b"x: " + b"a" * 60_000 + b"\r\n" + b"y: b\r\n" * 98 + b"\r\n"
    assert run(lambda world: world.ask(head))[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        (
            b"POST /one HTTP/1.1\r\nhost: here\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
            b"http2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\ncontent-length: 3\r\n\r\nabc"
        ),
        (
            b"POST /one HTTP/1.1\r\nhost: here\r\nconnection: keep-alive, upgrade\r\nupgrade: TLS/1.3\r\n"
            b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        ),
    ],
    ids=["h2c", "another protocol, in chunks"],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_offer_to_upgrade_is_ignored_and_the_body_stays_a_body(request_: bytes, size: int) -> None:
    async def ask(world: World) -> list[bytes]:
        caller = await world.caller()
        data = request_ + GET
        for start in range(0, len(data), size):
            await caller.send(data[start : start + size])
            await asyncio.sleep(0)
        return [(await caller.answer())[2], (await caller.answer())[2]]

    assert run(ask) == [b"POST /one 3", b"GET /one 0"]


def test_a_head_that_is_not_finished_in_time_is_refused() -> None:
    async def ask(world: World) -> str:
        return code_of(await world.ask(b"GET / HTTP/1.1\r\nhost: he"))

    assert run(ask, head_seconds=0.05) == "head_timeout"


def test_a_connection_that_sends_nothing_is_closed_without_a_word() -> None:
    async def ask(world: World) -> bytes:
        return await (await world.caller()).reader.read()

    assert run(ask, head_seconds=0.05) == b""


def test_an_idle_connection_is_closed_in_time() -> None:
    async def ask(world: World) -> tuple[int, bytes]:
        caller = await world.caller()
        status = (await caller.ask(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"))[0]
        return status, await caller.reader.read()

    assert run(ask, idle_seconds=0.05) == (200, b"")


@pytest.mark.parametrize("before", [0, 1, 60_000])
def test_a_head_that_is_too_long_is_refused_behind_any_body(before: int) -> None:
    first = b"POST /one HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n" % before + b"a" * before
    header = b"x: " + b"a" * 2000 + b"\r\n"
    long = b"GET / HTTP/1.1\r\nhost: here\r\n" + header * 33 + b"\r\n"

    async def ask(world: World) -> tuple[int, str]:
        caller = await world.caller()
        await caller.send(first + long)
        return (await caller.answer())[0], code_of(await caller.answer())

    assert run(ask) == (200, "head_too_large")


def test_empty_lines_after_an_answer_do_not_keep_a_connection_open() -> None:
    async def ask(world: World) -> tuple[int, bool]:
        caller = await world.caller()
        status = (await caller.ask(GET))[0]
        await caller.send(b"\r\n")
        return status, await caller.is_closed()

    assert run(ask, head_seconds=0.05) == (200, True)


def test_a_request_behind_empty_lines_is_answered() -> None:
    async def ask(world: World) -> list[bytes]:
        caller = await world.caller()
        return [(await caller.ask(b"\r\n\r\n" + GET))[2] for _ in range(2)]

    assert run(ask) == [b"GET /one 0"] * 2


def test_a_body_that_is_not_finished_in_time_is_refused() -> None:
    async def ask(world: World) -> tuple[str, int, int]:
        answer = await world.ask(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nabc")
        return code_of(answer), world.table.requests, world.table.body_bytes

    assert run(ask, body_seconds=0.05) == ("body_timeout", 0, 0)


def test_callers_who_send_nothing_make_room_for_those_who_do() -> None:
    async def ask(world: World) -> int:
        for _ in range(connections.Limits().most_connections(0) + 10):
            await (await world.caller()).send(b"GET / HT")
        return (await world.ask(GET))[0]

    assert run(ask, connections=1) == 200


def test_where_every_connection_has_a_request_under_way_a_new_one_is_refused_at_once() -> None:
    async def ask(world: World) -> tuple[str, str]:
        slow = b"GET /slower HTTP/1.1\r\nhost: here\r\n\r\n"
        world.table._most = 4
        for _ in range(4):
            await (await world.caller()).send(slow)
        await asyncio.sleep(0.01)
        answer = await world.ask(GET)
        return code_of(answer), answer[1]["retry-after"]

    assert run(ask) == ("too_many_connections", "1")


def test_the_slowest_body_makes_room_where_too_many_bytes_are_under_way() -> None:
    post = b"POST /one HTTP/1.1\r\nhost: here\r\ncontent-length: 40000\r\n\r\n"

    async def ask(world: World) -> tuple[str, bytes, int]:
        slow = await world.caller()
        await slow.send(post + b"a" * 30_000)
        await asyncio.sleep(0.02)
        other = await world.ask(post + b"a" * 40_000)
        return code_of(await slow.answer()), other[2], world.table.body_bytes

    assert run(ask, body_bytes=50_000) == ("too_many_bytes", b"POST /one 40000", 0)


def test_a_body_that_is_larger_than_all_may_be_is_refused() -> None:
    async def ask(world: World) -> str:
        post = b"POST /one HTTP/1.1\r\nhost: here\r\ncontent-length: 90000\r\n\r\n"
        return code_of(await world.ask(post + b"a" * 90_000))

    assert run(ask, body_bytes=50_000) == "too_many_bytes"


def test_after_an_answer_that_did_not_wait_for_the_body_the_rest_is_not_read() -> None:
    async def ask(world: World) -> tuple[str, bool]:
        caller = await world.caller()
        answer = await caller.ask(b"POST /early HTTP/1.1\r\nhost: here\r\ncontent-length: 99999999\r\n\r\nab")
        for _ in range(100):
            await caller.send(b"a" * 100_000)
        return answer[1]["connection"], await caller.is_closed()

    assert run(ask) == ("close", True)


def test_a_caller_that_reads_nothing_is_dropped() -> None:
    async def ask(world: World) -> tuple[int, int]:
        large = b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n"
        await (await world.caller()).send(large * 10)
        waits, left = 0, 1
        for _ in range(400):
            waits = max(waits, len(world.table.unread_answers))
            left = len(world.table)
            if not left:
                break
            await asyncio.sleep(0.01)
        return waits, left

    assert run(ask, answer_seconds=0.1) == (1, 0)


def test_a_request_behind_an_answer_that_nobody_reads_is_begun_once_it_was_read() -> None:
    async def ask(world: World) -> tuple[int, list[int]]:
        caller = await world.caller()
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await caller.send(b"GET /larger HTTP/1.1\r\nhost: here\r\n\r\n" * 2)
        await asyncio.sleep(0.1)
        under_way = world.table.requests
        caller.writer.transport.resume_reading()  # type: ignore[attr-defined]
        return under_way, [len((await caller.answer())[2]) for _ in range(2)]

    assert run(ask) == (2, [12 << 20] * 2)


def test_answers_that_nobody_reads_are_bounded_over_all_connections() -> None:
    async def ask(world: World) -> bool:
        large = b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n"
        for _ in range(8):
            await (await world.caller()).send(large * 10)
        await asyncio.sleep(0.5)
        return sum(connection.unread for connection in world.table.unread_answers) <= 5 << 20

    assert run(ask, unread_bytes=5 << 20)


def test_a_thousand_requests_in_a_pipeline_get_their_answers_in_order() -> None:
    kinds = [
        (b"GET /one HTTP/1.1\r\nhost: here\r\n\r\n", b"GET /one 0"),
        (b"POST /two HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n\r\nabcde", b"POST /two 5"),
        (
            b"POST /three HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"POST /three 3",
        ),
        (
            b"POST /four HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n" + _two,
            b"POST /four 2",
        ),
        (b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n", b"GET /slow 0"),
    ]

    async def ask(world: World) -> list[bytes]:
        caller = await world.caller()
        data = b"".join(kinds[0 if n % 50 and n % 5 == 4 else n % 5][0] for n in range(1000))
        sending = asyncio.create_task(caller.send(data))
        answers = [(await caller.answer())[2] for _ in range(1000)]
        await sending
        return answers

    assert run(ask) == [kinds[0 if n % 50 and n % 5 == 4 else n % 5][1] for n in range(1000)]


def test_a_refusal_waits_for_the_answers_before_it() -> None:
    async def ask(world: World) -> tuple[bytes, str]:
        caller = await world.caller()
        await caller.send(b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n" + b"nonsense\r\n\r\n")
        return (await caller.answer())[2], code_of(await caller.answer())

    assert run(ask) == (b"GET /slow 0", "malformed_request")


def test_too_many_requests_under_way_are_refused_until_some_are_answered() -> None:
    async def ask(world: World) -> tuple[str, int]:
        for _ in range(2):
            await (await world.caller()).send(b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n")
        await asyncio.sleep(0.01)
        refused = code_of(await world.ask(GET))
        await asyncio.sleep(0.1)
        return refused, (await world.ask(GET))[0]

    assert run(ask, requests=2) == ("too_many_requests", 200)
