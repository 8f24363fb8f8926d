"""A real kind cluster for the tests: made, filled, asked, disturbed, and removed with all that ran in it."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "concord"
PROMETHEUS_TAG = "v2.42.0"
"""The oldest that the chart runs, which is loaded; `.ci/full prometheus` tries the chart's own."""

_IMAGE = "monitoring.prometheus.image"
PROMETHEUS = ("--set", f"{_IMAGE}.tag={PROMETHEUS_TAG},{_IMAGE}.digest=")

IRIS_ROW = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}
"""The workshop's flower: logistic_regression and knn say virginica, the tree and the forest versicolor."""


def run(*command, seconds=600, check=True, **options):
    """Runs a command and returns what it printed; a failure shows all that it said."""
    options = {"capture_output": True, "text": True, "cwd": ROOT} | options
    done = subprocess.run([str(part) for part in command], timeout=seconds, check=False, **options)
    said = f"{' '.join(map(str, command))}\n{(done.stdout or '')[-4000:]}\n{(done.stderr or '')[-4000:]}"
    assert not check or done.returncode == 0, said
    return done.stdout


def until(condition, seconds, what, pause=0.5):
    """Waits until something holds and returns what it gave; an exception counts as not yet."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                return last
        except (httpx.HTTPError, AssertionError, KeyError, ValueError) as error:
            last = error
        time.sleep(pause)
    raise AssertionError(f"{what} did not come within {seconds} s; last seen: {last}")


def _address(said):
    # Without a seek: the place in the file is the writer's too, who would write over what it has said.
    found = re.search(r"127\.0\.0\.1:\d+", os.pread(said.fileno(), 65_536, 0).decode())
    return found and f"http://{found[0]}"


PREFIX = "concord-e2e-"
"""Begins the name of a test run's own cluster; the number of its process follows."""


def remove_leftovers():
    """Deletes clusters of this machine's test runs that were killed: Docker starts them again."""
    for name in run("kind", "get", "clusters").split():
        process = name.removeprefix(PREFIX)
        if process != name and process.isdigit() and not _is_pytest(process):
            run("kind", "delete", "cluster", "--name", name)


def _is_pytest(process):
    try:
        return b"pytest" in Path("/proc", process, "cmdline").read_bytes()
    except OSError:
        return False


class Cluster:
    """One kind cluster with a kubeconfig of its own.

    Args:
        name: Its name, and the prefix of its nodes' containers.
        folder: Where kubeconfig and scratch files go.
    """

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.environment = os.environ | {"KUBECONFIG": str(folder / "kubeconfig")}

    def create(self):
        """Makes the cluster, or takes the one of this name that is there; says whether it is new."""
        if self.name in run("kind", "get", "clusters").split():
            run("kind", "export", "kubeconfig", "--name", self.name, env=self.environment)
            return False
        image = os.environ.get("KIND_IMAGE", "kindest/node:v1.34.4")
        options = ("--config", ROOT / "kind-config.yaml", "--image", image, "--wait", "120s")
        run("kind", "create", "cluster", "--name", self.name, *options, env=self.environment)
        run(ROOT / ".ci" / "kind-volumes", self.name, env=self.environment)
        return True

    def delete(self):
        run("kind", "delete", "cluster", "--name", self.name, env=self.environment, check=False)

    def load(self, *images):
        """Brings images to the workers; the control plane runs none of ours."""
        workers = ("--nodes", ",".join(self.workers()))
        run("kind", "load", "docker-image", *images, "--name", self.name, *workers, env=self.environment)

    def kubectl(self, *arguments, **options):
        return run("kubectl", *arguments, env=self.environment, **options)

    def helm(self, verb, *arguments, **options):
        """Runs Helm; what it installs takes the Prometheus that was loaded, which has no digest."""
        images = PROMETHEUS if verb in {"install", "upgrade"} else ()
        return run("helm", verb, *arguments, *images, env=self.environment, **options)

    def get(self, namespace, *what):
        return json.loads(self.kubectl("-n", namespace, "get", *what, "-o", "json"))

    def apply(self, document):
        text = json.dumps(document)
        self.kubectl("apply", "-f", "-", input=text)

    def restricted(self, namespace):
        """Makes a namespace that admits restricted pods only."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": namespace, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def pods(self, namespace, selector):
        """Those that are not on their way out."""
        found = self.get(namespace, "pods", "-l", selector)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, namespace, selector):
        """How many pods of a selector are Ready."""
        return sum(
            any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
            for pod in self.pods(namespace, selector)
        )

    def workers(self):
        return [f"{self.name}-worker", f"{self.name}-worker2"]

    def connections(self):
        """What the workers' kernels know of connections: (sender, receiver, protocol, port), by addresses.

        The receiver is who answers: behind a Service's address its pod. Packets that nobody answered, such as
        those to a Service that has no pod yet, are no connection.
        """
        found = set()
        for worker in self.workers():
            for line in run("docker", "exec", worker, "conntrack", "--dump").splitlines():
                senders, ports = re.findall(r"src=(\S+)", line), re.findall(r"sport=(\d+)", line)
                if len(senders) == len(ports) == 2 and "[UNREPLIED]" not in line:
                    found.add((senders[0], senders[1], line.split()[0].upper(), int(ports[1])))
        return found

    @contextlib.contextmanager
    def forward(self, namespace, service, port):
        """The address, on this machine, of a service in the cluster."""
        command = ["kubectl", "-n", namespace, "port-forward", f"svc/{service}", f":{port}"]
        # A file and no pipe: kubectl prints a line for each connection, and a full pipe would stop it.
        with tempfile.TemporaryFile("w+", dir=self.folder) as said:
            started = []

            def address():
                # It ends at once where the service's pod is not there yet.
                if not started or started[-1].poll() is not None:
                    started.append(subprocess.Popen(command, stdout=said, stderr=said, env=self.environment))
                return _address(said)

            try:
                yield until(address, 60, " ".join(command), pause=0.05)
            finally:
                started[-1].terminate()
                started[-1].wait()

    def predict(self, namespace, task, rows, query="", service="concord-consensus"):
        """Asks a task through a port-forward of its own."""
        with self.forward(namespace, service, 3000) as url:
            answer = httpx.post(f"{url}/v1/tasks/{task}/predict{query}", json={"rows": rows}, timeout=15)
        assert answer.status_code == 200, answer.text
        return answer.json()["verdicts"]

    def concord(self, namespace, url, *arguments, check=True, **extra):
        """The command line on this machine, about the cluster's ledger and service."""
        settings = {
            "CONCORD_URL": url,
            "CONCORD_LEDGER": f"configmap:{namespace}/concord-ledger",
            "CONCORD_HOME": str(self.folder / "home"),
        }
        return run("uv", "run", "concord", *arguments, env=self.environment | settings | extra, check=check)

    def logs(self, folder):
        """Leaves behind what one would want to read after a failure."""
        folder.mkdir(parents=True, exist_ok=True)
        everything = self.kubectl("get", "all,configmaps,pvc,events", "-A", "-o", "wide", check=False)
        (folder / "objects.txt").write_text(everything, "utf-8")
        (folder / "pods.txt").write_text(self.kubectl("describe", "pods", "-A", check=False), "utf-8")
        run("kind", "export", "logs", folder / "kind", "--name", self.name, env=self.environment, check=False)


class LoadPod:
    """Callers in a pod of the cluster.

    Args:
        cluster: Where.
        namespace: Its namespace.
        name: The pod's name.
        image: An image with Python and aiohttp.
        worker: The worker that it must run on; any if None.
    """

    def __init__(self, cluster, namespace, name, image, worker=None):
        self.cluster, self.namespace, self.name = cluster, namespace, name
        self._image, self._worker = image, worker

    def start(self, task, *, callers, rows=1, asked=(), query="", service="concord-consensus", **order):
        """Begins to ask a task; `seconds` or `requests` say for how long.

        Args:
            task: The task.
            callers: How many ask at once.
            rows: Rows a question, all of them the workshop's flower.
            asked: Rows to ask one by one, in turn, instead.
            query: Of the URL.
            service: Who is asked.
            order: The rest of what `load.py` takes.
        """
        order |= {
            "url": f"http{'s' * ('ca' in order)}://{service}:3000/v1/tasks/{task}/predict{query}",
            "bodies": [{"rows": [row]} for row in asked] or [{"rows": [IRIS_ROW] * rows}],
            "callers": callers,
        }
        script = (Path(__file__).parent / "load.py").read_text("utf-8")
        metadata = {"name": self.name, "namespace": self.namespace}
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"load.py": script}}
        )
        self.cluster.apply(self._pod(metadata | {"labels": {"concord.dev/client": "true"}}, order))
        phase = ("-n", self.namespace, "wait", f"pod/{self.name}", "--for=condition=Ready", "--timeout=180s")
        self.cluster.kubectl(*phase)
        return self

    def stop(self):
        """Tells the callers that it is enough."""
        tell = "import os, signal; os.kill(1, signal.SIGTERM)"
        self.cluster.kubectl("-n", self.namespace, "exec", self.name, "--", "python", "-c", tell)
        return self

    def result(self, seconds=300):
        """Waits for the end and returns what the callers saw."""
        until(lambda: self._phase() in ("Succeeded", "Failed"), seconds, f"the end of {self.name}")
        lines = self.cluster.kubectl("-n", self.namespace, "logs", self.name).splitlines()
        assert self._phase() == "Succeeded", lines[-30:]
        self.cluster.kubectl("-n", self.namespace, "delete", f"pod/{self.name}", f"configmap/{self.name}")
        return json.loads(lines[-1])

    def _phase(self):
        return self.cluster.get(self.namespace, f"pod/{self.name}")["status"]["phase"]

    def _pod(self, metadata, order):
        container = {
            "name": "load",
            "image": self._image,
            "command": ["python", "/load/load.py", json.dumps(order)],
            "volumeMounts": [{"name": "load", "mountPath": "/load"}],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            },
            "resources": {"requests": {"cpu": "50m"}},
        }
        spec = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1034,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "load", "configMap": {"name": self.name}}],
        }
        if self._worker:
            spec["nodeSelector"] = {"kubernetes.io/hostname": self._worker}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
