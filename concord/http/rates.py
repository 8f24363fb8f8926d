"""Limits of how much one caller may ask: token buckets of requests and of rows, in one process.

A bucket fills at its rate up to `rate * burst_seconds`. A request takes one; a call of many rows is admitted
as soon as there is one row in the bucket, and may overdraw it, so that every call is admitted some time and
the mean still keeps to the rate. Callers with a token have a bucket each; addresses share a bounded table, in
which only full buckets make room: a full one says nothing that a new one does not.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from concord.errors import RateLimited
from concord.observability import metrics

MOST_ADDRESSES: Final = 10_000
"""Buckets of addresses at once, some 200 bytes each. Addresses beyond share one."""

KINDS: Final = ("requests", "rows")
"""What is limited, in the order of rates and of what a bucket has left."""


class Bucket:
    """What a caller has left of requests and of rows, as it was at a time."""

    __slots__ = ("left", "time")

    def __init__(self, left: Sequence[float], now: float) -> None:
        self.left, self.time = list(left), now


class Rates:
    """The limits, and the buckets of all callers.

    Args:
        requests: Requests a second; 0: any number.
        rows: Rows a second; 0: any number.
        burst_seconds: Seconds that a bucket takes to fill.
        clock: Seconds that never run backwards.
    """

    def __init__(
        self,
        requests: float = 0,
        rows: float = 0,
        burst_seconds: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rates = (requests, rows)
        self._most = (max(1.0, requests * burst_seconds), max(1.0, rows * burst_seconds))
        self._clock = clock
        self._addresses: OrderedDict[str, Bucket] = OrderedDict()
        self._tokens: dict[str, Bucket] = {}
        self._others = self._new_bucket()
        self.are_off = not (requests or rows)

    def __len__(self) -> int:
        return len(self._addresses) + len(self._tokens)

    def of_token(self, name: str) -> Bucket:
        """The bucket of a token; there are as many as tokens."""
        bucket = self._tokens.get(name)
        if bucket is None:
            bucket = self._tokens[name] = self._new_bucket()
        return bucket

    def of_address(self, key: str) -> Bucket:
        """The bucket of an address, or the shared one where there is no room for another."""
        bucket = self._addresses.get(key)
        if bucket is not None:
            self._addresses.move_to_end(key)
            return bucket
        if len(self._addresses) >= MOST_ADDRESSES and not self._make_room():
            return self._others
        bucket = self._addresses[key] = self._new_bucket()
        return bucket

    def take_request(self, bucket: Bucket) -> None:
        """Takes a request out of a bucket; RateLimited if it has none."""
        self._take(bucket, 0, 1)

    def take_rows(self, bucket: Bucket, count: int) -> None:
        """Takes rows out of a bucket; RateLimited if it has none."""
        self._take(bucket, 1, count)

    def _take(self, bucket: Bucket, kind: int, count: int) -> None:
        if self._rates[kind]:
            self._fill(bucket)
            if bucket.left[kind] < 1:
                raise self._refusal(kind, bucket.left[kind])
            bucket.left[kind] -= count

    def _new_bucket(self) -> Bucket:
        return Bucket(self._most, self._clock())

    def _fill(self, bucket: Bucket) -> None:
        now = self._clock()
        elapsed, bucket.time = now - bucket.time, now
        for kind, (rate, most) in enumerate(zip(self._rates, self._most, strict=True)):
            bucket.left[kind] = min(most, bucket.left[kind] + elapsed * rate)

    def _make_room(self) -> bool:
        """Drops the bucket that was used longest ago, if it is full by now."""
        key, bucket = next(iter(self._addresses.items()))
        self._fill(bucket)
        if bucket.left != list(self._most):
            return False
        del self._addresses[key]
        return True

    def _refusal(self, kind: int, left: float) -> RateLimited:
        of, rate, most = KINDS[kind], self._rates[kind], self._most[kind]
        metrics.RATE_REFUSALS.labels(of).inc()
        return RateLimited(
            f"This caller asks for more than {rate:g} {of} a second (CONCORD_RATE_{of.upper()}); "
            "Retry-After says when to come back.",
            retry_after=(1 - left) / rate,
            policy=of,
            quota=most,
            window=most / rate,
        )
