"""Under which names a laptop's services are asked."""

import pytest

from concord.cli.up.launcher import host_names


@pytest.mark.parametrize(
    ("host", "stated", "names"),
    [
        ("127.0.0.1", "", ""),
        ("0.0.0.0", "box.example.org", "box.example.org"),
        ("::", "", ""),
        ("box", "", "box"),
        ("box", "a.example.org,*.example.com", "box,a.example.org,*.example.com"),
    ],
)
def test_a_name_to_listen_at_is_one_to_be_asked_under(monkeypatch, host, stated, names):
    monkeypatch.setenv("CONCORD_HOSTS", stated)
    assert host_names(host) == names
