"""The ten data sets: what is true in a row of theirs, how answers are scored, and how good they must be."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Foreign:
    """A data set, as far as its task's file does not say it: the tests read the answers by themselves.

    Attributes:
        column: The column with the answer, as the package calls it.
        truth: Cell → the task's class or value.
        metric: What answers are compared by: `accuracy`, `roc_auc` of the second class, or `r2`.
        least: What scikit-learn's own score has to be at least, so that it is worth a comparison.
        near: How far the service's score may be from it.
        drift: What is said of the file that was learned from.
    """

    column: str
    truth: Callable[[str], str | float]
    metric: str
    least: float
    near: float
    drift: str = "steady"


FOREIGN = {
    "breast_cancer": Foreign("target", {"0": "malignant", "1": "benign"}.__getitem__, "accuracy", 0.93, 0.03),
    "cars": Foreign("Miles_per_Gallon", float, "r2", 0.65, 0.05),
    "cities": Foreign("continent", str, "accuracy", 0.97, 0.02),
    "digits": Foreign("target", str, "accuracy", 0.94, 0.03),
    "fair": Foreign("affairs", lambda cell: "yes" if float(cell) > 0 else "no", "roc_auc", 0.7, 0.02),
    "gapminder": Foreign("gdpPercap", float, "r2", 0.7, 0.05),
    "party": Foreign("PID", lambda cell: str(int(float(cell))), "accuracy", 0.3, 0.06),
    "penguins": Foreign("species", str, "accuracy", 0.95, 0.03),
    "seattle_weather": Foreign("weather", str, "accuracy", 0.6, 0.04),
    "wine": Foreign(
        "target", {"0": "1", "1": "2", "2": "3"}.__getitem__, "accuracy", 0.92, 0.05, "too_few_rows"
    ),
}
