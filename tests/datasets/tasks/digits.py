"""Which digit was written? scikit-learn's 1,797 pictures of 8 × 8 pixels; the classes are 0 to 9."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Task

TASK = Task(
    schema=TaskSchema(
        task="digits",
        title="Digits",
        description="Which digit a picture of 8 × 8 pixels shows.",
        features=tuple(
            Feature(f"pixel_{row}_{column}", "integer", 8, "", 0, 16)
            for row in range(8)
            for column in range(8)
        ),
        labels=tuple(Label(str(digit), f"This is a {digit}.") for digit in range(10)),
    ),
    answers=(Answer("target"),),
    nodes={
        "logistic_regression": lambda: make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)
        ),
        "random_forest": lambda: make_pipeline(RandomForestClassifier(n_estimators=60, random_state=0)),
    },
    metric="accuracy",
)
