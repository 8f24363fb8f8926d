"""`python -m benchmarks.people`: lets people look and ask on a running page, and says how long they waited.

Waited is from a click until the server has sent the page whole. The only module here that prints; nothing is
written but the rounds that are asked. Exit code 1 where anybody met an error.
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

from benchmarks.people.tab import Broken, Tab

ASKS: Final = 0.5
"""Share of the actions that ask; the others go to another page."""

THINKS: Final = (3.0, 9.0)
"""Seconds between two actions."""

COME: Final = 10.0
"""Seconds within which all have come."""


@dataclass
class Seen:
    """What all people together met.

    Attributes:
        waited: Action → seconds of each.
        errors: What went wrong, in words.
    """

    waited: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)

    async def timed(self, action: str, step: Awaitable[None]) -> None:
        """Takes a step, and notes how long it took or what went wrong."""
        began = time.monotonic()
        if await self.met(action, step):
            self.waited[action].append(time.monotonic() - began)

    async def met(self, action: str, step: Awaitable[None]) -> bool:
        """Takes a step, and notes what went wrong; returns whether nothing did."""
        try:
            await step
        except (Broken, WebSocketException, httpx.HTTPError, OSError) as error:
            self.errors.append(f"{action}: {error}")
            return False
        return True

    def lines(self) -> list[str]:
        """The figures, a line an action and one for all."""
        named = {**dict(sorted(self.waited.items())), "all": list(chain(*self.waited.values()))}
        return [_line(action, waits) for action, waits in named.items()] + [f"errors {len(self.errors):>5}"]


def _line(action: str, waits: Sequence[float]) -> str:
    middle, most, longest = np.percentile(waits, [50, 95, 100]) if waits else (0.0, 0.0, 0.0)
    figures = f"p50 {middle:5.2f} s   p95 {most:5.2f} s   at most {longest:5.2f} s"
    return f"{action:<6} {len(waits):>5} times   {figures}"


async def _live(url: str, until: float, seen: Seen, chance: random.Random) -> None:
    # One person, who comes, looks and asks until the time is over.
    await asyncio.sleep(chance.uniform(0, COME))
    async with Tab(url) as tab:
        await seen.timed("open", tab.open())
        is_at_form = True
        while time.monotonic() < until and tab.pages:
            thinks = min(chance.uniform(*THINKS), until - time.monotonic())
            if not await seen.met("stay", tab.stay(thinks)):
                return
            if chance.random() < ASKS:
                if not is_at_form:
                    await seen.timed("look", tab.go(next(iter(tab.pages))))
                    is_at_form = True
                await seen.timed("fill", tab.press("Fill in the example"))
                await seen.timed("ask", ask(tab))
            else:
                title = chance.choice(list(tab.pages))
                await seen.timed("look", tab.go(title))
                is_at_form = title == next(iter(tab.pages))


async def ask(tab: Tab) -> None:
    """Asks what is filled in.

    Raises:
        Broken: No new round came. A page that says why not is drawn well, so its sentence is looked for.
    """
    before = tab.rounds()
    await tab.press("Ask the")
    for caution in tab.warnings():
        raise Broken(f"the page says: {caution}")
    if not tab.rounds() - before:
        raise Broken("no new answer came")


async def play(url: str, people: int, seconds: float, seed: int) -> Seen:
    """So many people for so long; returns what they met."""
    seen, until = Seen(), time.monotonic() + seconds
    chances = (random.Random(seed + number) for number in range(people))  # noqa: S311 - no secret
    await asyncio.gather(*(_live(url, until, seen, chance) for chance in chances))
    return seen


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
    seen = asyncio.run(play(url, people, seconds, seed))
    click.echo(f"{people} people on {url} for {seconds:g} s")
    click.echo("\n".join(seen.lines()))
    for wrong in seen.errors:
        click.echo(wrong, err=True)
    sys.exit(1 if seen.errors else 0)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.people")
