"""A bank whose customers change, on a real cluster: its release, what it asks, and what came true.

The customers are those of the task's own generator. When `moved`, the bank's new system counts the credit
lines that a customer could still open instead of those that are open: the column means the opposite, while
who defaults does not change. Models that learned the old meaning are wrong more often than right; those that
learn the new one are as good as ever. In a `crisis` everybody defaults.
"""

import functools
import json
import secrets

import httpx
import numpy as np

from tests.e2e.kind import CHART, run, until
from tests.e2e.versions import entries
from training.tasks import loan_default

SPACE = "concord-bank"
TASK = "loan_default"
NODES = ("decision_tree", "logistic_regression", "random_forest")
CONSENSUS, MLFLOW = ("concord-consensus", 3000), ("concord-mlflow", 5000)
LINES = "credit_lines_outstanding"
MOST_LINES = 5
OTHERS = ("film_rating", "iris", "loan_amount")
VALUES = (
    *("--set", ",".join(f"tasks.{task}.enabled=false" for task in OTHERS)),
    *("--set", "page.enabled=false,consensus.tokens.existingSecret=concord-tokens"),
    *("--set", "journal.kind=mariadb,journal.mariadb.existingSecret=concord-journal"),
    *("--set", f"training.enabled=true,training.tasks={{{TASK}}}"),
    *("--set", "upkeep.enabled=true,upkeep.existingSecret=concord-upkeep"),
)
CALL = 100
"""Customers in one call, and labels in one."""


class Bank:
    """The release under test, asked and told as the bank does it.

    Args:
        cluster: Where.
        folder: For scratch files.
        token: Labels the task, and administers.
    """

    def __init__(self, cluster, folder, token):
        self.cluster, self.folder, self.token = cluster, folder, token
        self._customers = self._drawn()

    @staticmethod
    def _drawn():
        random = np.random.default_rng(6)
        while True:
            columns = loan_default.generate(random)
            for row in zip(*columns.values(), strict=True):
                *features, defaults = (cell.item() for cell in row)
                yield dict(zip(columns, features, strict=False)), ("no_default", "default")[defaults]

    def customers(self, count, *, moved, crisis=False):
        """So many new ones, each with what came true of it."""
        some = [next(self._customers) for _ in range(count)]
        if moved:
            some = [(row | {LINES: MOST_LINES - row[LINES]}, truth) for row, truth in some]
        return [(row, "default") for row, _ in some] if crisis else some

    def ask(self, url, some):
        """The verdicts on some customers, once they are recorded."""
        asked = {"rows": [row for row, _ in some]}
        answer = httpx.post(f"{url}/v1/tasks/{TASK}/predict?recorded=true", json=asked, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()["verdicts"]

    def live(self, url, count, *, labelled=True, **world):
        """Asks about so many customers and says what came true; returns the share of right answers."""
        right = 0
        for begun in range(0, count, CALL):
            some = self.customers(min(count - begun, CALL), **world)
            verdicts = self.ask(url, some)
            told = list(zip(verdicts, (truth for _, truth in some), strict=True))
            if labelled:
                self._label(url, [{"id": one["id"], "label": truth} for one, truth in told])
            right += sum(one["label"] == truth for one, truth in told)
        return right / count

    def _label(self, url, labels):
        headers = {"authorization": f"Bearer {self.token}"}
        answer = httpx.post(f"{url}/v1/feedback", json={"labels": labels}, headers=headers, timeout=30)
        assert {one["status"] for one in answer.json()["labels"]} == {"accepted"}, answer.text

    def get(self, url, path):
        """What the service says, to the bank's token."""
        headers = {"authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{url}{path}", headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def concord(self, url, *arguments, **options):
        return self.cluster.concord(SPACE, url, *arguments, CONCORD_TOKEN=self.token, **options)

    def kubectl(self, *arguments, **options):
        return self.cluster.kubectl("-n", SPACE, *arguments, **options)

    def upgrade(self, *more):
        """Changes the release's values."""
        self.cluster.helm("upgrade", "concord", CHART, "-n", SPACE, "--reuse-values", *more)

    def serve(self, version):
        """Has all nodes fetch a version from the registry, as an operator would by hand."""
        wanted = {f"{TASK}.{node}": {"champion": version} for node in NODES}
        with self.cluster.forward(SPACE, "concord-mlflow", 5000) as mlflow:
            data = entries(mlflow, wanted)
        self.kubectl(
            "patch", "configmap", "concord-models", "--type", "merge", "-p", json.dumps({"data": data})
        )
        names = [f"deployment/concord-{TASK}-{node}".replace("_", "-") for node in NODES]
        self.kubectl("rollout", "restart", *names)
        for name in names:
            self.kubectl("rollout", "status", name, "--timeout=180s")

    def versions(self, url):
        """Node → the version that votes now."""
        [verdict] = self.ask(url, self.customers(1, moved=True))
        return {vote["node"]: vote["version"] for vote in verdict["votes"]}

    def job(self, name, arguments, files):
        """Runs a command of training in upkeep's own pod, with files at /rows; returns the Job's name."""
        metadata = {"name": name, "namespace": SPACE}
        self.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files})
        spec = self.cluster.get(SPACE, "cronjob/concord-upkeep")["spec"]["jobTemplate"]["spec"]
        pod = spec["template"]["spec"]
        pod["containers"][0]["args"] = arguments
        pod["containers"][0]["volumeMounts"].append({"name": "rows", "mountPath": "/rows"})
        pod["volumes"].append({"name": "rows", "configMap": {"name": name}})
        self.cluster.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
        return name

    def ended(self, job):
        """Waits for a Job's end; returns its exit status and what it printed."""
        selector = ("-l", f"job-name={job}")

        def state():
            (pod,) = self.cluster.get(SPACE, "pods", *selector)["items"]
            return pod["status"]["containerStatuses"][0]["state"].get("terminated")

        code = until(state, 240, f"the end of the Job {job}", pause=1)["exitCode"]
        return code, self.kubectl("logs", *selector)

    def images(self):
        """What the nodes' pods run, by digest."""
        pods = self.cluster.pods(SPACE, "app.kubernetes.io/component=node")
        return {status["imageID"] for pod in pods for status in pod["status"]["containerStatuses"]}


def install(cluster, folder):
    """The bank's release, with models that were fitted and registered in the cluster; upkeep waits."""
    made = run(*("uv", "run", "concord", "tokens", "add", "bank", "--labels", TASK),
               *("--administers", "--file", folder / "tokens.toml"))  # fmt: skip
    keeper = run(*("uv", "run", "concord", "tokens", "add", "upkeep"),
                 *("--administers", "--file", folder / "tokens.toml"))  # fmt: skip
    cluster.restricted(SPACE)
    secret = ("-n", SPACE, "create", "secret", "generic")
    cluster.kubectl(*secret, "concord-tokens", f"--from-file=tokens.toml={folder / 'tokens.toml'}")
    cluster.kubectl(*secret, "concord-upkeep", f"--from-literal=token={keeper.split()[-1]}")
    passwords = [f"--from-literal={key}={secrets.token_hex(16)}" for key in ("password", "root-password")]
    cluster.kubectl(*secret, "concord-journal", *passwords)
    cluster.helm("install", "concord", CHART, "-n", SPACE, *VALUES, "--set", "upkeep.suspend=true")
    bank = Bank(cluster, folder, made.split()[-1])
    job = functools.partial(bank.kubectl, "wait", "job", "-l", "app.kubernetes.io/component=training")
    job("--for=condition=Complete", "--timeout=300s")
    bank.serve("1")
    return bank


def uninstall(cluster):
    cluster.helm("uninstall", "concord", "-n", SPACE, "--wait")
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")
