"""The page where a person brings a file: its lines are checked, then asked about, then taken away again.

Nothing is sent before every line is good. A batch goes on where it was when the page is drawn anew or
left for another one; it ends with the session. Rows that got no answer can be asked again alone.
"""

from functools import partial
from typing import Final

import streamlit as st

from concord.tasks.csv_rows import COMMA_SEPARATED, CsvDialect, InvalidTable, Table
from concord.tasks.schema import Feature, TaskSchema
from concord.types.answers import TaskSummary
from frontend.components import states
from frontend.components import task_picker as choice
from frontend.text import language
from frontend.text import wording as words
from frontend.text.language import say, say_count, told
from frontend.views.batch import data as asking
from frontend.views.batch import failures, faults, replies, uploads
from frontend.views.batch.data import Batch
from frontend.views.batch.uploads import NoSheet

SEMICOLONS: Final = CsvDialect(";", comma=True)
"""As spreadsheets write where decimals follow a comma."""

Kept = Batch | InvalidTable | NoSheet
"""What became of a person's file."""


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    tasks = choice.tasks(url)
    if not tasks:
        return
    task = choice.task(tasks)
    schema = choice.schema(url, task)
    if schema is None:
        return
    if not task.ready:
        states.not_ready(url, task)
    kept = _bring(task, schema)
    if kept is None:
        st.info(say("**No file yet.** Take the template, fill it in, bring it here."), icon=":material/info:")
    elif isinstance(kept, NoSheet):
        faults.no_sheet(kept)
    elif isinstance(kept, InvalidTable):
        faults.table(kept, schema)
    else:
        _ask(url, task, schema, kept)


def _bring(task: TaskSummary, schema: TaskSchema) -> Kept | None:
    """Offers the template, takes the file, checks it; the same file is checked once."""
    dialect = SEMICOLONS if language.current() == "fr" else COMMA_SEPARATED
    st.download_button(
        say("Download the template"),
        partial(uploads.template, schema, dialect),
        file_name=f"{task.task}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.expander(say("What the columns mean")):
        st.markdown("\n".join(map(_column, schema.features)))
    place = f"batch/{task.task}/{schema.digest}"
    file = st.file_uploader(
        say("Your file, as CSV"),
        uploads.EXTENSIONS,
        key=f"{place}/file",
        max_upload_size=uploads.MOST_BYTES >> 20,
        on_change=_drop,
        args=(place,),
    )
    limits = say(
        "At most {rows} rows and {megabytes} MB, in UTF-8, with the template’s columns.",
        rows=language.decimal(uploads.MOST_ROWS),
        megabytes=uploads.MOST_BYTES >> 20,
    )
    st.markdown(words.small(limits))
    if file is not None and place not in st.session_state:
        with st.spinner(say("Checking every line…")):
            found = uploads.take(file.getvalue(), schema)
        st.session_state[place] = Batch(file.name, found) if isinstance(found, Table) else found
    kept: Kept | None = st.session_state.get(place)
    return kept


def _drop(place: str) -> None:
    st.session_state.pop(place, None)


def _column(feature: Feature) -> str:
    name = feature.name.replace("`", "")
    about = words.plain(told(feature.description)) if feature.description else words.label(feature)
    admitted, example = words.plain(faults.admitted(feature)), feature.example
    return f"- `{name}`: {about} " + say(
        "Admitted: {admitted}. Example: {example}.",
        admitted=admitted,
        example=words.plain(example if isinstance(example, str) else words.number(example)),
    )


def _ask(url: str, task: TaskSummary, schema: TaskSchema, batch: Batch) -> None:
    if batch.is_running:
        _run(url, task, batch)
    if not batch.is_begun:
        _ready(batch)
        return
    _progress(schema, batch)
    with st.container(horizontal=True):
        _go_on(batch)
        st.download_button(
            say("Download the answers"),
            partial(replies.csv, schema, batch),
            file_name=f"{task.task}-answers.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    replies.table(schema, batch)


def _ready(batch: Batch) -> None:
    rows = len(batch.table.rows)
    st.success(
        say_count(
            "**Every line is good.** One row of {file} can be asked.",
            "**Every line is good.** {count} rows of {file} can be asked.",
            rows,
            file=words.plain(batch.name),
        ),
        icon=":material/check_circle:",
    )
    if batch.table.unsent:
        names = words.plain(", ".join(batch.table.unsent))
        st.markdown(say("Not sent, and kept for the answers: {names}.", names=names))
    if batch.table.dialect.comma:
        st.markdown(words.small(say("Decimals after a comma are read as such: 1,5 is one and a half.")))
    st.button(
        say_count("Ask about one row", "Ask about {count} rows", rows),
        type="primary",
        icon=":material/how_to_vote:",
        on_click=batch.begin,
        key="batch/ask",
    )


def _run(url: str, task: TaskSummary, batch: Batch) -> None:
    """Asks slice after slice; a press on Stop, or on anything else, is heard after each."""
    st.button(say("Stop"), icon=":material/stop_circle:", on_click=batch.stop, key="batch/stop")
    bar = st.progress(batch.done, _said(batch))
    for _ in batch.run(asking.asker(url, task.task)):
        bar.progress(batch.done, _said(batch))
    st.rerun()


def _said(batch: Batch) -> str:
    answered, rows = language.decimal(batch.answered), language.decimal(len(batch.replies))
    return say("{answered} of {rows} rows answered. Keep this page open.", answered=answered, rows=rows)


def _progress(schema: TaskSchema, batch: Batch) -> None:
    rows = language.decimal(len(batch.replies))
    if not batch.open:
        said = say_count("**The row is answered.**", "**All {count} rows are answered.**", len(batch.replies))
        st.success(said, icon=":material/check_circle:")
    else:
        answered = language.decimal(batch.answered)
        said = say("**{answered} of {rows} rows are answered.**", answered=answered, rows=rows)
        st.warning(said, icon=":material/warning:")
        failures.show(batch)
    found = replies.summary(schema, batch.replies)
    if found:
        st.markdown(found)


def _go_on(batch: Batch) -> None:
    left = len(batch.open)
    if left:
        st.button(
            say_count(
                "Ask about the row without an answer", "Ask about the {count} rows without an answer", left
            ),
            type="primary",
            icon=":material/refresh:",
            on_click=batch.begin,
            key="batch/again",
        )
