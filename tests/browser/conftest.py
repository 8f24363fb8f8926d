"""One browser and one whole Concord for all tests here; each starts with the first test that needs it."""

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
    """A whole Concord without rounds, for `test_empty`, which is the first file."""
    from tests.browser.world import world

    with world(tmp_path_factory.mktemp("world"), copy_trained_home) as started:
        yield started


@pytest.fixture(scope="session")
def filled_world(world):
    """The same Concord with rounds of every task, some of them labelled."""
    world.fill()
    return world
