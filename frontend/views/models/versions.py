"""A model's versions in words and tables: which answers, which is tried beside it, and their metrics."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from concord.types.models import ListedVersion, ModelView
from frontend.components.message import show_small
from frontend.components.table import show_table
from frontend.text import language, times, wording
from frontend.text.language import N_, _

PHASES: Final[Mapping[str, wording.Badge]] = {
    "serving": wording.Badge("✔", ":material/check:", "green", N_("serves alone")),
    "probation": wording.Badge("◌", ":material/visibility:", "blue", N_("tries another version")),
    "watch": wording.Badge("◎", ":material/radar:", "orange", N_("was promoted and is watched")),
}
ROLLING: Final = wording.Badge("↻", ":material/sync:", "orange", N_("is changing over"))

METRICS: Final[Mapping[str, str]] = {
    "accuracy": N_("Accuracy"),
    "precision": N_("Precision"),
    "recall": N_("Recall"),
    "f1": N_("F1 score"),
    "roc_auc": N_("Area under the ROC curve"),
    "log_loss": N_("Log loss"),
    "brier": N_("Brier score"),
    "r2": N_("R²"),
    "mae": N_("Mean absolute error"),
    "mse": N_("Mean squared error"),
    "loss": N_("Training loss"),
    "fit_seconds": N_("Seconds to fit"),
    "onnx_difference": N_("Difference of the ONNX file"),
}
"""Names that the training gives, in its order; others are shown as they are."""

_HIGHER: Final = frozenset({"accuracy", "precision", "recall", "f1", "roc_auc", "r2"})
_LOWER: Final = frozenset({"log_loss", "brier", "mae", "mse"})
"""Metrics of which a lower value is better; of those in neither set none is marked as best."""

BEST: Final = "★"
DIGITS: Final = 4


def phase_badge(view: ModelView) -> wording.Badge:
    """What a model's node is doing."""
    return ROLLING if view.rolling else PHASES[view.phase]


def format_metric_name(name: str) -> str:
    """A metric for people."""
    return _(METRICS[name]) if name in METRICS else name


def format_metric(value: float) -> str:
    """A measurement with as many digits as mean something."""
    return language.format_decimal(float(f"{value:.{DIGITS}g}"), "#,##0.##########")


def describe_role(view: ModelView, version: str) -> str:
    """What a version does now; empty where it does nothing."""
    if version == view.champion:
        return f"✔ {_('answers')}"
    if version == view.challenger:
        return f"◌ {describe_challenger(view.phase)}"
    return ""


def describe_challenger(phase: str) -> str:
    """What the version beside the champion does in a phase."""
    return _("its predecessor, asked beside it") if phase == "watch" else _("tried beside it")


def show_models(views: Sequence[ModelView]) -> None:
    """One line for each model of a task."""
    rows = [
        {
            _("Model"): view.node,
            _("Answers with"): view.champion,
            _("Beside it"): view.challenger,
            _("Phase"): phase_badge(view).text,
            _("Measured"): _format_measured(_find_version(view, view.champion)),
        }
        for view in views
    ]
    show_table(
        rows,
        _("The models of this task: the version that answers, and the one beside it."),
        {
            _("Model"): st.column_config.TextColumn(pinned=True),
            _("Measured"): st.column_config.TextColumn(help=_("On the rows held out in training.")),
        },
    )


def show_versions(view: ModelView, listed: Sequence[ListedVersion]) -> None:
    """One line for each version of a model, the newest first."""
    rows = [
        {
            _("Version"): version.version,
            _("Role"): describe_role(view, version.version),
            _("Alias"): ", ".join(version.aliases),
            _("Registered (UTC)"): times.format_utc_minute(version.created),
            _("Measured"): _format_measured(version),
        }
        for version in listed
    ]
    show_table(
        rows,
        _("The versions of {model}, the newest first.", model=view.name),
        {_("Version"): st.column_config.TextColumn(pinned=True)},
    )


def show_metrics(view: ModelView, measured: Mapping[str, Mapping[str, float]]) -> None:
    """Metrics as lines, versions as columns.

    Args:
        view: The model.
        measured: Version → metric → value.
    """
    show_table(
        list_metrics(view, measured),
        _("What the versions of {model} measured on their held-out rows.", model=view.name),
        {_("Metric"): st.column_config.TextColumn(pinned=True)},
    )
    if len(measured) < 2:
        return
    show_small(
        _(
            "{sign} is the best of a line. Each version was measured on the rows held out in its own "
            "training, which may differ; the comparison on labelled rounds below is of the same rounds.",
            sign=BEST,
        )
    )


def list_metrics(view: ModelView, measured: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """The rows of the table; the best of each, where there is one, with its sign."""
    names_ = {name for metrics in measured.values() for name in metrics}
    names = [*(name for name in METRICS if name in names_), *sorted(names_ - METRICS.keys())]
    rows = []
    for name in names:
        values = {version: metrics[name] for version, metrics in measured.items() if name in metrics}
        best = _best(name, values)
        cells = {
            format_version(view, version): None
            if version not in values
            else format_metric(values[version]) + (f" {BEST}" if version in best else "")
            for version in measured
        }
        rows.append({_("Metric"): format_metric_name(name), **cells})
    return rows


def format_version(view: ModelView, version: str) -> str:
    """A version as the head of a column."""
    role = {view.champion: _("answers"), view.challenger: _("beside it")}.get(version)
    text = _("Version {version}", version=version)
    return f"{text} ({role})" if role else text


def _best(name: str, values: Mapping[str, float]) -> set[str]:
    if len(set(values.values())) < 2 or name not in _HIGHER | _LOWER:
        return set()
    most = max(values.values()) if name in _HIGHER else min(values.values())
    return {version for version, value in values.items() if value == most}


def _find_version(view: ModelView, version: str | None) -> ListedVersion | None:
    versions = view.registry.versions if view.registry else []
    return next((listed for listed in versions if listed.version == version), None)


def _format_measured(version: ListedVersion | None) -> str | None:
    if version is None or version.metric is None or version.value is None:
        return None
    return f"{format_metric_name(version.metric)} {format_metric(version.value)}"
