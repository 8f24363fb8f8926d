"""Closed-loop load generator: each caller sends a request, waits for its answer, and sends again.

Reads a JSON object on standard input and writes one, latencies in µs. To use little CPU, answers are not
parsed: their rows are counted by a marker. Connections are opened before the clock starts; where a server
closes one after an answer, opening the next is part of the next request.
"""

import asyncio
import json
import sys
import time
from typing import Any, Final, cast

import httptools
import uvloop

DRAIN_SECONDS: Final = 15.0
"""Time limit for the answers that are pending at the end."""

MAX_FAILURES: Final = 200
"""Failed requests after which the run ends early."""


class Load:
    """State that all callers share: the request, the end time and the counts."""

    def __init__(self, order: dict[str, Any]) -> None:
        body = order["body"].encode()
        token = f"authorization: Bearer {order['token']}\r\n" if order["token"] else ""
        head = (
            f"POST {order['path']} HTTP/1.1\r\nhost: {order['host']}:{order['port']}\r\n{token}"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.request = head.encode() + body
        self.marker = order["marker"].encode()
        self.rows: int = order["rows"]
        self.address: tuple[str, int] = (order["host"], order["port"])
        self.callers: int = order["callers"]
        self.latencies: list[int] = []
        self.failed = 0
        self.reason = ""
        self.end = 0.0
        self._seconds: float = order["seconds"]

    async def run(self) -> dict[str, Any]:
        """Runs the callers until the time is over and each has its last answer."""
        callers = [Caller(self) for _ in range(self.callers)]
        for caller in callers:
            await caller.connect()
        began = time.perf_counter()
        self.end = began + self._seconds
        for caller in callers:
            caller.send()
        _, pending = await asyncio.wait(
            [caller.done for caller in callers], timeout=self._seconds + DRAIN_SECONDS
        )
        seconds = time.perf_counter() - began
        if pending:
            self.fail(f"{len(pending)} callers got no answer within {DRAIN_SECONDS:g} s", len(pending))
        return {
            "requests": len(self.latencies),
            "seconds": seconds,
            "latencies": self.latencies,
            "failed": self.failed,
            "reason": self.reason,
        }

    def fail(self, reason: str, count: int = 1) -> None:
        """Counts failed requests and keeps the first reason."""
        self.failed += count
        self.reason = self.reason or reason
        if self.failed >= MAX_FAILURES:
            self.end = 0.0


class Caller:
    """A caller, which sends its requests in sequence over one kept-alive connection."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection: Connection | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._began = 0.0

    async def connect(self) -> None:
        """Opens a connection."""
        loop, load = asyncio.get_running_loop(), self._load
        _, self._connection = await loop.create_connection(lambda: Connection(self, load), *load.address)

    def send(self) -> None:
        """Sends the next request, or ends."""
        self._began = time.perf_counter()
        if self._began >= self._load.end:
            if self._connection is not None:
                self._connection.close()
            self.done.set_result(None)
        elif self._connection is None:
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())
        else:
            self._connection.send()

    async def _reconnect(self) -> None:
        try:
            await self.connect()
        except OSError as error:
            self._load.fail(f"connecting: {error}")
            await asyncio.sleep(0.05)
            self.send()
        else:
            assert self._connection is not None
            self._connection.send()

    def finish(self, status: int, answers: int, *, keep: bool) -> None:
        """Counts a complete answer and sends the next request."""
        if status == 200 and answers == self._load.rows:
            self._load.latencies.append(round((time.perf_counter() - self._began) * 1e6))
        else:
            self._load.fail(f"status {status}, {answers} answers for {self._load.rows} rows")
        if not keep and self._connection is not None:
            self._connection.close()
            self._connection = None
        # Not from within the parser, which still handles this message.
        asyncio.get_running_loop().call_soon(self.send)

    def disconnected(self, connection: "Connection", error: Exception | None, *, is_owed: bool) -> None:
        """The server closed the connection; a failure if an answer was pending."""
        if connection is self._connection:
            self._connection = None
        if is_owed:
            self._load.fail(f"the connection was closed before the answer: {error}")
            self.send()


class Connection(asyncio.Protocol):
    """A TCP connection of a caller, with its HTTP parser."""

    def __init__(self, caller: Caller, load: Load) -> None:
        self._caller = caller
        self._load = load
        self._is_owed = False

    def send(self) -> None:
        """Sends the request."""
        self._parser = httptools.HttpResponseParser(self)
        self._answers, self._rest = 0, b""
        self._is_owed = True
        self._transport.write(self._load.request)

    def close(self) -> None:
        """Closes at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Tells the caller."""
        self._caller.disconnected(self, error, is_owed=self._is_owed)

    def data_received(self, data: bytes) -> None:
        """Parses a part of an answer."""
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        """Counts the markers; one that is split over two parts is counted with the second."""
        marker = self._load.marker
        body = self._rest + part
        self._answers += body.count(marker)
        self._rest = body[-len(marker) + 1 :]

    def on_message_complete(self) -> None:
        """Tells the caller that the answer is complete."""
        self._is_owed = False
        self._caller.finish(
            self._parser.get_status_code(), self._answers, keep=self._parser.should_keep_alive()
        )


def main() -> None:
    """Reads the order, runs it and writes the result."""
    order = json.load(sys.stdin)
    result = uvloop.run(_run(order))
    json.dump(result, sys.stdout)


async def _run(order: dict[str, Any]) -> dict[str, Any]:
    return await Load(order).run()


if __name__ == "__main__":
    main()
