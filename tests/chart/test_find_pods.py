"""The container beside Prometheus writes what the API server says, which stands while that one is away."""

import datetime as dt
import importlib.util
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.chart import rendering

SCRIPT = rendering.CHART / "files" / "find_pods.py"


def pod(name="knn-1", address="10.0.0.7", phase="Running", ports=((("http", 3000)),), **labels):
    declared = [{"name": port, "containerPort": number} for port, number in ports]
    status = {"phase": phase} | ({"podIP": address} if address else {})
    return {
        "metadata": {"name": name, "namespace": "there", "labels": labels},
        "spec": {"containers": [{"ports": declared}, {}], "initContainers": [{}]},
        "status": status,
    }


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A folder with an authority's certificate for 127.0.0.1, its key, and a token."""
    folder, key = tmp_path_factory.mktemp("account"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    (folder / "token").write_text("sesame\n", "utf-8")
    return folder


@pytest.fixture
def api_server(certificate):
    """Answers with `pods`, or with `status`; `asked` is the newest request's path, query and token."""

    class Answers(BaseHTTPRequestHandler):
        pods, status, asked = (), 200, None

        def do_GET(self):
            split = urlsplit(self.path)
            type(self).asked = (split.path, parse_qs(split.query), self.headers["authorization"])
            self.send_response(self.status)
            self.end_headers()
            self.wfile.write(json.dumps({"items": list(self.pods)}).encode())

        def log_message(self, *_):
            """Says nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.crt", certificate / "key")
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Answers.url = f"https://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Answers
        server.shutdown()


@pytest.fixture
def finder(certificate, monkeypatch):
    """The script as a module, with an account of the test's."""
    spec = importlib.util.spec_from_file_location("find_pods", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ACCOUNT", certificate)
    return module


def written(file):
    return json.loads(file.read_text("utf-8"))


def test_a_pod_is_told_with_its_address_and_its_labels(finder, api_server, tmp_path):
    api_server.pods = [pod(**{"concord.dev/task": "iris", "app.kubernetes.io/component": "node"})]
    said = finder.look(f"{api_server.url}/api/v1/namespaces/there/pods", tmp_path / "pods.json")
    assert said == "1 ports of pods are known."
    assert written(tmp_path / "pods.json") == [
        {
            "targets": ["10.0.0.7:3000"],
            "labels": {
                "__meta_kubernetes_namespace": "there",
                "__meta_kubernetes_pod_name": "knn-1",
                "__meta_kubernetes_pod_phase": "Running",
                "__meta_kubernetes_pod_label_concord_dev_task": "iris",
                "__meta_kubernetes_pod_label_app_kubernetes_io_component": "node",
                "__meta_kubernetes_pod_container_port_name": "http",
            },
        }
    ]


def test_each_port_is_a_target_and_an_address_of_version_six_is_bracketed(finder):
    two = pod(address="fd00::7", ports=(("http", 3000), ("metrics", 9100)))
    assert [one["targets"] for one in finder.groups([two])] == [["[fd00::7]:3000"], ["[fd00::7]:9100"]]


def test_a_pod_without_an_address_or_a_port_is_none(finder):
    assert list(finder.groups([pod(address=None, phase="Pending"), pod(ports=())])) == []


def test_nothing_is_written_or_said_where_nothing_has_changed(finder, api_server, tmp_path):
    file = tmp_path / "pods.json"
    api_server.pods = [pod()]
    finder.look(api_server.url, file)
    before = file.stat()
    assert finder.look(api_server.url, file) is None
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_while_the_api_server_does_not_answer_the_last_answer_stands(finder, api_server, tmp_path, status):
    file = tmp_path / "pods.json"
    api_server.pods = [pod()]
    finder.look(api_server.url, file)
    api_server.pods, api_server.status = (), status
    assert str(status) in finder.look(api_server.url, file)
    assert len(written(file)) == 1


def test_a_server_that_the_clusters_authority_does_not_vouch_for_gets_no_token(
    finder, api_server, tmp_path, monkeypatch
):
    import certifi

    other = tmp_path / "account"
    other.mkdir()
    (other / "token").write_text("sesame", "utf-8")
    (other / "ca.crt").symlink_to(certifi.where())
    monkeypatch.setattr(finder, "ACCOUNT", other)
    assert "certificate" in finder.look(api_server.url, tmp_path / "pods.json")
    assert api_server.asked is None


def test_as_the_container_runs_it_asks_for_the_releases_pods_and_ends_when_told(
    api_server, certificate, tmp_path
):
    api_server.pods = [pod()]
    text = SCRIPT.read_text("utf-8").replace(
        "/var/run/secrets/kubernetes.io/serviceaccount", str(certificate)
    )
    host, _, port = api_server.url.removeprefix("https://").partition(":")
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", text, str(tmp_path), "there", "a=b,c=d", "0.05"],
        env=os.environ | {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr.readline() == "1 ports of pods are known.\n"
        assert api_server.asked == (
            "/api/v1/namespaces/there/pods",
            {"labelSelector": ["a=b,c=d"]},
            "Bearer sesame",
        )
        api_server.pods = [pod(), pod("knn-2", "10.0.0.8")]
        assert process.stderr.readline() == "2 ports of pods are known.\n"
        time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGTERM)
        rest = process.communicate()[1]
    assert (process.returncode, rest) == (0, ""), "nothing is said where nothing has changed"
