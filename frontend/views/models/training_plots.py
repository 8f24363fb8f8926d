"""Plots that the training kept in MLflow, of several versions side by side.

On a narrow screen they stand below one another.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import streamlit as st

from concord.types.models import ModelView
from frontend.components.message import show_small
from frontend.data import mlflow
from frontend.text.language import N_, _
from frontend.views.models import versions


class PlotKind(NamedTuple):
    """A kind of plot: its title, and a text for those who do not see it."""

    title: str
    text: str


KINDS: Final[Mapping[str, PlotKind]] = {
    "predicted_actual.png": PlotKind(
        N_("Predicted against actual values"),
        N_(
            "A dot for each held-out row: across is what was true, up is what version {version} of {model} "
            "said. On the line both are the same."
        ),
    ),
    "confusion_matrix.png": PlotKind(
        N_("Confusion matrix"),
        N_(
            "How many held-out rows of each class (lines) version {version} of {model} put into which class "
            "(columns). Those on the diagonal are right."
        ),
    ),
    "roc.png": PlotKind(
        N_("ROC curve"),
        N_("True positives against false positives of version {version} of {model}, a line for each class."),
    ),
    "loss.png": PlotKind(
        N_("Training loss"),
        N_("The loss of version {version} of {model} from epoch to epoch."),
    ),
}
"""File names as `training/fitting/plots.py` gives them, in the order in which they are shown."""


def show_plots(registry: str, view: ModelView, runs: Mapping[str, tuple[str, mlflow.Run]]) -> None:
    """Draws what the runs of some versions kept.

    Args:
        registry: MLflow's address.
        view: The model.
        runs: Version → the id of its run, and the run.

    Raises:
        ServiceAway: MLflow does not serve.
    """
    kinds = [name for name in KINDS if any(name in run.plots for _run_id, run in runs.values())]
    if not kinds:
        st.info(_("These versions keep no pictures in MLflow."), icon=":material/hide_image:")
        return
    for name in kinds:
        st.markdown(f"**{_(KINDS[name].title)}**")
        for column, (version, (run_id, run)) in zip(st.columns(len(runs)), runs.items(), strict=True):
            with column:
                image = mlflow.read_plot(registry, run_id, name) if name in run.plots else None
                _show_plot(view, version, name, image)


def _show_plot(view: ModelView, version: str, name: str, image: bytes | None) -> None:
    caption = versions.format_version(view, version)
    if image is None:
        show_small(_("{version}: no such picture", version=caption))
        return
    text = _(KINDS[name].text, version=version, model=view.name)
    # Drawn at 450 pixels; larger they would only be blurred.
    st.image(image, caption=caption, alt=text, width="content")
