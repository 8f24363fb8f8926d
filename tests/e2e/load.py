"""Callers in a pod: each asks, waits for its answer, and asks again, over a connection that is kept open.

Runs by itself on the consensus image's Python; `kind.py` mounts it. Takes one JSON object as its argument,
`{"url", "bodies", "callers"}` and perhaps `seconds`, `requests`, `ids`, `pause`, `token`, `ca` and `fresh`:
`bodies` are asked in turn, again and again; `pause` is seconds between an answer and the next question, `ca`
an authority's certificate as PEM, and with `fresh` each question has a connection of its own. Prints one
object: how many were answered by what, when the last failed or was degraded, how long they took. An
answer is a failure if its status is not 200; what never became an answer is counted apart, as `lost`. SIGTERM
ends it as its time does.
"""

import asyncio
import itertools
import json
import signal
import ssl
import sys
import time
from collections import Counter

import aiohttp

PATIENCE_SECONDS = 8.0
MOST_REASONS = 20


class Load:
    """What the callers share."""

    def __init__(self, order):
        self.order = order
        self.bodies = itertools.cycle([json.dumps(body).encode() for body in order["bodies"]])
        self.end = time.time() + order.get("seconds", 3600)
        self.left = order.get("requests", 1 << 60)
        self.statuses, self.outcomes, self.reasons = Counter(), Counter(), Counter()
        self.latencies, self.ids = [], []
        self.lost = 0
        self.last = {"failed": None, "lost": None, "degraded": None}

    async def run(self):
        began = time.time()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        context = ssl.create_default_context(cadata=self.order["ca"]) if "ca" in self.order else True
        connector = aiohttp.TCPConnector(ssl=context, force_close=self.order.get("fresh", False))
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            await asyncio.gather(*(self.call(session) for _ in range(self.order["callers"])))
        return self.told(time.time() - began)

    def stop(self):
        self.end = 0.0

    async def call(self, session):
        while time.time() < self.end and self.left > 0:
            self.left -= 1
            began = time.perf_counter()
            try:
                headers, body = {"content-type": "application/json"}, next(self.bodies)
                if "token" in self.order:
                    headers["authorization"] = f"Bearer {self.order['token']}"
                async with session.post(self.order["url"], data=body, headers=headers) as response:
                    self.note(response.status, await response.read(), time.perf_counter() - began)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.lost += 1
                self.left += 1
                self.last["lost"] = time.time()
                self.reason(f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.05)
            await asyncio.sleep(self.order.get("pause", 0))

    def note(self, status, body, seconds):
        self.statuses[str(status)] += 1
        if status != 200:
            self.last["failed"] = time.time()
            self.reason(f"{status} {body[:200]!r}")
            return
        self.latencies.append(seconds)
        for verdict in json.loads(body)["verdicts"]:
            self.outcomes[verdict["status"]] += 1
            if verdict["status"] != "ok":
                self.last["degraded"] = time.time()
            if verdict["recorded"] and self.order.get("ids"):
                self.ids.append(verdict["id"])

    def reason(self, words):
        if words in self.reasons or len(self.reasons) < MOST_REASONS:
            self.reasons[words] += 1

    def told(self, seconds):
        took = sorted(self.latencies) or [0.0]
        return {
            "answered": sum(self.statuses.values()),
            "statuses": self.statuses,
            "outcomes": self.outcomes,
            "lost": self.lost,
            "reasons": self.reasons,
            "last": self.last,
            "seconds": seconds,
            "p50_ms": 1000 * took[len(took) // 2],
            "p99_ms": 1000 * took[len(took) * 99 // 100],
            "ids": self.ids,
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Load(json.loads(sys.argv[1])).run())))  # noqa: T201 - its answer
