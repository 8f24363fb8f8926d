"""How far does a car go on a gallon? vega_datasets' 406 cars.

Six state no horsepower, and are read as a usual car; eight have no answer, and are left out.
"""

from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from concord.tasks.schema import Feature, TaskSchema, Value
from training.task import Answer, Rule, Task

TASK = Task(
    schema=TaskSchema(
        task="cars",
        title="Cars",
        description="How many miles a car of the years 1970 to 1982 goes on a gallon.",
        features=(
            Feature("Cylinders", "integer", 4, "", 1, 16),
            Feature("Displacement", "number", 151, "in³", 10, 1000),
            Feature("Horsepower", "number", 95, "hp", 10, 1000),
            Feature("Weight_in_lbs", "integer", 2822, "lb", 500, 10_000),
            Feature(
                "Acceleration", "number", 15.5, "s", 2, 60, description="Seconds from 0 to 60 miles an hour."
            ),
            Feature("Origin", "choice", "USA", choices=("Europe", "Japan", "USA")),
        ),
        value=Value("Miles_per_Gallon", "mpg", "0.1", 3.0, "It goes {value} {unit}."),
    ),
    answers=(Answer("Miles_per_Gallon"),),
    nodes={
        "ridge": lambda: make_pipeline(
            make_column_transformer(
                (StandardScaler(), [0, 1, 2, 3, 4]),
                (OneHotEncoder(categories=[[0.0, 1.0, 2.0]], sparse_output=False), [5]),
            ),
            Ridge(),
        ),
        "boosting": lambda: make_pipeline(GradientBoostingRegressor(n_estimators=100, random_state=0)),
    },
    metric="mae",
    # The usual horsepower of the cars that state theirs.
    rules={"Horsepower": Rule(fill=95.0)},
    floor=0.0,
    observed="Year",
    settings={"ridge": ({}, {"ridge__alpha": 10.0})},
)
