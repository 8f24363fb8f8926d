"""`python -m benchmarks.people`: so many people on a running page at once, and how long each waits.

Each is a tab of Chromium with a session of its own, who asks, looks through all pages, and thinks for some
seconds in between. Waited is from a click until the page is drawn whole.
Chromium runs on the same cores, so the page alone is quicker than what is measured here. Nothing is
written but the rounds that are asked. Exit code 1 where anybody met an error.
"""

import asyncio
import random
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import click
import numpy as np
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as PlaywrightError

PAGES: Final = ("Batch", "Rounds", "Nodes", "Ledger", "Models", "Drift", "Live", "Predict")
ASKS: Final = 0.5
"""Share of the actions that ask; the others go to another page."""

THINKS: Final = (4.0, 12.0)
"""Seconds between two actions."""

PATIENCE: Final = 30_000
"""Milliseconds after which waiting is an error."""

DRAWN: Final = """title => document.querySelector('h1')?.innerText === title
    && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')"""
ANSWERED: Final = """before => [...document.querySelectorAll('[data-testid=stCode]')]
    .map(code => code.innerText).join() !== before"""
IDS: Final = "[...document.querySelectorAll('[data-testid=stCode]')].map(code => code.innerText).join()"
FILLED: Final = "[...document.querySelectorAll('[data-testid=stForm] input')].every(input => input.value)"
ALARMS: Final = "[data-testid=stException], [data-testid=stAlertContentError]"


@dataclass
class Seen:
    """What all people together met.

    Attributes:
        waited: Action → seconds of each.
        errors: What went wrong, in words.
    """

    waited: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)

    async def timed(self, action: str, page: Page, step: Callable[[], Awaitable[None]]) -> None:
        """Takes a step, and notes how long it took and what the page then says is wrong."""
        began = time.monotonic()
        try:
            await step()
        except PlaywrightError as error:
            self.errors.append(f"{action}: {error.message.splitlines()[0]}")
            return
        self.waited[action].append(time.monotonic() - began)
        for alarm in await page.locator(ALARMS).all_inner_texts():
            self.errors.append(f"{action}: the page says: {alarm.splitlines()[0]}")

    def lines(self) -> list[str]:
        """The figures, a line an action and one for all."""
        named = {**dict(sorted(self.waited.items())), "all": list(chain(*self.waited.values()))}
        return [_line(action, waits) for action, waits in named.items()] + [f"errors {len(self.errors):>5}"]


@dataclass
class Person:
    """One who looks and asks until the time is over.

    Attributes:
        page: The tab.
        seen: Where it is noted.
        random: Chance, of this person alone.
    """

    page: Page
    seen: Seen
    random: random.Random

    async def visit(self, url: str, until: float) -> None:
        """Comes, acts, and stays to the end."""
        # Nobody of twenty comes at the same moment as another.
        await asyncio.sleep(self.random.uniform(0, 10))
        await self.seen.timed("open", self.page, lambda: self._open(url))
        while time.monotonic() < until:
            await asyncio.sleep(self.random.uniform(*THINKS))
            if self.random.random() < ASKS:
                if await self.page.locator("h1").inner_text() != "Predict":
                    await self._go("Predict")
                await self._ask()
            else:
                await self._go(self.random.choice(PAGES))

    async def _open(self, url: str) -> None:
        await self.page.goto(url)
        await self.page.wait_for_function(DRAWN, arg="Predict")

    async def _go(self, title: str) -> None:
        async def step() -> None:
            await self.page.get_by_role("link", name=title).first.click()
            await self.page.wait_for_function(DRAWN, arg=title)

        await self.seen.timed("look", self.page, step)

    async def _ask(self) -> None:
        async def fill() -> None:
            await self.page.get_by_role("button", name="Fill in the example").click()
            await self.page.wait_for_function(FILLED)

        async def ask() -> None:
            before = await self.page.evaluate(IDS)
            await self.page.get_by_role("button", name="Ask the").click()
            await self.page.wait_for_function(ANSWERED, arg=before)
            await self.page.wait_for_function(DRAWN, arg="Predict")

        await self.seen.timed("fill", self.page, fill)
        await self.seen.timed("ask", self.page, ask)


async def play(url: str, people: int, seconds: float, seed: int, chromium: str) -> Seen:
    """So many people for so long; returns what they met."""
    seen = Seen()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        persons = [Person(await _tab(browser), seen, random.Random(seed + n)) for n in range(people)]  # noqa: S311
        until = time.monotonic() + seconds
        await asyncio.gather(*(person.visit(url, until) for person in persons))
        await browser.close()
    return seen


async def _tab(browser: Browser) -> Page:
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en")
    page = await context.new_page()
    page.set_default_timeout(PATIENCE)
    return page


def _line(action: str, waits: Sequence[float]) -> str:
    middle, most, longest = np.percentile(waits, [50, 95, 100]) if waits else (0.0, 0.0, 0.0)
    figures = f"p50 {middle:5.2f} s   p95 {most:5.2f} s   at most {longest:5.2f} s"
    return f"{action:<6} {len(waits):>5} times   {figures}"


@click.command()
@click.argument("url", default="http://127.0.0.1:7480")
@click.option("--people", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--seconds", default=120.0, show_default=True, type=click.FloatRange(1), help="How long.")
@click.option("--seed", default=1, show_default=True, help="Of what each of them does.")
def main(url: str, people: int, seconds: float, seed: int) -> None:
    """Let people look and ask on a running page, and say how long they waited."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise click.ClickException("No Chromium is on the PATH; the people need one to look with.")
    seen = asyncio.run(play(url, people, seconds, seed, chromium))
    click.echo(f"{people} people on {url} for {seconds:g} s")
    click.echo("\n".join(seen.lines()))
    for error in seen.errors:
        click.echo(error, err=True)
    sys.exit(1 if seen.errors else 0)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.people")
