"""The results of a fit in words: one line a task."""

from collections.abc import Mapping, Sequence
from typing import Any

from concord.util.numbers import format_metric


def summarise(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a task: how many nodes were fitted, and the best of them."""
    lines = []
    fitted = [result for result in results if not result.get("error")]
    for task in dict.fromkeys(str(result["model"]).partition(".")[0] for result in fitted):
        own = [result for result in fitted if str(result["model"]).startswith(f"{task}.")]
        metric, name = ("accuracy",) * 2 if "accuracy" in own[0]["metrics"] else ("r2", "R²")
        scores = {str(result["model"]): result["metrics"].get(metric, 0) for result in own}
        best = max(scores, key=lambda model: scores[model])
        lines.append(
            f"{task}: {len(own)} nodes, best {best.partition('.')[2]} "
            f"({name} {format_metric(scores[best])} on held-out rows)"
        )
    return lines


def failures(results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Each model that could not be fitted, and why."""
    return {str(result["model"]): str(result["error"]) for result in results if result.get("error")}
