"""What `concord doctor` says of the environment's proxies."""

import socket

import pytest

from concord.cli.checks import check_proxies

DEAD = "http://127.0.0.1:9"


def test_without_a_proxy_nothing_is_said():
    assert list(check_proxies({"CONCORD_URL": "http://concord.example.org"})) == []


def test_a_dead_proxy_that_nothing_is_asked_through_is_said_and_no_fault():
    (check,) = check_proxies({"HTTP_PROXY": DEAD, "CONCORD_URL": "http://127.0.0.1:7400"})
    assert check.ok
    assert "HTTP_PROXY is http://127.0.0.1:9; used for nothing here" in check.found
    assert "HTTP_PROXY accepts no connection" in check.found


def test_a_dead_proxy_of_an_address_elsewhere_is_a_fault_with_a_remedy():
    environment = {"https_proxy": DEAD, "MLFLOW_TRACKING_URI": "https://mlflow.example.org"}
    (check,) = check_proxies(environment)
    assert not check.ok
    assert "used for MLFLOW_TRACKING_URI" in check.found
    assert "NO_PROXY" in check.remedy


def test_a_proxys_password_is_not_shown():
    (check,) = check_proxies({"HTTP_PROXY": "http://ann:secret@127.0.0.1:9"})
    assert "secret" not in check.found


def test_a_proxy_that_accepts_connections_is_no_fault():
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"127.0.0.1:{server.getsockname()[1]}"
        (check,) = check_proxies({"HTTP_PROXY": proxy, "CONCORD_URL": "http://concord.example.org"})
    assert check.ok


@pytest.mark.parametrize("proxy", ["http://[", "http://127.0.0.1:port"])
def test_a_proxy_that_is_no_address_accepts_nothing(proxy):
    (check,) = check_proxies({"HTTP_PROXY": proxy})
    assert "accepts no connection" in check.found


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTPS_PROXY": DEAD, "CONCORD_URL": "https://c.example.org", "NO_PROXY": "c.example.org"},
        {"HTTP_PROXY": DEAD, "CONCORD_URL": "https://c.example.org"},
    ],
)
def test_a_dead_proxy_that_an_address_elsewhere_does_not_use_is_no_fault(environment):
    (check,) = check_proxies(environment)
    assert check.ok
