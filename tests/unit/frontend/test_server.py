"""The page is asked under its own names alone, by WebSocket too."""

import asyncio

import pytest

from concord.util.host_names import HostNames
from frontend.server import HostCheck


def messages_of(kind, *hosts):
    """What a request or a WebSocket gets, from an application that answers `through`."""
    sent = []

    async def answer(_scope, _receive, _send):
        sent.append("through")

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    check = HostCheck(answer, HostNames.parse("page.example.com"))
    scope = {"type": kind, "headers": [(b"host", host) for host in hosts]}
    asyncio.run(check(scope, receive, send))
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", [b"localhost:7480", b"10.42.0.7:8501", b"page.example.com"])
def test_own_names_are_answered(kind, host):
    assert messages_of(kind, host) == ["through"]


@pytest.mark.parametrize("hosts", [(b"evil.example:7480",), (b"localhost", b"evil.example")])
def test_another_name_is_refused_with_421_that_names_the_setting(hosts):
    start, body = messages_of("http", *hosts)
    assert start["status"] == 421
    assert b"CONCORD_HOSTS" in body["body"]


def test_a_websocket_under_another_name_is_closed_before_it_is_accepted():
    assert messages_of("websocket", b"evil.example") == [{"type": "websocket.close", "code": 1008}]


def test_what_is_neither_is_handed_on():
    assert messages_of("lifespan") == ["through"]
