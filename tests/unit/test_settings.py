"""The nodes file and the environment are read strictly, and say what is wrong where."""

import pytest

from concord.errors import ConfigurationError
from concord.settings import NodesFile, Settings


def load(tmp_path, text):
    path = tmp_path / "nodes.toml"
    path.write_text(text, "utf-8")
    return NodesFile.load(path)


def test_a_nodes_file_names_tasks_and_their_nodes(tmp_path):
    declared = load(tmp_path, '[tasks.iris]\npolicy = "seed"\n[tasks.iris.nodes]\nknn = "http://a"')
    assert declared.tasks["iris"].policy == "seed"
    assert declared.tasks["iris"].nodes == {"knn": "http://a"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tasks.iris", "is not TOML"),
        ("[tasks.iris]\nnodes = {}\npolcy = 'seed'", "tasks.iris.polcy"),
        ("[tasks.iris]\nnodes = {}\npolicy = 'seeds'", "tasks.iris.policy"),
        ("[tasks.iris]\nnodes = {}\nquorum = 1.5", "tasks.iris.quorum"),
        ("[tasks.iris]\nnodes = {}\ndeadline_ms = 60000", "tasks.iris.deadline_ms"),
        ("[tasks.iris]\npolicy = 'seed'", "tasks.iris.nodes"),
        ("[tasks.iris]\nnodes = {}\nbelow_quorum = 'fallback'", "go together"),
        ("[tasks.iris]\nnodes = {}\nfallback = 'setosa'", "go together"),
    ],
)
def test_what_is_wrong_in_it_is_named(tmp_path, text, words):
    with pytest.raises(ConfigurationError, match=words):
        load(tmp_path, text)


def test_a_missing_nodes_file_says_who_writes_one(tmp_path):
    with pytest.raises(ConfigurationError, match="`concord up` writes one"):
        NodesFile.load(tmp_path / "nodes.toml")


def test_a_wrong_variable_is_named(monkeypatch):
    monkeypatch.setenv("CONCORD_RETENTION_DAYS", "a month")
    with pytest.raises(ConfigurationError, match="CONCORD_RETENTION_DAYS"):
        Settings.read()


def test_prometheus_is_named_by_its_address(monkeypatch):
    monkeypatch.setenv("CONCORD_PROMETHEUS", "https://monitoring.example:9090/prometheus/")
    monkeypatch.setenv("CONCORD_PROMETHEUS_NAMESPACE", "concord")
    settings = Settings.read()
    assert settings.prometheus == "https://monitoring.example:9090/prometheus"
    assert settings.prometheus_namespace == "concord"


@pytest.mark.parametrize(
    "given", ["prometheus:9090", "ftp://a", "http://", "http://a b", "http://u:pass@a?x=1"]
)
def test_another_form_of_address_is_refused_and_not_shown(monkeypatch, given):
    monkeypatch.setenv("CONCORD_PROMETHEUS", given)
    with pytest.raises(ConfigurationError, match=r"CONCORD_PROMETHEUS.*http://HOST:PORT") as refused:
        Settings.read()
    assert given not in refused.value.message.replace("http://HOST", "")


def test_a_namespace_of_another_form_is_refused(monkeypatch):
    monkeypatch.setenv("CONCORD_PROMETHEUS_NAMESPACE", 'a"} or up{x="')
    with pytest.raises(ConfigurationError, match="CONCORD_PROMETHEUS_NAMESPACE"):
        Settings.read()


def test_no_prometheus_is_an_empty_one_too(monkeypatch):
    monkeypatch.setenv("CONCORD_PROMETHEUS", "")
    monkeypatch.setenv("CONCORD_PROMETHEUS_NAMESPACE", "")
    settings = Settings.read()
    assert (settings.prometheus, settings.prometheus_namespace) == (None, None)


def test_variables_that_kubernetes_injects_are_ignored(monkeypatch):
    monkeypatch.setenv("CONCORD_CONSENSUS_PORT", "tcp://10.0.0.1:7400")
    assert Settings.read().url == "http://127.0.0.1:7400"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("configmap:concord/concord-ledger", ("concord", "concord-ledger")),
        ("configmap:blue-ledger", (None, "blue-ledger")),
        ("", None),
    ],
)
def test_a_ledger_in_a_cluster_is_named_by_its_configmap(monkeypatch, given, read):
    monkeypatch.setenv("CONCORD_LEDGER", given)
    assert Settings.read().ledger_configmap == read


@pytest.mark.parametrize(
    "given", ["concord-ledger", "configmap:", "configmap:A/b", "configmap:a/b/c", "file:x"]
)
def test_another_form_of_ledger_is_refused(monkeypatch, given):
    monkeypatch.setenv("CONCORD_LEDGER", given)
    with pytest.raises(ConfigurationError, match=r"CONCORD_LEDGER.*configmap:NAMESPACE/NAME"):
        Settings.read()


def test_the_journals_password_is_put_into_its_url_and_shown_nowhere(monkeypatch):
    monkeypatch.setenv("CONCORD_JOURNAL", "mysql+pymysql://concord@journal:3306/concord?charset=utf8mb4")
    monkeypatch.setenv("CONCORD_JOURNAL_PASSWORD", "p@ss/w:rd")
    settings = Settings.read()
    url = "mysql+pymysql://concord:p%40ss%2Fw%3Ard@journal:3306/concord?charset=utf8mb4"
    assert settings.journal_url == url
    assert "p@ss" not in f"{settings!r} {settings.model_dump_json()}"


def test_a_url_with_its_password_inside_is_not_shown_either(monkeypatch):
    monkeypatch.setenv("CONCORD_JOURNAL", "postgresql+psycopg://concord:secret@journal/concord")
    assert "secret" not in repr(Settings.read())


@pytest.mark.parametrize("url", [None, "sqlite:///x", "mysql+pymysql://journal/concord"])
def test_a_password_without_a_user_is_refused_and_not_shown(monkeypatch, url):
    if url:
        monkeypatch.setenv("CONCORD_JOURNAL", url)
    monkeypatch.setenv("CONCORD_JOURNAL_PASSWORD", "secret")
    with pytest.raises(ConfigurationError, match="needs a user") as caught:
        _ = Settings.read().journal_url
    assert "secret" not in caught.value.message


def test_people_of_the_page_are_listed_by_their_addresses(monkeypatch):
    monkeypatch.setenv("CONCORD_PAGE_PEOPLE", "Ada@example.org, alan@example.org,")
    assert Settings.read().page_people == {"ada@example.org", "alan@example.org"}


def test_an_invalid_address_is_named(monkeypatch):
    monkeypatch.setenv("CONCORD_PAGE_PEOPLE", "ada@example.org, everybody")
    with pytest.raises(ConfigurationError, match=r"CONCORD_PAGE_PEOPLE.*'everybody'"):
        Settings.read()


def test_the_pages_token_is_shown_nowhere(monkeypatch):
    monkeypatch.setenv("CONCORD_PAGE_TOKEN", "sesame\n")
    settings = Settings.read()
    assert settings.page_secret == "sesame"
    assert "sesame" not in f"{settings!r} {settings.model_dump_json()}"


def test_mlflows_page_is_linked_to_by_an_address_of_http(monkeypatch):
    monkeypatch.setenv("CONCORD_REGISTRY_PAGE", "https://mlflow.example.org/")
    assert Settings.read().registry_page == "https://mlflow.example.org"
    monkeypatch.setenv("CONCORD_REGISTRY_PAGE", "javascript:alert(1)")
    assert Settings.read().registry_page is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CONCORD_PREDICT", "closed", "'open' or 'token'"),
        ("CONCORD_READ", "everybody", "'open' or 'token'"),
        ("CONCORD_RATE_REQUESTS", "-1", "greater than or equal to 0"),
        ("CONCORD_RATE_ROWS", "nan", "finite number"),
        ("CONCORD_TRUSTED_PROXIES", "proxy.example.com", "such as 10.0.0.7, 10.42.0.0/16"),
        ("CONCORD_HOSTS", "http://concord.example.com", "such as concord.example.com"),
    ],
)
def test_a_wrong_setting_of_who_may_ask_is_named_with_what_it_holds(monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=words) as caught:
        Settings.read()
    assert caught.value.field == name


def test_the_visitors_token_is_read_anew_from_its_file_and_shown_nowhere(monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text("one\n")
    monkeypatch.setenv("CONCORD_PAGE_VISITOR_TOKEN_FILE", str(file))
    settings = Settings.read()
    assert settings.page_visitor_secret == "one"
    file.write_text("two\n")
    assert settings.page_visitor_secret == "two"
    file.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        _ = settings.page_visitor_secret
    assert caught.value.field == "CONCORD_PAGE_VISITOR_TOKEN_FILE"
