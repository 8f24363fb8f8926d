"""A person at the page: a streamlit process to look at, Chromium to look with, and what people do there.

Skips whoever imports it where the package playwright is missing; `needs_chromium` marks their tests.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FILLED = """[...document.querySelectorAll('[data-testid=stForm] input')].every(input => input.value)"""
DRAWN = """document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')"""
WIDER = """Math.max(...[document.documentElement, document.querySelector('[data-testid=stMain]')]
    .filter(Boolean).map(part => part.scrollWidth - part.clientWidth))"""
HEIGHT = """Math.ceil(document.querySelector('[data-testid=stMain]').scrollHeight)"""

STREAMLITS = ()
"""Rules of axe-core, each with a part of the markup that Streamlit makes and our code cannot change."""

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
]


def wait_until_up(url):
    for _ in range(150):
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the page did not start")


@contextmanager
def page_at(port, log, **environment):
    """A page's process with these variables; what it says is in the log."""
    command = [sys.executable, "-m", "streamlit", "run", "frontend/app.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=out, stderr=out)
        try:
            wait_until_up(f"http://127.0.0.1:{port}")
            yield
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def browser():
    """Chromium without a window."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


def wait_until_filled(page):
    """No person presses "Ask" within the few ms in which the example arrives, input by input."""
    page.wait_for_function(FILLED)


def ask(page):
    page.get_by_role("button", name="Fill in the example").click()
    wait_until_filled(page)
    page.get_by_role("button", name="Ask the").click()


PROBES = "/_stcore/"
"""Streamlit's front end looks below every folder of its address for its server, and finds it at the last."""


class Looks:
    """People with a screen, a theme and a language each, who open pages and note what the browser says."""

    def __init__(self, chromium):
        self._chromium, self._contexts = chromium, []

    def __call__(self, url, *, width=1440, theme="light", language="en"):
        """Opens an address; `complaints` are errors of the console, `foreign` addresses elsewhere."""
        context = self._chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, locale=language
        )
        self._contexts.append(context)
        page = context.new_page()
        page.complaints, page.foreign = [], []

        def hear(message):
            if message.type == "error" and PROBES not in message.location["url"]:
                page.complaints.append(f"{message.text} {message.location['url']}")

        server = "/".join(url.split("/")[:3])
        page.on("console", hear)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda asked: server not in asked.url and page.foreign.append(asked.url))
        page.goto(url)
        page.get_by_role("heading", level=1).wait_for(timeout=60_000)
        return page

    def keep(self, folder):
        """Leaves pictures of what is open now."""
        for number, context in enumerate(self._contexts):
            context.pages[0].screenshot(path=folder / f"failed-{number}.png")

    def close(self):
        for context in self._contexts:
            context.close()


def settle(page, seconds=60):
    """Waits until the page is drawn whole."""
    page.wait_for_function(DRAWN, timeout=1000 * seconds)
    # A picture is drawn after the script has ended, and says so nowhere.
    page.wait_for_timeout(700)
    page.wait_for_function(DRAWN, timeout=1000 * seconds)


def choose(page, name, option):
    """Chooses from a list, which closes by itself where the page still moves under it."""
    box = page.get_by_role("combobox", name=name)
    box.scroll_into_view_if_needed()
    settle(page)
    box.click()
    listed = page.get_by_role("option", name=option)
    try:
        listed.wait_for(timeout=3000)
    except playwright_api.TimeoutError:
        box.press("ArrowDown")
    listed.click()


def overflow(page):
    """Pixels by which the page is wider than the screen."""
    return page.evaluate(WIDER)


def picture(page, path):
    """Takes a picture of the page from top to bottom, on a screen as high as that takes."""
    size = page.viewport_size
    page.set_viewport_size({**size, "height": max(page.evaluate(HEIGHT), 400)})
    page.wait_for_timeout(300)
    page.screenshot(path=path)
    page.set_viewport_size(size)


SOUND = {"overflow": 0, "axe": [], "console": []}


def sound(page):
    """Nothing is wider than the screen, nobody is shut out, the browser has nothing to say."""
    return {"overflow": overflow(page), "axe": _findings(page), "console": page.complaints}


def _findings(page):
    # What axe-core finds that is serious or critical: the rule, and where.
    return [
        f"{rule['id']}: {node['target']} {node['html'][:300]}"
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not any(rule["id"] == name and part in node["html"] for name, part in STREAMLITS)
    ]
