"""The Prometheus on the PATH: found or reported missing, configured, kept running and ended."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from concord.cli.home import Home
from concord.cli.up import monitoring
from concord.cli.up.launcher import Launcher
from concord.cli.up.plan import LaunchPlan, LocalNode
from concord.cli.up.ports import Ports, PortTaken, check_ports
from concord.cli.up.readiness import fetch_json, is_alive
from concord.cli.up.supervisor import Supervisor
from concord.errors import ConfigurationError
from tests.ports import free_base

ROOT = Path(__file__).parents[3]
REAL, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")

STAND_IN = f"""#!{sys.executable}
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

if sys.argv[1:] == ["--version"]:
    print("prometheus, version 2.42.0")
    sys.exit()
options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
assert json.load(open(options["config.file"]))["rule_files"]

class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/-/ready" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass

host, port = options["web.listen-address"].split(":")
HTTPServer((host, int(port)), Ready).serve_forever()
"""


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Puts a program called prometheus on the PATH, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(text):
        (folder / "prometheus").write_text(text, "utf-8")
        (folder / "prometheus").chmod(0o755)
        return str(folder / "prometheus")

    return put


@pytest.fixture
def base():
    """A base whose ports nobody listens at."""
    return free_base()


@pytest.fixture
def supervisor():
    """Ends its processes after the test."""
    ended = []
    supervisor = Supervisor(ended.append)
    yield supervisor
    supervisor.stop()
    assert ended == [], "nothing has ended by itself"


def start(supervisor, home, base, program, nodes=()):
    launcher = Launcher(Home(home), ROOT, Ports("127.0.0.1", base), supervisor)
    launcher.start_prometheus(program, LaunchPlan(home / "nodes.toml", tuple(nodes)), pages=())
    url = f"http://127.0.0.1:{base + 91}"
    wait_until(lambda: is_alive("prometheus", url))
    return url


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return result


def test_where_there_is_none_the_error_names_the_remedy(on_path):
    with pytest.raises(ConfigurationError, match=r"Install one .*prometheus\.io/download") as caught:
        monitoring.find_prometheus()
    assert caught.value.field == "--monitoring"


@pytest.mark.parametrize(
    ("text", "output"),
    [
        (f"#!{sys.executable}\nprint('a game')\n", "a game"),
        (f"#!{sys.executable}\n", "nothing"),
        ("#!/nowhere/at/all\n", "No such file"),
    ],
)
def test_another_program_of_that_name_is_refused(on_path, text, output):
    path = on_path(text)
    with pytest.raises(ConfigurationError, match=f"{path} does not say that it is Prometheus.*{output}"):
        monitoring.find_prometheus()


def test_the_one_on_the_path_is_taken(on_path):
    path = on_path(STAND_IN)
    assert monitoring.find_prometheus() == path


def test_it_scrapes_the_service_and_every_node_by_name(tmp_path):
    nodes = {("iris", "knn"): ("127.0.0.1", 7410), ("iris", "svm"): ("::1", 7411)}
    pages = {"page": ("127.0.0.1", 7492)}
    config = monitoring.write_config(tmp_path, ROOT, ("127.0.0.1", 7400), nodes, pages)
    (job,) = json.loads(config.read_text("utf-8"))["scrape_configs"]
    here = {"namespace": "local"}
    assert job["static_configs"] == [
        {"targets": ["127.0.0.1:7400"], "labels": here | {"component": "consensus"}},
        {
            "targets": ["127.0.0.1:7410"],
            "labels": here | {"component": "node", "task": "iris", "node": "knn"},
        },
        {"targets": ["[::1]:7411"], "labels": here | {"component": "node", "task": "iris", "node": "svm"}},
        {"targets": ["127.0.0.1:7492"], "labels": here | {"component": "page"}},
    ]


def test_it_reads_the_charts_rules(tmp_path):
    config = monitoring.write_config(tmp_path, ROOT, ("127.0.0.1", 7400), {}, {})
    (pattern,) = json.loads(config.read_text("utf-8"))["rule_files"]
    files = {path.name for path in Path(pattern).parent.glob(Path(pattern).name)}
    assert {"answers.yaml", "nodes.yaml", "slo.yaml"} <= files


def test_its_port_counts_only_if_it_is_wanted():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ports = Ports("127.0.0.1", listener.getsockname()[1] - 91, page=False, mlflow=False)
        check_ports(ports)
        with pytest.raises(PortTaken, match="for Prometheus, is taken"):
            check_ports(replace(ports, monitoring=True))


def test_it_is_started_from_its_file_and_ended_with_the_rest(on_path, supervisor, tmp_path, base):
    url = start(supervisor, tmp_path / "home", base, on_path(STAND_IN))
    assert supervisor.pids().keys() == {"prometheus"}
    assert supervisor.stop() == []
    assert not is_alive("prometheus", url)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on the PATH")
def test_prometheus_reads_its_file(tmp_path):
    nodes = {("iris", "knn"): ("127.0.0.1", 7410)}
    config = monitoring.write_config(tmp_path, ROOT, ("127.0.0.1", 7400), nodes, {})
    done = subprocess.run(
        [PROMTOOL, "check", "config", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def service(base):
    """Answers as the consensus service does, at the base's port."""

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'concord_node_up{task="iris",node="knn"} 1\n')

        def log_message(self, *_):
            """Says nothing."""

    with HTTPServer(("127.0.0.1", base), Metrics) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


def query(url, expression, **parameters):
    encoded = urllib.parse.urlencode({"query": expression, **parameters})
    return fetch_json(f"{url}/api/v1/query?{encoded}")["data"]["result"]


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="there is no Prometheus on the PATH")
def test_a_real_one_scrapes_records_and_keeps_what_it_read_across_starts(service, supervisor, tmp_path, base):
    program, away = monitoring.find_prometheus(), LocalNode("iris", "knn", "127.0.0.1", base + 10)
    url = start(supervisor, tmp_path, base, program, [away])
    recorded = wait_until(lambda: query(url, "concord:nodes_up:count"))
    assert recorded[0]["metric"] == {
        "__name__": "concord:nodes_up:count", "namespace": "local", "task": "iris",
    }  # fmt: skip
    up = wait_until(lambda: len(samples := query(url, "up")) == 2 and samples)
    assert {sample["metric"]["component"]: sample["value"][1] for sample in up} == {
        "consensus": "1",
        "node": "0",
    }
    rules = fetch_json(f"{url}/api/v1/rules")["data"]["groups"]
    assert not [rule for group in rules for rule in group["rules"] if rule.get("lastError")]
    then = time.time()
    assert supervisor.stop() == []
    again = Supervisor(lambda ended: pytest.fail(f"{ended}"))
    try:
        url = start(again, tmp_path, base, program, [away])
        assert query(url, 'concord_node_up{node="knn"}', time=then)
    finally:
        again.stop()


def test_a_service_with_tls_is_scraped_by_https_and_its_nodes_are_not(tmp_path):
    nodes = {("iris", "knn"): ("127.0.0.1", 7410)}
    config = monitoring.write_config(tmp_path, ROOT, ("127.0.0.1", 7400), nodes, {}, has_tls=True)
    (job,) = json.loads(config.read_text("utf-8"))["scrape_configs"]
    schemes = [group["labels"].get("__scheme__", "http") for group in job["static_configs"]]
    assert (schemes, job["tls_config"]) == (["https", "http"], {"insecure_skip_verify": True})
