"""What was the weather? vega_datasets' 1,461 days of Seattle; of five classes snow is one day in sixty."""

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Task

TASK = Task(
    schema=TaskSchema(
        task="seattle_weather",
        title="Weather",
        description="The weather of a day in Seattle, by what was measured.",
        features=(
            Feature("precipitation", "number", 3.0, "mm", 0, 1000),
            Feature("temp_max", "number", 16.4, "°C", -50, 60),
            Feature("temp_min", "number", 8.2, "°C", -50, 60),
            Feature("wind", "number", 3.2, "m/s", 0, 100),
        ),
        labels=tuple(
            Label(name, f"That was a day of {name}.") for name in ("drizzle", "fog", "rain", "snow", "sun")
        ),
    ),
    answers=(Answer("weather"),),
    nodes={
        "logistic_regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "random_forest": lambda: make_pipeline(
            RandomForestClassifier(n_estimators=60, max_depth=6, random_state=0)
        ),
    },
    metric="f1",
    observed="date",
)
