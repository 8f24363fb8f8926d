"""Signing in on the page with a provider of OpenID Connect, in Chromium; needs what `test_page` needs."""

from contextlib import contextmanager

import pytest

from tests.browser.people import SOUND, ask, choose, needs_chromium, picture, settle, sound
from tests.browser.provider import Provider
from tests.pages import page_at
from tests.ports import free_port
from tests.unit.frontend.fake_rounds import FakeRounds

pytestmark = needs_chromium

ADA = "ada@example.org"
TOKEN = "the-pages-own"


@pytest.fixture(scope="module")
def fake():
    service = FakeRounds().start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def provider():
    known = Provider().start()
    yield known
    known.stop()


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("signing") / "log"


@contextmanager
def page_that_signs_in(provider, log, **environment):
    """A page for Ada, whose address has the name that its cookie is for, as in a browser."""
    port = free_port()
    url = f"http://localhost:{port}"
    file = log.with_name("secrets.toml")
    file.write_text(provider.secrets(url))
    listed = {"CONCORD_PAGE_PEOPLE": ADA, "STREAMLIT_SECRETS_FILES": str(file)}
    with page_at(port, log, **listed, **environment):
        yield url


@pytest.fixture(scope="module")
def page_url(fake, provider, log):
    with page_that_signs_in(provider, log, CONCORD_URL=fake.url, CONCORD_PAGE_TOKEN=TOKEN) as url:
        yield url


@pytest.fixture
def visit(page_url, look):
    page = look(page_url)
    page.get_by_role("button", name="Fill in the example").wait_for(timeout=60_000)
    return page


def sign_in(page):
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Signed in as").wait_for(timeout=60_000)


def test_who_is_listed_acts_after_signing_in_and_no_more_after_signing_out(visit, fake, provider, log):
    provider.person = ADA
    sign_in(visit)
    visit.get_by_text(f"Signed in as {ADA}").wait_for()
    ask(visit)
    choose(visit, "The truth was", "rose")
    visit.get_by_role("button", name="This was true").click()
    visit.get_by_role("button", name="Record it").click()
    visit.get_by_text("Stake was gained by").wait_for()
    assert f"Bearer {TOKEN}" in fake.shown
    assert TOKEN not in visit.content() + log.read_text()
    visit.get_by_role("button", name="Sign out").click()
    visit.get_by_role("button", name="Sign in").wait_for(timeout=60_000)


def test_who_is_not_listed_reads_and_predicts_only(visit, fake, provider):
    provider.person = "eve@example.org"
    fake.shown.clear()
    sign_in(visit)
    ask(visit)
    visit.get_by_text("that address is not among those who may act here").wait_for()
    assert visit.get_by_role("combobox", name="The truth was").count() == 0
    assert set(fake.shown) == {None}


def test_who_has_signed_in_labels_a_round_of_a_whole_concord(filled_world, provider, look, tmp_path):
    provider.person = ADA
    served = {"CONCORD_URL": filled_world.url, "CONCORD_PAGE_TOKEN": filled_world.token}
    with page_that_signs_in(provider, tmp_path / "log", **served) as url:
        page = look(url)
        sign_in(page)
        page.goto(f"{url}/?task=iris")
        ask(page)
        choose(page, "The truth was", "setosa")
        page.get_by_role("button", name="This was true").click()
        page.get_by_role("button", name="Record it").click()
        page.get_by_text("This is the truth of the round now.").wait_for(timeout=60_000)
        settle(page)
        picture(page, tmp_path / "signed-in-1440.png")
        assert sound(page) == SOUND
