"""Champions become models in BentoML's store, and bentos that carry nothing else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from bentoml._internal.bento.bento import BentoStore
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models.model import ModelStore
from click.testing import CliRunner
from mlflow.exceptions import MlflowException

from concord.errors import ServiceAway, TrainingError
from training.__main__ import main
from training.packaging import bento as building
from training.packaging.package import AppointedVersion, package
from training.registry.registry import Registry

ROOT = Path(__file__).parents[4]

pytestmark = pytest.mark.usefixtures("store", "builds")


@pytest.fixture
def store(tmp_path):
    """A BentoML store of its own, which the process's other tests don't see."""
    (tmp_path / "models").mkdir()
    (tmp_path / "bentos").mkdir()
    BentoMLContainer.model_store.set(ModelStore(tmp_path / "models"))
    BentoMLContainer.bento_store.set(BentoStore(tmp_path / "bentos"))
    yield BentoMLContainer.model_store.get()
    BentoMLContainer.model_store.reset()
    BentoMLContainer.bento_store.reset()


@pytest.fixture
def builds(monkeypatch):
    """The calls of `build`, which takes seconds and has a test of its own."""
    calls: list[tuple[str, dict[str, str]]] = []

    def build(_, name, models):
        calls.append((name, dict(models)))
        return f"concord-{name}:x", True

    monkeypatch.setattr("training.packaging.package.build", build)
    return calls


def test_each_champion_is_a_model_under_its_registry_version(iris_home, store):
    made = package(iris_home)
    assert made.models == {model: f"{model}:1" for model in Registry(iris_home).champions()}
    assert {str(model.tag) for model in store.list()} == set(made.models.values())


def test_a_models_folder_holds_what_a_node_states(iris_home):
    folder = Path(package(iris_home).folders["iris.knn"])
    info = json.loads((folder / "info.json").read_text())
    assert info["digest"] == Registry(iris_home).champions()["iris.knn"].digest
    assert (folder / "model.onnx").exists()
    assert json.loads((folder / "profile.json").read_text())["rows"] == 120


def test_the_node_bento_carries_all_models_and_the_other_none(iris_home, builds):
    made = package(iris_home)
    assert builds == [("node", made.models), ("consensus", {})]


def test_a_name_limits_what_is_packed(iris_home):
    assert list(package(iris_home, ["iris.knn"]).models) == ["iris.knn"]


def test_a_task_stands_for_all_of_its_models(iris_home):
    assert len(package(iris_home, ["iris"]).models) == 5


def test_a_name_without_a_champion_is_refused_with_what_to_run(iris_home):
    with pytest.raises(TrainingError, match=r"'film_rating.knn' has no champion.*training fit film_rating`"):
        package(iris_home, ["film_rating.knn"])


def test_an_empty_registry_is_refused_with_what_to_run(tmp_path):
    with pytest.raises(TrainingError, match="Run `python -m training fit`"):
        package(tmp_path)


def test_a_second_packaging_downloads_no_model(iris_home, monkeypatch):
    package(iris_home)
    monkeypatch.setattr(Registry, "fetch", lambda *_: pytest.fail("a model was downloaded"))
    assert len(package(iris_home).models) == 5


def test_another_projects_version_of_the_same_number_is_left_alone(iris_home, store):
    package(iris_home, ["iris.knn"])
    info = Path(store.get("iris.knn:1").path) / "info.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"run_id": "another"}))
    run_id = Registry(iris_home).champions()["iris.knn"].run_id
    assert package(iris_home, ["iris.knn"]).models == {"iris.knn": f"iris.knn:1-{run_id[:8]}"}
    assert json.loads(info.read_text())["run_id"] == "another"


@pytest.mark.parametrize("file", ["model.onnx", "info.json"])
def test_a_damaged_file_in_the_store_is_named_with_what_to_run(iris_home, file):
    damaged = Path(package(iris_home).folders["iris.knn"]) / file
    damaged.write_bytes(damaged.read_bytes()[:-9])
    reason = package(iris_home).refused["iris.knn"]
    assert str(damaged) in reason
    assert "bentoml models delete iris.knn:1" in reason


def test_a_model_from_elsewhere_is_packed_without_an_accuracy(own_home):
    client = Registry(own_home).client
    client.delete_model_version_tag("iris.knn", "1", "concord.accuracy")
    folder = Path(package(own_home, ["iris.knn"]).folders["iris.knn"])
    info = json.loads((folder / "info.json").read_text())
    assert (len(info["digest"]), info["accuracy"]) == (64, None)


def put_elsewhere(client):
    """The champion's file is where nothing here can read."""
    first = client.get_model_version_by_alias("iris.knn", "champion")
    version = client.create_model_version(
        "iris.knn", "foo://x/y", run_id=first.run_id, tags=first.tags
    ).version
    client.set_registered_model_alias("iris.knn", "champion", version)


def change_tag(key, text):
    return lambda client: client.set_model_version_tag("iris.knn", "1", key, text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda client: client.delete_model_version_tag("iris.knn", "1", "concord.schema"),
            "carries no task's schema.*training register FILE.onnx --as iris.knn",
        ),
        (change_tag("concord.schema", "iris, I think"), "its tag concord.schema cannot be read"),
        (change_tag("concord.schema", "{}"), "its tag concord.schema cannot be read"),
        (change_tag("concord.accuracy", "good"), "its tag concord.accuracy cannot be read"),
        (change_tag("concord.accuracy", "nan"), "its tag concord.accuracy cannot be read"),
        (change_tag("concord.digest", "0" * 64), "not the one that was registered"),
        (
            lambda client: client.delete_model_version_tag("iris.knn", "1", "concord.digest"),
            "it has no tag concord.digest.*training register FILE.onnx --as iris.knn",
        ),
        (put_elsewhere, "its file at foo://x/y cannot be read here.*training register FILE.onnx"),
    ],
    ids=[
        "no schema",
        "no JSON",
        "no schema's JSON",
        "no number",
        "no share",
        "another file",
        "no digest",
        "no address",
    ],
)
def test_a_model_that_no_node_can_serve_is_told_by_name_and_the_others_are_packed(own_home, change, words):
    change(Registry(own_home).client)
    made = package(own_home)
    assert len(made.models) == 4
    assert re.search(f"^iris.knn.*{words}", made.refused["iris.knn"])


def test_a_model_without_an_onnx_file_is_told_by_name_and_the_others_are_packed(own_home, monkeypatch):
    download = mlflow.artifacts.download_artifacts

    def empty(uri, **where):
        folder = Path(download(uri, **where))
        return folder / "none" if "iris.knn" in uri else folder

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", empty)
    made = package(own_home)
    assert len(made.models) == 4
    assert "holds no ONNX file" in made.refused["iris.knn"]


def test_a_registry_that_is_away_ends_the_packaging_and_packs_no_fewer_models(own_home, monkeypatch):
    def away(_uri, **_where):
        raise MlflowException("The server does not answer.")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", away)
    with pytest.raises(ServiceAway, match="does not hand out its champion"):
        package(own_home)


def test_a_graph_that_breaks_the_contract_is_told_by_name_and_the_others_are_packed(iris_home, monkeypatch):
    def refuse(model, _schema, _data):
        if model == "iris.knn":
            raise TrainingError("iris.knn: its ONNX file answers with a list of maps (zipmap).")

    monkeypatch.setattr("training.packaging.package.check_graph", refuse)
    made = package(iris_home)
    assert (len(made.models), list(made.refused)) == (4, ["iris.knn"])


def test_where_nothing_can_be_packed_every_reason_is_told(own_home):
    client = Registry(own_home).client
    for model in Registry(own_home).champions():
        client.delete_model_version_tag(model, "1", "concord.schema")
    with pytest.raises(TrainingError, match=r"no champion that a node can serve.*iris\.knn.*iris\.svm"):
        package(own_home)


@pytest.mark.slow
def test_a_file_that_was_made_elsewhere_is_registered_by_one_command_and_packed(own_home, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(own_home))
    file = own_home / "mine.onnx"
    file.write_bytes(Registry(own_home).fetch("iris.knn").onnx)
    done = CliRunner().invoke(main, ["register", str(file), "--as", "iris.mine", "--accuracy", "0.9"])
    assert "iris.mine, version 1, is the champion" in done.stdout
    made = package(own_home)
    info = json.loads((Path(made.folders["iris.mine"]) / "info.json").read_text())
    assert (info["model"], info["accuracy"], made.refused) == ("iris.mine", 0.9, {})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine", "--as takes TASK.NODE"),
        ("irsi.mine", "no task 'irsi'"),
        ("iris.My node", "'my_node' would do"),
        ("loan_amount.mine", "has no accuracy"),
    ],
)
def test_a_wrong_name_of_a_file_from_elsewhere_is_refused_with_the_remedy(tmp_path, name, words):
    done = CliRunner().invoke(
        main, ["register", str(tmp_path / "mine.onnx"), "--as", name, "--accuracy", "1"]
    )
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_bento_lists_what_belongs_in_it():
    import yaml

    for name in ("node", "consensus"):
        config = yaml.safe_load((ROOT / "bentos" / name / "bentofile.yaml").read_text())
        assert config["include"] == [
            *("concord/", "bentos/__init__.py", "bentos/serve.py", f"bentos/{name}/")
        ]


@pytest.mark.parametrize("group", ["node", "consensus"])
def test_an_image_gets_the_lock_of_its_group_and_no_more(group):
    names = {line.split("==")[0] for line in building._requirements(group)}
    assert {"bentoml", "numpy", "aiohttp"} <= names
    assert ("onnxruntime" in names) == (group == "node")
    assert not names & {"mlflow", "scikit-learn", "pandas", "pytest", "streamlit", "skl2onnx"}


def test_a_changed_source_or_model_is_another_input(tmp_path, monkeypatch):
    (tmp_path / "uv.lock").write_text("")
    (tmp_path / "concord").mkdir()
    source = tmp_path / "concord" / "pool.py"
    source.write_text("1")
    monkeypatch.setattr(building, "ROOT", tmp_path)
    config = {"include": ["concord/"]}
    digests = [building._digest(config, {}), building._digest(config, {"iris.knn": "iris.knn:1"})]
    source.write_text("2")
    digests.append(building._digest(config, {}))
    assert len(set(digests)) == 3


@pytest.mark.slow
def test_a_bento_is_built_once_and_found_the_next_time(iris_home, tmp_path):
    environment = os.environ | {"BENTOML_HOME": str(tmp_path), "CONCORD_HOME": str(iris_home)}

    def run():
        command = [sys.executable, "-m", "training", "package", "--json"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    first, second = run(), run()
    assert first["unchanged"] == []
    assert set(second["unchanged"]) == set(first["bentos"].values()) == set(second["bentos"].values())
    bento = tmp_path / "bentos" / first["bentos"]["concord-node"].replace(":", "/")
    packed = {path.relative_to(bento / "src").parts[0] for path in (bento / "src").rglob("*.py")}
    assert packed == {"concord", "bentos"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["Iris.knn", "iris.KNN", "wine 2.knn", "wine.2.knn"])
def test_a_name_that_no_task_or_node_can_have_is_refused_each_time_with_the_remedy(own_home, name):
    """BentoML's store knows no capitals: `Iris.knn` would be found there as what `iris.knn` has stored."""
    client = Registry(own_home).client
    version = client.get_model_version_by_alias("iris.knn", "champion")
    client.create_registered_model(name)
    client.create_model_version(name, version.source, run_id=version.run_id, tags=version.tags)
    client.set_registered_model_alias(name, "champion", "1")
    for _ in range(2):
        made = package(own_home)
        assert (len(made.models), list(made.refused)) == (5, [name])
        assert "training register FILE.onnx --as" in made.refused[name]


# What the ledger has appointed


def move_alias(home):
    """Another version is the champion, by a write to the registry alone; returns the first one."""
    client = Registry(home).client
    first = client.get_model_version("iris.knn", "1")
    version = client.create_model_version(
        "iris.knn", first.source, run_id=first.run_id, tags=first.tags
    ).version
    client.set_registered_model_alias("iris.knn", "champion", version)
    return AppointedVersion("1", first.tags["concord.digest"])


def test_the_appointed_version_is_packed_and_not_the_registrys_champion(own_home):
    appointed = {"iris.knn": move_alias(own_home)}
    made = package(own_home, appointed=appointed)
    assert (made.models["iris.knn"], made.kept) == ("iris.knn:1", {"iris.knn": "2"})
    assert made.digests["iris.knn"] == appointed["iris.knn"].digest


def test_an_appointed_version_that_is_the_champion_is_nothing_special(own_home):
    champion = Registry(own_home).champions()["iris.knn"]
    made = package(own_home, appointed={"iris.knn": AppointedVersion(champion.version, champion.digest)})
    assert (made.models["iris.knn"], made.kept) == ("iris.knn:1", {})


def test_an_appointed_version_that_was_packed_before_needs_no_registry(own_home, monkeypatch):
    package(own_home)
    appointed = {"iris.knn": move_alias(own_home)}
    monkeypatch.setattr(Registry, "fetch", lambda *_: pytest.fail("a model was downloaded"))
    assert package(own_home, appointed=appointed).models["iris.knn"] == "iris.knn:1"


def test_an_appointed_version_whose_file_was_changed_in_the_registry_is_not_packed(own_home):
    made = package(own_home, appointed={"iris.knn": AppointedVersion("1", "0" * 64)})
    assert "iris.knn" not in made.models
    assert "another file in the registry" in made.refused["iris.knn"]


@pytest.mark.slow
def test_an_appointed_version_of_another_form_is_refused():
    done = CliRunner().invoke(main, ["package", "--appointed", "iris.knn=1@abc", "--json"])
    assert done.exit_code == 2
    assert "TASK.NODE=VERSION@DIGEST" in done.output
