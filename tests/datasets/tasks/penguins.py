"""Which penguin is it? palmerpenguins' 344 birds, of which some were not measured and some not sexed.

The package's file says NA where nothing is known. Of the sex that is a choice of its own, as such a bird
can still be told by its bill; a bird that was not measured is left out.
"""

from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Task

ISLANDS = ("Biscoe", "Dream", "Torgersen")
SEXES = ("NA", "female", "male")

TASK = Task(
    schema=TaskSchema(
        task="penguins",
        title="Penguins",
        description="The species of a penguin from the islands around Palmer Station.",
        features=(
            Feature("island", "choice", "Biscoe", choices=ISLANDS),
            Feature("bill_length_mm", "number", 45.2, "mm", 10, 100),
            Feature("bill_depth_mm", "number", 17.8, "mm", 5, 50),
            Feature("flipper_length_mm", "integer", 190, "mm", 100, 400),
            Feature("body_mass_g", "integer", 4200, "g", 1000, 20_000),
            Feature("sex", "choice", "female", choices=SEXES, description="NA where it is not known."),
        ),
        labels=tuple(
            Label(name, f"This is a penguin of the species {name}.")
            for name in ("Adelie", "Chinstrap", "Gentoo")
        ),
    ),
    answers=(Answer("species"),),
    nodes={
        "logistic_regression": lambda: make_pipeline(
            make_column_transformer(
                (OneHotEncoder(categories=[[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]], sparse_output=False), [0, 5]),
                (StandardScaler(), [1, 2, 3, 4]),
            ),
            LogisticRegression(max_iter=1000),
        ),
        "random_forest": lambda: make_pipeline(RandomForestClassifier(n_estimators=50, random_state=0)),
    },
    metric="log_loss",
    groups=("island",),
)
