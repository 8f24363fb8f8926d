"""Servers that tests share: each is started once, where its packages are."""

import pytest

from tests.databases.servers import SERVERS, missing


@pytest.fixture(scope="session")
def start_server():
    """Starts a server of a kind the first time it is asked for; skips where it is not here."""
    running = {}

    def start(kind):
        reason = missing(kind)
        if reason:
            pytest.skip(reason)
        if kind not in running:
            # Known first, so that what does not start is cleared away too.
            running[kind] = SERVERS[kind]()
            running[kind].begin()
        return running[kind]

    yield start
    for server in running.values():
        server.close()


@pytest.fixture(params=sorted(SERVERS))
def server(request, start_server):
    return start_server(request.param)


@pytest.fixture(scope="module")
def mariadb(start_server):
    return start_server("mariadb")
