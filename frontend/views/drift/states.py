"""What the page of drift shows when there is little to compare, or nothing: why, and what to do about it."""

import streamlit as st

from concord.errors import ConcordError
from concord.types.drift import DriftReport
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import states
from frontend.data import service
from frontend.text import wording as words
from frontend.text.language import say, say_count, told
from frontend.views.drift import data as drift


def refused(url: str, task: TaskSummary, error: ConcordError) -> None:
    """The service made no report."""
    if error.code == "unknown_profile":
        _no_profile(task)
    elif error.code == "no_quorum":
        states.not_ready(url, task)
    elif error.code in ("unauthorized", "forbidden"):
        _not_allowed(error)
    elif error.code == "service_away":
        states.away(url, error)
    else:
        text = say("**The service made no report.** {message}", message=words.plain(error.message))
        st.error(text, icon=":material/error:")
        again()


def few(report: DriftReport) -> None:
    """Too few rows for an answer: of the rounds, or of what was learned from."""
    if report.rows >= report.least_rows:
        text = say_count(
            "**The models learned from too little to compare with:** {count} row, and it takes {least}.",
            "**The models learned from too little to compare with:** {count} rows, and it takes {least}.",
            report.profile_rows,
            least=report.least_rows,
        )
        st.info(text, icon=":material/hourglass_empty:")
        return
    if report.rows:
        text = say_count(
            "**Too few rounds to say.** {count} round was compared, and it takes {least}. Ask more, or "
            "look further back.",
            "**Too few rounds to say.** {count} rounds were compared, and it takes {least}. Ask more, or "
            "look further back.",
            report.rows,
            least=report.least_rows,
        )
        st.info(text, icon=":material/hourglass_empty:")
        return
    st.info(
        say("**There is no round to compare.** It takes {least}.", least=report.least_rows),
        icon=":material/inbox:",
    )
    st.markdown(
        say(
            "- Nothing was asked in this time: look further back, or ask on the page Predict.\n"
            "- Or the rows were forgotten: they are kept for as many days as `CONCORD_RETENTION_DAYS` says."
        )
    )


def no_labels() -> None:
    """Nobody has said what was true."""
    st.info(
        say("**No labels yet.** Whether errors have grown shows once somebody says what was true of rounds."),
        icon=":material/label_off:",
    )
    st.markdown(say("Say it on the page Predict below an answer, or for many rounds at once from a file:"))
    st.code("uv run concord feedback labels.csv", language="bash")


def again() -> None:
    """Has everything looked at anew."""
    st.button(say("Look again"), icon=":material/refresh:", on_click=_forget, key="drift/again")


def _forget() -> None:
    drift.forget()
    service.forget()


def _no_profile(task: TaskSummary) -> None:
    st.warning(
        say(
            "**The models of {task} do not say what they learned from.** They were fitted before models "
            "carried a profile of their data, or elsewhere. Train them anew, and they will:",
            task=words.plain(told(task.title)),
        ),
        icon=":material/fingerprint:",
    )
    st.code(f"uv run concord train {task.task}", language="bash")
    again()


def _not_allowed(error: ConcordError) -> None:
    st.warning(
        say("**Drift takes a token that reads rounds here.** {message}", message=words.plain(error.message)),
        icon=":material/lock:",
    )
    access.sign_in_hint("drift")
