"""What `make push` publishes can be pulled again, under a version and under a date, the chart as well."""

import os
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
IMAGES = ("node", "consensus", "trainer", "mlflow", "page", "fetch")
TAG = "0.0.1"
DATED = f"{TAG}-{datetime.now(UTC):%Y%m%d}"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("docker") is None, reason="there is no Docker here"),
    pytest.mark.skipif(shutil.which("helm") is None, reason="there is no helm here"),
]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout


def installed():
    """Path of Debian's docker-registry, installed if it can be."""
    if shutil.which("docker-registry") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "docker-registry"], capture_output=True, check=False
        )
    return shutil.which("docker-registry")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Address of an empty registry on this machine."""
    program = installed()
    if program is None:
        pytest.skip("Debian's package docker-registry is not here and cannot be installed")
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    end = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/v2/")
            break
        except httpx.HTTPError:
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.1)
    yield f"127.0.0.1:{port}/team"
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def pushed(registry):
    """Publishes six small images in the place of the real ones; takes their tags away at the end."""
    for name in IMAGES:
        build = f"FROM python:3.11-slim\nLABEL concord.name={name}\n"
        run("docker", "build", "--quiet", "--tag", f"concord-{name}:{TAG}", "-", input=build)
    said = run("make", "push", f"TAG={TAG}", f"REGISTRY={registry}", cwd=ROOT)
    yield said
    tags = [
        f"{prefix}concord-{name}:{tag}"
        for name in IMAGES
        for prefix in ("", f"{registry}/")
        for tag in (TAG, DATED)
    ]
    subprocess.run(["docker", "image", "rm", "--force", *tags], capture_output=True, check=False)


@pytest.mark.parametrize("tag", [TAG, DATED])
def test_an_image_can_be_pulled_by_version_and_by_date(pushed, registry, tag):
    name = f"{registry}/concord-fetch:{tag}"
    run("docker", "image", "rm", name)
    run("docker", "pull", "--quiet", name)
    label = run("docker", "image", "inspect", "--format", '{{index .Config.Labels "concord.name"}}', name)
    assert label.strip() == "fetch"


@pytest.mark.parametrize("tag", [TAG, DATED])
def test_the_chart_can_be_pulled_and_names_the_images_of_its_push(pushed, registry, tag, tmp_path):
    chart = f"oci://{registry}/charts/concord"
    run("helm", "pull", chart, "--version", tag, "--plain-http", "--untar", "--destination", tmp_path)
    assert f"appVersion: {tag}" in (tmp_path / "concord" / "Chart.yaml").read_text().replace('"', "")


def test_it_says_how_to_install_what_it_pushed(pushed, registry):
    assert f"helm install concord oci://{registry}/charts/concord --version {DATED}" in pushed


def test_nothing_is_pushed_where_an_image_is_missing(registry):
    done = subprocess.run(
        ["make", "push", "TAG=0.0.0-none", f"REGISTRY={registry}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "There is no image concord-node:0.0.0-none; `make images TAG=0.0.0-none` builds it." in done.stderr
