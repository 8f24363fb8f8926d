"""Ports on which nobody listens, below those that the system gives to connections."""

import random
import socket

LOWEST, HIGHEST = 10_000, 32_000
"""Linux gives connections ports from 32,768 on; one of those may be taken before a server gets to it."""

FOR_PEOPLE = (0, 80, 90, 91)
"""Where `concord up` puts the service, the page, MLflow and Prometheus, from its first port."""


def free_port():
    """One port."""
    return _free((0,))


def free_base():
    """A first port for `concord up`."""
    return _free((*FOR_PEOPLE, 10, 11))


def _free(offsets):
    # Not random's own state, which a seed makes the same in every process.
    choose = random.SystemRandom().randrange
    for _ in range(1000):
        base = choose(LOWEST, HIGHEST)
        if all(_is_free(base + offset) for offset in offsets):
            return base
    raise AssertionError("no ports are free")


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
