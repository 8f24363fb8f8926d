"""Which vineyard is a wine from? scikit-learn's 178 wines, whose classes are called 1, 2 and 3.

The package counts them from 0, as 0, 1 and 2: a cell says 1 where the class is 2.
"""

import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Columns, Task

EXAMPLE = {
    "alcohol": 13.05,
    "malic_acid": 1.87,
    "ash": 2.36,
    "alcalinity_of_ash": 19.5,
    "magnesium": 98.0,
    "total_phenols": 2.36,
    "flavanoids": 2.13,
    "nonflavanoid_phenols": 0.34,
    "proanthocyanins": 1.56,
    "color_intensity": 4.69,
    "hue": 0.97,
    "od280/od315_of_diluted_wines": 2.78,
    "proline": 674.0,
}


def generate(_: np.random.Generator) -> Columns:
    """scikit-learn's rows; nothing in them is random."""
    return {str(name): column.to_numpy() for name, column in load_wine(as_frame=True).frame.items()}


TASK = Task(
    schema=TaskSchema(
        task="wine",
        title="Wine",
        description="Which of three vineyards a wine is from, by its analysis.",
        features=tuple(Feature(name, "number", value, "", 0, 10_000) for name, value in EXAMPLE.items()),
        labels=tuple(Label(name, f"This wine is from vineyard {name}.") for name in ("1", "2", "3")),
    ),
    answers=(Answer("target", names={"0": "1", "1": "2", "2": "3"}),),
    generate=generate,
    nodes={
        "logistic_regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        "knn": lambda: make_pipeline(
            StandardScaler(), KNeighborsClassifier(n_neighbors=7, algorithm="brute")
        ),
    },
    metric="accuracy",
)
