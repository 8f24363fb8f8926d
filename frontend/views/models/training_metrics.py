"""What the versions of a model measured when they were trained, side by side: numbers and pictures.

The consensus service knows one number of each version. Where this page is told of MLflow, it asks that
for all of them and for the pictures; where MLflow is away, the one number is shown, and that it is away.
"""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from concord.errors import ServiceAway
from concord.settings import Settings
from concord.types.models import ListedVersion, ModelView
from frontend.components.message import show_small
from frontend.data import mlflow
from frontend.text import wording
from frontend.text.language import _
from frontend.views.models import training_plots, versions

MOST_COMPARED: Final = 4
"""Versions side by side; more are neither read nor understood."""


def show_training(view: ModelView, listed: Sequence[ListedVersion]) -> None:
    """Draws a link to MLflow's page, the choice of versions, and what they measured.

    Args:
        view: The model.
        listed: Its versions, the newest first; at least one.
    """
    _link_to_mlflow(view)
    _show_chosen(view, listed)


def _link_to_mlflow(view: ModelView) -> None:
    settings = Settings.read()
    address = settings.registry_page or settings.registry
    if address:
        st.link_button(
            _("Open it in MLflow"),
            mlflow.page_link(address, "models", view.name),
            icon=":material/open_in_new:",
        )


def _show_chosen(view: ModelView, listed: Sequence[ListedVersion]) -> None:
    st.subheader(_("Side by side"))
    numbers = [one.version for one in listed]
    first = [one for one in dict.fromkeys((view.champion, view.challenger, *numbers)) if one in numbers]
    chosen = st.multiselect(
        _("Versions side by side"),
        numbers,
        default=first[:2],
        format_func=lambda version: versions.format_version(view, version),
        key=f"models/beside/{view.name}",
        max_selections=MOST_COMPARED,
        placeholder=_("Choose versions"),
    )
    if not chosen:
        st.info(_("Choose at least one version."), icon=":material/info:")
        return
    chosen_versions = [one for one in listed if one.version in chosen]
    registry = Settings.read().registry
    if registry is None:
        _show_service_metric(view, chosen_versions)
        show_small(
            _("More metrics, and pictures, are shown where this page knows MLflow (`MLFLOW_TRACKING_URI`).")
        )
        return
    try:
        _show_mlflow_runs(registry, view, chosen_versions)
    except ServiceAway as error:
        st.warning(
            _("**MLflow is away.** {message}", message=wording.escape(error.message)),
            icon=":material/cloud_off:",
        )
        st.markdown(
            _(
                "What the nodes answer does not depend on it. Metrics and pictures are here again once it is "
                "back."
            )
        )
        st.button(_("Try again"), icon=":material/refresh:", key="models/mlflow-again")
        _show_service_metric(view, chosen_versions)


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
    found = {one.version: (one.run_id, mlflow.read_run(registry, one.run_id)) for one in listed if one.run_id}
    runs = {version: (run_id, run) for version, (run_id, run) in found.items() if run is not None}
    if len(runs) < len(listed):
        missing = ", ".join(one.version for one in listed if one.version not in runs)
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
    training_plots.show_plots(registry, view, runs)
