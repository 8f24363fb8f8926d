"""Rows are read strictly, and a schema survives its journey."""

import numpy as np
import pytest

from concord.errors import ConfigurationError, InvalidInput
from concord.tasks.schema import Feature, Label, TaskSchema, Value

SCHEMA = TaskSchema(
    task="loan",
    title="Loan",
    description="Whether it is paid back.",
    features=(
        Feature("age", "integer", 40, "years", 18, 99),
        Feature("income", "number", 2500.0, "EUR", minimum=0),
        Feature("région", "choice", "Corse", choices=("Corse", "Côte d’Azur")),
    ),
    labels=(Label("paid", "It is paid back."), Label("lost", "It is not.", "bad")),
)
ROW = SCHEMA.example


def test_a_row_becomes_numbers_in_the_order_of_the_features():
    assert SCHEMA.read_row({"région": "Côte d’Azur", "income": 1, "age": 20.0}) == [20.0, 1.0, 1.0]


def test_rows_become_a_float32_array():
    rows = SCHEMA.read_rows([ROW, ROW])
    assert (rows.dtype, rows.shape) == (np.float32, (2, 3))


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"age": "40"}, "age", "a whole number, not text"),
        ({"age": True}, "age", "not a boolean"),
        ({"age": None}, "age", "not null"),
        ({"age": 40.5}, "age", "a whole number, not 40.5"),
        ({"age": 17}, "age", "from 18 to 99 years, not 17"),
        ({"income": -1}, "income", "at least 0 EUR"),
        ({"income": float("nan")}, "income", "finite"),
        ({"income": 1e300}, "income", "finite"),
        ({"income": 10**400}, "income", "finite"),
        ({"income": [1]}, "income", "not a list"),
        ({"région": "Mars"}, "région", "one of Corse, Côte d’Azur, not 'Mars'"),
        ({"région": 0}, "région", "one of Corse"),
        ({"incone": 1}, "incone", "Unknown column 'incone'"),
    ],
)
def test_what_is_not_admitted_is_named(change, field, words):
    with pytest.raises(InvalidInput, match=words) as caught:
        SCHEMA.read_row(ROW | change)
    assert caught.value.field == field


def test_a_refused_value_of_many_choices_names_the_nearest_and_their_count():
    cities = Feature("city", "choice", "Lyon", choices=(*(f"City {n}" for n in range(1998)), "Lyon", "Lille"))
    with pytest.raises(InvalidInput) as caught:
        cities.read("lyonn")
    nearest = "2,000 choices, such as City 999, Lille, Lyon"
    assert caught.value.message == f"city must be one of {nearest}, not 'lyonn'."
    for value in ("", "zz", "a" * 99, 3, None):
        with pytest.raises(InvalidInput, match="one of 2,000 choices, such as") as caught:
            cities.read(value)
        assert len(caught.value.message) < 200


def test_a_missing_column_is_named():
    row = {name: value for name, value in ROW.items() if name != "income"}
    with pytest.raises(InvalidInput, match="'income' is missing") as caught:
        SCHEMA.read_row(row)
    assert caught.value.field == "income"


def test_a_misspelt_column_is_named_beside_the_one_that_is_missing():
    row = {("incone" if name == "income" else name): value for name, value in ROW.items()}
    with pytest.raises(InvalidInput, match="Unknown column 'incone', and 'income' is missing"):
        SCHEMA.read_row(row)


def test_among_many_rows_the_field_says_which():
    with pytest.raises(InvalidInput) as caught:
        SCHEMA.read_rows([ROW, ROW | {"age": 1}])
    assert caught.value.field == "rows[1].age"


def test_a_row_that_is_no_object_is_refused():
    with pytest.raises(InvalidInput, match="object of named columns"):
        SCHEMA.read_rows([[1, 2, 3]])


def test_a_schema_survives_its_journey():
    assert TaskSchema.from_json(SCHEMA.to_json()) == SCHEMA


def test_the_digest_changes_with_anything_that_is_said():
    other = SCHEMA.to_json()
    other["features"][1]["unit"] = "USD"
    assert TaskSchema.from_json(other).digest != SCHEMA.digest


@pytest.mark.parametrize(
    "change",
    [
        {"labels": []},
        {"features": []},
        {"labels": [{"name": "one", "sentence": ""}]},
        {"features": [{"x": 1}]},
    ],
)
def test_what_is_no_schema_is_refused(change):
    with pytest.raises(ConfigurationError):
        TaskSchema.from_json(SCHEMA.to_json() | change)


def test_a_choice_must_list_its_choices():
    with pytest.raises(ConfigurationError, match="lists its choices"):
        Feature("x", "choice", "a")


def test_values_are_counted_in_their_resolution():
    assert Value("amount", "EUR", "0.01", 1000.0, "{value} {unit}").to_float(123_456) == 1234.56


@pytest.mark.parametrize("resolution", ["0", "-1", "a cent", "NaN"])
def test_a_resolution_is_a_decimal_above_zero(resolution):
    with pytest.raises(ConfigurationError, match="resolution"):
        Value("amount", "EUR", resolution, 1000.0, "")
