"""Builds the input form of a task from its schema.

Inputs start empty. The page checks only that nothing is missing; the service checks the values, and its
message is shown beside the input. Inputs are kept per task and schema.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from concord.errors import InvalidInput
from concord.tasks.schema import Feature, TaskSchema
from frontend.text import wording
from frontend.text.language import N_, _, task_gettext

SAFE_INTEGER: Final = (1 << 53) - 1
"""The largest whole number that a browser holds exactly; Streamlit refuses larger bounds."""

EMPTY: Final = N_("Fill this in.")

InputValue = float | int | str | None


@dataclass(frozen=True)
class FormEntry:
    """What a form holds now.

    Attributes:
        values: Column → what was entered; None where nothing was.
        slots: Column → the place beside its input where a message goes.
        is_submitted: Whether the person has just asked.
    """

    values: Mapping[str, InputValue]
    slots: Mapping[str, DeltaGenerator]
    is_submitted: bool

    def row(self) -> dict[str, float | str]:
        """The columns that were filled in."""
        return {name: value for name, value in self.values.items() if value is not None}

    def missing(self) -> dict[str, str]:
        """A message for each column that is empty."""
        return {name: _(EMPTY) for name, value in self.values.items() if value is None}

    def mark(self, problems: Mapping[str, str]) -> None:
        """Shows messages beside the inputs that they are about."""
        for name, message in problems.items():
            if name in self.slots:
                self.slots[name].error(wording.escape(message), icon=":material/error:")


def draw_form(schema: TaskSchema, button: str) -> FormEntry:
    """Draws the form of a task.

    Args:
        schema: What to ask for.
        button: What the button says.
    """
    st.button(_("Fill in the example"), icon=":material/edit_note:", on_click=_fill, args=(schema,))
    with st.form(f"form/{schema.task}", enter_to_submit=True):
        values: dict[str, InputValue] = {}
        slots: dict[str, DeltaGenerator] = {}
        # Row by row, so that on a narrow screen, where columns stack, the order stays the schema's.
        for start in range(0, len(schema.features), 2):
            for feature, column in zip(schema.features[start : start + 2], st.columns(2), strict=False):
                with column, st.container(gap="xxsmall"):
                    values[feature.name] = _input(schema, feature)
                    slots[feature.name] = st.empty()
                    st.markdown(f":small[{wording.escape(wording.describe_range(feature))}]")
        is_submitted = st.form_submit_button(
            button, type="primary", icon=":material/how_to_vote:", width="stretch"
        )
    return FormEntry(values, slots, is_submitted)


def _key(schema: TaskSchema, feature: Feature) -> str:
    """The key of an input in the session; the digest keeps inputs of another schema apart."""
    return f"{schema.task}/{schema.digest[:12]}/{feature.name}"


def _fill(schema: TaskSchema) -> None:
    """Fills in the schema's example, without values that the schema itself refuses."""
    for feature in schema.features:
        try:
            read = feature.read(feature.example)
        except InvalidInput:
            continue
        value = feature.example if feature.kind == "choice" else read
        st.session_state[_key(schema, feature)] = int(read) if feature.kind == "integer" else value


def _input(schema: TaskSchema, feature: Feature) -> InputValue:
    if feature.kind == "choice":
        return st.selectbox(
            wording.format_feature(feature),
            feature.choices,
            index=None,
            placeholder=_("Choose"),
            format_func=task_gettext,
            key=_key(schema, feature),
            help=_help(feature),
            persist_state="session",
        )
    whole = feature.kind == "integer"
    least, most = _bounds(feature)
    value: InputValue = st.number_input(
        wording.format_feature(feature),
        min_value=least,
        max_value=most,
        value=None,
        step=int(_step(feature)) if whole else _step(feature),
        # %g shows a number as it was entered, where %f would cut or pad it.
        format="%d" if whole else "%g",
        placeholder=_("e.g. {example}", example=wording.format_number(float(feature.example))),
        key=_key(schema, feature),
        help=_help(feature),
        persist_state="session",
    )
    return value


def _help(feature: Feature) -> str:
    parts = [wording.escape(task_gettext(feature.description))] if feature.description else []
    if wording.describe_range(feature):
        parts.append(_("Admitted: {hint}.", hint=wording.escape(wording.describe_range(feature))))
    parts.append(_("Column `{name}`.", name=feature.name.replace("`", "")))
    return " ".join(parts)


def _bounds(feature: Feature) -> tuple[float | None, float | None]:
    """The bounds of the input; whole numbers for an integer, as Streamlit wants them."""
    low, high = feature.minimum, feature.maximum
    if feature.kind != "integer":
        return (None if low is None else float(low)), (None if high is None else float(high))
    least = None if low is None or abs(low) > SAFE_INTEGER else math.ceil(low)
    most = None if high is None or abs(high) > SAFE_INTEGER else math.floor(high)
    return least, most


def _step(feature: Feature) -> float:
    """The step of + and −: a tenth of the example's order of magnitude; at least 1 for whole numbers."""
    size = abs(float(feature.example)) or 1.0
    step = 10.0 ** (math.floor(math.log10(size)) - 1)
    return max(1.0, step) if feature.kind == "integer" else step
