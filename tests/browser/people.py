"""A person at the page: a streamlit process to look at, Chromium to look with, and what people do there.

Skips whoever imports it where the package playwright is missing; `needs_chromium` marks their tests.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FILLED = """[...document.querySelectorAll('[data-testid=stForm] input')].every(input => input.value)"""

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


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


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
