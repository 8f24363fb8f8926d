"""On the original projects' files the models are as good as the originals were."""

from functools import cache

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_score

from training.data.dataset import generate_rows, read_file
from training.data.split import split
from training.fitting.fit import fit
from training.fitting.onnx import run
from training.task import SEED


@pytest.fixture(scope="module")
def prepared(task, shared_data):
    @cache
    def prepare(name, file):
        data = read_file(task(name), shared_data(file))
        return task(name), data, split(task(name), data, SEED)

    return prepare


@pytest.mark.slow
@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("decision_tree", (0.9965, 0.992, 0.989, 0.991, 0.999)),
        ("logistic_regression", (0.9990, 1.000, 0.995, 0.997, 1.000)),
        ("random_forest", (0.9955, 0.992, 0.984, 0.988, 1.000)),
    ],
)
def test_loan_default_repeats_the_banks_figures(prepared, node, expected):
    task, data, parts = prepared("loan_default", "loan_data.csv")
    found = fit(task, node, data, parts, SEED).metrics
    names = ("accuracy", "precision", "recall", "f1", "roc_auc")
    assert [found[name] for name in names] == pytest.approx(expected, abs=0.002)


def test_the_customers_id_is_not_learned_from(prepared):
    assert prepared("loan_default", "loan_data.csv")[1].ignored == ("customer_id",)


@pytest.mark.slow
@pytest.mark.parametrize("node", ["decision_tree", "logistic_regression", "random_forest"])
def test_a_true_default_is_flagged_by_the_nodes_that_learned_from_the_generator(prepared, node):
    each, real, _ = prepared("loan_default", "loan_data.csv")
    made = generate_rows(each, SEED)
    graph = fit(each, node, made, split(each, made, SEED), SEED).onnx
    answers = run(each, graph, real.rows).argmax(axis=1)
    assert answers[1] == real.answers[1] == 1
    assert (answers == real.answers).mean() > 0.97


@pytest.mark.slow
def test_the_best_film_node_and_the_forest_reach_their_marks(prepared):
    task, data, _ = prepared("film_rating", "film_balanced_570.csv")
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
    scores = {
        node: cross_val_score(make(), data.rows, data.answers, cv=folds).mean()
        for node, make in task.nodes.items()
    }
    assert max(scores.values()) >= 0.75
    assert scores["random_forest"] >= 0.73


@pytest.mark.slow
@pytest.mark.parametrize("file", ["film_balanced_570.csv", "tmdb_5000_min.csv"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_film_nodes_convert_on_any_split(task, shared_data, file, seed):
    each = task("film_rating")
    data = read_file(each, shared_data(file))
    parts = split(each, data, seed)
    assert max(fit(each, node, data, parts, seed).difference for node in each.nodes) < 1e-5


def test_tmdb_rows_with_a_zero_are_dropped(prepared):
    _, data, _ = prepared("film_rating", "tmdb_5000_min.csv")
    assert len(data.rows) == 3227
    assert np.bincount(data.answers).tolist() == [190, 2825, 212]


@pytest.mark.slow
@pytest.mark.parametrize("file", ["fastia_df_new.csv", "fastia_df_old.csv"])
def test_the_loan_network_reaches_its_mark_in_fifty_epochs(prepared, file):
    task, data, parts = prepared("loan_amount", file)
    found = fit(task, "neural_network", data, parts, SEED)
    assert len(found.losses) == 50
    assert found.metrics["r2"] >= 0.82
    assert data.ignored == ("nom", "prenom")
