"""How many processes run the tests, and who is blamed for what is left open.

Three for the quick suite as a whole, one for what is chosen from it: three on two cores, because half of its
time is waiting; it took 135 s where two processes took 166.
"""

import gc
import signal

import pytest

# In a shell's background Ctrl-C is ignored, and every process under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config):
    """Slow, browser and cluster tests share cores, ports or one cluster; a file or two is soon run."""
    arguments = config.invocation_params.args
    chosen = any(not text.startswith("-") or text.startswith(("-m", "-k")) for text in arguments)
    return 0 if chosen else 3


@pytest.fixture(autouse=True)
def leaks_are_told_here(request):
    """Has what a slow test left open collected, and so reported, before the next one begins.

    Otherwise a connection that nobody closed is an error of whichever test the collector happens to run in.
    """
    yield
    if request.node.get_closest_marker("slow"):
        gc.collect()
