"""Is a tumour malignant? scikit-learn's 569 of the breast, by thirty measures with blanks in their names."""

from itertools import product

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Task

MEASURES = {
    "radius": 13.4,
    "texture": 18.8,
    "perimeter": 86.2,
    "area": 551.0,
    "smoothness": 0.096,
    "compactness": 0.093,
    "concavity": 0.062,
    "concave points": 0.034,
    "symmetry": 0.179,
    "fractal dimension": 0.062,
}
"""Each with its median among the means."""

NAMES = [
    *(f"mean {measure}" for measure in MEASURES),
    *(f"{measure} error" for measure in MEASURES),
    *(f"worst {measure}" for measure in MEASURES),
]

TASK = Task(
    schema=TaskSchema(
        task="breast_cancer",
        title="Tumours",
        description="Whether a tumour is malignant, by the nuclei of its cells. This is no diagnosis.",
        features=tuple(
            Feature(name, "number", example, "", 0, 10_000)
            for name, (_, example) in zip(NAMES, product(range(3), MEASURES.values()), strict=True)
        ),
        labels=(Label("malignant", "It is malignant.", "bad"), Label("benign", "It is benign.", "good")),
    ),
    answers=(Answer("target", names={"0": "malignant", "1": "benign"}),),
    nodes={
        "logistic_regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "random_forest": lambda: make_pipeline(RandomForestClassifier(n_estimators=60, random_state=0)),
    },
    metric="brier",
)
