"""What a person types becomes values of the schema, or an error in the typer's words."""

import pytest

from concord.cli.text.key_values import read_pairs
from concord.errors import InvalidInput
from concord.tasks.schema import Feature, Label, TaskSchema
from concord.tasks.values import read_value

ROW = ["sepal_length=6.0", "sepal_width=2.7", "petal_length=5.1", "petal_width=1.6"]


def test_pairs_become_a_row_in_the_order_of_the_schema(iris):
    assert read_pairs(iris, ROW[::-1]) == {
        "sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6,
    }  # fmt: skip


def test_keys_and_choices_are_known_in_whatever_normal_form_they_are_typed(amount):
    assert read_pairs(amount, ["a\u0302ge=40", "region=Corse"]) == {"âge": 40, "region": "Corse"}


def test_a_feature_and_a_choice_may_have_an_equals_sign_in_their_names():
    schema = TaskSchema(
        task="test",
        title="Test",
        description="Names with a sign.",
        features=(
            Feature("a", "number", 1),
            Feature("a=b", "number", 1),
            Feature("kind", "choice", "x", choices=("x", "y=z")),
        ),
        labels=(Label("no", "No."), Label("yes", "Yes.")),
    )
    assert read_pairs(schema, ["a=1", "a=b=2", "kind=y=z"]) == {"a": 1, "a=b": 2, "kind": "y=z"}


@pytest.mark.parametrize(
    ("pairs", "field", "words"),
    [
        ([*ROW[:3], "petal_widht=1"], "petal_widht", "Did you mean 'petal_width'?"),
        ([*ROW, "colour=1"], "colour", "It takes sepal_length"),
        (ROW[:2], "petal_length", "petal_length, petal_width are missing"),
        ([*ROW, "petal_width=2"], "petal_width", "given twice"),
        (["6.0"], "6.0", "no key=value"),
    ],
)
def test_a_wrong_key_is_named_with_what_was_probably_meant(iris, pairs, field, words):
    with pytest.raises(InvalidInput) as caught:
        read_pairs(iris, pairs)
    assert caught.value.field == field
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3,5", "Write 3.5."),
        ("", "is empty"),
        ("nan", "is empty"),
        ("inf", "no number"),
        ("1_0", "no number"),
        ("٣", "no number"),
        ("1e999", "finite"),
        ("99", "from 0.1 to 30 cm"),
    ],
)
def test_a_text_that_is_no_number_of_the_feature_is_refused(iris, text, words):
    with pytest.raises(InvalidInput, match=words):
        read_value(iris.features[0], text)


def test_a_choice_that_is_almost_right_is_suggested(amount):
    with pytest.raises(InvalidInput, match="Did you mean 'Normandie'"):
        read_value(amount.features[1], "normandie")


def test_a_whole_number_may_not_have_a_fraction(amount):
    assert read_value(amount.features[0], "40.0") == 40
    with pytest.raises(InvalidInput, match="whole number"):
        read_value(amount.features[0], "40.5")
