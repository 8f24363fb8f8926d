"""Has this woman had an affair? statsmodels' `fair`: 6,366 answers to a magazine, many of them alike.

The package's column is the time that was spent in affairs; anything above 0 is one.
"""

from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Task

TASK = Task(
    schema=TaskSchema(
        task="fair",
        title="Affairs",
        description="Whether a married woman has had an affair, by a survey of 1974.",
        features=(
            Feature(
                "rate_marriage", "integer", 4, "", 1, 5, description="How good her marriage is, at best 5."
            ),
            Feature("age", "number", 27, "a", 15, 100),
            Feature("yrs_married", "number", 6, "a", 0, 80),
            Feature("children", "number", 1, "", 0, 20),
            Feature("religious", "integer", 2, "", 1, 4, description="How religious she is, at most 4."),
            Feature("educ", "integer", 14, "a", 0, 30, description="Years of school."),
            Feature("occupation", "integer", 3, "", 1, 6, description="Her work, by six classes."),
            Feature("occupation_husb", "integer", 4, "", 1, 6, description="Her husband's."),
        ),
        labels=(Label("no", "She has had none."), Label("yes", "She has had one.")),
    ),
    answers=(Answer("affairs", grade=lambda time: "yes" if time > 0 else "no"),),
    nodes={
        "logistic_regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        "boosting": lambda: make_pipeline(
            GradientBoostingClassifier(n_estimators=60, max_depth=3, random_state=0)
        ),
    },
    metric="roc_auc",
)
