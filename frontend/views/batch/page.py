"""The page Batch: checks the lines of a file, asks about them, and offers the answers.

Nothing is sent before every line is good. A batch lives as long as its session.
"""

from functools import partial
from typing import Final

import streamlit as st

from concord.tasks.csv_dialect import COMMA_SEPARATED, CsvDialect
from concord.tasks.csv_rows import InvalidTable, Table
from concord.tasks.schema import Feature, TaskSchema
from concord.types.tasks import TaskSummary
from frontend import access
from frontend.components import states, task_picker
from frontend.components.message import offer_download, show_small
from frontend.text import language, wording
from frontend.text.language import _, ngettext, task_gettext
from frontend.views.batch import answers, data, failed_calls, file_errors, uploads
from frontend.views.batch.data import Batch
from frontend.views.batch.uploads import UnreadableFile

SEMICOLONS: Final = CsvDialect(";", comma=True)
"""As spreadsheets write where decimals follow a comma."""

CheckedFile = Batch | InvalidTable | UnreadableFile
"""A file after its check: a batch to ask about, or what is wrong."""


def show(url: str) -> None:
    """Draws the page.

    Args:
        url: The consensus service.
    """
    task = task_picker.pick(url)
    if task is None:
        return
    schema = task_picker.read_schema(url, task)
    if schema is None:
        return
    if not task.ready:
        states.show_not_ready(url, task)
    checked = _upload_file(task, schema)
    if checked is None:
        st.info(_("**No file yet.** Take the template, fill it in, bring it here."), icon=":material/info:")
    elif isinstance(checked, UnreadableFile):
        file_errors.show_unreadable(checked)
    elif isinstance(checked, InvalidTable):
        file_errors.show_problems(checked, schema)
    else:
        _ask(url, task, schema, checked)


def _upload_file(task: TaskSummary, schema: TaskSchema) -> CheckedFile | None:
    """Offers the template, takes a file and checks it once."""
    dialect = SEMICOLONS if language.current() == "fr" else COMMA_SEPARATED
    write = partial(uploads.write_template, schema, dialect)
    offer_download(_("Download the template"), write, f"{task.task}.csv", "text/csv")
    with st.expander(_("What the columns mean")):
        st.markdown("\n".join(map(_column, schema.features)))
    key = f"batch/{task.task}/{schema.digest}"
    file = st.file_uploader(
        _("Your file, as CSV"),
        uploads.EXTENSIONS,
        key=f"{key}/file",
        max_upload_size=uploads.MOST_BYTES >> 20,
        on_change=st.session_state.pop,
        args=(key, None),
    )
    limits = _(
        "At most {rows} rows and {megabytes} MB, in UTF-8, with the template’s columns.",
        rows=language.format_decimal(uploads.MOST_ROWS),
        megabytes=uploads.MOST_BYTES >> 20,
    )
    show_small(limits)
    if file is not None and key not in st.session_state:
        with st.spinner(_("Checking every line…")):
            upload = uploads.read_upload(file.getvalue(), schema)
        st.session_state[key] = Batch(file.name, upload) if isinstance(upload, Table) else upload
    checked: CheckedFile | None = st.session_state.get(key)
    return checked


def _column(feature: Feature) -> str:
    name = feature.name.replace("`", "")
    about = (
        wording.escape(task_gettext(feature.description))
        if feature.description
        else wording.format_feature(feature)
    )
    admitted, example = wording.escape(file_errors.describe_admitted(feature)), feature.example
    return f"- `{name}`: {about} " + _(
        "Admitted: {admitted}. Example: {example}.",
        admitted=admitted,
        example=wording.escape(example if isinstance(example, str) else wording.format_number(example)),
    )


def _ask(url: str, task: TaskSummary, schema: TaskSchema, batch: Batch) -> None:
    if batch.is_running:
        _run(url, task, batch)
    if not batch.is_started:
        _show_ready(batch)
        return
    _show_progress(schema, batch)
    with st.container(horizontal=True):
        _offer_retry(batch)
        write = partial(answers.write_csv, schema, batch)
        offer_download(_("Download the answers"), write, f"{task.task}-answers.csv", "text/csv")
    answers.show_answers(schema, batch)


def _show_ready(batch: Batch) -> None:
    rows = len(batch.table.rows)
    st.success(
        ngettext(
            "**Every line is good.** One row of {file} can be asked.",
            "**Every line is good.** {count} rows of {file} can be asked.",
            rows,
            file=wording.escape(batch.name),
        ),
        icon=":material/check_circle:",
    )
    if batch.table.unsent:
        names = wording.escape(", ".join(batch.table.unsent))
        st.markdown(_("Not sent, and kept for the answers: {names}.", names=names))
    if batch.table.dialect.comma:
        show_small(_("Decimals after a comma are read as such: 1,5 is one and a half."))
    st.button(
        ngettext("Ask about one row", "Ask about {count} rows", rows),
        type="primary",
        icon=":material/how_to_vote:",
        on_click=batch.begin,
        key="batch/ask",
    )


def _run(url: str, task: TaskSummary, batch: Batch) -> None:
    """Asks slice after slice; a press on Stop, or on anything else, takes effect after each."""
    st.button(_("Stop"), icon=":material/stop_circle:", on_click=batch.stop, key="batch/stop")
    bar = st.progress(batch.done, _progress_text(batch))
    for done in batch.run(data.make_predictor(access.find_reader(url).client, task.task)):
        bar.progress(done, _progress_text(batch))
    st.rerun()


def _progress_text(batch: Batch) -> str:
    answered, rows = language.format_decimal(batch.answered), language.format_decimal(len(batch.replies))
    return _("{answered} of {rows} rows answered. Keep this page open.", answered=answered, rows=rows)


def _show_progress(schema: TaskSchema, batch: Batch) -> None:
    rows = language.format_decimal(len(batch.replies))
    if not batch.open:
        text = ngettext("**The row is answered.**", "**All {count} rows are answered.**", len(batch.replies))
        st.success(text, icon=":material/check_circle:")
    else:
        answered = language.format_decimal(batch.answered)
        text = _("**{answered} of {rows} rows are answered.**", answered=answered, rows=rows)
        st.warning(text, icon=":material/warning:")
        failed_calls.show_failed_calls(batch)
    summary = answers.summarise(schema, batch.replies)
    if summary:
        st.markdown(summary)


def _offer_retry(batch: Batch) -> None:
    left = len(batch.open)
    if left:
        st.button(
            ngettext(
                "Ask about the row without an answer", "Ask about the {count} rows without an answer", left
            ),
            type="primary",
            icon=":material/refresh:",
            on_click=batch.begin,
            key="batch/again",
        )
