"""Which party is a voter close to? statsmodels' `anes96`: seven classes, 0 to 6, in cells such as `6.0`."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Task


def _scale(name: str, description: str) -> Feature:
    return Feature(name, "integer", 4, "", 1, 7, description=description)


TASK = Task(
    schema=TaskSchema(
        task="party",
        title="Party",
        description="How close a voter of 1996 feels to either party of the USA.",
        features=(
            Feature("popul", "number", 22, "", 0, 100_000, description="People in the town, in thousands."),
            Feature("TVnews", "integer", 3, "d", 0, 7, description="Days with news on television in a week."),
            _scale("selfLR", "How conservative the voter is, at most 7."),
            _scale("ClinLR", "How conservative Clinton is, says the voter."),
            _scale("DoleLR", "How conservative Dole is, says the voter."),
            Feature("age", "integer", 44, "a", 16, 120),
            Feature("educ", "integer", 4, "", 1, 7, description="School, by seven classes."),
            Feature("income", "integer", 17, "", 1, 24, description="Income, by 24 classes."),
        ),
        labels=tuple(Label(str(place), f"{place} of 6, where 6 is a Republican.") for place in range(7)),
    ),
    answers=(Answer("PID"),),
    nodes={
        "logistic_regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "random_forest": lambda: make_pipeline(
            RandomForestClassifier(n_estimators=60, max_depth=5, random_state=0)
        ),
    },
    metric="log_loss",
)
