"""A closed loop of callers in a process of its own: each sends, waits for its answer, and sends again.

Reads one JSON object on standard input, `{"host", "port", "path", "body", "marker", "rows",
"callers", "seconds"}`, and writes one: `{"requests", "seconds", "latencies", "failed", "reason"}`,
latencies in µs. It shares the machine with what it measures, so it is as small as it can be: bare
connections on uvloop, the request as ready bytes, httptools to find an answer's end, and a count of
a marker instead of a parsed body to see that there are as many answers as rows.

Connections are opened before the clock starts. Where a server closes one after its answer, opening
the next is part of the next request, as it is for its callers.
"""

import asyncio
import json
import sys
import time
from typing import Any, Final, cast

import httptools
import uvloop

PATIENCE_SECONDS: Final = 15.0
"""How long answers that are under way at the end may take."""

MOST_FAILURES: Final = 200
"""A stack that fails so often is not worth the rest of the slice."""


class Load:
    """What all callers share: the request, the clock and the counts."""

    def __init__(self, order: dict[str, Any]) -> None:
        body = order["body"].encode()
        head = (
            f"POST {order['path']} HTTP/1.1\r\nhost: {order['host']}:{order['port']}\r\n"
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
        _, left = await asyncio.wait(
            [caller.over for caller in callers], timeout=self._seconds + PATIENCE_SECONDS
        )
        seconds = time.perf_counter() - began
        if left:
            self.fail(f"{len(left)} callers got no answer within {PATIENCE_SECONDS:g} s", len(left))
        return {
            "requests": len(self.latencies),
            "seconds": seconds,
            "latencies": self.latencies,
            "failed": self.failed,
            "reason": self.reason,
        }

    def fail(self, reason: str, count: int = 1) -> None:
        """Counts what was no answer; the first reason is told."""
        self.failed += count
        self.reason = self.reason or reason
        if self.failed >= MOST_FAILURES:
            self.end = 0.0


class Caller:
    """Sends one request after the other, over one connection for as long as the server keeps it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wire: Wire | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._began = 0.0

    async def connect(self) -> None:
        """Opens a connection."""
        loop = asyncio.get_running_loop()
        _, self._wire = await loop.create_connection(lambda: Wire(self, self._load), *self._load.address)

    def send(self) -> None:
        """Sends the next request, or ends."""
        self._began = time.perf_counter()
        if self._began >= self._load.end:
            if self._wire is not None:
                self._wire.close()
            self.over.set_result(None)
        elif self._wire is None:
            self._reconnecting = asyncio.get_running_loop().create_task(self._again())
        else:
            self._wire.send()

    async def _again(self) -> None:
        try:
            await self.connect()
        except OSError as error:
            self._load.fail(f"connecting: {error}")
            await asyncio.sleep(0.05)
            self.send()
        else:
            assert self._wire is not None
            self._wire.send()

    def answered(self, status: int, answers: int, *, keep: bool) -> None:
        """Judges a whole answer and goes on."""
        if status == 200 and answers == self._load.rows:
            self._load.latencies.append(round((time.perf_counter() - self._began) * 1e6))
        else:
            self._load.fail(f"status {status}, {answers} answers for {self._load.rows} rows")
        if not keep and self._wire is not None:
            self._wire.close()
            self._wire = None
        # Not from within the parser, which is not done with this message yet.
        asyncio.get_running_loop().call_soon(self.send)

    def lost(self, wire: "Wire", error: Exception | None, *, owed: bool) -> None:
        """The server has closed; a fault if it owed an answer."""
        if wire is self._wire:
            self._wire = None
        if owed:
            self._load.fail(f"the connection was closed before the answer: {error}")
            self.send()


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, caller: Caller, load: Load) -> None:
        self._caller = caller
        self._load = load
        self._is_owed = False

    def send(self) -> None:
        """Sends the request."""
        self._parser = httptools.HttpResponseParser(self)
        self._answers, self._tail = 0, b""
        self._is_owed = True
        self._transport.write(self._load.request)

    def close(self) -> None:
        """Closes at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is connected."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Is connected no more."""
        self._caller.lost(self, error, owed=self._is_owed)

    def data_received(self, data: bytes) -> None:
        """Part of an answer."""
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        """Counts the answers; a marker that two parts share is counted with the second."""
        marker = self._load.marker
        seen = self._tail + part
        self._answers += seen.count(marker)
        self._tail = seen[-len(marker) + 1 :]

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self._is_owed = False
        self._caller.answered(
            self._parser.get_status_code(), self._answers, keep=self._parser.should_keep_alive()
        )


def main() -> None:
    """Takes the order, runs it, tells the result."""
    order = json.load(sys.stdin)
    result = uvloop.run(_run(order))
    json.dump(result, sys.stdout)


async def _run(order: dict[str, Any]) -> dict[str, Any]:
    return await Load(order).run()


if __name__ == "__main__":
    main()
