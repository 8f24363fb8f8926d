"""What the pages say when something is away, in Chromium; needs what `test_page` needs."""

import pytest

from tests.browser.people import SOUND, ask, choose, needs_chromium, page_at, picture, settle, sound
from tests.browser.world import PAGES
from tests.ports import free_port

pytestmark = needs_chromium

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def without_service(tmp_path_factory):
    """A page whose service is away."""
    port = free_port()
    with page_at(port, tmp_path_factory.mktemp("streamlit") / "log", CONCORD_URL=NOWHERE):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def alone(lived, tmp_path_factory):
    """A page whose service is there, while MLflow and Prometheus are away."""
    port = free_port()
    away = {"MLFLOW_TRACKING_URI": NOWHERE, "CONCORD_PROMETHEUS": NOWHERE}
    with page_at(port, tmp_path_factory.mktemp("streamlit") / "log", CONCORD_URL=lived.url, **away):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_the_service_is_away(without_service, look, tmp_path, name, width):
    page = look(f"{without_service}/{'' if name == 'predict' else name}", width=width)
    page.get_by_text("The consensus service is away.").wait_for(timeout=60_000)
    settle(page)
    picture(page, tmp_path / f"away-{name}-{width}.png")
    assert sound(page) == SOUND


@pytest.mark.parametrize(
    ("name", "sign"),
    [("models", "MLflow is away."), ("live", "Without Prometheus for now.")],
)
def test_what_else_is_away_is_said_beside_what_there_is(alone, look, tmp_path, name, sign):
    page = look(f"{alone}/{name}?task=iris", width=375)
    page.get_by_text(sign).wait_for(timeout=60_000)
    settle(page)
    picture(page, tmp_path / f"alone-{name}-375.png")
    assert sound(page) == SOUND


def test_nodes_that_hang_are_no_consensus_and_the_entries_are_kept(lived, look, tmp_path):
    page = look(lived.at("predict", task="penguin"), width=375)
    with lived.silent("penguin"):
        ask(page)
        page.get_by_text("No consensus.").wait_for(timeout=60_000)
        page.get_by_text("Your entries are kept").first.wait_for()
        picture(page, tmp_path / "no-quorum-375.png")
        assert sound(page) == SOUND
    page.get_by_role("button", name="Ask the").click()
    page.get_by_text("This is a gentoo penguin.").first.wait_for(timeout=60_000)


def test_a_token_that_nobody_made_is_refused_in_words(lived, look, tmp_path):
    page = look(lived.at("predict", task="iris"))
    ask(page)
    page.get_by_text("Use a token").first.click()
    page.get_by_label("Token", exact=True).first.fill("nobody-made-this-one")
    page.get_by_role("button", name="Use this token").first.click()
    choose(page, "The truth was", "setosa")
    page.get_by_role("button", name="This was true").click()
    page.get_by_role("button", name="Record it").click()
    page.get_by_text("does not know this token").first.wait_for(timeout=60_000)
    settle(page)
    picture(page, tmp_path / "token-refused-1440.png")
    assert sound(page) == SOUND
