"""A retraining registers what is better, refuses what is not, and leaves what is served alone."""

import json
import re

import pytest
from click.testing import CliRunner

from concord.errors import ServiceAway, TrainingError
from training.data.dataset import generate_rows
from training.data.split import split
from training.fitting.fit import fit
from training.registry.recording import record_fit
from training.registry.registry import Registry
from training.search.registration import with_recipe
from training.tasks import select

pytestmark = [pytest.mark.slow, pytest.mark.guard]

CONDITIONS = ["schema", "better", "groups", "bias", "size", "latency_one", "latency_batch"]


@pytest.fixture
def registry(double):
    return lambda: Registry(double / "home")


def aliases(registry):
    found = registry.client.get_registered_model("double.line").aliases
    return {alias: str(version) for alias, version in found.items()}


def test_a_better_model_is_registered_as_challenger_and_the_champion_stays(retrain, registry):
    done = retrain(3.0, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    (node,) = found["nodes"]
    assert (found["task"], found["passed"], node["passed"]) == ("double", True, True)
    assert (node["model"], node["version"], node["champion_version"]) == ("double.line", "2", "1")
    assert [one["name"] for one in node["conditions"]] == CONDITIONS
    assert node["challenger"]["mae"] < node["champion"]["mae"] / 5
    assert aliases(registry()) == {"champion": "1", "challenger": "2"}


def test_the_runs_can_be_compared_and_hold_profile_and_proof(retrain, registry):
    import mlflow

    (node,) = json.loads(retrain(3.0, "--json").stdout)["nodes"]
    one = registry()
    parent = one.client.get_run(node["run_id"])
    assert (parent.info.status, parent.data.tags["concord.gate"]) == ("FINISHED", "passed")
    below = f"tags.`mlflow.parentRunId` = '{node['run_id']}'"
    children = one.client.search_runs([parent.info.experiment_id], below)
    assert len(children) == 2
    for run in children:
        assert {"mse", "mae", "r2"} <= run.data.metrics.keys()
        plots = [file.path for file in one.client.list_artifacts(run.info.run_id, "plots")]
        assert plots == ["plots/predicted_actual.png"]
    kept = {file.path for file in one.client.list_artifacts(node["run_id"])}
    assert {"gate.json", "groups.json", "candidates.json", "proof.json", "drift.json"} <= kept
    assert node["proof"]["shared"] == {"old and test": 0, "new and test": 0, "champion and test": 0}

    assert node["chosen"]["basis"] == "new"
    version = one.client.get_model_version_by_alias("double.line", "challenger")
    profile = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/profile.json")
    origins, names = one.learned_rows(version.run_id)
    assert profile["rows"] == len(names) == node["proof"]["rows"]["new"]["rows"] == 240
    assert [origin.source.rpartition("/")[2] for origin in origins] == ["new.csv"]


def test_new_rows_in_a_database_are_retrained_on(new_file, double):
    from training.__main__ import main

    url = f"sqlite:///{double / 'rows.sqlite'}"
    new_file(3.0)
    loaded = CliRunner().invoke(main, ["data", "load", "double", "new.csv", "--to", f"{url}#loans"])
    assert loaded.exit_code == 0, loaded.output
    (double / "new.csv").unlink()
    done = CliRunner().invoke(main, ["retrain", "double", "--new", f"{url}#loans", "--json"])
    assert done.exit_code == 0, done.output
    (node,) = json.loads(done.stdout)["nodes"]
    assert (node["passed"], node["version"]) == (True, "2")
    assert (node["test_rows"], node["proof"]["rows"]["new"]["rows"]) == (60, 240)


def test_a_model_that_is_no_better_is_refused_with_the_condition(retrain, registry):
    done = retrain(2.0)
    assert done.exit_code == 3, done.output
    said = " ".join(done.stdout.split())
    assert "refused by better. Version 1 stays champion" in said
    assert "its lower end must be above 0" in said
    assert aliases(registry()) == {"champion": "1"}
    assert len(registry().client.search_model_versions("name='double.line'")) == 1


def test_a_node_that_a_benchmark_found_is_retrained_by_its_recipe(retrain, registry):
    (task,) = select(["double"])
    recipe = {"algorithm": "ridge", "columns": "standard", "one_hot": True, "alpha": 1.0, "seed": 7}
    data = generate_rows(task, 42)
    found = fit(with_recipe(task, "line", recipe), "line", data, split(task, data, 42), 42)
    record_fit(registry(), found)
    (node,) = json.loads(retrain(3.0, "--json").stdout)["nodes"]
    assert (node["champion_version"], node["passed"]) == ("2", True)
    made = registry().client.get_model_version_by_alias("double.line", "challenger")
    assert json.loads(made.tags["concord.recipe"]) == recipe
    assert registry().client.get_run(made.run_id).data.params["steps"].endswith("Ridge")


def test_what_is_shown_fits_eighty_columns_and_says_how_rows_were_chosen(retrain):
    done = retrain(3.0)
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = " ".join(done.stdout.split())
    assert "60 rows of new.csv to judge on, drawn at random with seed 42" in said
    assert re.search(r"Drift from old\.csv to new\.csv \(PSI\): amount \d", said)
    assert "side left" in said
    assert "Version 2 is registered as challenger" in said


def test_a_champion_of_another_schema_is_not_compared_with(retrain, registry):
    client = registry().client
    schema = client.get_model_version_by_alias("double.line", "champion").tags["concord.schema"]
    client.set_model_version_tag("double.line", "1", "concord.schema", schema.replace("Twice a", "Half a"))
    done = retrain(3.0, "--json")
    assert done.exit_code == 3
    (node,) = json.loads(done.stdout)["nodes"]
    assert [(one["name"], one["passed"]) for one in node["conditions"]] == [("schema", False)]


def test_an_old_file_that_has_changed_is_asked_for(retrain, fitted_home):
    text = (fitted_home / "old.csv").read_text()
    try:
        (fitted_home / "old.csv").write_text(text + "\n1,left,2")
        done = retrain(3.0)
    finally:
        (fitted_home / "old.csv").write_text(text)
    assert done.exit_code == 2
    assert "is not what double.line, version 1, learned from" in done.stderr
    assert "--old" in done.stderr


def test_an_old_file_that_was_moved_can_be_named(retrain, fitted_home, double):
    text = (fitted_home / "old.csv").read_text()
    (double / "moved.csv").write_text(text)
    try:
        (fitted_home / "old.csv").unlink()
        assert "Name the old rows with --old" in retrain(3.0).stderr
        assert retrain(3.0, "--old", "moved.csv").exit_code == 0
    finally:
        (fitted_home / "old.csv").write_text(text)


def test_too_few_new_rows_say_how_many_are_needed(retrain):
    done = retrain(3.0, count=50)
    assert done.exit_code == 2
    assert "50 rows" in done.stderr
    assert "until there are 100" in done.stderr


def test_a_node_that_is_not_there_is_named(retrain):
    done = retrain(3.0, "--node", "lime")
    assert (done.exit_code, "Did you mean 'line'?" in done.stderr) == (2, True)


def test_a_task_without_a_champion_is_fitted_first(retrain, registry):
    registry().client.delete_registered_model_alias("double.line", "champion")
    done = retrain(3.0)
    assert done.exit_code == 1
    assert "Run `python -m training fit double` first" in done.stderr


@pytest.mark.parametrize("kind", [TrainingError, ServiceAway])
def test_a_champion_that_is_not_handed_out_is_the_outcome_of_its_node(retrain, monkeypatch, kind):
    def fetch(_registry, model):
        raise kind(f"{model}: the registry does not hand out its champion.")

    monkeypatch.setattr(Registry, "fetch", fetch)
    done = retrain(3.0, "--json")
    assert done.exit_code == 1
    (node,) = json.loads(done.stdout)["nodes"]
    assert (node["passed"], node["error"]) == (
        False,
        "double.line: the registry does not hand out its champion.",
    )


def test_a_retraining_that_breaks_off_is_kept_as_failed(retrain, registry, double, monkeypatch):
    def broken(*_, **__):
        raise TrainingError("double.line: the step `convert` failed.")

    monkeypatch.setattr("training.retraining.pipeline.fit", broken)
    done = retrain(3.0, "--json")
    assert done.exit_code == 1
    (node,) = json.loads(done.stdout)["nodes"]
    assert (node["passed"], node["error"]) == (False, "double.line: the step `convert` failed.")
    client = registry().client
    experiment = client.get_experiment_by_name("double.line").experiment_id
    assert client.search_runs([experiment])[0].info.status == "FAILED"
    assert Registry(double / "home").champions()["double.line"].version == "1"
