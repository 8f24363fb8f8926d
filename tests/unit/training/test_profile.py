"""A profile says how each feature looked, and holds no row."""

from dataclasses import replace

import pytest

from training.data import generated
from training.profile import profile


def of(task, name, **changes):
    data = replace(generated(task(name), 0), **changes)
    return profile(task(name).schema, data.rows, data)


def test_every_feature_has_shares_that_sum_to_one(task):
    for name, found in of(task, "loan_amount")["features"].items():
        shares = found["choices"].values() if "choices" in found else found["shares"]
        assert sum(shares) == pytest.approx(1.0), name


def test_bins_are_deciles(task):
    found = of(task, "loan_amount")["features"]["poids"]
    assert len(found["edges"]) == 9
    assert found["shares"] == pytest.approx([0.1] * 10, abs=0.01)


def test_equal_quantiles_make_one_bin(task):
    found = of(task, "loan_default")["features"]["credit_lines_outstanding"]
    assert found["edges"] == sorted(set(found["edges"]))
    assert len(found["shares"]) == len(found["edges"]) + 1


def test_a_choice_keeps_the_share_of_each_text(task):
    found = of(task, "loan_amount")["features"]["sexe"]["choices"]
    assert found == {"F": pytest.approx(0.5, abs=0.05), "H": pytest.approx(0.5, abs=0.05)}


def test_dropped_cells_are_the_missing_share(task):
    found = of(task, "iris", dropped={"petal_width": 50})["features"]
    assert found["petal_width"]["missing"] == 0.25
    assert found["petal_length"]["missing"] == 0.0
