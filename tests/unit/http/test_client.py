"""The fan-out's client against a server that does everything that a server should not."""

import asyncio
import contextlib
import gc
import socket
import ssl
from pathlib import Path

import pytest

from concord.consensus.node_client import NodeClient
from concord.errors import ConfigurationError
from concord.http import client
from concord.http.client import AROUND_BYTES, HttpClient, _Connection

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Votes ; v=1\r\nx-concord-model: iris.knn/1\r\n"
SIZED = HEAD + b"content-length: 4\r\n\r\nabcd"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n3;x=y\r\nbcd\r\n0\r\nx-trailer: t\r\n\r\n"
INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\ncontent-length: 9\r\n\r\n" + SIZED
)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request):
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def nothing_is_left():
    """No task, socket or unseen exception outlives a test."""
    errors, loop = [], asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    before = sockets()
    yield
    async with asyncio.timeout(1):
        while others() or sockets() > before:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
    gc.collect(0)
    await asyncio.sleep(0)
    assert errors == []


def others():
    """Tasks beside the runner's own."""
    return {task for task in asyncio.all_tasks() if "TestRunner" not in task.get_coro().__qualname__}


def sockets():
    """How many sockets this process has open; uvloop makes its own two anew for each run."""
    links = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(path.readlink()))
    return sum(name.startswith("socket:") for name in links)


class Peer:
    """A connection as the misbehaving server sees it."""

    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer

    async def take(self):
        """Reads one request, whole."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.server.requests.append(head + await self.reader.readexactly(size))

    async def say(self, *parts, pause=0.002):
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            if len(parts) > 1:
                await asyncio.sleep(pause)

    async def until_hung_up(self):
        while await self.reader.read(1 << 16):
            pass
        self.server.hung_up += 1


class Server:
    """Serves each connection by a function of its number and its peer."""

    def __init__(self, behave):
        self._behave = behave
        self.connections = self.hung_up = 0
        self.requests = []

    async def __call__(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._behave(self.connections, Peer(self, reader, writer))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
async def serve(nothing_is_left):
    """Serves a behaviour; returns the server and an origin that asks it."""
    async with contextlib.AsyncExitStack() as stack:

        async def serve(behave, host="127.0.0.1", **options):
            server = Server(behave)
            listening = await asyncio.start_server(server, host, 0, **options)
            port = listening.sockets[0].getsockname()[1]
            name = f"[{host}]" if ":" in host else "localhost" if options else host
            origin = HttpClient(f"{'https' if options else 'http'}://{name}:{port}/base/")
            await stack.enter_async_context(listening)
            # First of all, so that handlers that wait for more see the end.
            stack.callback(origin.close)
            return server, origin

        yield serve


def answering(*answers, pause=0.002):
    """Every request of a connection gets the next answer; after the last the server closes."""

    async def behave(_number, peer):
        for answer in answers:
            await peer.take()
            await peer.say(*([answer] if isinstance(answer, bytes) else answer), pause=pause)

    return behave


def forever(answer):
    """Every request gets the same answer."""

    async def behave(_number, peer):
        while True:
            await peer.take()
            await peer.say(answer)

    return behave


async def ask(origin, body=b"rows", limit=100):
    opening = origin.opening("POST", "/v1/votes", {"content-type": "text/rows"})
    async with asyncio.timeout(5):
        return await origin.exchange(opening, {"x-request-id": "a,b"}, body, limit=limit)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


# What is asked, and what is understood


async def test_a_request_has_what_is_constant_and_what_is_its_own(serve):
    server, origin = await serve(forever(SIZED))
    await ask(origin)
    lines = [
        "POST /base/v1/votes HTTP/1.1",
        f"host: 127.0.0.1:{origin._port}",
        "content-type: text/rows",
        "x-request-id: a,b",
        "content-length: 4",
        "",
        "rows",
    ]
    assert server.requests == ["\r\n".join(lines).encode()]


@pytest.mark.parametrize("answer", [SIZED, CHUNKED, INTERIM], ids=["sized", "chunked", "after interim ones"])
async def test_an_answer_is_its_status_type_headers_and_body(serve, answer):
    _, origin = await serve(forever(answer))
    response = await ask(origin)
    assert (response.status, response.media_type, response.body) == (200, "text/votes", b"abcd")
    assert (response.header("x-concord-model"), response.header("link")) == ("iris.knn/1", None)


@pytest.mark.parametrize("answer", [SIZED, CHUNKED, INTERIM], ids=["sized", "chunked", "after interim ones"])
async def test_an_answer_may_be_split_anywhere(serve, answer):
    halves = [(answer[:at], answer[at:]) for at in range(1, len(answer))]
    bytewise = [answer[at : at + 1] for at in range(len(answer))]
    server, origin = await serve(answering(*halves, bytewise, pause=0.0005))
    bodies = {(await ask(origin)).body for _ in range(len(halves) + 1)}
    assert (bodies, server.connections) == ({b"abcd"}, 1)


async def test_a_large_request_and_a_large_answer_arrive_whole(serve):
    size = 3 << 20
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + bytes(range(256)) * (size // 256)
    server, origin = await serve(forever(answer))
    response = await ask(origin, b"\1" * size, limit=size + 1)
    assert response.body == bytes(range(256)) * (size // 256)
    assert server.requests[0].endswith(b"\1" * size)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_an_empty_answer_is_one(serve, answer):
    server, origin = await serve(forever(answer))
    for _ in range(2):
        response = await ask(origin)
    assert (response.body, response.media_type, server.connections) == (b"", "", 1)


async def test_an_empty_header_is_not_its_neighbour(serve):
    _, origin = await serve(forever(SIZED.replace(b"x-concord-model:", b"x-empty:\r\nx-concord-model:")))
    response = await ask(origin)
    assert (response.header("x-empty"), response.header("x-concord-model")) == ("", "iris.knn/1")


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\nb", "a\rb"])
async def test_a_header_of_two_lines_is_refused(value):
    with pytest.raises(ValueError, match="one line"):
        await HttpClient("http://node").exchange("", {"x-request-id": value}, b"", limit=1)


# How long connections live


async def test_one_connection_serves_one_request_after_another(serve):
    server, origin = await serve(forever(SIZED))
    for _ in range(5):
        await ask(origin)
    assert (server.connections, len(server.requests)) == (1, 5)


async def test_requests_at_once_have_a_connection_each_and_both_stay(serve):
    server, origin = await serve(forever(SIZED))
    for _ in range(5):
        await asyncio.gather(ask(origin), ask(origin))
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        SIZED.replace(b"HTTP/1.1", b"HTTP/1.0"),
        SIZED.replace(b"content-length", b"connection: close\r\ncontent-length"),
        CHUNKED.replace(b"transfer-", b"connection: close\r\ntransfer-"),
    ],
)
async def test_a_server_that_wants_to_close_is_not_asked_again_there(serve, answer):
    server, origin = await serve(forever(answer))
    bodies = [(await ask(origin)).body for _ in range(3)]
    assert (bodies, server.connections) == ([b"abcd"] * 3, 3)


async def test_http_1_0_may_keep_a_connection_too(serve):
    answer = SIZED.replace(b"HTTP/1.1", b"HTTP/1.0").replace(
        b"\r\n\r\n", b"\r\nconnection: keep-alive\r\n\r\n"
    )
    server, origin = await serve(forever(answer))
    for _ in range(3):
        await ask(origin)
    assert server.connections == 1


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
@pytest.mark.parametrize("body", [b"abcd", b""])
async def test_a_body_without_a_length_ends_with_the_connection(serve, version, body):
    answer = HEAD.replace(b"HTTP/1.1", version) + b"\r\n"
    server, origin = await serve(answering([answer, body]))
    for _ in range(2):
        assert (await ask(origin)).body == body
    assert server.connections == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(serve):
    server, origin = await serve(answering(SIZED))
    for _ in range(3):
        await ask(origin)
        await asyncio.sleep(0.02)
    assert (server.connections, len(server.requests)) == (3, 3)


async def test_a_kept_connection_that_closes_unheard_has_its_request_repeated_once(serve):
    async def behave(number, peer):
        await peer.take()
        await peer.say(SIZED)
        await peer.take()
        if number > 1:
            await peer.say(SIZED)

    server, origin = await serve(behave)
    for _ in range(2):
        assert (await ask(origin)).body == b"abcd"
    assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_request_is_repeated_on_a_fresh_connection_and_on_no_other_kept_one(serve):
    async def behave(number, peer):
        await peer.take()
        await peer.say(SIZED)
        if number < 3:
            await peer.take()

    server, origin = await serve(behave)
    await asyncio.gather(ask(origin), ask(origin))
    assert (await ask(origin)).body == b"abcd"
    assert (server.connections, len(server.requests)) == (3, 4)


async def test_a_fresh_connection_that_closes_unheard_is_an_error_at_once(serve):
    async def behave(number, peer):
        await peer.take()
        if number == 1:
            await peer.say(SIZED)
            await peer.take()

    server, origin = await serve(behave)
    await ask(origin)
    with pytest.raises(ConnectionError, match="without an answer"):
        await ask(origin)
    assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_server_that_closes_on_being_met_is_an_error(serve):
    async def behave(number, peer):
        pass

    _, origin = await serve(behave)
    for _ in range(20):
        with pytest.raises(OSError, match=r"closed|reset|pipe"):
            await ask(origin)


async def test_a_connection_that_was_idle_for_long_is_not_used_again(serve, monkeypatch):
    monkeypatch.setattr(client, "IDLE_SECONDS", 0.03)
    server, origin = await serve(forever(SIZED))
    await asyncio.gather(ask(origin), ask(origin))
    await asyncio.sleep(0.1)
    await ask(origin)
    assert (server.connections, len(origin._idle)) == (3, 1)


async def test_a_connection_too_many_grows_old_beside_a_busy_one(serve, monkeypatch):
    monkeypatch.setattr(client, "IDLE_SECONDS", 0.05)
    _, origin = await serve(forever(SIZED))
    await asyncio.gather(ask(origin), ask(origin))
    for _ in range(20):
        await ask(origin)
        await asyncio.sleep(0.01)
    assert len(origin._idle) == 1


@pytest.mark.parametrize("anyio_backend", [("asyncio", {})], ids=["asyncio"])
async def test_a_name_is_resolved_anew_for_each_connection(serve, monkeypatch):
    here, there = Server(answering(SIZED)), Server(answering(SIZED.replace(b"abcd", b"efgh")))
    first = await asyncio.start_server(here, "127.0.0.1", 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(there, "127.0.0.2", port)
    addresses = iter(["127.0.0.1", "127.0.0.2"])
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: resolve(next(addresses) if host == "node" else host, *a, **k),
    )
    async with first, second:
        origin = HttpClient(f"http://node:{port}")
        assert (await ask(origin)).body == b"abcd"
        await until(lambda: not origin._idle)
        assert (await ask(origin)).body == b"efgh"
        origin.close()


async def test_a_closed_origin_has_no_connections_and_makes_none(serve):
    async def behave(number, peer):
        await peer.take()
        if number == 2:
            await asyncio.sleep(0.05)
        await peer.say(SIZED)
        await peer.until_hung_up()

    server, origin = await serve(behave)
    idle, busy = asyncio.create_task(ask(origin)), asyncio.create_task(ask(origin))
    await asyncio.wait((idle, busy), return_when=asyncio.FIRST_COMPLETED)
    origin.close()
    await asyncio.gather(idle, busy)
    await until(lambda: server.hung_up == 2)
    with pytest.raises(ConnectionError, match="closed"):
        await ask(origin)


# What is no answer


@pytest.mark.parametrize(
    "answer",
    [
        b"\x80\x04\x95garbage",
        b"\x16\x03\x01\x02\x00\x01",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na\0b: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcdefgh\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nPRI",
    ],
)
async def test_what_is_not_http_is_an_error_on_a_fresh_and_on_a_kept_connection(serve, answer):
    async def behave(number, peer):
        await peer.take()
        if number == 2:
            await peer.say(SIZED)
            await peer.take()
        await peer.say(answer)
        await peer.until_hung_up()

    server, origin = await serve(behave)
    with pytest.raises(ConnectionError, match=r"not HTTP/1\.1"):
        await ask(origin)
    assert (await ask(origin)).body == b"abcd"
    with pytest.raises(ConnectionError, match=r"not HTTP/1\.1"):
        await ask(origin)
    await until(lambda: server.hung_up == 2)


@pytest.mark.parametrize("answer", [SIZED, CHUNKED], ids=["sized", "chunked"])
async def test_an_answer_that_breaks_off_is_an_error_and_not_asked_for_again(serve, answer):
    parts = [answer[:at] for at in range(1, len(answer), 7)]
    numbers = iter(parts)

    async def behave(_number, peer):
        await peer.take()
        await peer.say(SIZED)
        await peer.take()
        await peer.say(next(numbers))

    server, origin = await serve(behave)
    for _ in parts:
        await ask(origin)
        with pytest.raises(ConnectionError, match="midst"):
            await ask(origin)
    assert len(server.requests) == 2 * len(parts)


async def test_a_body_without_a_length_that_is_reset_is_an_error(serve):
    async def behave(_number, peer):
        await peer.take()
        await peer.say(HEAD + b"\r\nab", b"cd")
        peer.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )

    _, origin = await serve(behave)
    with pytest.raises(ConnectionError, match="midst"):
        await ask(origin)


@pytest.mark.parametrize(
    "endless",
    [
        (b"HTTP/1.1 200 OK\r\nx-long: ", b"a" * 1024),
        (b"HTTP/1.1 200 OK\r\n", b"x-many: 1\r\n" * 100),
        (b"HTTP/1.1 200 ", b"OK" * 500),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n1;x=", b"y" * 1024),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x-trailer: 1\r\n" * 100),
    ],
    ids=["header", "headers", "reason", "interim", "chunk extension", "trailers"],
)
async def test_what_stands_around_a_body_is_bounded(serve, endless):
    begin, more = endless

    async def behave(_number, peer):
        await peer.take()
        await peer.say(begin)
        for _ in range(10 * AROUND_BYTES // len(more)):
            await peer.say(more)

    _, origin = await serve(behave)
    with pytest.raises(ConnectionError, match="bytes around"):
        await ask(origin)


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"content-length: 9999999\r\n\r\n" + b"a" * 9999,
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"3e8\r\n%s\r\n" % (b"a" * 1000) * 9,
        HEAD + b"\r\n" + b"a" * 9999,
        HEAD + b"content-length: 100\r\n\r\n" + b"a" * 100,
    ],
    ids=["sized", "chunked", "until closed", "by one"],
)
async def test_a_body_that_is_too_long_is_cut_and_its_connection_closed(serve, answer):
    async def behave(_number, peer):
        await peer.take()
        await peer.say(answer)
        await peer.until_hung_up()

    server, origin = await serve(behave)
    response = await ask(origin, limit=100)
    assert (response.status, response.body) == (200, b"a" * 100)
    await until(lambda: server.hung_up == 1)


@pytest.mark.parametrize(
    "surplus",
    [b"e", b"\r\nefgh", SIZED.replace(b"abcd", b"evil"), b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["body", "lines", "second answer", "interim"],
)
@pytest.mark.parametrize("together", [True, False], ids=["at once", "later"])
async def test_what_follows_a_whole_answer_is_never_the_next_one(serve, surplus, together):
    async def behave(_number, peer):
        await peer.take()
        await peer.say(*([SIZED + surplus] if together else [SIZED, surplus]))
        await peer.until_hung_up()

    server, origin = await serve(behave)
    for _ in range(3):
        assert (await ask(origin)).body == b"abcd"
        await until(lambda: not origin._idle)
    assert server.connections == 3


async def test_a_server_that_speaks_first_is_an_error(serve):
    async def behave(_number, peer):
        await peer.say(SIZED)
        await peer.until_hung_up()

    server, origin = await serve(behave)
    idle = await origin._connect()
    await until(lambda: server.hung_up == 1)
    with pytest.raises(ConnectionError, match="before it was asked"):
        await idle.exchange(b"", 1)


async def test_an_answer_before_the_request_was_read_counts_and_closes(serve):
    async def behave(_number, peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(SIZED.replace(b"200", b"413"))
        await peer.until_hung_up()

    _, origin = await serve(behave)
    # More than the socket's two buffers hold.
    response = await ask(origin, b"\0" * (16 << 20))
    assert (response.status, len(origin._idle)) == (413, 0)


async def test_a_server_that_half_closes_and_does_not_read_is_an_error_at_once(serve):
    async def behave(_number, peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.write_eof()
        await done.wait()

    done = asyncio.Event()
    _, origin = await serve(behave)
    with pytest.raises(ConnectionError, match="without an answer"):
        await ask(origin, b"\0" * (16 << 20))
    done.set()


# Who does not wait any more


@pytest.mark.parametrize(
    "sent", [b"", HEAD, HEAD + b"content-length: 4\r\n\r\nab"], ids=["nothing", "half a head", "half a body"]
)
async def test_cancelling_closes_the_connection_so_that_the_server_notices(serve, sent):
    async def behave(_number, peer):
        await peer.take()
        await peer.say(sent)
        await peer.until_hung_up()

    server, origin = await serve(behave)
    asking = asyncio.create_task(ask(origin))
    await until(lambda: server.requests)
    await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: server.hung_up == 1)
    assert not origin._idle


@pytest.mark.parametrize("passes", range(12))
async def test_cancelling_at_any_moment_harms_no_later_request(serve, passes):
    _, origin = await serve(forever(SIZED))
    for _ in range(10):
        asking = asyncio.create_task(ask(origin))
        for _ in range(passes):
            await asyncio.sleep(0)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        assert (await ask(origin)).body == b"abcd"


class Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    closed = False

    def write(self, data):
        pass

    def abort(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def get_write_buffer_size(self):
        return 0


async def test_an_answer_that_comes_as_its_caller_leaves_frees_the_connection_for_others(nothing_is_left):
    origin = HttpClient("http://node")
    link = _Connection(origin, asyncio.get_running_loop())
    link.connection_made(Wire())
    leaving = asyncio.create_task(link.exchange(b"", 100))
    await asyncio.sleep(0)
    link.data_received(SIZED)
    assert list(origin._idle) == [link]
    staying = asyncio.create_task(origin.exchange("", {}, b"", limit=100))
    leaving.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    link.data_received(SIZED)
    assert ((await staying).body, leaving.cancelled()) == (b"abcd", True)


async def test_an_error_that_comes_as_its_caller_leaves_is_no_noise(nothing_is_left):
    link = _Connection(HttpClient("http://node"), asyncio.get_running_loop())
    link.connection_made(Wire())
    leaving = asyncio.create_task(link.exchange(b"", 100))
    await asyncio.sleep(0)
    link.data_received(b"garbage")
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving


@pytest.fixture
def deaf():
    """URL of a server that accepts no connection: its queue is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            queued = stack.enter_context(socket.socket())
            queued.settimeout(0)
            queued.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_a_connection_that_does_not_come_about_is_an_error(nothing_is_left, deaf, monkeypatch):
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.1)
    with pytest.raises(ConnectionError, match=r"within 0\.1 s"):
        await ask(HttpClient(deaf))


async def test_who_waits_for_a_connection_can_leave(nothing_is_left, deaf):
    asking = asyncio.create_task(ask(HttpClient(deaf)))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_nobody_there_is_an_error(serve):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await ask(HttpClient(f"http://127.0.0.1:{port}"))


# Where nodes are


@pytest.mark.parametrize(
    ("url", "port", "request_line", "host"),
    [
        ("http://knn.concord.svc", 80, "/info", "knn.concord.svc"),
        ("http://Node:3000/", 3000, "/info", "node:3000"),
        ("https://node", 443, "/info", "node"),
        ("http://[::1]:3000", 3000, "/info", "[::1]:3000"),
        ("http://[2001:db8::1]", 80, "/info", "[2001:db8::1]"),
        ("http://node/a/b c/", 80, "/a/b%20c/info", "node"),
        ("http://node/a%2Fb", 80, "/a%2Fb/info", "node"),
        ("http://bücher.example", 80, "/info", "xn--bcher-kva.example"),
    ],
)
def test_an_address_says_host_port_and_path(url, port, request_line, host):
    origin = HttpClient(url)
    assert origin._port == port
    assert origin.opening("GET", "/info") == f"GET {request_line} HTTP/1.1\r\nhost: {host}\r\n"


@pytest.mark.parametrize(
    "url",
    ["", "node:3000", "ftp://node", "http://", "http://:80", "http://node:x", "http://node:99999", "http://[::1",
     "http://me:secret@node", "http://node?a=b", "http://node#a", "http://a..b"],
)  # fmt: skip
def test_what_is_no_address_of_a_node_is_an_error_of_the_nodes_file(url):
    with pytest.raises(ConfigurationError, match=r"iris\.knn cannot be at") as caught:
        NodeClient("iris", "knn", url, lambda: None)
    assert caught.value.field == "CONCORD_NODES"


async def test_a_node_may_have_an_address_of_version_6(serve):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    _, origin = await serve(forever(SIZED), host="::1")
    assert (await ask(origin)).body == b"abcd"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Key and certificate of localhost, in one file."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_https_is_spoken_with_servers_that_the_system_trusts(serve, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server, origin = await serve(forever(SIZED), ssl=tls)
    bodies = [(await ask(origin)).body for _ in range(3)]
    assert (bodies, server.connections) == ([b"abcd"] * 3, 1)


async def test_https_is_not_spoken_with_anybody(serve, tls):
    _, origin = await serve(forever(SIZED), ssl=tls)
    with pytest.raises(ssl.SSLCertVerificationError):
        await ask(origin)
