"""Java's HTTP client, curl, hey, ab and nginx are answered, whatever they offer on the way."""

import asyncio
import gzip
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from tests.service.served import serving_in_processes
from tests.service.stack import IRIS, wait_until

pytestmark = pytest.mark.clients

CALLS = Path(__file__).parent / "calls"
ONE, MANY = (json.dumps({"rows": [IRIS.example] * rows}) for rows in (1, 500))
"""Bodies of one row, and of more bytes than a segment has."""

OFFER = {
    "connection": "upgrade, http2-settings",
    "upgrade": "h2c",
    "http2-settings": "AAMAAABkAAQAoAAAAAIAAAAA",
}
KEPT_SECONDS = 1
"""How long nginx keeps an idle connection to the service here; its default is 60, the service's limit 75."""


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not on the PATH")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving_in_processes(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
def url(served):
    """The address of iris' predictions."""
    return f"http://127.0.0.1:{served.port}/v1/tasks/iris/predict"


@pytest.fixture(scope="module")
def bodies(tmp_path_factory):
    """Files of a body of one row, and of one of many."""
    folder = tmp_path_factory.mktemp("bodies")
    for name, body in (("one", ONE), ("many", MANY)):
        (folder / name).write_text(body, "ascii")
    return str(folder / "one"), str(folder / "many")


@needs("java", "javac")
def test_javas_client_is_answered_though_it_offers_http2(url, bodies):
    done = run("java", str(CALLS / "Offers.java"), url, *bodies)
    assert done.stdout.splitlines() == ["200 1", "200 1", "200 500", "200 500"], done.stderr


def curl(*arguments, body=None):
    """Status and version of an answer, and curl's own exit status."""
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", "--max-time", "20"]
    data = ["-H", "content-type: application/json", "--data-binary", f"@{body}"] if body else []
    done = run(*command, *data, *arguments)
    return done.stdout, done.returncode


@needs("curl")
@pytest.mark.parametrize("which", [0, 1], ids=["one row", "many rows"])
def test_curls_offer_of_http2_is_ignored_and_the_body_is_read(url, bodies, which):
    assert curl("--http2", url, body=bodies[which]) == ("200 1.1", 0)


@needs("curl")
def test_curls_second_request_on_a_connection_that_offered_http2_is_answered(url, bodies):
    second = ["--next", "-s", "-o", "/dev/null", "-w", " %{http_code} %{num_connects}", "--http2", url]
    assert curl("--http2", url, *second, body=bodies[1])[0].split()[2:] == ["405", "0"]


@needs("curl")
def test_http2_with_prior_knowledge_is_refused_within_a_second(url):
    began = time.monotonic()
    done = run("curl", "-s", "-v", "--http2-prior-knowledge", "--max-time", "20", url)
    # curl takes what is no HTTP/2 for an empty reply, a broken frame, or a broken connection.
    assert (done.returncode in {16, 52, 55, 56}, time.monotonic() - began < 1) == (True, True), done.stderr


@needs("curl")
def test_a_compressed_body_and_a_wish_for_a_compressed_answer_are_taken(url, tmp_path):
    (tmp_path / "packed").write_bytes(gzip.compress(MANY.encode()))
    options = ("--compressed", "-H", "content-encoding: gzip")
    assert curl(*options, url, body=tmp_path / "packed") == ("200 1.1", 0)


@needs("curl")
def test_another_compression_is_refused_by_its_status(url, bodies):
    assert curl("-H", "content-encoding: br", url, body=bodies[0]) == ("415 1.1", 0)


@needs("hey")
def test_hey_has_no_failed_request(url):
    done = run("hey", "-n", "800", "-c", "8", "-m", "POST", "-T", "application/json", "-d", ONE, url)
    assert re.findall(r"\[(\d+)]\s+(\d+) responses", done.stdout) == [("200", "800")], done.stdout


@needs("ab")
def test_ab_has_no_failed_request(url, bodies):
    # Answers differ in length, which ab takes for a failure unless told otherwise. It speaks HTTP/1.0, whose
    # connections the server does not keep.
    done = run("ab", "-l", "-q", "-k", "-n", "800", "-c", "8", "-p", bodies[0], "-T", "application/json", url)
    found = dict(re.findall(r"^(Complete requests|Failed requests):\s+(\d+)", done.stdout, re.MULTILINE))
    told = {"Complete requests": "800", "Failed requests": "0"}
    assert (found, "Non-2xx" in done.stdout) == (told, False), done.stdout + done.stderr


NGINX = """
daemon off;
pid {folder}/pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream concord {{
        server 127.0.0.1:{service};
        keepalive 4;
        keepalive_timeout {kept}s;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://concord;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def behind_nginx(served, tmp_path_factory):
    """The service's address behind an nginx that hands offers to upgrade on, over few connections."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, service=served.port, port=port, kept=KEPT_SECONDS), "ascii")
    with subprocess.Popen(["nginx", "-e", "stderr", "-c", str(config)]) as nginx:
        address = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: _answers(address))
            yield address
        finally:
            nginx.terminate()


def _answers(address):
    try:
        return httpx.get(f"{address}/livez", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


async def _ask(client, caller, number):
    """Whether a request's answer is its own: its id, and as many verdicts as it has rows."""
    rows = 1 + (caller + number) % 40
    headers = {"x-request-id": f"{caller}-{number}", **(OFFER if number % 2 else {})}
    body = {"rows": [IRIS.example] * rows}
    answer = await client.post("/v1/tasks/iris/predict", json=body, headers=headers)
    is_own = answer.headers["x-request-id"] == headers["x-request-id"]
    return answer.status_code == 200 and is_own and len(answer.json()["verdicts"]) == rows


@needs("nginx")
def test_behind_nginx_that_hands_offers_on_each_caller_gets_its_own_answer(behind_nginx):
    async def caller(client, number):
        return [await _ask(client, number, turn) for turn in range(20)]

    async def ask():
        async with httpx.AsyncClient(base_url=behind_nginx, timeout=60, trust_env=False) as client:
            return await asyncio.gather(*(caller(client, number) for number in range(16)))

    assert asyncio.run(ask()) == [[True] * 20] * 16


@needs("nginx")
def test_behind_nginx_a_caller_is_answered_after_a_pause_longer_than_connections_are_kept(behind_nginx):
    with httpx.Client(base_url=behind_nginx, timeout=20, trust_env=False) as client:
        answered = []
        for _ in range(3):
            answered.append(client.post("/v1/tasks/iris/predict", json=json.loads(ONE)).status_code)
            time.sleep(KEPT_SECONDS * 1.5)
    assert answered == [200] * 3
