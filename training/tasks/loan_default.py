"""Will this borrower default? Six numbers of a bank's customer, two answers.

`--data loan_default=loan_data.csv` takes the ten thousand synthetic customers that the bank's
exercise was made with; `customer_id` is dropped on reading like every column that is not asked
for. Those data are almost linearly separable, so near-perfect scores are a property of the file.
The generator imitates them: the same ranges and shares, and a logistic rule with the weights that
a regression finds in the file. A row with an empty cell is left out, since a made-up income would
decide the answer.
"""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from concord.tasks.schema import Feature, Label, TaskSchema
from training.task import Answer, Columns, Task

ROWS = 4000
"""Generated rows: enough that scores repeat to the second digit, fitted in a second."""

SCHEMA = TaskSchema(
    task="loan_default",
    title="Loan default",
    description="Whether a borrower is likely to default on a loan.",
    features=(
        Feature("credit_lines_outstanding", "integer", 0, "", 0, 100, description="Open credit lines."),
        Feature(
            "loan_amt_outstanding", "number", 5221.55, "USD", 0, 1e7, description="What is left of this loan."
        ),
        Feature(
            "total_debt_outstanding", "number", 3915.47, "USD", 0, 1e8, description="What is owed in all."
        ),
        Feature("income", "number", 78039.39, "USD", 0, 1e8, description="Yearly income."),
        Feature("years_employed", "integer", 5, "a", 0, 80, description="Years with an employer."),
        Feature("fico_score", "integer", 605, "", 300, 850, description="FICO credit score."),
    ),
    labels=(
        Label("no_default", "No risk of default detected", "good"),
        Label("default", "High risk of default", "bad"),
    ),
)

LINES = (0.45, 0.16, 0.13, 0.12, 0.07, 0.07)
"""Share of customers with 0, 1, … 5 credit lines."""

WEIGHTS = (8.75, 0.12, 3.84, -2.35, -2.90, -1.14)
"""A logistic regression's weights of the standardised features, in their order, on loan_data.csv."""

MEANS = (1.46, 4160.0, 8719.0, 70040.0, 4.55, 637.6)
SCALES = (1.74, 1421.0, 6627.0, 20072.0, 1.57, 60.7)
"""Means and standard deviations there."""


def generate(random: np.random.Generator) -> Columns:
    """Customers whose debt grows with income and credit lines, and whose default is a matter of odds."""
    lines = random.choice(len(LINES), ROWS, p=LINES)
    income = random.normal(70_000, 20_000, ROWS).clip(1000).round(2)
    loan = (income * random.normal(0.0594, 0.011, ROWS)).clip(50).round(2)
    debt = (income / 70_000 * (4000 + 3200 * lines) * random.lognormal(0, 0.25, ROWS)).clip(30).round(2)
    years = random.normal(4.55, 1.57, ROWS).round().clip(0, 10).astype(int)
    fico = (random.normal(650, 58, ROWS) - 9 * lines).round().clip(300, 850).astype(int)
    columns = (lines, loan, debt, income, years, fico)
    odds = (np.column_stack(columns) - MEANS) / SCALES @ np.array(WEIGHTS) - 13.2
    default = random.random(ROWS) < 1 / (1 + np.exp(-odds))
    names = [feature.name for feature in SCHEMA.features]
    return dict(zip(names, columns, strict=True)) | {"default": default.astype(int)}


TASK = Task(
    schema=SCHEMA,
    answers=(Answer("default", names={"0": "no_default", "1": "default"}),),
    generate=generate,
    nodes={
        "decision_tree": lambda: make_pipeline(
            DecisionTreeClassifier(max_depth=5, min_samples_split=4, min_samples_leaf=2, random_state=42)
        ),
        "logistic_regression": lambda: make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000, random_state=42)
        ),
        "random_forest": lambda: make_pipeline(
            RandomForestClassifier(
                n_estimators=100, max_depth=8, min_samples_split=4, min_samples_leaf=2, random_state=42
            )
        ),
    },
    metric="roc_auc",
    key="customer_id",
)
