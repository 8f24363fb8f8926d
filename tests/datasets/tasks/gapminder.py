"""How rich was a country? gapminder's 1,704 rows: 241 to 113,523 dollars a head, people by the billion."""

from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from concord.tasks.schema import Feature, TaskSchema, Value
from training.task import Answer, Model, Task

CONTINENTS = ("Africa", "Americas", "Asia", "Europe", "Oceania")
CODES = [[float(code) for code in range(len(CONTINENTS))]]


def _with_continent(model: Model) -> Model:
    columns = make_column_transformer(
        (OneHotEncoder(categories=CODES, sparse_output=False), [0]), remainder="passthrough"
    )
    pipeline: Model = make_pipeline(columns, model)
    return pipeline


TASK = Task(
    schema=TaskSchema(
        task="gapminder",
        title="Countries",
        description="The gross domestic product of a country a head, in dollars of 2005.",
        features=(
            Feature("continent", "choice", "Asia", choices=CONTINENTS),
            Feature("year", "integer", 1977, "", 1800, 2100),
            Feature("lifeExp", "number", 60.7, "a", 1, 120, description="Expectation of life at birth."),
            # Above 16,777,216 float32 has not every number, which does not matter for a size.
            Feature("pop", "integer", 7_023_596, "", 1, 10_000_000_000, description="People."),
        ),
        value=Value("gdpPercap", "USD", "0.01", 3000.0, "{value} {unit} a head."),
    ),
    answers=(Answer("gdpPercap"),),
    nodes={
        "boosting": lambda: _with_continent(
            GradientBoostingRegressor(n_estimators=150, max_depth=4, random_state=0)
        ),
        "random_forest": lambda: _with_continent(RandomForestRegressor(n_estimators=60, random_state=0)),
    },
    metric="r2",
    floor=0.0,
    groups=("continent",),
)
