"""A service whose certificate a private authority signed: who trusts it, and what others are told."""

import contextlib
import json
import re
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from concord.cli import main
from concord.client import Client
from concord.errors import ConfigurationError, ServiceAway
from concord.http.outgoing import client_options
from tests.authority import Authority

TASKS = {"tasks": []}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(TASKS).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that leaves is what these tests are about."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@contextlib.contextmanager
def serving(certificate, key):
    """The port of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Server(("127.0.0.1", 0), Answers) as server:
        # The handshake belongs to each connection's thread, so that one that fails holds up nobody.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def port(authority):
    """The port of a server with a certificate for `localhost`."""
    with serving(*authority.issue("localhost")) as found:
        yield found


@pytest.fixture
def url(port, monkeypatch):
    monkeypatch.delenv("CONCORD_CA", raising=False)
    return f"https://localhost:{port}"


@pytest.fixture
def refusal(url):
    """What a client is told, with options of its own."""

    def ask(address=url, **options):
        with pytest.raises(ServiceAway) as told, Client(address, **options) as concord:
            concord.tasks()
        return told.value

    return ask


def test_a_client_that_is_given_the_authority_is_answered(url, authority):
    with Client(url, ca=authority.ca) as concord:
        assert concord.tasks() == []


def test_so_is_one_whose_environment_names_it(url, authority, monkeypatch):
    monkeypatch.setenv("CONCORD_CA", str(authority.ca))
    with Client(url) as concord:
        assert concord.tasks() == []


def test_without_it_the_certificate_is_refused_with_what_helps(refusal):
    told = refusal()
    assert "certificate verify failed" in told.message
    assert "--ca FILE or CONCORD_CA names its authority's certificate" in told.message
    assert told.field == "CONCORD_CA"


def test_another_authority_is_refused_too(refusal, tmp_path):
    assert "certificate verify failed" in refusal(ca=Authority(tmp_path).ca).message


def test_a_certificate_for_another_name_is_refused_with_what_helps(refusal, authority, port):
    message = refusal(f"https://127.0.0.1:{port}", ca=authority.ca).message
    assert "CONCORD_URL says a name that the certificate is for" in message


def test_a_service_that_is_not_there_is_said_as_before(refusal, authority):
    assert (
        "No consensus service answers at https://localhost:1"
        in refusal("https://localhost:1", ca=authority.ca).message
    )


def test_the_authority_is_trusted_besides_the_systems(authority):
    alone = client_options("https://concord.example.com")["verify"].cert_store_stats()["x509_ca"]
    both = client_options("https://concord.example.com", authority.ca)["verify"].cert_store_stats()["x509_ca"]
    assert both == alone + 1


def a_key(folder, authority):
    return authority.issue("another")[1]


def a_text(folder, authority):
    (folder / "text").write_text("-----BEGIN", "utf-8")
    return folder / "text"


def nothing(folder, authority):
    return folder / "nowhere.crt"


def a_folder(folder, authority):
    return folder


@pytest.mark.parametrize(
    ("make", "why"),
    [(nothing, "No such file"), (a_folder, ""), (a_key, "no certificate in PEM"), (a_text, "in PEM")],
)
def test_what_is_no_certificate_is_refused_by_the_variable_that_names_it(
    make, why, tmp_path, authority, monkeypatch
):
    monkeypatch.setenv("CONCORD_CA", str(make(tmp_path, authority)))
    with pytest.raises(ConfigurationError, match="CONCORD_CA") as refused:
        Client("https://localhost:1")
    assert (refused.value.field, why in refused.value.message) == ("CONCORD_CA", True)


def test_a_service_in_plain_http_needs_no_certificate(monkeypatch):
    monkeypatch.setenv("CONCORD_CA", "/nowhere/ca.crt")
    Client("http://127.0.0.1:7400").close()


@pytest.fixture
def command(url, monkeypatch):
    """Runs a command of the command line against the server."""
    monkeypatch.setenv("CONCORD_URL", url)
    monkeypatch.setenv("CONCORD_CA", "")

    def run(*arguments):
        return CliRunner().invoke(main, arguments)

    return run


def test_the_command_line_takes_the_authority(command, authority):
    done = command("--ca", str(authority.ca), "tasks")
    assert done.exit_code == 0, done.output


def test_the_command_line_says_what_is_missing(command):
    done = command("tasks")
    assert done.exit_code != 0
    assert "--ca FILE" in done.output


def test_the_command_line_refuses_a_file_that_is_not_there(command):
    done = command("--ca", "/nowhere/ca.crt", "tasks")
    assert (done.exit_code, "--ca" in done.output) == (2, True)


@contextlib.contextmanager
def forwarded(*_):
    yield "http://127.0.0.1:4321"


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, "http://127.0.0.1:4321"),
        ({"CONCORD_CA": "ca.crt"}, "https://localhost:4321"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "http://concord-consensus.concord:3000"),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "CONCORD_CA": "ca.crt"},
            "https://concord-consensus.concord:3000",
        ),
    ],
)
def test_a_service_in_a_cluster_is_asked_by_tls_where_its_authority_is_known(variables, address, monkeypatch):
    from concord.cli import port_forward
    from concord.cli.service_access import Target, _open_address

    monkeypatch.setattr(port_forward, "forward_port", forwarded)
    for name in ("CONCORD_CA", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with _open_address(Target("concord", "concord"), "http://unused") as found:
        assert found == address


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_commands_of_the_docs_make_a_certificate_that_is_trusted(tmp_path, monkeypatch):
    monkeypatch.delenv("CONCORD_CA", raising=False)
    page = Path(__file__).parents[3] / "docs" / "kubernetes.md"
    (commands,) = re.findall(r"```bash\n(names=DNS:.*?)kubectl", page.read_text("utf-8"), re.DOTALL)
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True, capture_output=True)
    with (
        serving(tmp_path / "tls.crt", tmp_path / "tls.key") as found,
        Client(f"https://localhost:{found}", ca=tmp_path / "ca.crt") as concord,
    ):
        assert concord.tasks() == []
