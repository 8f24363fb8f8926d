"""A benchmark on a real cluster: pods share one study, and one that is killed leaves nothing undone."""

from collections import Counter

import pytest
from mlflow import MlflowClient

from tests.e2e.bank import MLFLOW, SPACE
from tests.e2e.kind import until

pytestmark = pytest.mark.e2e
PODS = "app.kubernetes.io/component=benchmark"
TRIALS = 8


def order(trials, *more):
    """The values of a benchmark of iris by two pods."""
    return ("--set", f"benchmark.enabled=true,benchmark.task=iris,benchmark.trials={trials}", *more)


@pytest.fixture(scope="module")
def study(bank):
    """A database for the study, made as docs/kubernetes.md says."""
    sql = "CREATE DATABASE IF NOT EXISTS concord_study; GRANT ALL ON concord_study.* TO concord"
    command = f'mariadb --user=root --password="$MARIADB_ROOT_PASSWORD" --execute="{sql}"'
    bank.kubectl("exec", "statefulset/concord-journal", "--", "sh", "-c", command)
    yield bank
    bank.upgrade("--set", "benchmark.enabled=false")


def job(bank):
    (one,) = bank.cluster.get(SPACE, "jobs", "-l", PODS)["items"]
    return one["metadata"]["name"]


def trials(bank):
    """The runs of the study in MLflow, by number."""
    with bank.cluster.forward(SPACE, *MLFLOW) as uri:
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name("benchmark.iris")
        runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return [run for run in runs if "concord.trial" in run.data.tags]


def is_begun(bank):
    return any(run.info.status == "FINISHED" for run in trials(bank))


def test_pods_share_a_studys_trials_and_a_killed_pods_go_to_others(study, say):
    study.upgrade(*order(TRIALS))
    first = job(study)
    until(lambda: is_begun(study), 120, "the first trial", pause=1)
    killed = study.cluster.pods(SPACE, PODS)[0]["metadata"]["name"]
    study.kubectl("delete", "pod", killed, "--grace-period=0", "--force")
    study.kubectl("wait", f"job/{first}", "--for=condition=Complete", "--timeout=300s")
    runs = trials(study)
    numbers = Counter(int(run.data.tags["concord.trial"]) for run in runs)
    settings = {tuple(sorted(run.data.params.items())) for run in runs}
    say(f"{len(runs)} trials, {killed} killed")
    assert numbers == Counter(range(TRIALS)), "each once"
    assert len(settings) == TRIALS, "no settings twice"
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_more_trials_are_another_job_that_goes_on_with_the_study(study):
    before = job(study)
    study.upgrade(*order(TRIALS + 2))
    after = job(study)
    study.kubectl("wait", f"job/{after}", "--for=condition=Complete", "--timeout=300s")
    assert after != before
    assert len(trials(study)) == TRIALS + 2
