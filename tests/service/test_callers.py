"""What a caller may ask for, how much, under which name; and what the log says of it."""

import json

import pytest

from concord.http.tokens import Token, hash_of, render
from tests.service.stack import IRIS, wait_until

BODY = {"rows": [IRIS.example]}
PREDICT = "/v1/tasks/iris/predict"


def code_of(response):
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A stack that admits two requests at once and then one in a thousand seconds, and believes loopback."""
    from tests.service.conftest import serving, starting

    with serving() as serve, starting(serve, tmp_path_factory.mktemp("limited")) as start:
        stack = start(rate_requests=0.002, rate_burst_seconds=1000, trusted_proxies="127.0.0.1", ready=False)
        # Probes are not counted.
        wait_until(lambda: stack.http.get("/readyz").status_code == 200)
        tokens = [Token(name, hash_of(name), predicts={"*"}) for name in ("one", "two")]
        (stack.home / "tokens.toml").write_text(render(tokens))
        yield stack


def ask(stack, address, token=None, path=PREDICT):
    headers = {"x-forwarded-for": address} | ({"authorization": f"Bearer {token}"} if token else {})
    return stack.http.post(path, json=BODY, headers=headers)


def test_a_caller_beyond_its_rate_gets_a_429_that_says_the_limit(limited):
    assert [ask(limited, "198.51.100.1").status_code for _ in range(2)] == [200, 200]
    response = ask(limited, "198.51.100.1")
    assert code_of(response) == (429, "rate_limited")
    assert 1 <= int(response.headers["retry-after"]) <= 500
    assert response.headers["ratelimit-policy"] == '"requests";q=2;w=1000'
    assert response.headers["ratelimit"] == f'"requests";r=0;t={response.headers["retry-after"]}'
    assert ask(limited, "198.51.100.2").status_code == 200


def test_tokens_behind_one_address_have_a_rate_each(limited):
    assert [ask(limited, "198.51.100.3", "one").status_code for _ in range(3)] == [200, 200, 429]
    assert ask(limited, "198.51.100.3", "two").status_code == 200
    assert ask(limited, "198.51.100.3").status_code == 200


def test_addresses_of_one_ipv6_network_have_one_rate(limited):
    statuses = [ask(limited, f"2001:db8::{i}").status_code for i in range(3)]
    assert statuses == [200, 200, 429]


def test_a_wrong_token_counts_against_its_address(limited):
    def label():
        headers = {"x-forwarded-for": "198.51.100.4", "authorization": "Bearer wrong"}
        return limited.http.post("/v1/feedback", json={}, headers=headers).status_code

    assert [label() for _ in range(3)] == [401, 401, 429]


def test_probes_and_metrics_are_never_counted(limited):
    for path in ("/livez", "/readyz", "/metrics", "/v2/health/live") * 2:
        assert limited.http.get(path).status_code == 200


def test_refusals_are_counted_by_limit(limited):
    for _ in range(3):
        ask(limited, "198.51.100.5")
    lines = limited.http.get("/metrics").text.splitlines()
    assert any(line.startswith('concord_rate_refusals_total{limit="requests"}') for line in lines)


def test_a_caller_beyond_its_rate_of_rows_waits_until_its_call_is_paid_for(start_stack):
    stack = start_stack(rate_rows=1, rate_burst_seconds=2)
    body = {"rows": [IRIS.example] * 50}
    assert stack.http.post(PREDICT, json=body).status_code == 200
    response = stack.http.post(PREDICT, json=BODY)
    assert code_of(response) == (429, "rate_limited")
    assert response.headers["ratelimit-policy"] == '"rows";q=2;w=2'


def test_without_trusted_proxies_a_forwarded_address_makes_no_other_caller(start_stack):
    stack = start_stack(rate_requests=0.002, rate_burst_seconds=1000, ready=False)
    statuses = [
        stack.http.get("/v1/tasks", headers={"x-forwarded-for": f"198.51.100.{i}"}).status_code
        for i in range(3)
    ]
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v1/tasks", "/nothing", "/v2"])
def test_another_name_in_host_is_refused_everywhere(module_stack, path):
    response = module_stack.http.get(path, headers={"host": "evil.example:7400"})
    assert response.status_code == 421
    error = response.json()["error"]
    message, code = (
        (error, response.json()["code"]) if isinstance(error, str) else (error["message"], error["code"])
    )
    assert code == "unknown_host"
    assert "CONCORD_HOSTS" in message


@pytest.mark.parametrize("host", ["localhost", "concord.localhost:80", "10.42.0.7:3000", "[::1]:7400"])
def test_own_names_and_addresses_are_answered(module_stack, host):
    assert module_stack.http.get("/livez", headers={"host": host}).status_code == 200


def test_stated_names_are_answered(start_stack):
    stack = start_stack(hosts="concord.example.com", ready=False)
    assert stack.http.get("/livez", headers={"host": "concord.example.com"}).status_code == 200


def test_a_node_refuses_other_names_too(module_stack):
    import httpx

    node = next(iter(module_stack.nodes.values()))
    assert (
        httpx.get(f"{node.url}/livez", headers={"host": "evil.example"}, trust_env=False).status_code == 421
    )
    assert httpx.get(f"{node.url}/livez", trust_env=False).status_code == 200


def test_the_access_line_says_from_where_and_by_which_token(start_stack, capfd, tmp_path):
    tokens = [Token("crm", hash_of("secret-crm"), labels={"iris"})]
    (tmp_path / "tokens.toml").write_text(render(tokens))
    stack = start_stack(ready=False, trusted_proxies="127.0.0.1", home=tmp_path)
    # As at INFO, which the stack's own settings turn off.
    stack.api.application._access._enabled = True
    headers = {"x-forwarded-for": "198.51.100.9", "authorization": "Bearer secret-crm"}
    stack.http.get("/v1/tasks", headers=headers)
    stack.http.get("/v1/tasks", headers={"authorization": "Bearer secret-wrong"})
    stack.api.application._access.flush()
    written = capfd.readouterr().err
    lines = [json.loads(line) for line in written.splitlines() if '"route":"/v1/tasks"' in line]
    assert [(line["address"], line["token"]) for line in lines[-2:]] == [
        ("198.51.100.9", "crm"),
        ("127.0.0.1", None),
    ]
    assert "secret-" not in written
