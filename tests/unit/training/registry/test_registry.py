"""What is fitted can be found, loaded and served by anyone who reads the registry."""

import hashlib
import json
import sqlite3
from contextlib import closing

import mlflow
import numpy as np
import pytest
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES, MLFLOW_HTTP_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from concord.errors import TrainingError
from concord.tasks.profile import TrainingProfile
from concord.tasks.schema import TaskSchema
from training.data.dataset import generate_rows
from training.data.split import split
from training.fitting.fit import fit
from training.registry.recording import record_fit
from training.registry.registry import Champion, Registry
from training.tasks.iris import TASK, WORKSHOP_ROW

NODES = ["decision_tree", "knn", "logistic_regression", "random_forest", "svm"]


def test_a_fit_of_iris_makes_five_champions(iris_home):
    assert list(Registry(iris_home).champions()) == [f"iris.{node}" for node in NODES]


def test_a_version_is_a_text(iris_home):
    assert {champion.version for champion in Registry(iris_home).champions().values()} == {"1"}


def test_the_champion_can_be_loaded_as_onnx_by_its_alias(iris_home):
    import onnxruntime

    Registry(iris_home)
    graph = mlflow.onnx.load_model("models:/iris.knn@champion")
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    row = np.array([WORKSHOP_ROW], dtype=np.float32)
    (answer,) = session.run(["probabilities"], {session.get_inputs()[0].name: row})
    assert answer.argmax() == 2


def test_no_pickle_is_in_the_registry(iris_home):
    kept = {path.suffix for path in (iris_home / "mlartifacts").rglob("*") if path.is_file()}
    assert kept <= {".onnx", ".json", ".png", ".yaml", ".txt", ""}


def test_the_versions_tags_carry_the_schema(iris_home):
    found = Registry(iris_home).client.get_model_version_by_alias("iris.svm", "champion")
    assert TaskSchema.from_json(json.loads(found.tags["concord.schema"])) == TASK.schema


def test_a_run_has_metrics_parameters_data_and_pictures(iris_home):
    client = Registry(iris_home).client
    run = client.get_run(Registry(iris_home).champions()["iris.knn"].run_id)
    assert {
        "accuracy",
        "precision",
        "recall",
        "f1",
        "roc_auc",
        "log_loss",
        "brier",
    } <= run.data.metrics.keys()
    assert run.data.params["n_neighbors"] == "3"
    assert len(run.data.params["data_digest"]) == 64
    assert [given.tags[0].value for given in run.inputs.dataset_inputs] == ["training", "testing"]
    kept = {file.path for file in client.list_artifacts(run.info.run_id, "plots")}
    assert kept == {"plots/confusion_matrix.png", "plots/roc.png"}


def test_each_node_has_an_experiment_of_its_own(iris_home):
    names = {found.name for found in Registry(iris_home).client.search_experiments()}
    assert {f"iris.{node}" for node in NODES} <= names


def test_a_model_states_its_signature_and_an_example(iris_home):
    Registry(iris_home)
    info = mlflow.models.get_model_info("models:/iris.knn@champion")
    assert info.signature.inputs.inputs[0].shape == (-1, 4)
    assert info.signature.outputs.inputs[0].name == "probabilities"
    assert info.saved_input_example_info is not None


def test_a_dated_copy_is_kept(iris_home):
    from datetime import datetime

    names = [path.name for path in (iris_home / "models").glob("iris.knn_*.onnx")]
    assert len(names) == 1
    assert datetime.strptime(names[0], "iris.knn_%Y_%m_%dT%H_%M_%S.onnx")  # noqa: DTZ007


def test_a_champion_is_fetched_with_everything_a_node_states(iris_home):
    fetched = Registry(iris_home).fetch("iris.decision_tree")
    champion = Registry(iris_home).champions()["iris.decision_tree"]
    assert fetched is not None
    assert fetched.info.digest == hashlib.sha256(fetched.onnx).hexdigest() == champion.digest
    assert (fetched.info.version, fetched.info.run_id) == (champion.version, champion.run_id)
    assert fetched.info.schema_digest == TASK.schema.digest
    assert 0.8 < fetched.info.accuracy <= 1
    learned = TrainingProfile.from_json(fetched.profile)
    assert (learned.rows, learned.target.rows, learned.held_out.rows) == (120, 120, 30)


def test_a_file_that_is_not_the_one_registered_is_refused(own_home):
    Registry(own_home).client.set_model_version_tag("iris.knn", "1", "concord.digest", "0" * 64)
    with pytest.raises(TrainingError, match=r"version 1: its file is not the one that was registered"):
        Registry(own_home).fetch("iris.knn")


def test_a_model_without_a_schema_is_none_of_ours(own_home):
    Registry(own_home).client.delete_model_version_tag("iris.knn", "1", "concord.schema")
    assert Registry(own_home).fetch("iris.knn") is None


def test_a_model_that_nobody_knows_is_an_error(iris_home):
    with pytest.raises(TrainingError, match="does not hand out its champion"):
        Registry(iris_home).fetch("iris.oracle")


def test_a_second_fit_is_a_second_version_and_takes_the_alias(own_home):
    data = generate_rows(TASK, 1)
    info = record_fit(Registry(own_home), fit(TASK, "knn", data, split(TASK, data, 1), 1))
    assert info.version == "2"
    assert Registry(own_home).champions()["iris.knn"] == Champion("2", info.run_id, info.digest)


def test_a_fit_that_met_another_of_the_same_data_is_kept_whole(own_home, monkeypatch):
    """MLflow refuses the second of two that both saw no row; asked again, it finds the row of the first."""
    log_input, refused = mlflow.log_input, []

    def raced(dataset, context):
        if context not in refused:
            refused.append(context)
            raise MlflowException("UNIQUE constraint failed: datasets.digest", BAD_REQUEST)
        log_input(dataset, context=context)

    monkeypatch.setattr(mlflow, "log_input", raced)
    data = generate_rows(TASK, 1)
    info = record_fit(Registry(own_home), fit(TASK, "knn", data, split(TASK, data, 1), 1))
    run = Registry(own_home).client.get_run(info.run_id)
    assert [found.tags[0].value for found in run.inputs.dataset_inputs] == refused == ["training", "testing"]


def test_a_registry_that_goes_on_refusing_is_told(own_home, monkeypatch):
    def refuse(dataset, context):
        raise MlflowException("no place for data", BAD_REQUEST)

    monkeypatch.setattr(mlflow, "log_input", refuse)
    data = generate_rows(TASK, 1)
    with pytest.raises(TrainingError, match=r"iris\.knn: the registry .* does not serve: no place for data"):
        record_fit(Registry(own_home), fit(TASK, "knn", data, split(TASK, data, 1), 1))


def test_another_registry_is_asked_where_the_environment_says(own_home, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own_home / 'mlflow.db'}")
    assert len(Registry(tmp_path / "elsewhere").champions()) == 5


def test_reading_the_champions_writes_nothing(own_home):
    before = (own_home / "mlflow.db").read_bytes()
    Registry(own_home).champions()
    with closing(sqlite3.connect(own_home / "mlflow.db")):
        assert (own_home / "mlflow.db").read_bytes() == before


@pytest.mark.slow
def test_the_networks_loss_is_kept_for_each_epoch(own_home, task):
    each = task("loan_amount")
    data = generate_rows(each, 0)
    registry = Registry(own_home)
    info = record_fit(registry, fit(each, "neural_network", data, split(each, data, 0), 0))
    losses = [metric.value for metric in registry.client.get_metric_history(info.run_id, "loss")]
    assert len(losses) == 50
    assert losses[-1] < losses[0]
    assert info.accuracy is None


def test_mlflows_client_waits_a_minute_at_most_for_a_server_that_accepts_and_says_nothing(
    own_home, monkeypatch
):
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    Registry(own_home)
    seconds, tries = MLFLOW_HTTP_REQUEST_TIMEOUT.get(), 1 + MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()
    assert seconds * tries <= 60
