"""The release's Prometheus reads what ours answer, in plain HTTP and by TLS: a real one, and its own file."""

import json
import shutil
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from concord.observability.exporter import Exporter
from concord.observability.exposition import render as exposition
from tests.authority import Authority
from tests.ports import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not on the PATH"),
]

SECONDS = 60


class Metrics(BaseHTTPRequestHandler):
    """Answers as a service of ours does."""

    part = "consensus"

    def do_GET(self):
        body, kind = exposition(self.part, self.headers["accept"])
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


class NodeMetrics(Metrics):
    part = "node"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Prometheus may leave as it likes."""


@contextmanager
def serving(server):
    """The server's port while it runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class OursAlone(Exporter):
    def service_actions(self):
        """It is no child process here, which would end with its command."""


def by_tls(handler, authority, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(name))
    server = Server(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def target(component, port, port_name="http"):
    """A group of the file that `find-pods` writes."""
    labels = {
        "namespace": "concord",
        "pod_name": component,
        "pod_phase": "Running",
        "pod_label_app_kubernetes_io_component": component,
        "pod_container_port_name": port_name,
    }
    known = {f"__meta_kubernetes_{name}": value for name, value in labels.items()}
    return {"targets": [f"127.0.0.1:{port}"], "labels": known}


@pytest.fixture
def scraped(render, of_kind, tmp_path):
    """Runs Prometheus with the chart's own file and such targets; component → (health, scheme, error)."""

    def run(values, targets):
        text = of_kind(render(values), "ConfigMap")["concord-prometheus"]["data"]["prometheus.yml"]
        text = text.replace("/targets/", f"{tmp_path}/").replace("/etc/concord-ca/", f"{tmp_path}/")
        (tmp_path / "prometheus.yml").write_text(text.replace(": 15s", ": 5s"), "utf-8")
        (tmp_path / "pods.json").write_text(json.dumps(targets), "utf-8")
        with started(tmp_path) as url:
            return healths(url, len(targets))

    return run


@contextmanager
def started(folder):
    port = free_port()
    options = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    command = [shutil.which("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def healths(url, count):
    """Of every target, once each has been scraped."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            told = httpx.get(f"{url}/api/v1/targets", trust_env=False).json()["data"]["activeTargets"]
        except (httpx.HTTPError, ValueError):
            # It answers in words until it has begun.
            told = []
        if len(told) == count and all(one["health"] != "unknown" for one in told):
            return {
                one["labels"]["component"]: (
                    one["health"],
                    one["scrapeUrl"].partition(":")[0],
                    one["lastError"],
                )
                for one in told
            }
        time.sleep(0.2)
    raise AssertionError(f"Prometheus has not scraped {count} targets within {SECONDS} s")


TLS = {"consensus": {"tls": {"existingSecret": "concord-tls"}}}


def test_it_reads_services_and_pages_in_plain_http(scraped):
    with (
        serving(Server(("127.0.0.1", 0), Metrics)) as consensus,
        serving(Server(("127.0.0.1", 0), NodeMetrics)) as node,
        serving(OursAlone("127.0.0.1", 0)) as page,
    ):
        targets = [target("consensus", consensus), target("node", node), target("page", page, "metrics")]
        found = scraped({}, targets)
    assert found == dict.fromkeys(("consensus", "node", "page"), ("up", "http", ""))


def test_it_reads_a_service_with_a_certificate_by_tls_and_others_as_before(scraped, tmp_path):
    with (
        serving(by_tls(Metrics, Authority(tmp_path), "concord-consensus")) as consensus,
        serving(Server(("127.0.0.1", 0), NodeMetrics)) as node,
    ):
        found = scraped(TLS, [target("consensus", consensus), target("node", node)])
    assert found == {"consensus": ("up", "https", ""), "node": ("up", "http", "")}


def test_it_does_not_read_one_that_is_not_the_service(scraped, tmp_path):
    with serving(by_tls(Metrics, Authority(tmp_path), "somebody-else")) as consensus:
        health, _, error = scraped(TLS, [target("consensus", consensus)])["consensus"]
    assert (health, "concord-consensus" in error) == ("down", True), error
