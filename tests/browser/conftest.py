"""One browser and one Concord for all tests here; both start when the first test asks for them."""

import pytest

FAILED = pytest.StashKey()


@pytest.fixture(scope="session")
def chromium():
    """Chromium without a window."""
    from tests.browser.people import browser

    with browser() as opened:
        yield opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Lets `look` know how the test ended."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def look(chromium, request, tmp_path):
    """Opens a page as a person with this screen, theme and language; a test that fails leaves pictures."""
    from tests.browser.people import Looks

    looks = Looks(chromium)
    yield looks
    if request.node.stash.get(FAILED, False):
        looks.keep(tmp_path)
    looks.close()


@pytest.fixture(scope="session")
def world(copy_trained_home, tmp_path_factory):
    """A whole Concord in which nothing was asked yet."""
    from tests.browser.world import world

    with world(tmp_path_factory.mktemp("world"), copy_trained_home) as started:
        yield started


@pytest.fixture(scope="session")
def lived(world):
    """The same, with rounds of every task and what was true of some."""
    world.live()
    return world
