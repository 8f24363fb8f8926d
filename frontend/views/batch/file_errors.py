"""Says what is wrong with a person's file: where, what, and what to do about it."""

from collections.abc import Mapping, Sequence
from typing import Final

import streamlit as st

from concord.tasks.csv_rows import InvalidTable, Problem, ProblemKind
from concord.tasks.schema import Feature, TaskSchema
from frontend.components.table import show_table
from frontend.text import language, wording
from frontend.text.language import N_, _, ngettext
from frontend.views.batch.uploads import MOST_BYTES, MOST_ROWS, UnreadableFile, UploadFault

SHOWN_CHOICES: Final = 12
LONGEST_TEXT: Final = 60

_NO_SHEET: Final[Mapping[UploadFault, str]] = {
    "empty": N_("**The file is empty.** It needs the names of the columns and a line for each row."),
    "no_rows": N_("**The file has no rows.** Below the names of the columns it needs a line for each row."),
    "encoding": N_(
        "**The file’s letters cannot be read: it is not in UTF-8.** In the spreadsheet choose “Save as” and "
        "the format “CSV UTF-8”, then bring it again."
    ),
    "sheet": N_(
        "**This is a spreadsheet and no CSV file.** Open it, choose “Save as” and the format “CSV UTF-8”, "
        "then bring that file."
    ),
    "csv": N_(
        "**This is no CSV file.** Most often a quotation mark is opened and never closed. Save it from the "
        "spreadsheet as “CSV UTF-8”, then bring it again."
    ),
    "too_large": N_(
        "**The file is too large:** it has {count} MB, and {most} MB are admitted. Leave out the columns "
        "that the task does not need, or split the file."
    ),
    "too_many": N_(
        "**The file has too many rows:** {most} are admitted at once. Split it, or ask the operator for "
        "`concord predict --file`, which takes more."
    ),
    "wide": N_(
        "**The file has too many columns.** Leave out those that the task does not need, then bring it again."
    ),
}

_WRONG: Final[Mapping[ProblemKind, str]] = {
    "missing": N_("The column is missing."),
    "repeated": N_("The column is there more than once."),
    "cells": N_("The line has {found} cells, the header {meant}."),
    "empty": N_("The cell is empty."),
    "csv": N_("The line is no CSV."),
    "comma": N_("“{found}” has a comma."),
    "thousands": N_("“{found}” has signs between its thousands."),
    "ambiguous": N_("“{found}” may be two numbers: the sign may stand before decimals or between thousands."),
    "text": N_("“{found}” is no number."),
    "large": N_("“{found}” is too large for any model."),
    "whole": N_("“{found}” is no whole number."),
    "range": N_("“{found}” is not admitted."),
    "choice": N_("“{found}” is none of the choices."),
}

_REMEDIES: Final[Mapping[ProblemKind, str]] = {
    "missing": N_("Add it; the template has every column."),
    "repeated": N_("Keep one of them."),
    "cells": N_("Look for a separator or a quotation mark too many or too few in this line."),
    "csv": N_("Put quotation marks around the whole cell, and double those in it."),
    "comma": N_("Write {meant}."),
    "thousands": N_("Write {meant}."),
    "ambiguous": N_("Write one of these: {meant}."),
}


def show_unreadable(fault: UnreadableFile) -> None:
    """Says why a file cannot be read at all."""
    count, most = float(fault.count), float(MOST_ROWS)
    if fault.kind == "too_large":
        count, most = count / (1 << 20), MOST_BYTES / (1 << 20)
    text = _(
        _NO_SHEET[fault.kind],
        count=language.format_decimal(count, "#,##0.#"),
        most=language.format_decimal(most),
    )
    st.error(text, icon=":material/error:")
    st.markdown(_("Nothing was sent."))


def show_problems(faulty: InvalidTable, schema: TaskSchema) -> None:
    """Shows the first problems, and how many there are."""
    st.error(
        ngettext(
            "**One thing in the file is wrong.** Nothing was sent. Mend it, then bring the file again.",
            "**{count} things in the file are wrong.** Nothing was sent. Mend them, then bring it again.",
            faulty.count,
        ),
        icon=":material/error:",
    )
    more = faulty.count - len(faulty.problems)
    if more:
        count = language.format_decimal(len(faulty.problems))
        st.markdown(_("The first {shown} are shown; mended, the others come to light.", shown=count))
    text = st.column_config.TextColumn
    show_table(
        list_problems(faulty.problems, schema),
        _("What is wrong in the file, line by line."),
        {
            _("Line"): st.column_config.NumberColumn(width=60, pinned=True, format="%d"),
            _("Column"): text(width="small"),
            _("What is wrong"): text(width="medium"),
            _("What to do"): text(width="large"),
        },
    )


def list_problems(problems: Sequence[Problem], schema: TaskSchema) -> list[dict[str, str | int | None]]:
    """The table's rows."""
    features = {feature.name: feature for feature in schema.features}
    return [
        {
            _("Line"): problem.line,
            _("Column"): problem.column,
            _("What is wrong"): _(_WRONG[problem.kind], found=_short(problem.text), meant=problem.meant),
            _("What to do"): _remedy(problem, features.get(problem.column or "")),
        }
        for problem in problems
    ]


def describe_admitted(feature: Feature) -> str:
    """What a cell may hold."""
    if feature.kind != "choice":
        return wording.describe_range(feature)
    # The file is read in the schema's own words, so they are said as they stand.
    choices = ", ".join(feature.choices[:SHOWN_CHOICES])
    more = len(feature.choices) - SHOWN_CHOICES
    return _("{choices} and {more} more", choices=choices, more=more) if more > 0 else choices


def _remedy(problem: Problem, feature: Feature | None) -> str:
    if problem.kind == "missing" and problem.meant:
        return _("Is it “{meant}”? Then rename that one.", meant=problem.meant)
    if problem.kind in _REMEDIES:
        return _(_REMEDIES[problem.kind], meant=problem.meant)
    if problem.meant:
        return _("Is it “{meant}”?", meant=problem.meant)
    return _("Enter: {admitted}.", admitted=describe_admitted(feature) if feature else "")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
