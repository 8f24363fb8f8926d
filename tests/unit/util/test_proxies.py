"""Near addresses are asked directly, by every library; others through the environment's proxy."""

import socket

import httpcore
import httpx
import pytest
import requests

from concord.client import Client
from concord.errors import ConfigurationError
from concord.http.outgoing import client_options, proxy_note
from concord.util.proxies import (
    client_variables,
    exceptions,
    is_near,
    proxies,
    proxy_of,
    set_client_variables,
)

NEAR = [
    "http://127.0.0.1:7400",
    "http://127.0.0.5:7400",
    "http://localhost:7400",
    "http://[::1]:7400",
    "http://concord-consensus:7400",
    "http://mlflow.concord.svc:5000",
    "http://mlflow.concord.svc.cluster.local:5000",
]
FAR = ["https://concord.example.org", "http://192.0.2.7:5000", "http://svc.example.org", "sqlite:///x"]

ROOT = """-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUYRfWfhFgeQLquJpElJHS1ObltscwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEUm9vdDAgFw0yNjExMzAyMzE1NTdaGA8yMTI2MTEwNjIzMTU1
N1owDzENMAsGA1UEAwwEUm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNGo
1N2cAr/qqoN39C2MisyiVca19dYs83DRpzLYbUPEM9L0JmLuJY3I5T8UDcIeAAzF
nW9KeqlhdJ2uqrE9jg6jUzBRMB0GA1UdDgQWBBRL2fim0r89XqLB/uWaerstpKvJ
4jAfBgNVHSMEGDAWgBRL2fim0r89XqLB/uWaerstpKvJ4jAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDVx6B/JUoeOtrIc/0SN1PRUXq/D0N1MxRI
+0Kzf+9FqQIhAPLhD1jvTpohHJKG3THPgJV4YyE8ZchTCdPCwakyunyX
-----END CERTIFICATE-----
"""
"""A certificate that signs itself, for a hundred years."""


@pytest.fixture
def proxied(monkeypatch):
    """A proxy, and no exception from it."""
    for name in ("ALL_PROXY", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
        for variable in (name, name.lower()):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    # What is set within is taken back.
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")


@pytest.mark.parametrize("url", NEAR)
def test_this_machine_and_a_clusters_names_are_near(url):
    assert is_near(url)


@pytest.mark.parametrize("url", FAR)
def test_other_addresses_are_not(url):
    assert not is_near(url)


@pytest.mark.parametrize("url", [url for url in NEAR if "127.0.0.5" not in url])
def test_mlflows_client_asks_what_is_near_directly(url, proxied, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    set_client_variables()
    assert requests.Session().merge_environment_settings(url, {}, None, None, None)["proxies"] == {}


def test_mlflows_client_asks_the_proxy_for_what_is_elsewhere(proxied):
    set_client_variables()
    settings = requests.Session().merge_environment_settings(FAR[0], {}, None, None, None)
    assert settings["proxies"]["https"] == "http://127.0.0.1:9"


def test_without_a_proxy_nothing_is_set():
    assert exceptions({"NO_PROXY": "example.org"}) == {}


def test_what_the_user_excepts_stays_excepted():
    environment = {"http_proxy": "http://p:3128", "no_proxy": "example.org, .corp", "NO_PROXY": "other.org"}
    hosts = exceptions(environment)["no_proxy"].split(",")
    assert {"example.org", ".corp", "other.org", "127.0.0.1"} <= set(hosts)


def test_the_clusters_api_server_is_excepted():
    environment = {"https_proxy": "http://p:3128", "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    assert "10.96.0.1" in exceptions(environment)["NO_PROXY"].split(",")


def test_lower_case_wins():
    assert proxies({"HTTP_PROXY": "a", "http_proxy": "b"}) == {"HTTP_PROXY": "b"}


def test_the_typed_client_asks_the_proxy_for_a_service_elsewhere_only(proxied):
    with Client("http://concord.example.org") as far, Client("http://127.0.0.1:9") as near:
        assert isinstance(far._http._transport_for_url(httpx.URL(far.url))._pool, httpcore.HTTPProxy)
        assert not isinstance(near._http._transport_for_url(httpx.URL(near.url))._pool, httpcore.HTTPProxy)


def test_certificates_that_are_not_there_are_named_with_their_variable(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        client_options("https://concord.example.org")


def test_the_environments_certificates_are_trusted_near_and_far(monkeypatch, tmp_path):
    (tmp_path / "ca.pem").write_text(ROOT)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for url in ("https://127.0.0.1:7400", "https://concord.example.org"):
        certificates = client_options(url)["verify"].get_ca_certs()
        assert [dict(part[0] for part in one["subject"])["commonName"] for one in certificates] == ["Root"]


def test_mlflows_client_trusts_the_environments_certificates_unless_it_has_its_own():
    assert client_variables({"SSL_CERT_FILE": "/ca.pem"}) == {"REQUESTS_CA_BUNDLE": "/ca.pem"}
    assert client_variables({"SSL_CERT_FILE": "/ca.pem", "REQUESTS_CA_BUNDLE": "/own.pem"}) == {}


def test_an_address_of_this_machine_is_near():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Connecting a datagram's socket sends nothing; it chooses the interface.
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("there is no network here")
        own = probe.getsockname()[0]
    assert is_near(f"http://{own}:7400")


@pytest.mark.parametrize("stated", ["*", "*,internal", "internal, *"])
def test_a_star_excepts_everything(stated, monkeypatch):
    environment = {"HTTP_PROXY": "http://p:1", "ALL_PROXY": "socks4://p:1", "NO_PROXY": stated}
    assert exceptions(environment) == {"NO_PROXY": "*", "no_proxy": "*"}
    assert proxy_of("https://a.example.org", environment) is None
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert client_options("https://a.example.org")["trust_env"] is True
    assert proxy_note("https://a.example.org") == ""


@pytest.mark.parametrize(
    ("url", "environment", "variable"),
    [
        ("https://a.example.org", {"HTTPS_PROXY": "p", "ALL_PROXY": "q"}, "HTTPS_PROXY"),
        ("http://a.example.org", {"HTTPS_PROXY": "p", "all_proxy": "q"}, "ALL_PROXY"),
        ("http://a.example.org", {"HTTPS_PROXY": "p"}, None),
        ("https://a.example.org", {"HTTPS_PROXY": "p", "NO_PROXY": "example.org"}, None),
        ("http://127.0.0.1:1", {"HTTP_PROXY": "p"}, None),
        ("sqlite:///x", {"ALL_PROXY": "p"}, None),
    ],
)
def test_an_address_is_asked_through_the_proxy_of_its_scheme(url, environment, variable):
    assert proxy_of(url, environment) == variable


def test_certificates_that_are_not_there_matter_only_where_they_may_be_needed(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    assert client_options("http://127.0.0.1:7400")["trust_env"] is False


def test_a_socks_proxy_is_used_and_another_kind_is_refused_by_its_variable(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    httpx.Client(**client_options("https://concord.example.org")).close()
    monkeypatch.setenv("ALL_PROXY", "ftp://127.0.0.1:21")
    with pytest.raises(ConfigurationError, match="ALL_PROXY is no proxy that can be used"):
        client_options("https://concord.example.org")
