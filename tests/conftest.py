"""How many processes run the tests: three for the quick suite as a whole, one for what is chosen from it.

Three on two cores, because half of its time is waiting; it took 135 s where two processes took 166.
"""


def pytest_xdist_auto_num_workers(config):
    """Slow, browser and cluster tests share cores, ports or one cluster; a file or two is soon run."""
    arguments = config.invocation_params.args
    chosen = any(not text.startswith("-") or text.startswith(("-m", "-k")) for text in arguments)
    return 0 if chosen else 3
