"""Command `python -m benchmarks.people`: simulates people on a running page and reports their waiting times.

A waiting time ends when the server has sent the whole page. Exit code 1 after any error.
"""

import asyncio
import random
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import click
import httpx
import numpy as np
from websockets.exceptions import WebSocketException

from benchmarks.people.tab import PageError, Tab

ASK_SHARE: Final = 0.5
"""Share of the actions that ask for a prediction; the others open another page."""

THINK_SECONDS: Final = (3.0, 9.0)
"""Seconds between two actions."""

ARRIVAL_SECONDS: Final = 10.0
"""Seconds within which all people arrive."""


@dataclass
class Measurements:
    """Waiting times and errors of all people.

    Attributes:
        waits: Action → waiting times in seconds.
        errors: Messages of the errors.
    """

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)

    async def time_step(self, action: str, step: Awaitable[None]) -> None:
        """Takes a step, and records its duration or its error."""
        began = time.monotonic()
        if await self.try_step(action, step):
            self.waits[action].append(time.monotonic() - began)

    async def try_step(self, action: str, step: Awaitable[None]) -> bool:
        """Takes a step, and records its error; returns whether it succeeded."""
        try:
            await step
        except (PageError, WebSocketException, httpx.HTTPError, OSError) as error:
            self.errors.append(f"{action}: {error}")
            return False
        return True

    def lines(self) -> list[str]:
        """The figures as text: a line for each action and one for all."""
        groups = {**dict(sorted(self.waits.items())), "all": list(chain(*self.waits.values()))}
        return [_line(action, waits) for action, waits in groups.items()] + [f"errors {len(self.errors):>5}"]


def _line(action: str, waits: Sequence[float]) -> str:
    median, p95, longest = np.percentile(waits, [50, 95, 100]) if waits else (0.0, 0.0, 0.0)
    figures = f"p50 {median:5.2f} s   p95 {p95:5.2f} s   at most {longest:5.2f} s"
    return f"{action:<6} {len(waits):>5} times   {figures}"


async def _use_page(url: str, until: float, measurements: Measurements, rng: random.Random) -> None:
    # One person, who arrives, opens pages and asks until the time is over.
    await asyncio.sleep(rng.uniform(0, ARRIVAL_SECONDS))
    async with Tab(url) as tab:
        await measurements.time_step("open", tab.open())
        is_at_form = True
        while time.monotonic() < until and tab.pages:
            pause = min(rng.uniform(*THINK_SECONDS), until - time.monotonic())
            if not await measurements.try_step("stay", tab.stay(pause)):
                return
            if rng.random() < ASK_SHARE:
                if not is_at_form:
                    await measurements.time_step("look", tab.go(next(iter(tab.pages))))
                    is_at_form = True
                await measurements.time_step("fill", tab.press("Fill in the example"))
                await measurements.time_step("ask", ask(tab))
            else:
                title = rng.choice(list(tab.pages))
                await measurements.time_step("look", tab.go(title))
                is_at_form = title == next(iter(tab.pages))


async def ask(tab: Tab) -> None:
    """Sends the filled-in form.

    Raises:
        PageError: There is no new round; the page's warning says why, where it has one.
    """
    before = tab.rounds()
    await tab.press("Ask the")
    for warning in tab.warnings():
        raise PageError(f"the page says: {warning}")
    if not tab.rounds() - before:
        raise PageError("no new answer came")


async def simulate(url: str, people: int, seconds: float, seed: int) -> Measurements:
    """Simulates people for so many seconds; returns their measurements."""
    measurements, until = Measurements(), time.monotonic() + seconds
    rngs = (random.Random(seed + number) for number in range(people))  # noqa: S311 - no secret
    await asyncio.gather(*(_use_page(url, until, measurements, rng) for rng in rngs))
    return measurements


@click.command()
@click.argument("url", default="http://127.0.0.1:7480")
@click.option("--people", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--seconds", default=120.0, show_default=True, type=click.FloatRange(1), help="How long.")
@click.option("--seed", default=1, show_default=True, help="Of what each of them does.")
def main(url: str, people: int, seconds: float, seed: int) -> None:
    """Let people look and ask on the page at URL, and say how long they waited."""
    try:
        httpx.get(f"{url}/_stcore/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        raise click.ClickException(
            f"No page answers at {url} ({error}). Start one: uv run concord up"
        ) from None
    measurements = asyncio.run(simulate(url, people, seconds, seed))
    click.echo(f"{people} people on {url} for {seconds:g} s")
    click.echo("\n".join(measurements.lines()))
    for message in measurements.errors:
        click.echo(message, err=True)
    sys.exit(1 if measurements.errors else 0)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.people")
