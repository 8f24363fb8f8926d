"""A client of TMDB's API that keeps to its rate limit and explains its errors.

The requests are documented at developer.themoviedb.org: `discover/movie` (pages 1 to 500, twenty films each),
`movie/{id}`, errors as `status_code` and `status_message`, and 429 above some 50 requests a second.
A key of the newer kind goes into a header; no key is in a message or a log.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from threading import Lock
from typing import Any, Final

import httpx

from concord.errors import ConfigurationError, DataError, TrainingError

URL: Final = "https://api.themoviedb.org/3"

MOST_PAGES: Final = 500
PER_SECOND: Final = 40.0
"""Requests; TMDB admits some 50."""

TRIES: Final = 6
LONGEST_WAIT: Final = 60.0
"""Seconds, the most that one Retry-After delays."""


@dataclass(frozen=True)
class Span:
    """Days on which films came out, both included."""

    first: date
    last: date

    def halves(self) -> "tuple[Span, Span]":
        """The same days in two parts."""
        middle = self.first + (self.last - self.first) // 2
        return Span(self.first, middle), Span(middle + timedelta(days=1), self.last)


class Tmdb:
    """TMDB's API, within its rate limit.

    Args:
        key: A token of version 4, or a key of version 3.
        url: Of the API.
        clock: Seconds.
        sleep: Waits for so many.
        per_second: Requests at most.
    """

    def __init__(
        self,
        key: str,
        url: str = URL,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        per_second: float = PER_SECOND,
    ) -> None:
        # A key is 32 hex digits; a token is a JWT, and longer.
        as_token = re.fullmatch(r"[0-9a-fA-F]{32}", key) is None
        self._key = {} if as_token else {"api_key": key}
        headers = {"accept": "application/json"} | ({"authorization": f"Bearer {key}"} if as_token else {})
        # httpx logs addresses, and a key of version 3 is in them.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=30.0)
        self._clock, self._sleep, self._gap = clock, sleep, 1 / per_second
        self._lock, self._next = Lock(), clock()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def discover(self, span: Span, votes: int, page: int) -> tuple[list[int], int]:
        """Ids of the films on a page, and how many pages there are."""
        query = {
            "primary_release_date.gte": span.first.isoformat(),
            "primary_release_date.lte": span.last.isoformat(),
            "vote_count.gte": votes,
            # By date: popularity changes while one turns the pages.
            "sort_by": "primary_release_date.asc",
            "include_adult": "false",
            "include_video": "false",
            "page": page,
        }
        document = self._get("/discover/movie", query) or {}
        try:
            return [int(film["id"]) for film in document["results"]], int(document["total_pages"])
        except (KeyError, TypeError, ValueError):
            raise _unlike_tmdb("discover/movie") from None

    def film(self, number: int) -> Mapping[str, Any] | None:
        """A film's facts; None where it is gone."""
        return self._get(f"/movie/{number}", {})

    def _get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any] | None:
        for attempt in range(1, TRIES + 1):
            self._wait_for_turn()
            try:
                response = self._http.get(path, params={**query, **self._key})
            except httpx.HTTPError as error:
                # Its text may hold the whole address, with the key.
                if attempt == TRIES:
                    raise TrainingError(
                        f"TMDB cannot be reached ({type(error).__name__}). Check the network; the same "
                        "command goes on where this one ended."
                    ) from None
                self._pause(2.0**attempt / 2)
                continue
            if response.status_code == 429 or response.status_code >= 500:
                if attempt < TRIES:
                    self._pause(_retry_seconds(response, attempt))
                continue
            return _read(path, response)
        raise TrainingError(
            "TMDB asks to wait, or fails, again and again. Try later; the same command goes on where this "
            "one ended."
        )

    def _wait_for_turn(self) -> None:
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._gap
        if turn > now:
            self._sleep(turn - now)

    def _pause(self, seconds: float) -> None:
        """Delays the requests of all threads."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


def _read(path: str, response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = response.json()
    except ValueError:
        document = None
    if response.status_code == 404 and path.startswith("/movie/"):
        return None
    if response.status_code in {401, 403}:
        raise ConfigurationError(
            "TMDB refuses the key in TMDB_API_KEY: it is not valid, or was suspended. Copy it anew from "
            "themoviedb.org, settings, API.",
            field="TMDB_API_KEY",
        )
    if not isinstance(document, dict):
        raise _unlike_tmdb(path)
    if response.is_error:
        code = document.get("status_code")
        raise DataError(f"TMDB refuses {path.strip('/')} ({response.status_code}, its status_code {code}).")
    return document


def _retry_seconds(response: httpx.Response, attempt: int) -> float:
    text = response.headers.get("retry-after", "")
    wait = float(text) if re.fullmatch(r"\d{1,4}", text) else 2.0**attempt / 2
    return min(wait, LONGEST_WAIT)


def _unlike_tmdb(path: str) -> TrainingError:
    return TrainingError(f"What answers {path.strip('/')} does not answer as TMDB does. Check TMDB_API_URL.")
