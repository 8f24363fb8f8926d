"""Rows of a task in a CSV file, and the answers beside them in another.

Every line is checked before anything is sent, and the answers are written when all are there. The answers'
file is opened in spreadsheets: a text cell that looks like a formula is written with an apostrophe before it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from concord.cli.files.csv_file import open_table
from concord.cli.files.out_file import check_out
from concord.errors import Conflict, InvalidInput
from concord.tasks.csv_rows import InvalidTable, Table, expected_columns, read_table
from concord.tasks.csv_rows import render_csv as render_sheet
from concord.tasks.empty_rules import NO_RULES, EmptyRule
from concord.tasks.schema import TaskSchema
from concord.types.answers import Verdict

ADDED: Final = ("answer", "agreement", "status", "id")
"""Columns that the answers' file has beside the input's."""


def load(
    path: Path,
    schema: TaskSchema,
    rules: Mapping[str, EmptyRule] = NO_RULES,
    *,
    skip_invalid: bool = False,
) -> Table:
    """Reads and checks a file whose header names the task's columns.

    Args:
        path: The file.
        schema: The task's.
        rules: What empty cells become.
        skip_invalid: Whether lines that are wrong are left out.

    Raises:
        InvalidInput: Names the file, the line as an editor counts it, the column and the remedy.
    """
    with open_table(path, "--file", expected_columns(schema)) as reader:
        table = read_table(reader, reader, schema, rules, skip_invalid=skip_invalid)
        if isinstance(table, InvalidTable):
            raise _refused(path, reader.header_line, table, has_rules=bool(rules))
    if not table.rows and table.skipped:
        first = table.skipped[0]
        raise InvalidInput(
            f"{path}: all {len(table.skipped)} lines are wrong. Line {first.number}: {first.reason}",
            field="--file",
        )
    if not table.rows:
        raise InvalidInput(f"{path} has a header and no rows.", field="--file")
    return table


def render(table: Table, verdicts: Iterable[Verdict]) -> str:
    """The answers' file: the input's columns, then `ADDED`."""
    return render_sheet(table, ADDED, map(_cells, verdicts))


def skipped_path(source: Path) -> Path:
    """Where the lines go that were left out: `answers.csv` → `answers.skipped.csv`."""
    name = source.name
    for end in (".gz", ".csv"):
        name = name.removesuffix(end)
    return source.with_name(f"{name}.skipped.csv")


def check_target(source: Path, target: Path, *, force: bool, option: str = "--out") -> None:
    """Refuses a target that would overwrite something, before any work is done."""
    if target.exists() and source.exists() and target.samefile(source):
        raise Conflict(f"{target} is the file that is read; name another one.", field=option)
    check_out(target, force=force, option=option)


def _refused(path: Path, header: int, faulty: InvalidTable, *, has_rules: bool) -> InvalidInput:
    """The first fault; of the lines below the header also how many more are wrong."""
    problem = faulty.problems[0]
    others = f" {faulty.lines - 1} more lines are wrong." if faulty.lines > 1 else ""
    remedy = ""
    if problem.kind == "empty" and has_rules:
        remedy = " The task's rules fill no such cell."
    elif problem.kind == "empty":
        remedy = " --rules fills empty cells by the task's rules."
    remedy += " --skip-invalid leaves wrong lines out."
    sent = "" if problem.line == header else f"{others} Nothing was sent.{remedy}"
    return InvalidInput(
        f"{path}, line {problem.line}: {problem.message}{sent}", field=problem.column or "--file"
    )


def _cells(verdict: Verdict) -> tuple[str, ...]:
    answer = (
        verdict.label if verdict.label is not None else "" if verdict.value is None else repr(verdict.value)
    )
    agreement = "" if verdict.agreement is None else f"{verdict.agreement:.6f}"
    return answer, agreement, verdict.status, verdict.id
