"""Will the public find a film good? Four numbers of a film, three answers.

Two kinds of files are read: TMDB's (`vote_average`, graded here: above 7.5 good, below 5 poor, and
average between, so 5.0 and 7.5 themselves are average), and the original project's balanced file
(`evaluation`: bien, moyen, mediocre). A zero in these data means unknown, and so does an empty
cell: the row is dropped, because no rule could say what a film has earned. A request must state
all four. The generator draws films of each class, equally many as in the balanced file, from the
log-normal figures of TMDB's 3,227 complete rows. These columns spread over nine orders of
magnitude: linear and distance models see them through a Box-Cox transform, trees as they are.
"""

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, RobustScaler
from sklearn.svm import SVC

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Columns, Model, Rule, Task

ROWS = 400
"""Generated films of each class."""

SCHEMA = TaskSchema(
    task="film_rating",
    title="Film rating",
    description="How the public rates a film, from its budget, its revenue, its length and its votes.",
    features=(
        # Up to 1e11: the original project's file has two scraped films with amounts in cents.
        Feature("budget", "integer", 63_000_000, "USD", 1, 1e11, description="What the film cost."),
        Feature("revenue", "integer", 850_000_000, "USD", 1, 1e11, description="What it earned in cinemas."),
        # Above 0, as whole numbers are from 1: a film of seconds is a film.
        Feature("runtime", "number", 152, "min", 0.1, 1000, description="Its length."),
        Feature("vote_count", "integer", 9400, "", 1, 1e7, description="Votes that it got on TMDB."),
    ),
    labels=(
        Label("poor", "The public finds this film poor.", "bad"),
        Label("average", "The public finds this film average.", "neutral"),
        Label("good", "The public finds this film good.", "good"),
    ),
)

LOGS = {
    "poor": ((16.7, 16.5, 4.56, 4.7), (1.6, 2.2, 0.11, 1.4)),
    "average": ((16.8, 17.5, 4.69, 6.0), (1.6, 2.0, 0.17, 1.4)),
    "good": ((16.3, 17.9, 4.83, 7.3), (1.9, 2.1, 0.23, 1.5)),
}
"""Mean and standard deviation of the features' natural logarithms, by class, in tmdb_5000_min.csv."""

TOGETHER = ((1.0, 0.66, 0.23, 0.43), (0.66, 1.0, 0.21, 0.67), (0.23, 0.21, 1.0, 0.2), (0.43, 0.67, 0.2, 1.0))
"""Correlation of those logarithms."""


def _spread(*steps: Model) -> Model:
    # In float32 a power of 100 minutes alone loses four digits; divided by their spread first, none.
    spread: Model = make_pipeline(RobustScaler(with_centering=False), PowerTransformer("box-cox"), *steps)
    return spread


def grade(average: float) -> str:
    """The label of a mean vote in 0..10."""
    return "good" if average > 7.5 else "poor" if average < 5 else "average"


def generate(random: np.random.Generator) -> Columns:
    """Films of each class, with features that are log-normal and go together."""
    films = []
    for means, scales in LOGS.values():
        logs = random.multivariate_normal(np.zeros(4), TOGETHER, ROWS) * scales + means
        films.append(np.exp(logs).round().clip([1, 1, 1, 1], [1e9, 1e10, 400, 1e6]))
    rows = np.concatenate(films).astype(int)
    columns = {feature.name: rows[:, place] for place, feature in enumerate(SCHEMA.features)}
    return columns | {"evaluation": np.repeat(list(LOGS), ROWS)}


TASK = Task(
    schema=SCHEMA,
    answers=(
        Answer(
            "evaluation", names={"bien": "good", "moyen": "average", "mediocre": "poor", "médiocre": "poor"}
        ),
        Answer("vote_average", grade=grade),
    ),
    generate=generate,
    nodes={
        "logistic_regression": lambda: _spread(LogisticRegression(max_iter=1000)),
        "knn": lambda: _spread(KNeighborsClassifier(n_neighbors=15)),
        "svm": lambda: _spread(CalibratedClassifierCV(SVC(), ensemble=False)),
        "random_forest": lambda: make_pipeline(
            RandomForestClassifier(n_estimators=100, min_samples_leaf=3, random_state=42)
        ),
        "gradient_boosting": lambda: make_pipeline(
            GradientBoostingClassifier(n_estimators=60, max_depth=2, random_state=42)
        ),
    },
    metric="accuracy",
    rules={feature.name: Rule(unknown=(0.0,)) for feature in SCHEMA.features},
    # TMDB's; the original project's balanced file has neither.
    key="id",
    observed="release_date",
)
