"""One kind cluster for all tests that need one, with the images that `make images` builds.

Both are made when the first test asks for them and removed at the end; after a failure the
cluster's logs are left in `.concord/e2e-logs` (or $CONCORD_E2E_LOGS). $CONCORD_E2E_CLUSTER names a
cluster that is kept, and used as it is if it is there (`make images load CLUSTER=…` brings new images).
$CONCORD_E2E_IMAGES names those of our images that the chosen tests need, if they don't need all six, and
$CONCORD_E2E_HOME a home folder whose fitted models go into them, if they needn't be fitted anew.
"""

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

import pytest

from concord import __version__
from tests.e2e import bank as banking
from tests.e2e.kind import CHART, PREFIX, PROMETHEUS_TAG, ROOT, Cluster, LoadPod, remove_leftovers, run
from tests.e2e.replicas import SPACE, helm

NAMES = os.environ.get("CONCORD_E2E_IMAGES", "node consensus trainer mlflow page fetch").split()
OTHERS = ("mariadb:10.11", f"prom/prometheus:{PROMETHEUS_TAG}")
"""Images that are not ours."""

NEEDED = ("docker", "kind", "helm", "kubectl")


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Builds the images, when called, as a newcomer does: from nothing but Docker's cache."""
    home = Path(os.environ.get("CONCORD_E2E_HOME") or tmp_path_factory.mktemp("images"))
    settings = {
        "CONCORD_HOME": str(home),
        "BENTOML_HOME": str(home / "bentoml"),
        "BUILD_NETWORK": "host",
    }

    def build():
        run("make", "images", f"IMAGES={' '.join(NAMES)}", seconds=1800, env=os.environ | settings)
        return [f"concord-{name}:{__version__}" for name in NAMES]

    return build


@pytest.fixture(scope="session")
def cluster(images, tmp_path_factory, request):
    """A running cluster that has the images."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not on the PATH; ../shared/cluster/prepare brings them here")
    kept = os.environ.get("CONCORD_E2E_CLUSTER")
    if not kept:
        remove_leftovers()
    made = Cluster(kept or f"{PREFIX}{os.getpid()}", tmp_path_factory.mktemp("cluster"))
    try:
        if made.create():
            made.load(*images(), *OTHERS)
        yield made
    finally:
        if request.session.testsfailed:
            folder = Path(os.environ.get("CONCORD_E2E_LOGS", ROOT / ".concord" / "e2e-logs"))
            made.logs(folder)
            sys.stderr.write(f"The cluster's logs are in {folder}.\n")
        if not kept:
            made.delete()


@pytest.fixture(scope="module")
def installed(cluster):
    """The chart with its own values, as release and namespace `concord`; all sixteen nodes."""
    cluster.restricted("concord")
    cluster.helm("upgrade", "--install", "concord", CHART, "-n", "concord", "--wait", "--timeout", "5m")
    yield cluster
    # Two cores: what comes next is measured alone.
    cluster.helm("uninstall", "concord", "-n", "concord", "--wait")
    cluster.kubectl("delete", "namespace", "concord")


@pytest.fixture(scope="session")
def token(cluster, tmp_path_factory):
    """A token that labels and administers, which the release of the replicas knows by its Secret."""
    file = tmp_path_factory.mktemp("tokens") / "tokens.toml"
    options = ("--labels", "iris", "--administers", "--file", file)
    text = run("uv", "run", "concord", "tokens", "add", "e2e", *options)
    cluster.restricted(SPACE)
    secret = ("create", "secret", "generic", "concord-tokens", f"--from-file={file}")
    cluster.kubectl("-n", SPACE, *secret)
    return text.split()[-1]


@pytest.fixture(scope="session")
def demo(cluster, token):
    """What the demo reports that was played on three replicas, MariaDB, the page, and Iris' five nodes."""
    passwords = [f"--from-literal={key}={secrets.token_hex(16)}" for key in ("password", "root-password")]
    cluster.kubectl("-n", SPACE, "create", "secret", "generic", "concord-journal", *passwords)
    helm(cluster, "install", "--set", "consensus.replicas=3")
    with cluster.forward(SPACE, "concord-consensus", 3000) as url:
        yield json.loads(cluster.concord(SPACE, url, "demo", "--json", CONCORD_TOKEN=token))
    cluster.helm("uninstall", "concord", "-n", SPACE)
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


@pytest.fixture(scope="session")
def release(cluster, demo):
    """The cluster with that release, whose ledger knows the demo's task since it was played."""
    return cluster


@pytest.fixture(scope="session")
def bank(cluster, tmp_path_factory):
    """Loan default and its three nodes over MariaDB, with models that were fitted in the cluster."""
    yield banking.install(cluster, tmp_path_factory.mktemp("bank"))
    banking.uninstall(cluster)


@pytest.fixture
def load(cluster):
    """Starts callers in a pod; `load(namespace, task, …)` returns what has their result."""
    count = 0

    def start(namespace, task, *, worker=None, **order):
        nonlocal count
        count += 1
        pod = LoadPod(cluster, namespace, f"load-{count}", f"concord-consensus:{__version__}", worker)
        return pod.start(task, **order)

    yield start
    cluster.kubectl("delete", "pods,configmaps", "-A", "-l", "concord.dev/client=true", "--wait=false")


@pytest.fixture
def say(capsys):
    """Prints a measurement where a person who runs the tests sees it."""

    def tell(words):
        with capsys.disabled():
            sys.stdout.write(f"\n  {words}\n")

    return tell
