"""Which penguin is it? A task that Concord does not have: the tests copy this file to `training/tasks/`."""

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Columns, Model, Task

ISLANDS = ("biscoe", "dream", "torgersen")
KINDS = {
    "adelie": ((38.8, 18.3, 3700), (0.4, 0.3, 0.3)),
    "chinstrap": ((48.8, 18.4, 3730), (0.0, 1.0, 0.0)),
    "gentoo": ((47.5, 15.0, 5080), (1.0, 0.0, 0.0)),
}


def generate(random: np.random.Generator) -> Columns:
    """120 penguins of each kind."""
    measures, islands, kinds = [], [], []
    for kind, (means, shares) in KINDS.items():
        measures.append(random.normal(means, (2.7, 1.1, 450), (120, 3)).clip((25, 10, 2000), (65, 25, 7000)))
        islands += list(random.choice(ISLANDS, 120, p=shares))
        kinds += [kind] * 120
    length, depth, mass = np.concatenate(measures).T
    return {
        "island": np.array(islands),
        "bill_length": length.round(1),
        "bill_depth": depth.round(1),
        "body_mass": mass.round(),
        "species": np.array(kinds),
    }


def scaled(*steps: Model) -> Model:
    """The island as one column each, the measures scaled."""
    columns = make_column_transformer(
        (OneHotEncoder(categories=[range(len(ISLANDS))]), [0]), (StandardScaler(), [1, 2, 3])
    )
    return make_pipeline(columns, *steps)


TASK = Task(
    schema=TaskSchema(
        task="penguin",
        title="Penguin",
        description="Which penguin it is, from where it lives and what it measures.",
        features=(
            Feature("island", "choice", "biscoe", choices=ISLANDS),
            Feature("bill_length", "number", 46.1, "mm", 20, 70, description="From its tip to the feathers."),
            Feature("bill_depth", "number", 13.2, "mm", 5, 30, description="Where it is highest."),
            Feature("body_mass", "integer", 4500, "g", 1000, 9000, description="Its weight."),
        ),
        labels=(
            Label("adelie", "This is an Adelie penguin."),
            Label("chinstrap", "This is a chinstrap penguin."),
            Label("gentoo", "This is a gentoo penguin."),
        ),
    ),
    answers=(Answer("species"),),
    generate=generate,
    nodes={
        "forest": lambda: make_pipeline(RandomForestClassifier(50, max_depth=6, random_state=0)),
        "logistic_regression": lambda: scaled(LogisticRegression(max_iter=1000)),
        "knn": lambda: scaled(KNeighborsClassifier(9)),
    },
    metric="accuracy",
)
