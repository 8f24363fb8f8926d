"""Who may ask an installation, how much, and under which names."""

import subprocess
import sys

import pytest
from helm_python.errors import HelmError

from concord.settings import Settings

TOKENS = {"tokens": {"existingSecret": "concord-tokens"}}


def variables(objects, name="concord-consensus"):
    """The variables of a Deployment's container."""
    (found,) = (one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"] == name)
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


@pytest.mark.parametrize(
    ("values", "read"),
    [({}, "open"), (TOKENS, "token"), (TOKENS | {"read": "open"}, "open")],
    ids=["no tokens", "tokens", "stated"],
)
def test_who_reads_rounds_is_always_stated(render, values, read):
    assert variables(render({"consensus": values}))["CONCORD_READ"] == read


def test_predictions_take_a_token_by_one_value(render):
    assert variables(render())["CONCORD_PREDICT"] == "open"
    assert variables(render({"consensus": TOKENS | {"predict": "token"}}))["CONCORD_PREDICT"] == "token"


@pytest.mark.parametrize("right", ["predict", "read"])
def test_what_takes_a_token_without_any_is_refused_with_the_commands_that_make_one(render, right):
    with pytest.raises(HelmError) as caught:
        render({"consensus": {right: "token"}}, namespace="models")
    assert f"consensus.{right} is token" in str(caught.value)
    assert "kubectl --namespace models create secret generic concord-tokens" in str(caught.value)


def test_the_services_read_the_values_as_they_are_rendered(render, monkeypatch):
    values = {
        "rates": {"requests": 50.5, "rows": 1000000, "burstSeconds": 5},
        "trustedProxies": ["10.42.0.0/16", "fd00::/8"],
        "hosts": ["concord.example.com", "*.example.org"],
    }
    known = variables(render({"consensus": values}))
    for name, value in known.items():
        if name.startswith("CONCORD_") and name != "CONCORD_NODES":
            monkeypatch.setenv(name, value)
    read = Settings.read()
    assert (read.rate_requests, read.rate_rows, read.rate_burst_seconds) == (50.5, 1_000_000, 5)
    assert read.trusted_proxies == "10.42.0.0/16,fd00::/8"
    assert read.hosts.endswith(",concord.example.com,*.example.org")


@pytest.mark.parametrize("name", ["concord-consensus", "concord-page", "concord-iris-knn"])
def test_each_is_asked_under_its_services_names(render, name):
    names = variables(render(namespace="models"), name)["CONCORD_HOSTS"].split(",")
    assert names == [name, f"{name}.models", f"{name}.models.svc", f"{name}.models.svc.cluster.local"]


def test_the_page_may_have_another_name(render):
    known = variables(render({"page": {"hosts": ["page.example.com"]}}), "concord-page")
    assert known["CONCORD_HOSTS"].endswith(",page.example.com")


@pytest.mark.parametrize(
    "values",
    [
        {"consensus": {"predict": "closed"}},
        {"consensus": {"read": "nobody"}},
        {"consensus": {"rates": {"requests": -1}}},
        {"consensus": {"trustedProxies": ["proxy.example.com"]}},
        {"consensus": {"hosts": ["https://concord.example.com"]}},
        {"page": {"hosts": ["page.example.com:443"]}},
    ],
)
def test_a_value_of_another_form_is_refused(render, values):
    with pytest.raises(HelmError):
        render(values)


def test_the_token_for_visitors_is_a_file_of_the_secret_that_is_named(render):
    objects = render({"page": {"tokenSecret": "concord-visitors"}})
    known = variables(objects, "concord-page")
    (found,) = (
        one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "concord-page"
    )
    spec = found["spec"]["template"]["spec"]
    (volume,) = (one for one in spec["volumes"] if "secret" in one)
    (mount,) = (one for one in spec["containers"][0]["volumeMounts"] if one["name"] == volume["name"])
    assert volume["secret"]["secretName"] == "concord-visitors"
    assert known["CONCORD_PAGE_VISITOR_TOKEN_FILE"] == f"{mount['mountPath']}/token"
    assert mount["readOnly"]


def test_the_test_pod_shows_the_token_of_the_secret_that_is_named(render, of_kind):
    def container(values):
        return of_kind(render(values), "Pod")["concord-test"]["spec"]["containers"][0]

    (variable,) = container({"test": {"tokenSecret": "concord-test"}})["env"]
    assert variable["valueFrom"] == {"secretKeyRef": {"name": "concord-test", "key": "token"}}
    assert "env" not in container({})


def test_with_tls_the_test_pod_has_the_token_and_the_authority(render, of_kind):
    values = {
        "test": {"tokenSecret": "concord-test"},
        "consensus": {"tls": {"existingSecret": "concord-tls"}},
    }
    container = of_kind(render(values), "Pod")["concord-test"]["spec"]["containers"][0]
    assert [one["name"] for one in container["env"]] == ["CONCORD_TOKEN", "CONCORD_CA"]


def test_the_test_pods_script_ends_at_once_where_it_lacks_a_token(render, of_kind, serve_once):
    script = of_kind(render(), "Pod")["concord-test"]["spec"]["containers"][0]["args"][0]
    done = subprocess.run(
        [sys.executable, "-c", script, serve_once(401), "iris"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "test.tokenSecret" in done.stderr


@pytest.fixture
def serve_once():
    """Serves an address that answers every GET with a status."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    servers = []

    def start(status):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_args):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
