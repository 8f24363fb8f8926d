"""Names that are nobody's are refused; addresses, which DNS cannot bind anew, are not."""

import pytest

from concord.util.host_names import MOST_KEPT, HostNames

STATED = HostNames.parse("concord, concord.models.svc, Concord.Example.com. *.example.org")


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LOCALHOST:7400",
        b"page.localhost:80",
        b"127.0.0.1:7400",
        b"10.42.0.7",
        b"[::1]:7400",
        b"[fe80::1%eth0]:80",
        b"concord:3000",
        b"concord.models.svc",
        b"concord.example.com.",
        b"a.example.org",
        b"a.b.example.org:443",
        None,
    ],
)
def test_own_names_and_addresses_are_admitted(host):
    assert STATED.admit(host)
    assert STATED.admit(host)


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example:7400",
        b"example.org",
        b"notexample.org",
        b"localhost.evil.example",
        b"127.0.0.1.evil.example",
        b"evillocalhost",
        b"concord.evil.example",
        b"127.0.0.1@evil.example",
        b"evil.example#.localhost:80x",
        b"",
        b":80",
        b"[::1",
        b"::1",
        b"[evil]:80",
        b"\xff\xfe",
        b"a" * 300,
        b"concord:3000:80",
        b"127.0.0.1:port",
    ],
)
def test_other_names_are_refused(host):
    assert not STATED.admit(host)


def test_a_star_admits_every_name():
    assert HostNames.parse("*").admit(b"evil.example")


@pytest.mark.parametrize("text", ["http://a", "a:80", "a/b", "*a", "a b,*.*", "a..b", "-a", "a" * 254])
def test_what_is_no_name_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"no name of a host; say names without port or scheme, such as"):
        HostNames.parse(text)


def test_what_is_remembered_of_admitted_names_is_bounded():
    hosts = HostNames.parse("*.example.org")
    assert all(hosts.admit(f"a{i}.example.org".encode()) for i in range(2 * MOST_KEPT))
    assert len(hosts._known) == MOST_KEPT
