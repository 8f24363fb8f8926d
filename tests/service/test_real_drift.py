"""Films of 2020 to 2025 come as live rounds with labels to models of older ones: drift, and the gate."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from concord.client import Client
from tests.homes import ALL_TASKS, DATA, FILES, ROOT, environment
from tests.ports import free_base
from tests.service.stack import wait_until
from tests.service.teaching import Teacher, give_token
from tests.service.test_real_labels import all_count, stream
from tests.service.up import CONCORD, Up
from training.data.dataset import read_file
from training.fit_tasks import prepare
from training.task import SEED
from training.tasks import select

OLD, RECENT = FILES["film_rating"], DATA / "film_recent_2020_2025.csv"

CONDITIONS = ["schema", "better", "groups", "brier", "ece", "size", "latency_one", "latency_batch"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (OLD.exists() and RECENT.exists()), reason=f"the real files are not here: {DATA}"),
]


@pytest.fixture(scope="module")
def env(copy_trained_home, tmp_path_factory):
    """A home whose registry has the nodes of film_rating, fitted on the films of 2017 at the latest."""
    return environment(copy_trained_home(ALL_TASKS, tmp_path_factory.mktemp("films")))


@pytest.fixture(scope="module")
def teacher(env):
    """One who teaches film_rating, all of whose nodes are up."""
    up = Up(env, "film_rating", "--port", str(free_base()), "--no-page", "--no-mlflow")
    try:
        url, token = up.until("ready")["url"], give_token(env["CONCORD_HOME"])
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http, Client(url) as client:
            wait_until(lambda: client.ready() and all_count(client, "film_rating"), 60)
            yield Teacher(http, token, "film_rating")
    finally:
        up.end()


@pytest.fixture(scope="module")
def films():
    """Films that were held out from the fit, and those that are newer than all of it."""
    (plan,) = prepare(select(["film_rating"]), {"film_rating": str(OLD)}, SEED)
    task, parts = plan.task, plan.parts
    recent = read_file(task, RECENT)
    return stream(task, parts.test.rows, parts.test.answers), stream(task, recent.rows, recent.answers)


def live(teacher, stream):
    """Asks rows and labels them, a hundred a call."""
    for start in range(0, len(stream.rows), 100):
        verdicts = teacher.ask(*stream.rows[start : start + 100])
        teacher.label(verdicts, stream.truths[start : start + 100])


def drift(env, teacher, *options):
    """What `concord drift film_rating` tells."""
    asked = env | {"CONCORD_URL": str(teacher.http.base_url), "CONCORD_TOKEN": teacher.token}
    command = [*CONCORD, "drift", "film_rating", "--json", *options]
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def drifted(report):
    columns = [*report["features"], report["target"]]
    return {one["name"]: round(one["psi"], 3) for one in columns if one["status"] == "drifted"}


def test_recent_films_drift_as_live_rounds_and_those_held_out_do_not(env, teacher, films, capsys):
    held_out, recent = films
    live(teacher, held_out)
    steady = drift(env, teacher)
    assert (steady["status"], drifted(steady), steady["rows"]) == ("steady", {}, len(held_out.rows))
    live(teacher, recent)
    told = drift(env, teacher, "--report", "--limit", str(len(recent.rows)))
    report, page = told["report"], Path(told["kept"]["page"])
    with capsys.disabled():
        sys.stdout.write(said(report))
    assert report["status"] == "drifted"
    assert report["rows"] == len(recent.rows)
    assert {"budget", "revenue", "vote_count", "evaluation"} <= set(drifted(report))
    assert report["errors"]["labelled"] == len(recent.rows)
    assert report["errors"]["problem"] is None
    assert "The rows have drifted" in page.read_text("utf-8")
    pictures = {path.name for path in (page.parent / "plots").iterdir()}
    assert {"psi.png", "errors.png"} <= pictures
    assert len(pictures) == 2 + 4 + 1 + len(report["answers"])


def test_the_gate_decides_on_the_labelled_rounds_and_prints_its_reasons(env, teacher, films, capsys):
    """The service has by now been asked films of before 2018 too, so the newest rounds are to judge on."""
    held_out, recent = films
    with Client(str(teacher.http.base_url), token=teacher.token) as client:
        assert len(list(client.labelled("film_rating"))) == len(held_out.rows) + len(recent.rows)
    asked = env | {"CONCORD_URL": str(teacher.http.base_url), "CONCORD_TOKEN": teacher.token}
    command = [sys.executable, "-m", "training", "retrain", "film_rating", "--new", "journal"]
    done = subprocess.run(command, env=asked, cwd=ROOT, capture_output=True, text=True, check=False)
    with capsys.disabled():
        sys.stdout.write(done.stdout)
    nodes = dict(re.findall(r"(?ms)^(film_rating\.\w+): champion is(.+?)^MLflow run", done.stdout))
    (task,) = select(["film_rating"])
    assert nodes.keys() == {f"film_rating.{name}" for name in task.nodes}, done.stderr
    for model, told in nodes.items():
        conditions = re.findall(r"(?m)^([✓✗]) (\w+) +(\S.*\S) *$", told)
        assert [name for _, name, _ in conditions] == CONDITIONS, model
        assert all(len(reason.split()) > 3 for _, _, reason in conditions), model
        refused = [name for mark, name, _ in conditions if mark == "✗"]
        decision = f"refused by {', '.join(refused)}." if refused else "passed."
        assert f"{model}: {decision}" in " ".join(told.split())
    text = " ".join(done.stdout.split())
    assert "the newest by their dates" in text
    assert done.returncode == (0 if "is registered as challenger" in text else 3), done.stderr


def said(report):
    """One line of figures, and what they are of."""
    errors = report["errors"]
    nodes = [one["node"] for one in report["answers"] if one["difference"]["status"] == "drifted"]
    return (
        f"\nfilms of 2020 to 2025: {report['rows']} live rounds, {report['status']} in {drifted(report)}, "
        f"answers of {', '.join(nodes) or 'no node'}; errors {errors['status']}, {errors['error']:.3f}\n"
    )
