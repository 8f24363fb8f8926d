"""A person at the page: Chromium to look with, and what people do there.

Skips whoever imports it where the package playwright is missing; `needs_chromium` marks their tests.
"""

import re
import shutil
from contextlib import contextmanager

import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FILLED = """[...document.querySelectorAll('[data-testid=stForm] input')].every(input => input.value)"""
DRAWN = """() => {
    if (!window.lastChange) {
        window.lastChange = performance.now();
        const note = () => { window.lastChange = performance.now(); };
        new MutationObserver(note).observe(document, {childList: true, subtree: true});
    }
    return document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
        && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')
        && [...document.images].every(image => image.complete)
        && performance.now() - window.lastChange > 300;
}"""
"""Whether a page is drawn: a picture is drawn after the script has ended, which only its elements tell."""
WIDER = """Math.max(...[document.documentElement, document.querySelector('[data-testid=stMain]')]
    .filter(Boolean).map(part => part.scrollWidth - part.clientWidth))"""
HEIGHT = """Math.ceil(document.querySelector('[data-testid=stMain]').scrollHeight)"""

STREAMLITS = ()
"""Rules of axe-core, each with a part of the markup that Streamlit makes and our code cannot change."""

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
]


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


PRESSABLE = """(one => one.matches('button') ? one.innerText : '')(document.activeElement)"""
FARTHEST = 120
"""So often somebody presses Tab in a long form, and not more often."""


def press_by_keyboard(page, label):
    """Goes on with the Tab key to the button with this text, and presses Enter there."""
    for _ in range(FARTHEST):
        page.keyboard.press("Tab")
        if label in page.evaluate(PRESSABLE):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"the Tab key does not lead to {label!r}")


def use_token(page, token):
    """Acts with a token from now on."""
    page.get_by_text("Use a token").first.click()
    page.get_by_label("Token", exact=True).first.fill(token)
    page.get_by_role("button", name="Use this token").first.click()
    page.get_by_text("You act with a token").wait_for()


PROBE = re.compile(r"https?://[^/]+(/page)?/[a-z]+/_stcore/(health|host-config)")
NOT_FOUND = "Failed to load resource: the server responded with a status of 404 (Not Found)"


def is_probe(text, url):
    """Whether it is Streamlit's front end that looks for its server.

    It asks below the folder of its address, where there is none, before it asks above and finds it. A probe
    that fails in another way, or at the right place, and anything else that is missing, is a complaint.
    """
    return text == NOT_FOUND and PROBE.fullmatch(url) is not None


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
            url = message.location["url"]
            if message.type == "error" and not is_probe(message.text, url):
                page.complaints.append(f"{message.text} {url}")

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
    settle(page)
    page.screenshot(path=path)
    page.set_viewport_size(size)


SOUND = {"overflow": 0, "axe": [], "console": []}
EVERYWHERE = [SOUND, SOUND]


def sound(page):
    """Nothing is wider than the screen, nobody is shut out, the browser has nothing to say."""
    return {"overflow": overflow(page), "axe": _findings(page), "console": page.complaints}


WIDTHS = (375, 1440)
"""Pixels of a telephone and of a desk."""


def sound_at_every_width(page, folder, name):
    """The same of a page that is open, on a telephone's and on a desk's screen; leaves a picture of each."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        picture(page, folder / f"{name}-{width}.png")
        found.append(sound(page))
    return found


def _findings(page):
    # What axe-core finds that is serious or critical: the rule, and where.
    return [
        f"{rule['id']}: {node['target']} {node['html'][:300]}"
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not any(rule["id"] == name and part in node["html"] for name, part in STREAMLITS)
    ]
