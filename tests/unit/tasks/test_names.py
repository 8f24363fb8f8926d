"""Tasks and nodes keep to one pattern, the chart's; features and labels are in any script and distinct."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from concord.errors import ConfigurationError
from concord.tasks.names import NAME, check_name, check_texts
from concord.tasks.schema import Feature, Label, TaskSchema

CHART = Path(__file__).parents[3] / "helm" / "concord" / "values.schema.json"

SCHEMA = TaskSchema(
    task="wine",
    title="Wine",
    description="Which grape a wine is made of.",
    features=(Feature("alcohol", "number", 13.0), Feature("colour = hue", "number", 1.0)),
    labels=(Label("1", "The first."), Label("2", "The second.")),
)


@pytest.mark.parametrize(
    "name", ["wine 2", "wine.2", "Wine", "2wine", "_wine", "wine-2", "vin_é", "", "wine\n"]
)
def test_a_task_and_a_node_of_another_pattern_are_refused(name):
    with pytest.raises(ConfigurationError, match="begins with a letter a to z"):
        replace(SCHEMA, task=name)
    with pytest.raises(ConfigurationError, match="The name of a node"):
        check_name("node", name)


def test_the_refusal_offers_a_name_of_the_pattern():
    with pytest.raises(ConfigurationError, match=r"'Wine 2\.0' does not\. 'wine_2_0' would do"):
        check_name("task", "Wine 2.0")


def test_the_pattern_is_the_charts():
    def patterns(value):
        if isinstance(value, dict):
            yield from ([value["propertyNames"]["pattern"]] if "propertyNames" in value else [])
            value = list(value.values())
        for child in value if isinstance(value, list) else []:
            yield from patterns(child)

    assert set(patterns(json.loads(CHART.read_text("utf-8")))) == {f"^{NAME}$"}


def test_labels_of_one_name_are_refused():
    with pytest.raises(ConfigurationError, match="label '1' is there twice"):
        replace(SCHEMA, labels=(Label("1", "a"), Label("2", "b"), Label("1", "c")))


@pytest.mark.parametrize("name", ["", " alcohol", "alcohol ", "alco\nhol", "alco\x00hol", "\u200d"])
def test_a_feature_or_a_label_that_nobody_can_type_is_refused(name):
    with pytest.raises(ConfigurationError, match="feature 1 is called"):
        replace(SCHEMA, features=(Feature(name, "number", 1.0),))
    with pytest.raises(ConfigurationError, match="label 2 is called"):
        replace(SCHEMA, labels=(Label("a", "a"), Label(name, "b")))


@pytest.mark.parametrize("name", ["می\u200cخواهم", "क्\u200dष", "Länge in cm"])
def test_words_of_any_script_are_names_of_features_and_labels(name):
    check_texts("Label", [name], "labels")
