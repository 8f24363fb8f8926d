"""By which name the processes of `concord up` call a service that shows a certificate."""

import pytest

from concord.cli.up.tls import TlsFiles
from concord.errors import ConfigurationError
from tests.authority import Authority


@pytest.fixture
def authority(tmp_path, monkeypatch):
    made = Authority(tmp_path)
    monkeypatch.setenv("CONCORD_CA", str(made.ca))
    monkeypatch.delenv("CONCORD_URL", raising=False)
    return made


@pytest.mark.parametrize(
    ("names", "host", "found"),
    [
        (("localhost",), "127.0.0.1", "localhost"),
        (("127.0.0.1",), "0.0.0.0", "127.0.0.1"),
        (("answers.example.com", "::1"), "::", "::1"),
        (("answers.example.com",), "answers.example.com", "answers.example.com"),
    ],
)
def test_it_is_the_first_name_for_which_the_certificate_is_trusted(authority, names, host, found):
    assert TlsFiles(*authority.issue(*names, stem="tls")).find_host(host) == found


def test_the_name_in_concord_url_goes_first(authority, monkeypatch):
    monkeypatch.setenv("CONCORD_URL", "https://answers.example.com:7400")
    files = authority.issue("localhost", "answers.example.com", stem="tls")
    assert TlsFiles(*files).find_host("0.0.0.0") == "answers.example.com"


def test_a_certificate_for_no_name_of_this_machine_is_refused_with_the_remedies(authority):
    files = authority.issue("answers.example.com", stem="tls")
    with pytest.raises(ConfigurationError, match=r"localhost, 127\.0\.0\.1, ::1") as caught:
        TlsFiles(*files).find_host("0.0.0.0")
    assert "CONCORD_CA" in caught.value.message


def test_a_certificate_of_an_authority_that_nobody_knows_is_refused(authority, tmp_path, monkeypatch):
    files = authority.issue("localhost", stem="tls")
    monkeypatch.delenv("CONCORD_CA")
    with pytest.raises(ConfigurationError, match="would not trust"):
        TlsFiles(*files).find_host("127.0.0.1")


def test_a_file_that_is_no_authority_is_refused_by_its_variable(authority, tmp_path, monkeypatch):
    (tmp_path / "none.crt").write_text("nothing")
    monkeypatch.setenv("CONCORD_CA", str(tmp_path / "none.crt"))
    with pytest.raises(ConfigurationError, match="CONCORD_CA"):
        TlsFiles(*authority.issue("localhost", stem="tls")).find_host("127.0.0.1")
