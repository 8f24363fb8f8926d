"""Fixtures that start a stack, or any application, and stop it again."""

import contextlib

import httpx
import pytest

from concord.api import ConsensusApi
from concord.client import Client
from concord.http.outgoing import client_options
from concord.settings import Settings
from tests.service.stack import Server, Stack, all_open, iris_nodes, wait_until


@contextlib.contextmanager
def serving():
    """Yields a function that serves an application on loopback; stops all of them at the end."""
    servers = []

    def serve(app, port=0):
        server = Server(app, port)
        servers.append(server)
        return server, server.start()

    try:
        yield serve
    finally:
        for server in servers:
            server.leave()
        for server in servers:
            server.stop()


@contextlib.contextmanager
def starting(serve, folder):
    """Yields a function that starts nodes and a service over them, and waits for their accounts.

    Its arguments: nodes by name, settings of the task as TOML lines, and whatever `Settings` takes.
    """
    with contextlib.ExitStack() as stack:

        def start(nodes=None, *, task="iris", terms="", home=None, ready=True, **settings):
            nodes = nodes if nodes is not None else iris_nodes()
            servers = {}
            for name, node in nodes.items():
                servers[name], node.url = serve(node)
            home = home or folder / "home"
            home.mkdir(exist_ok=True)
            lines = [f'{name} = "{node.url}"' for name, node in nodes.items()]
            text = f"[tasks.{task}]\n{terms}\n[tasks.{task}.nodes]\n" + "\n".join(lines)
            (home / "nodes.toml").write_text(text, "utf-8")
            api = ConsensusApi.from_settings(Settings(home=home, log_level="WARNING", **settings))
            service, url = serve(api.application)
            http = stack.enter_context(httpx.Client(base_url=url, timeout=20, **client_options(url)))
            client = stack.enter_context(Client(url))
            running = Stack(home, url, api, nodes, servers, http, client, service)
            if ready:
                wait_until(lambda: all_open(running, task))
            return running

        yield start


@pytest.fixture
def serve():
    """Serves an application until the test's end; returns its server and address."""
    with serving() as serve:
        yield serve


@pytest.fixture
def start_stack(serve, tmp_path):
    """Starts a stack of its own for the test."""
    with starting(serve, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def module_stack(tmp_path_factory):
    """The workshop's four nodes under `wager`, for tests that only ask."""
    with serving() as serve, starting(serve, tmp_path_factory.mktemp("stack")) as start:
        yield start()
