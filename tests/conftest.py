"""Settings and fixtures of all tests: processes, tiers, skips, leaks and trained homes.

The quick suite as a whole runs in three processes, what is chosen from it in one: three on two cores, because
half of its time is waiting; it took 135 s where two processes took 166.
"""

import gc
import os
import signal
from pathlib import Path

import pytest

import tests.sizes  # noqa: F401  registers hypothesis' profiles
from concord.util.telemetry import switch_off
from tests.homes import TrainedHomes, cache_folder
from tests.tiers import MARKERS

# Processes that tests start inherit it.
switch_off()

SHARED = Path(__file__).parents[2] / "shared"

# In a shell's background Ctrl-C is ignored, and every process under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config):
    """Slow, browser and cluster tests share cores, ports or one cluster; a file or two is soon run."""
    arguments = config.invocation_params.args
    chosen = any(not text.startswith("-") or text.startswith(("-m", "-k")) for text in arguments)
    return 0 if chosen else 3


@pytest.fixture(scope="session")
def copy_trained_home():
    """Copies the trained and packaged home of a recipe of `tests.homes` to a folder."""
    return TrainedHomes(cache_folder()).copy


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """A skip is a failure where `.ci/run` has brought every tool; of the machine and its data it has none."""
    report = yield
    if report.skipped and "CONCORD_CI_TOOLS" in os.environ and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2]
        if not ("no IPv6" in reason or ("shared/data" in reason and not SHARED.exists())):
            report.outcome, report.longrepr = "failed", f"CONCORD_CI_TOOLS is set. {reason}"
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Keeps the markers of every test, before those that this run leaves out are gone."""
    config.stash[MARKERS] = {item.nodeid: {mark.name for mark in item.iter_markers()} for item in items}


def pytest_collection_finish():
    """Keeps what importing the tests has made, some 600,000 objects, out of every later collection.

    The one after each slow test would take half a second otherwise.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def leaks_are_reported_here(request):
    """Has what a slow test left open collected, and so reported, before the next one begins.

    Otherwise a connection that nobody closed is an error of whichever test the collector happens to run in.
    """
    yield
    if request.node.get_closest_marker("slow"):
        gc.collect()
