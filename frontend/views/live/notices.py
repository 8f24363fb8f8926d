"""What the page of live figures shows where there are none yet, or none from where they should be."""

import streamlit as st

from concord.errors import ConcordError
from frontend.text import wording
from frontend.text.language import _


def show_without_prometheus(error: ConcordError) -> None:
    """Prometheus is configured and not the source just now."""
    st.warning(
        _(
            "**Without Prometheus for now.** {message} These figures are from the service itself. The "
            "setting is `CONCORD_PROMETHEUS`; it is tried again by itself.",
            message=wording.escape(error.message),
        ),
        icon=":material/cloud_off:",
    )


def show_silent(error: ConcordError) -> None:
    """The service answered earlier and does not now."""
    st.warning(
        _(
            "**The service does not answer just now.** What is shown is from before; this page looks again "
            "by itself. {message}",
            message=wording.escape(error.message),
        ),
        icon=":material/cloud_off:",
    )


def show_nothing_asked() -> None:
    """There is a service and nobody has asked it anything."""
    st.info(
        _(
            "**Nothing has been asked yet** since the service started. Ask something on the page Predict, "
            "and its figures appear here within seconds."
        ),
        icon=":material/inbox:",
    )


def show_one_sample(seconds: int) -> None:
    """What there is to see is on its way."""
    st.info(
        _(
            "**The first sample is taken.** It takes two to say how much is asked a second: the figures "
            "appear within {seconds} seconds.",
            seconds=seconds,
        ),
        icon=":material/hourglass_top:",
    )
