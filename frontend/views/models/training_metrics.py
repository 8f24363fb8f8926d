"""What the versions of a model measured in training, side by side: metrics and plots.

Metrics and plots are MLflow's. Without MLflow the one metric that the service knows of each version is shown.
"""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from concord.errors import ServiceAway
from concord.settings import Settings
from concord.types.models import ListedVersion, ModelView
from frontend.components.message import show_fault, show_small
from frontend.data import mlflow
from frontend.text.language import N_, _
from frontend.views.models import versions
from frontend.views.models.training_plots import show_plots

MOST_COMPARED: Final = 4
"""Versions side by side; more would not fit."""


def show_training(view: ModelView, listed: Sequence[ListedVersion]) -> None:
    """Draws a link to MLflow's page, the choice of versions, and what they measured.

    Args:
        view: The model.
        listed: Its versions, the newest first; at least one.
    """
    _link_to_mlflow(view)
    st.subheader(_("Side by side"))
    _show_versions(view, listed)


def _link_to_mlflow(view: ModelView) -> None:
    settings = Settings.read()
    address = settings.registry_page or settings.registry
    if address:
        st.link_button(
            _("Open it in MLflow"),
            mlflow.page_link(address, "models", view.name),
            icon=":material/open_in_new:",
        )


def _show_versions(view: ModelView, listed: Sequence[ListedVersion]) -> None:
    chosen = _choose(view, listed)
    if not chosen:
        st.info(_("Choose at least one version."), icon=":material/info:")
        return
    registry = Settings.read().registry
    if registry is None:
        _show_service_metric(view, chosen)
        show_small(
            _("More metrics, and pictures, are shown where this page knows MLflow (`MLFLOW_TRACKING_URI`).")
        )
        return
    try:
        _show_mlflow_runs(registry, view, chosen)
    except ServiceAway as error:
        show_fault(st.warning, N_("**MLflow is away.** {message}"), error.message, ":material/cloud_off:")
        st.markdown(
            _(
                "What the nodes answer does not depend on it. Metrics and pictures are here again once it is "
                "back."
            )
        )
        st.button(_("Try again"), icon=":material/refresh:", key="models/mlflow-again")
        _show_service_metric(view, chosen)


def _choose(view: ModelView, listed: Sequence[ListedVersion]) -> Sequence[ListedVersion]:
    by_number = {version.version: version for version in listed}
    first = [
        number
        for number in dict.fromkeys((view.champion, view.challenger, *by_number))
        if number in by_number
    ]
    numbers = st.multiselect(
        _("Versions side by side"),
        list(by_number),
        default=first[:2],
        format_func=lambda number: versions.format_version(view, number),
        key=f"models/beside/{view.name}",
        max_selections=MOST_COMPARED,
        placeholder=_("Choose versions"),
    )
    return [version for version in listed if version.version in numbers]


def _show_service_metric(view: ModelView, listed: Sequence[ListedVersion]) -> None:
    """The one metric that the service knows of each version."""
    versions.show_metrics(
        view,
        {
            version.version: {}
            if version.metric is None or version.value is None
            else {version.metric: version.value}
            for version in listed
        },
    )


def _show_mlflow_runs(registry: str, view: ModelView, listed: Sequence[ListedVersion]) -> None:
    ids = {version.version: version.run_id for version in listed if version.run_id}
    results = {number: (run_id, mlflow.read_run(registry, run_id)) for number, run_id in ids.items()}
    runs = {number: (run_id, run) for number, (run_id, run) in results.items() if run is not None}
    if len(runs) < len(listed):
        missing = ", ".join(version.version for version in listed if version.version not in runs)
        st.info(
            _(
                "MLflow has no training run of version {versions}: it came from elsewhere, or is gone.",
                versions=missing,
            ),
            icon=":material/info:",
        )
    if not runs:
        _show_service_metric(view, listed)
        return
    versions.show_metrics(view, {version: run.metrics for version, (_run_id, run) in runs.items()})
    show_plots(registry, view, runs)
