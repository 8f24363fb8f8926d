"""What the page Live shows when there are no indicators yet, or not from where they should come."""

import streamlit as st

from concord.errors import ConcordError
from frontend.text import wording
from frontend.text.language import _


def show_without_prometheus(error: ConcordError) -> None:
    """Shows that Prometheus is configured and cannot be used now."""
    st.warning(
        _(
            "**Without Prometheus for now.** {message} These figures are from the service itself. The "
            "setting is `CONCORD_PROMETHEUS`; it is tried again by itself.",
            message=wording.escape(error.message),
        ),
        icon=":material/cloud_off:",
    )


def show_silent(error: ConcordError) -> None:
    """Shows that the service answered earlier and does not now."""
    st.warning(
        _(
            "**The service does not answer just now.** What is shown is from before; this page looks again "
            "by itself. {message}",
            message=wording.escape(error.message),
        ),
        icon=":material/cloud_off:",
    )


def show_nothing_asked() -> None:
    """Shows that nothing was asked since the service started."""
    st.info(
        _(
            "**Nothing has been asked yet** since the service started. Ask something on the page Predict, "
            "and its figures appear here within seconds."
        ),
        icon=":material/inbox:",
    )


def show_one_sample(seconds: int) -> None:
    """Shows that a second sample is needed, and when it comes."""
    st.info(
        _(
            "**The first sample is taken.** It takes two to say how much is asked a second: the figures "
            "appear within {seconds} seconds.",
            seconds=seconds,
        ),
        icon=":material/hourglass_top:",
    )
