"""The answers of a batch beside its rows: as a table, as a CSV, and in one sentence.

The CSV is written as the person's file was. A row without an answer keeps its line, and no cell is taken
for a formula.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from concord.tasks.csv_dialect import CsvDialect
from concord.tasks.csv_rows import render_csv
from concord.tasks.schema import TaskSchema
from frontend.components.table import show_table
from frontend.text import language, wording
from frontend.text.language import N_, _, task_gettext
from frontend.views.batch import uploads
from frontend.views.batch.data import Batch, RowAnswer

SHOWN_CLASSES: Final = 8

STATUSES: Final[Mapping[str, str]] = {
    "ok": N_("✔ all nodes voted"),
    "degraded": N_("◷ enough nodes voted"),
    "no_quorum": N_("✕ too few nodes voted"),
    "not_asked": N_("– no answer yet"),
}


def show_answers(schema: TaskSchema, batch: Batch) -> None:
    """Shows every row with its answer; the answer's columns come first, where a narrow screen begins."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    show_table(
        answer_frame(schema, batch),
        _("The rows of the file with their answers."),
        {
            _("Line"): number(width=60, pinned=True, format="%d", help=_("Of the file.")),
            _("Answer"): text(width="small"),
            _("How sure"): number(
                format="%.1f%%", help=_("The probability of the answer, all votes together.")
            ),
            _("Agreement"): number(
                format="%.1f%%", help=_("Share of the weight that stands behind the answer.")
            ),
            _("Status"): text(help=_("Whether all nodes voted.")),
            _("Round id"): text(help=_("By it the round is found and labelled.")),
        },
    )


def answer_frame(schema: TaskSchema, batch: Batch) -> pd.DataFrame:
    """The table: line, answer, then the person's columns, and the round's id."""
    replies, rows = batch.replies, batch.table
    answered: dict[str, list[Any]] = {
        _("Line"): list(rows.lines),
        _("Answer"): [_format_answer(schema, reply) for reply in replies],
    }
    if not schema.is_regression:
        answered[_("How sure")] = [_percent(reply.sure if reply else None) for reply in replies]
    answered |= {
        _("Agreement"): [_percent(reply.agreement if reply else None) for reply in replies],
        _("Status"): [_(STATUSES[_status(reply)]) for reply in replies],
    }
    columns = zip(*rows.cells, strict=True)
    # A column of the person's may have the name of one of ours.
    own_columns = {
        f"{name} ({_('file')})" if name in answered or name == _("Round id") else name: list(cells)
        for name, cells in zip(rows.header, columns, strict=True)
    }
    return pd.DataFrame({**answered, **own_columns, _("Round id"): [reply and reply.id for reply in replies]})


def write_csv(schema: TaskSchema, batch: Batch) -> bytes:
    """The person's file with the answers' columns behind theirs."""
    sure = () if schema.is_regression else ("sure",)
    added = ("answer", *sure, "agreement", "status", "id")
    dialect = batch.table.dialect
    answers = (_cells(reply, dialect, is_sure=bool(sure)) for reply in batch.replies)
    return uploads.encode_csv(render_csv(batch.table, added, answers))


def summarise(schema: TaskSchema, replies: Sequence[RowAnswer | None]) -> str:
    """How often each label was answered, or the range of the values; empty without answers."""
    answers = [reply for reply in replies if reply is not None and reply.status != "no_quorum"]
    if schema.is_regression:
        values = sorted(reply.value for reply in answers if reply.value is not None)
        if not values:
            return ""
        low, middle, high = values[0], values[len(values) // 2], values[-1]
        return _(
            "From {low} to {high}, half of them up to {middle}.",
            low=wording.escape(wording.format_value(schema, low)),
            middle=wording.escape(wording.format_value(schema, middle)),
            high=wording.escape(wording.format_value(schema, high)),
        )
    counted = Counter(reply.label for reply in answers if reply.label is not None).most_common(SHOWN_CLASSES)
    return " · ".join(
        f"{wording.escape(task_gettext(name))} **{language.format_decimal(count)}**"
        for name, count in counted
    )


def _format_answer(schema: TaskSchema, reply: RowAnswer | None) -> str | None:
    if reply is None:
        return None
    if reply.value is not None:
        return wording.format_value(schema, reply.value)
    return None if reply.label is None else task_gettext(reply.label)


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _status(reply: RowAnswer | None) -> str:
    return "not_asked" if reply is None else reply.status


def _cells(reply: RowAnswer | None, dialect: CsvDialect, *, is_sure: bool) -> tuple[str, ...]:
    if reply is None:
        return ("", *([""] if is_sure else []), "", "not_asked", "")
    answer = reply.label if reply.label is not None else _decimal(reply.value, dialect, "")
    sure = (_decimal(reply.sure, dialect),) if is_sure else ()
    return (answer, *sure, _decimal(reply.agreement, dialect), reply.status, reply.id)


def _decimal(number: float | None, dialect: CsvDialect, form: str = ".6f") -> str:
    if number is None:
        return ""
    text = format(number, form) if form else repr(number)
    return text.replace(".", ",") if dialect.comma else text
