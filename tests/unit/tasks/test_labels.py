"""A label means what its round's task makes of it: a class's name before its number, a value in its unit."""

import pytest

from concord.errors import InvalidInput
from concord.tasks.labels import encode_label, parse_label
from concord.tasks.schema import Feature, Label, TaskSchema, Value

FEATURES = (Feature("x", "number", 1.0),)


def classes(*names):
    labels = tuple(Label(name, f"It is {name}.") for name in names)
    return TaskSchema("task", "Task", "A task.", FEATURES, labels)


GRADES = classes("1", "2", "3")
FLOWERS = classes("setosa", "versicolor", "virginica")
AMOUNT = TaskSchema(
    "amount", "Amount", "A task.", FEATURES, value=Value("sum", "EUR", "0.01", 100, "{value} {unit}")
)


def encode(schema, **said):
    return encode_label(schema, parse_label({"id": "a", **said}, "labels[0]"))


@pytest.mark.parametrize("number", [1, 1.0])
def test_a_number_that_is_a_classs_name_means_that_class(number):
    assert encode(GRADES, label=number) == 0


def test_a_number_is_a_place_where_no_class_is_named_by_a_number():
    assert encode(FLOWERS, label=2) == 2


@pytest.mark.parametrize("number", [0, 4, -1, 1.5])
def test_a_place_is_none_where_classes_are_named_by_numbers(number):
    with pytest.raises(InvalidInput, match=r"a label is one of 1, 2, 3\.$"):
        encode(GRADES, label=number)


@pytest.mark.parametrize(("text", "place"), [("1", 0), ("01", 1), ("1.0", 2)])
def test_of_names_of_one_number_the_one_to_the_letter_is_meant(text, place):
    assert encode(classes("1", "01", "1.0"), text=text) == place


def test_a_number_that_several_classes_are_named_by_is_refused():
    with pytest.raises(InvalidInput, match="no such class"):
        encode(classes("01", "1.00"), label=1)


@pytest.mark.parametrize("text", ["3", " 3 ", "3.0"])
def test_a_text_is_read_by_the_task_of_its_round(text):
    assert encode(GRADES, text=text) == 2
    assert encode(AMOUNT, text=text) == 300


def test_a_text_may_be_a_classs_name_or_its_place():
    assert (encode(FLOWERS, text="virginica"), encode(FLOWERS, text="1")) == (2, 1)


def test_a_text_that_is_no_number_is_no_value():
    with pytest.raises(InvalidInput, match="sum must be a number in EUR"):
        encode(AMOUNT, text="much")


@pytest.mark.parametrize("said", [{"text": 3}, {"text": "x" * 1001}, {"text": "3", "label": 3}])
def test_what_is_no_text_is_refused(said):
    with pytest.raises(InvalidInput):
        encode(GRADES, **said)


def test_a_name_in_another_unicode_form_is_the_same_name():
    assert encode(classes("élevé", "bas"), label="e\u0301leve\u0301") == 0
    assert encode(classes("e\u0301leve\u0301", "bas"), text="élevé") == 0
