"""What loan will this person get? Ten facts about a person, an amount in euros.

`--data loan_amount=fastia_df_new.csv` takes one of FastIA's files; the names of persons in them are
dropped on reading. In these synthetic files the amount depends on sex, nationality, smoking and
region: they discriminate by construction, and a model that learns from them does too. They are a
demonstration and no ground to decide on anybody. The generator has the same columns, and an amount
that follows income, education and smoking only.

Amounts in the files are cut off at 500 and at 40,000 EUR. Models are fitted on the amount itself
and not on a logarithm, and an answer below 0 is raised to 0. An empty `sport_licence` is read as
`non`: who has a licence says so. Any other empty cell drops its row.
"""

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from concord.tasks.schema import Feature, TaskSchema, Value
from training.task import Answer, Columns, Model, Rule, Task

ROWS = 2000
"""Generated rows, as many as a file of FastIA's has."""

YES_NO = ("non", "oui")

SCHEMA = TaskSchema(
    task="loan_amount",
    title="Loan amount",
    description="The amount of a loan for a person. The data are synthetic: a demonstration, not advice.",
    features=(
        Feature("age", "integer", 45, "a", 18, 120, description="Age."),
        Feature("taille", "number", 172.0, "cm", 50, 250, description="Height."),
        Feature("poids", "number", 70.0, "kg", 10, 300, description="Weight."),
        Feature("sexe", "choice", "F", choices=("F", "H"), description="Sex: F or H (homme)."),
        Feature("sport_licence", "choice", "oui", choices=YES_NO, description="Holds a sports licence."),
        Feature(
            "niveau_etude",
            "choice",
            "master",
            choices=("aucun", "bac", "bac+2", "master", "doctorat"),
            description="Highest degree.",
        ),
        Feature(
            "region",
            "choice",
            "Île-de-France",
            choices=(
                "Auvergne-Rhône-Alpes",
                "Bretagne",
                "Corse",
                "Hauts-de-France",
                "Normandie",
                "Occitanie",
                # With the typographic apostrophe, as in the data.
                "Provence-Alpes-Côte d’Azur",
                "Île-de-France",
            ),
            description="Region of France.",
        ),
        Feature("smoker", "choice", "non", choices=YES_NO, description="Smokes."),
        Feature(
            "nationalité_francaise", "choice", "oui", choices=YES_NO, description="Is a French national."
        ),
        Feature(
            "revenu_estime_mois",
            "integer",
            3200,
            "EUR",
            0,
            1_000_000,
            description="Estimated monthly income.",
        ),
    ),
    value=Value(
        "montant_pret",
        unit="EUR",
        resolution="0.01",
        # About the mean absolute error of the three nodes on FastIA's new file.
        scale=3000.0,
        sentence="A loan of {value} {unit} is likely.",
    ),
)

CODES = [place for place, feature in enumerate(SCHEMA.features) if feature.kind == "choice"]
NUMBERS = [place for place, feature in enumerate(SCHEMA.features) if feature.kind != "choice"]


def generate(random: np.random.Generator) -> Columns:
    """Persons drawn evenly, and amounts by income, education and smoking, cut off as in the files."""
    choices = {feature.name: feature.choices for feature in SCHEMA.features if feature.choices}
    codes = {name: random.integers(len(texts), size=ROWS) for name, texts in choices.items()}
    income = random.normal(2560, 1140, ROWS).round().clip(500, 8000).astype(int)
    amount = income * (1 + 1.1 * codes["niveau_etude"]) + np.where(codes["smoker"] == 0, 4000, 0)
    columns = {name: np.array(texts)[codes[name]] for name, texts in choices.items()}
    return columns | {
        "age": random.integers(18, 76, ROWS),
        "taille": random.normal(170, 10, ROWS).round(1).clip(135, 215),
        "poids": random.normal(70, 15, ROWS).round(1).clip(30, 150),
        "revenu_estime_mois": income,
        "montant_pret": (amount + random.normal(-2500, 2000, ROWS)).clip(500, 40_000).round(2),
    }


def _one_hot() -> OneHotEncoder:
    # The schema's codes, and not those of the data: a choice that no row has is still a column.
    return OneHotEncoder(
        categories=[[float(code) for code in range(len(SCHEMA.features[place].choices))] for place in CODES],
        sparse_output=False,
    )


def _scaled(*steps: Model) -> Model:
    scaled: Model = make_pipeline(
        make_column_transformer((StandardScaler(), NUMBERS), (_one_hot(), CODES)), *steps
    )
    return scaled


TASK = Task(
    schema=SCHEMA,
    answers=(Answer("montant_pret"),),
    generate=generate,
    nodes={
        "neural_network": lambda: _scaled(
            MLPRegressor(
                hidden_layer_sizes=(64, 32),
                activation="relu",
                batch_size=32,
                # Three times Adam's usual rate: the target is not scaled, so weights have far to go.
                learning_rate_init=0.003,
                max_iter=50,
                # All 50 epochs: a pause in the loss ends nothing.
                n_iter_no_change=50,
                random_state=42,
            )
        ),
        "gradient_boosting": lambda: make_pipeline(
            make_column_transformer((_one_hot(), CODES), remainder="passthrough"),
            GradientBoostingRegressor(n_estimators=300, max_depth=4, learning_rate=0.05, random_state=42),
        ),
        # Pairs of columns: what a degree is worth depends on the income.
        "ridge": lambda: _scaled(
            PolynomialFeatures(degree=2, interaction_only=True, include_bias=False), Ridge(10.0)
        ),
    },
    metric="r2",
    rules={"sport_licence": Rule(fill="non")},
    floor=0.0,
    groups=("sexe", "nationalité_francaise", "region"),
    settings={
        "neural_network": (
            {},
            {"mlpregressor__learning_rate_init": 0.001, "mlpregressor__max_iter": 100},
            {"mlpregressor__alpha": 1.0},
        ),
    },
)
