"""What is wrong with a person's file, in words: where, what, and what to do about it."""

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd
import streamlit as st

from concord.tasks.csv_rows import InvalidTable, Problem, ProblemKind
from concord.tasks.schema import Feature, TaskSchema
from frontend.text import language
from frontend.text import wording as words
from frontend.text.language import mark, say, say_count
from frontend.views.batch.uploads import MOST_BYTES, MOST_ROWS, NoSheet, NoSheetKind

SHOWN_CHOICES: Final = 12
LONGEST_TEXT: Final = 60

_NO_SHEET: Final[Mapping[NoSheetKind, str]] = {
    "empty": mark("**The file is empty.** It needs the names of the columns and a line for each row."),
    "no_rows": mark("**The file has no rows.** Below the names of the columns it needs a line for each row."),
    "encoding": mark(
        "**The file’s letters cannot be read: it is not in UTF-8.** In the spreadsheet choose “Save as” and "
        "the format “CSV UTF-8”, then bring it again."
    ),
    "csv": mark(
        "**This is no CSV file.** Most often a quotation mark is opened and never closed. Save it from the "
        "spreadsheet as “CSV UTF-8”, then bring it again."
    ),
    "too_large": mark(
        "**The file is too large:** it has {count} MB, and {most} MB are admitted. Leave out the columns "
        "that the task does not need, or split the file."
    ),
    "too_many": mark(
        "**The file has too many rows:** {count}, and {most} are admitted at once. Split it, or ask the "
        "operator for `concord predict --file`, which takes more."
    ),
}

_WRONG: Final[Mapping[ProblemKind, str]] = {
    "missing": mark("The column is missing."),
    "repeated": mark("The column is there more than once."),
    "cells": mark("The line has {found} cells, the header {meant}."),
    "empty": mark("The cell is empty."),
    "comma": mark("“{found}” has a comma."),
    "text": mark("“{found}” is no number."),
    "large": mark("“{found}” is too large for any model."),
    "whole": mark("“{found}” is no whole number."),
    "range": mark("“{found}” is not admitted."),
    "choice": mark("“{found}” is none of the choices."),
}

_REMEDIES: Final[Mapping[ProblemKind, str]] = {
    "missing": mark("Add it; the template has every column."),
    "repeated": mark("Keep one of them."),
    "cells": mark("Look for a separator or a quotation mark too many or too few in this line."),
    "comma": mark("Write {meant}."),
}


def no_sheet(fault: NoSheet) -> None:
    """Says why a file cannot be read at all."""
    count, most = float(fault.count), float(MOST_ROWS)
    if fault.kind == "too_large":
        count, most = count / (1 << 20), MOST_BYTES / (1 << 20)
    said = say(_NO_SHEET[fault.kind], count=language.decimal(count, "#,##0.#"), most=language.decimal(most))
    st.error(said, icon=":material/error:")
    st.markdown(say("Nothing was sent."))


def table(faulty: InvalidTable, schema: TaskSchema) -> None:
    """Shows the first problems, and how many there are."""
    st.error(
        say_count(
            "**One thing in the file is wrong.** Nothing was sent. Mend it, then bring the file again.",
            "**{count} things in the file are wrong.** Nothing was sent. Mend them, then bring it again.",
            faulty.count,
        ),
        icon=":material/error:",
    )
    more = faulty.count - len(faulty.problems)
    if more:
        shown = language.decimal(len(faulty.problems))
        st.markdown(say("The first {shown} are shown; mended, the others come to light.", shown=shown))
    text = st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame(rows(faulty.problems, schema)),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=say("What is wrong in the file, line by line."),
        column_config={
            say("Line"): st.column_config.NumberColumn(width=60, pinned=True, format="%d"),
            say("Column"): text(width="small"),
            say("What is wrong"): text(width="medium"),
            say("What to do"): text(width="large"),
        },
    )


def rows(problems: Sequence[Problem], schema: TaskSchema) -> list[dict[str, str | int | None]]:
    """The table's rows."""
    features = {feature.name: feature for feature in schema.features}
    return [
        {
            say("Line"): problem.line,
            say("Column"): problem.column,
            say("What is wrong"): say(_WRONG[problem.kind], found=_short(problem.text), meant=problem.meant),
            say("What to do"): _remedy(problem, features.get(problem.column or "")),
        }
        for problem in problems
    ]


def admitted(feature: Feature) -> str:
    """What a cell may hold."""
    if feature.kind != "choice":
        return words.hint(feature)
    # The file is read in the schema's own words, so they are said as they stand.
    shown = ", ".join(feature.choices[:SHOWN_CHOICES])
    more = len(feature.choices) - SHOWN_CHOICES
    return say("{choices} and {more} more", choices=shown, more=more) if more > 0 else shown


def _remedy(problem: Problem, feature: Feature | None) -> str:
    if problem.kind == "missing" and problem.meant:
        return say("Is it “{meant}”? Then rename that one.", meant=problem.meant)
    if problem.kind in _REMEDIES:
        return say(_REMEDIES[problem.kind], meant=problem.meant)
    if problem.meant:
        return say("Is it “{meant}”?", meant=problem.meant)
    return say("Enter: {admitted}.", admitted=admitted(feature) if feature else "")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
