"""A batch's answers beside its rows: as a table to look at, as a CSV to take away, and in one sentence.

The CSV is written as the person's own file was, so that it opens where that one did. A row without an
answer keeps its line and says so. Nothing in it is taken for a formula.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import streamlit as st

from concord.tasks.csv_rows import CsvDialect, render_csv
from concord.tasks.schema import TaskSchema
from frontend.text import language
from frontend.text import wording as words
from frontend.text.language import mark, say, told
from frontend.views.batch import uploads
from frontend.views.batch.data import Batch, Reply

SHOWN_CLASSES: Final = 8

STATUSES: Final[Mapping[str, str]] = {
    "ok": mark("✔ all nodes voted"),
    "degraded": mark("◷ enough nodes voted"),
    "no_quorum": mark("✕ too few nodes voted"),
    "not_asked": mark("– no answer yet"),
}


def table(schema: TaskSchema, batch: Batch) -> None:
    """Shows every row with its answer; the answer's columns come first, where a narrow screen begins."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        frame(schema, batch),
        hide_index=True,
        width="stretch",
        placeholder="–",
        alt=say("The rows of the file with their answers."),
        column_config={
            say("Line"): number(width=60, pinned=True, format="%d", help=say("Of the file.")),
            say("Answer"): text(width="small"),
            say("How sure"): number(
                format="%.1f%%", help=say("The probability of the answer, all votes together.")
            ),
            say("Agreement"): number(
                format="%.1f%%", help=say("Share of the weight that stands behind the answer.")
            ),
            say("Status"): text(help=say("Whether all nodes voted.")),
            say("Round id"): text(help=say("By it the round is found and labelled.")),
        },
    )


def frame(schema: TaskSchema, batch: Batch) -> pd.DataFrame:
    """The table: line, answer, then the person's columns, and the round's id."""
    replies, rows = batch.replies, batch.table
    answered: dict[str, list[Any]] = {
        say("Line"): list(rows.lines),
        say("Answer"): [_said(schema, reply) for reply in replies],
    }
    if not schema.is_regression:
        answered[say("How sure")] = [_percent(reply.sure if reply else None) for reply in replies]
    answered |= {
        say("Agreement"): [_percent(reply.agreement if reply else None) for reply in replies],
        say("Status"): [say(STATUSES[_status(reply)]) for reply in replies],
    }
    columns = zip(*rows.cells, strict=True)
    # A column of the person's may have the name of one of ours.
    theirs = {
        f"{name} ({say('file')})" if name in answered or name == say("Round id") else name: list(cells)
        for name, cells in zip(rows.header, columns, strict=True)
    }
    return pd.DataFrame({**answered, **theirs, say("Round id"): [reply and reply.id for reply in replies]})


def csv(schema: TaskSchema, batch: Batch) -> bytes:
    """The person's file with the answers' columns behind theirs."""
    sure = () if schema.is_regression else ("sure",)
    added = ("answer", *sure, "agreement", "status", "id")
    dialect = batch.table.dialect
    answers = (_cells(reply, dialect, is_sure=bool(sure)) for reply in batch.replies)
    return uploads.encoded(render_csv(batch.table, added, answers))


def summary(schema: TaskSchema, replies: Sequence[Reply | None]) -> str:
    """How often which answer, or from where to where the values go; empty without any."""
    given = [reply for reply in replies if reply is not None and reply.status != "no_quorum"]
    if schema.is_regression:
        values = sorted(reply.value for reply in given if reply.value is not None)
        if not values:
            return ""
        low, middle, high = values[0], values[len(values) // 2], values[-1]
        return say(
            "From {low} to {high}, half of them up to {middle}.",
            low=words.plain(words.value(schema, low)),
            middle=words.plain(words.value(schema, middle)),
            high=words.plain(words.value(schema, high)),
        )
    counted = Counter(reply.label for reply in given if reply.label is not None).most_common(SHOWN_CLASSES)
    return " · ".join(f"{words.plain(told(name))} **{language.decimal(count)}**" for name, count in counted)


def _said(schema: TaskSchema, reply: Reply | None) -> str | None:
    if reply is None:
        return None
    if reply.value is not None:
        return words.value(schema, reply.value)
    return None if reply.label is None else told(reply.label)


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _status(reply: Reply | None) -> str:
    return "not_asked" if reply is None else reply.status


def _cells(reply: Reply | None, dialect: CsvDialect, *, is_sure: bool) -> tuple[str, ...]:
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
