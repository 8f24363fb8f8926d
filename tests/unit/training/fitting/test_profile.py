"""A profile says how each feature looked, and holds no row."""

from dataclasses import replace

import numpy as np
import pytest

from training.data.dataset import clean_columns, generate_rows
from training.fitting.profile import build_profile


def of(task, name, **changes):
    data = replace(generate_rows(task(name), 0), **changes)
    return build_profile(task(name), data.rows, data)


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


def missing(task, name, columns):
    data = clean_columns(task(name), columns)
    found = build_profile(task(name), data.rows, data)["features"]
    return {feature: one["missing"] for feature, one in found.items() if one["missing"]}


def test_a_cell_that_is_filled_in_was_missing_all_the_same(task):
    columns = task("loan_amount").generate(np.random.default_rng(0))
    licences = [cell if place % 2 else "" for place, cell in enumerate(columns["sport_licence"])]
    assert missing(task, "loan_amount", {**columns, "sport_licence": licences}) == {"sport_licence": 0.5}


def test_every_empty_cell_of_a_dropped_row_was_missing_and_not_the_first_alone(task):
    columns = task("iris").generate(np.random.default_rng(0))
    widths = [cell if place % 3 else "" for place, cell in enumerate(columns["petal_width"])]
    lengths = [cell if place % 6 else "NaN" for place, cell in enumerate(columns["petal_length"])]
    table = {**columns, "petal_width": widths, "petal_length": lengths}
    assert missing(task, "iris", table) == {
        "petal_length": pytest.approx(1 / 6),
        "petal_width": pytest.approx(1 / 3),
    }


def test_a_number_that_means_unknown_was_missing(task):
    columns = task("film_rating").generate(np.random.default_rng(0))
    budgets = [cell if place % 4 else 0 for place, cell in enumerate(columns["budget"])]
    assert missing(task, "film_rating", {**columns, "budget": budgets}) == {"budget": 0.25}
