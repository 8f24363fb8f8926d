"""What each feature looked like in the training rows, so that drift can be seen later.

A profile is small, plain JSON and holds no row: bins by quantile for numbers, shares for choices,
and the share of cells that said nothing. It decides nothing; the rules of drift do.
"""

from typing import Any

import numpy as np

from concord.schema import Feature, Rows, TaskSchema
from training.data import Dataset

BINS = 10
"""Bins by quantile: deciles, as the population stability index is usually computed with."""


def profile(schema: TaskSchema, rows: Rows, data: Dataset) -> dict[str, Any]:
    """The reference profile of the training rows.

    Args:
        schema: The task's features.
        rows: The training rows, float32 of shape (rows, features).
        data: All rows that were read, for the cells that said nothing; those of dropped rows count too.
    """
    return {
        "rows": len(rows),
        "features": {
            feature.name: _of_feature(feature, rows[:, place])
            | {"missing": data.empty.get(feature.name, 0) / data.total}
            for place, feature in enumerate(schema.features)
        },
    }


def _of_feature(feature: Feature, column: Rows) -> dict[str, Any]:
    if feature.kind == "choice":
        shares = np.bincount(column.astype(int), minlength=len(feature.choices)) / len(column)
        return {"choices": dict(zip(feature.choices, map(float, shares), strict=True))}
    # Equal quantiles (a column of few values) make one bin, so edges are strictly increasing.
    edges = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = np.bincount(np.searchsorted(edges, column, side="right"), minlength=len(edges) + 1) / len(column)
    return {
        "edges": [float(edge) for edge in edges],
        "shares": [float(share) for share in shares],
        "minimum": float(column.min()),
        "maximum": float(column.max()),
        "mean": float(column.mean(dtype=np.float64)),
        "std": float(column.std(dtype=np.float64)),
    }
