"""Which iris is it? The workshop's task: 150 flowers, four measures, three species.

Without a file the rows are scikit-learn's copy of Fisher's data. Row 83 (counted from 0), a
versicolor that looks like a virginica, is the workshop's example. It is a training row, whatever
the seed, so that the two nodes which can learn a row by heart know it: the unpruned decision tree
and the forest answer versicolor, where logistic_regression with C = 10 and knn with three
neighbours answer virginica like its neighbourhood. That is why they disagree, and it says nothing
about rows that no node has seen. knn sees scaled columns: in tenths of centimetres many neighbours
are equally far, and float32 then picks others than float64 does.
"""

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Columns, Task


def _length(name: str, example: float, description: str) -> Feature:
    # Up to 30 cm: no iris has longer ones, and a length in millimetres is caught.
    return Feature(name, "number", example, "cm", 0.1, 30.0, description=description)


SCHEMA = TaskSchema(
    task="iris",
    title="Iris species",
    description="Which of three iris species a flower belongs to, from the size of its sepals and petals.",
    features=(
        _length("sepal_length", 5.1, "Length of an outer leaf of the flower."),
        _length("sepal_width", 3.5, "Width of an outer leaf of the flower."),
        _length("petal_length", 1.4, "Length of an inner leaf of the flower."),
        _length("petal_width", 0.2, "Width of an inner leaf of the flower."),
    ),
    labels=(
        Label("setosa", "This is an Iris setosa."),
        Label("versicolor", "This is an Iris versicolor."),
        Label("virginica", "This is an Iris virginica."),
    ),
)

SPECIES = {f"{prefix}-{label.name}": label.name for label in SCHEMA.labels for prefix in ("Iris", "iris")}
"""Texts of the answer in the files that are in use, and their labels."""

WORKSHOP_ROW = (6.0, 2.7, 5.1, 1.6)
"""Row 83 of the data, whose true class is versicolor."""


def generate(_: np.random.Generator) -> Columns:
    """scikit-learn's 150 rows; nothing in them is random."""
    data = load_iris()
    columns = {feature.name: data.data[:, place] for place, feature in enumerate(SCHEMA.features)}
    return columns | {"species": [SCHEMA.labels[place].name for place in data.target]}


TASK = Task(
    schema=SCHEMA,
    answers=(Answer("species", names=SPECIES),),
    generate=generate,
    nodes={
        "logistic_regression": lambda: make_pipeline(
            StandardScaler(), LogisticRegression(C=10, max_iter=1000)
        ),
        "decision_tree": lambda: make_pipeline(DecisionTreeClassifier(random_state=42)),
        # As ONNX does it: of rows that are equally far the first ones.
        "knn": lambda: make_pipeline(
            StandardScaler(), KNeighborsClassifier(n_neighbors=3, algorithm="brute")
        ),
        "random_forest": lambda: make_pipeline(RandomForestClassifier(n_estimators=100, random_state=42)),
        "svm": lambda: make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(), ensemble=False)),
    },
    metric="accuracy",
    pinned=(WORKSHOP_ROW,),
)
