"""What the page Drift shows when there is little or nothing to compare: why, and what to do."""

import streamlit as st

from concord.errors import ConcordError
from concord.types.drift import DriftReport
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import states
from frontend.components.message import offer_refresh, show_fault
from frontend.data import service
from frontend.text import wording
from frontend.text.language import N_, _, ngettext, task_gettext
from frontend.views.drift import data


def show_refused(url: str, task: TaskSummary, error: ConcordError) -> None:
    """Shows why the service made no report."""
    if error.code == "unknown_profile":
        _no_profile(task)
    elif error.code == "no_quorum":
        states.show_not_ready(url, task)
    elif error.code in service.CLOSED:
        _not_allowed(error)
    elif error.code == "service_away":
        states.show_away(url, error)
    else:
        show_fault(st.error, N_("**The service made no report.** {message}"), error.message)
        offer_reload()


def show_too_few(report: DriftReport) -> None:
    """Shows that there are too few rows: of the rounds, or of those that the models learned from."""
    if report.rows >= report.least_rows:
        text = ngettext(
            "**The models learned from too little to compare with:** {count} row, and it takes {least}.",
            "**The models learned from too little to compare with:** {count} rows, and it takes {least}.",
            report.profile_rows,
            least=report.least_rows,
        )
    elif report.rows:
        text = ngettext(
            "**Too few rounds to say.** {count} round was compared, and it takes {least}. Ask more, or "
            "look further back.",
            "**Too few rounds to say.** {count} rounds were compared, and it takes {least}. Ask more, or "
            "look further back.",
            report.rows,
            least=report.least_rows,
        )
    else:
        _show_no_rounds(report)
        return
    st.info(text, icon=":material/hourglass_empty:")


def _show_no_rounds(report: DriftReport) -> None:
    text = _("**There is no round to compare.** It takes {least}.", least=report.least_rows)
    st.info(text, icon=":material/inbox:")
    st.markdown(
        _(
            "- Nothing was asked in this time: look further back, or ask on the page Predict.\n"
            "- Or the rows were forgotten: they are kept for as many days as `CONCORD_RETENTION_DAYS` says."
        )
    )


def show_no_labels() -> None:
    """Shows that no round has a label, and where labels come from."""
    st.info(
        _("**No labels yet.** Whether errors have grown shows once somebody says what was true of rounds."),
        icon=":material/label_off:",
    )
    st.markdown(_("Say it on the page Predict below an answer, or for many rounds at once from a file:"))
    st.code("uv run concord feedback labels.csv", language="bash")


def offer_reload() -> None:
    """Draws the button that has the page read everything anew."""
    offer_refresh(_clear_caches, "drift/again")


def _clear_caches() -> None:
    data.clear_cache()
    service.clear_cache()


def _no_profile(task: TaskSummary) -> None:
    st.warning(
        _(
            "**The models of {task} do not say what they learned from.** They were fitted before models "
            "carried a profile of their data, or elsewhere. Train them anew, and they will:",
            task=wording.escape(task_gettext(task.title)),
        ),
        icon=":material/fingerprint:",
    )
    st.code(f"uv run concord train {task.task}", language="bash")
    offer_reload()


def _not_allowed(error: ConcordError) -> None:
    text = N_("**Drift takes a token that reads rounds here.** {message}")
    show_fault(st.warning, text, error.message, ":material/lock:")
    access.show_reading_hint("drift")
