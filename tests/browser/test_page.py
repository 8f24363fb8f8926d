"""The page in Chromium, at a telephone's and a desk's width, light and dark.

Before a service that answers what the test wants. Needs `chromium` on the PATH and the group browser
(`uv run --group browser pytest -m browser`); without them these tests are skipped. Screenshots land in
pytest's temporary folder.
"""

from dataclasses import replace

import pytest

from frontend.components.states import WATCH_SECONDS
from tests.browser.people import (
    NOT_FOUND,
    SOUND,
    ask,
    choose,
    is_probe,
    needs_chromium,
    picture,
    settle,
    sound,
    wait_until_filled,
)
from tests.pages import page_at
from tests.ports import free_port
from tests.service.stack import wait_until
from tests.unit.frontend.fake_service import FLOWER, FakeService, no_quorum, silent, verdict, vote

pytestmark = needs_chromium

LOOKS = [(375, "light"), (375, "dark"), (1440, "light"), (1440, "dark")]


@pytest.fixture(scope="module")
def fake():
    service = FakeService().start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def page_url(fake, tmp_path_factory):
    port = free_port()
    with page_at(port, tmp_path_factory.mktemp("streamlit") / "log", CONCORD_URL=fake.url):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def visit(look, page_url):
    """Opens the page as a person with this screen and theme."""
    return lambda **looks: look(page_url, **looks)


@pytest.mark.parametrize(("width", "theme"), LOOKS)
@pytest.mark.parametrize(
    ("state", "sign"),
    [
        ("ok", "How each node voted"),
        ("degraded", "The answer stands"),
        ("no_quorum", "No consensus"),
    ],
)
def test_nothing_overflows_and_the_browser_does_not_complain(
    fake, visit, tmp_path, width, theme, state, sign
):
    made = {
        "ok": verdict(),
        "degraded": verdict(status="degraded", votes=[vote("forest", weight=1.0), silent("knn", "late")]),
        "no_quorum": no_quorum(),
    }[state]
    fake.answer = lambda *_: made
    page = visit(width=width, theme=theme)
    ask(page)
    page.get_by_text(sign).first.wait_for()
    settle(page)
    picture(page, tmp_path / f"{state}-{width}-{theme}.png")
    assert sound(page) == SOUND


def test_an_upload_that_fails_and_a_picture_that_is_missing_are_complaints(visit):
    page = visit()
    page.evaluate("fetch('/_stcore/upload_file/nobody/nothing', {method: 'PUT'}).then(() => null)")
    page.evaluate("fetch('/media/nothing.png').then(() => null)")
    page.wait_for_load_state("networkidle")
    upload, picture = page.complaints
    assert upload.endswith("/_stcore/upload_file/nobody/nothing")
    assert picture.endswith("/media/nothing.png")


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (NOT_FOUND, "drift/_stcore/health", True),
        (NOT_FOUND, "drift/_stcore/host-config", True),
        # Where the server is, its probes are answered.
        (NOT_FOUND, "_stcore/health", False),
        (NOT_FOUND, "_stcore/host-config", False),
        (NOT_FOUND, "drift/_stcore/stream", False),
        (NOT_FOUND, "drift/_stcore/upload_file/1", False),
        (NOT_FOUND, "drift/_stcore/healthy", False),
        (NOT_FOUND.replace("404 (Not Found)", "500 (Internal Server Error)"), "drift/_stcore/health", False),
        ("Uncaught Error", "drift/_stcore/health", False),
    ],
)
def test_only_streamlits_search_for_its_server_is_no_complaint(text, path, expected):
    assert is_probe(text, f"http://127.0.0.1:8501/{path}") is expected


def test_the_page_asks_nobody_but_its_own_server(visit):
    page = visit()
    page.wait_for_load_state("networkidle")
    assert [url for url in page.foreign if not url.startswith(("data:", "blob:", "ws:"))] == []


def test_the_first_page_is_found_by_its_name_too(look, page_url, visit):
    named = look(f"{page_url}/predict")
    named.get_by_role("button", name="Fill in the example").wait_for()
    assert (named.title(), named.get_by_role("dialog").count(), named.complaints) == (visit().title(), 0, [])
    # In the menu it stands once.
    assert named.get_by_role("link", name="Predict").count() == 1


def test_inputs_have_the_names_that_people_read(visit):
    page = visit()
    page.get_by_role("spinbutton", name="Petal length (cm)").wait_for()
    page.get_by_role("spinbutton", name="Petals").wait_for()
    page.get_by_role("combobox", name="Place").wait_for()


def test_another_language_is_a_button_away_and_in_the_address(visit):
    page = visit()
    page.get_by_role("button", name="Français").click()
    page.get_by_role("heading", name="Prédire", exact=True).wait_for()
    page.wait_for_url("**/?lang=fr")


def test_a_form_can_be_filled_and_sent_by_keyboard(fake, visit):
    fake.answer = lambda *_: verdict()
    page = visit()
    page.get_by_role("button", name="Fill in the example").focus()
    page.keyboard.press("Enter")
    wait_until_filled(page)
    page.get_by_role("spinbutton", name="Petal length (cm)").focus()
    page.keyboard.press("Enter")
    page.get_by_text("It is a rose.").wait_for()


def test_a_new_task_appears_in_an_open_page_by_itself(fake, visit):
    fake.schemas = {"flower": FLOWER}
    page = visit()
    page.get_by_role("button", name="Ask the").wait_for()
    settle(page)
    requests = len(fake.shown)
    fake.schemas = {"flower": FLOWER, "tree": replace(FLOWER, task="tree", title="Tree")}
    wait_until(lambda: len(fake.shown) > requests, 4 * WATCH_SECONDS)
    choose(page, "Task", "Tree")
    page.wait_for_url("**/?task=tree")


def test_an_open_page_finds_a_service_that_is_back(visit, fake):
    page = visit()
    page.get_by_role("button", name="Ask the").wait_for()
    port = int(fake.url.rpartition(":")[2])
    fake.stop()
    page.get_by_text("uv run concord up").wait_for(timeout=30_000)
    fake.start(port)
    page.get_by_role("button", name="Ask the").wait_for(timeout=30_000)
