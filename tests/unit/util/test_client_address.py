"""Of a forwarded address only what trusted proxies wrote is believed."""

import pytest

from concord.util.client_address import NOWHERE, TrustedProxies, caller_key

TRUSTED = TrustedProxies.parse("10.0.0.0/8, fd00::/8 192.0.2.7")


def client(peer, *lines, proxies=TRUSTED):
    return proxies.client(peer, [(b"host", b"x"), *((b"x-forwarded-for", line) for line in lines)])


@pytest.mark.parametrize(
    ("peer", "lines", "address"),
    [
        ("203.0.113.9", [b"1.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.4"], "198.51.100.4"),
        ("10.0.0.1", [b"1.1.1.1, 198.51.100.4"], "198.51.100.4"),
        ("10.0.0.1", [b"1.1.1.1, 198.51.100.4, 10.9.9.9"], "198.51.100.4"),
        ("10.0.0.1", [b"1.1.1.1", b"198.51.100.4"], "198.51.100.4"),
        ("10.0.0.1", [b"10.2.2.2, 10.3.3.3"], "10.2.2.2"),
        ("10.0.0.1", [b"198.51.100.4:5678"], "198.51.100.4"),
        ("10.0.0.1", [b"[2001:db8::1]:5678"], "2001:db8::1"),
        ("10.0.0.1", [b"2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", [b"198.51.100.4"], "198.51.100.4"),
        ("fd00::1", [b"::ffff:198.51.100.4"], "198.51.100.4"),
        ("10.0.0.1", [b"198.51.100.4, unknown"], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.4, unknown, 10.7.7.7"], "10.7.7.7"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("10.0.0.1", [b",,,"], "10.0.0.1"),
        ("10.0.0.1", [b"\xff\xfe\x00"], "10.0.0.1"),
        ("not an address", [b"1.1.1.1"], "not an address"),
        (None, [b"1.1.1.1"], NOWHERE),
    ],
)
def test_the_client_is_the_right_most_address_that_is_no_trusted_proxy(peer, lines, address):
    assert client(peer, *lines) == address


def test_without_trusted_proxies_the_header_says_nothing():
    assert client("10.0.0.1", b"1.1.1.1", proxies=TrustedProxies()) == "10.0.0.1"


def test_a_header_of_a_million_hops_is_looked_at_from_its_end_alone():
    assert client("10.0.0.1", b"10.1.1.1," * 1_000_000 + b"198.51.100.4") == "198.51.100.4"
    assert client("10.0.0.1", b"198.51.100.4," + b",".join([b"10.1.1.1"] * 100)) == "10.1.1.1"


@pytest.mark.parametrize("text", ["proxy.example.com", "10.0.0.0/33", "10.0.0", "*", "1.1.1.1/x"])
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is no address; say addresses and networks, such as 10\.0\.0\.7"):
        TrustedProxies.parse(text)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("198.51.100.4", "198.51.100.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.4", "198.51.100.4"),
        ("fe80::1%eth0", "fe80::/64"),
        (NOWHERE, NOWHERE),
        ("a:b", "a:b"),
    ],
)
def test_addresses_of_one_customer_count_together(address, key):
    assert caller_key(address) == key
