"""A missing node is fitted alone, from the rows of its siblings; real rows are never replaced in silence."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from concord.errors import DataError, TrainingError
from concord.tasks.schema import Feature, Label
from training.data.dataset import read_file
from training.data.provenance import Provenance
from training.data.sources import read_rows
from training.fit_tasks import prepare
from training.registry.registry import Champion, Registry
from training.tasks import select

HEADER = "sepal_length,sepal_width,petal_length,petal_width,species"


@pytest.fixture
def iris():
    """The task with three nodes."""
    task = select(["iris"])[0]
    return replace(task, nodes={node: task.nodes[node] for node in ("knn", "svm", "decision_tree")})


@pytest.fixture
def flowers(csv_file):
    """A file of the user's."""
    rows = [
        f"{4 + n / 20},3,{1 + place + n / 50},{place + 0.2 + n / 40},{name}"
        for place, name in enumerate(("setosa", "versicolor", "virginica"))
        for n in range(20)
    ]
    return csv_file(HEADER, *rows, name="flowers.csv")


@dataclass
class FakeRegistry:
    """A registry whose runs are sources: run id → what its model learned from."""

    sources: dict
    models: dict
    seeds: dict = field(default_factory=dict)
    translate_errors = Registry.translate_errors
    uri = "fake"

    def champions(self):
        return {model: Champion("1", run) for model, run in self.models.items() if run in self.sources}

    def origins(self, run):
        return self.sources[run]

    @property
    def client(self):
        return SimpleNamespace(
            get_run=self._run,
            get_experiment_by_name=lambda name: SimpleNamespace(experiment_id=name, name=name),
            search_runs=lambda ids, **_: [self._run(run) for run, model in self.runs.items() if model in ids],
        )

    @property
    def runs(self):
        return {run: model for model, run in self.models.items()}

    def _run(self, run):
        tags = {
            "concord.data.source": " + ".join(source.text for source in self.sources[run]),
            "concord.data.seed": str(self.seeds.get(run, 42)),
        }
        info = SimpleNamespace(run_id=run, experiment_id=self.runs[run], start_time=len(run))
        return SimpleNamespace(info=info, data=SimpleNamespace(tags=tags, params={}))


def learned_from(iris, source, seed=42):
    return (Provenance.of(read_rows(iris, str(source)), seed),)


def test_only_the_node_without_a_champion_is_fitted_and_from_its_siblings_rows(iris, flowers):
    models = {"iris.knn": "r1", "iris.decision_tree": "r22"}
    sources = dict.fromkeys(models.values(), learned_from(iris, flowers))
    registry = FakeRegistry(sources, models, seeds={"r22": 5})
    (plan,) = prepare([iris], {}, 42, registry, only_missing=True)
    assert plan.nodes == ("svm",)
    assert plan.data.digest == read_file(iris, flowers).digest
    assert (plan.seed, plan.origins) == (5, sources["r1"]), "split as it was for the newest sibling"
    assert plan.notes == (f"svm learns from what iris.decision_tree learned from: {flowers}",)


def test_nothing_is_planned_where_nothing_is_missing(iris, flowers):
    models = {model: f"run {model}" for model in iris.models}
    registry = FakeRegistry(dict.fromkeys(models.values(), learned_from(iris, flowers)), models)
    assert prepare([iris], {}, 42, registry, only_missing=True) == []


def test_a_sibling_with_real_rows_counts_more_than_a_newer_one_with_generated_rows(iris, flowers):
    sources = {"r1": learned_from(iris, flowers), "newer": learned_from(iris, "generator")}
    registry = FakeRegistry(sources, {"iris.knn": "r1", "iris.svm": "newer"})
    (plan,) = prepare([iris], {}, 42, registry, only_missing=True)
    assert plan.data.digest == read_file(iris, flowers).digest


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_rows_that_are_not_there_any_more_are_asked_for_and_never_generated(iris, flowers, change):
    registry = FakeRegistry({"r1": learned_from(iris, flowers)}, {"iris.knn": "r1"})
    if change == "gone":
        flowers.unlink()
    else:
        flowers.write_text(flowers.read_text() + "\n5.1,3.5,1.4,0.2,setosa")
    with pytest.raises(DataError, match=r"no champion for svm, decision_tree.*--data iris=SOURCE") as caught:
        prepare([iris], {}, 42, registry, only_missing=True)
    assert caught.value.field == "--data"


def test_a_node_whose_siblings_learned_from_generated_rows_gets_the_same(iris):
    registry = FakeRegistry({"r1": learned_from(iris, "generator:7", 7)}, {"iris.knn": "r1"}, {"r1": 7})
    (plan,) = prepare([iris], {}, 42, registry, only_missing=True)
    assert (plan.data.source, plan.seed, plan.notes) == ("generator:7", 7, ())


def test_where_no_champion_is_left_the_runs_still_tell(iris, flowers):
    registry = FakeRegistry({"r1": learned_from(iris, flowers)}, {"iris.knn": "r1"})
    registry.champions = dict
    (plan,) = prepare([iris], {}, 42, registry, only_missing=True)
    assert plan.nodes == ("knn", "svm", "decision_tree")
    assert plan.data.digest == read_file(iris, flowers).digest


def test_a_fit_that_names_no_source_does_not_replace_real_rows_by_generated_ones(iris, flowers):
    registry = FakeRegistry({"r1": learned_from(iris, flowers)}, {"iris.knn": "r1"})
    with pytest.raises(DataError, match=r"flowers\.csv.*--data iris=SOURCE.*--data iris=generator"):
        prepare([iris], {}, 42, registry)


def test_a_fit_that_names_the_generator_gets_it(iris, flowers):
    registry = FakeRegistry({"r1": learned_from(iris, flowers)}, {"iris.knn": "r1"})
    (plan,) = prepare([iris], {"iris": "generator"}, 42, registry)
    assert plan.data.name == "generator"


def test_a_task_without_a_generator_asks_for_rows(iris):
    with pytest.raises(DataError, match=r"'iris' has no generator.*--data iris=FILE\.csv"):
        prepare([replace(iris, generate=None)], {}, 42)


def test_a_schema_that_a_registry_cannot_keep_is_refused_with_the_bound_and_what_takes_most(iris):
    cities = Feature("city", "choice", "city 1", choices=tuple(f"city {n}" for n in range(6000)))
    large = replace(iris, schema=replace(iris.schema, features=(*iris.schema.features, cities)))
    with pytest.raises(TrainingError, match=r"a registry keeps 65,535\. 'city' has 6,000 choices"):
        prepare([large], {}, 42)


def test_where_long_texts_are_too_much_no_choice_is_to_be_joined(iris):
    side = Feature("side", "choice", "left", choices=("left", "right"))
    labels = tuple(Label(label.name, "s" * 30_000) for label in iris.schema.labels)
    large = replace(iris, schema=replace(iris.schema, features=(*iris.schema.features, side), labels=labels))
    with pytest.raises(TrainingError, match="or shorter texts") as caught:
        prepare([large], {}, 42)
    assert "side" not in caught.value.message


def test_a_registry_that_is_there_tells_what_its_models_learned_from(iris_home):
    from training.registry.origins import fit_origins

    registry = Registry(iris_home)
    origins = fit_origins(registry, "iris", ["iris.knn"])
    assert {origin.model for origin in origins} == set(registry.champions())
    assert {(origin.text, origin.seed, origin.is_generated) for origin in origins} == {
        ("generator:42", 42, True)
    }
    assert registry.origins(origins[0].run_id)[0].rows == 150


def test_a_node_whose_alias_was_taken_away_is_fitted_alone(own_home):
    registry = Registry(own_home)
    registry.client.delete_registered_model_alias("iris.svm", "champion")
    (plan,) = prepare(select(["iris"]), {}, 42, registry, only_missing=True)
    assert plan.nodes == ("svm",)
