"""`python -m training describe`: the tasks as Markdown, as `docs/tasks.md` contains them.

A test checks that the file is up to date.
"""

from collections.abc import Iterable, Iterator

import click

from concord.tasks.schema import Feature, TaskSchema
from training.commands.console import TrainingCommand
from training.task import Rule, Task

# Heavy modules are imported by the command that needs them: `--help` answers at once.
# ruff: noqa: PLC0415

INTRODUCTION = """\
# The tasks

Written by `python -m training describe` from the files in `training/tasks/`. A new task is one new
file there, and nothing else: it is found, trained, packaged, served and shown by itself.
[How to write one](new-task.md) has a whole example.

A data file is a CSV with a header, UTF-8, one row a line: `--data TASK=FILE.csv`. Other columns than
those named here are left out on reading, so names of persons and customer numbers go no further. A
missing column, a cell of a wrong type, an unknown choice, a number out of range, no rows or fewer
than two classes end with an error that names column, line and remedy.
"""


@click.command("describe", cls=TrainingCommand)
def describe_command() -> None:
    """Print the tasks as Markdown: features, missing values, answers, nodes."""
    from training.tasks import select

    click.echo(describe(select(())), nl=False)


def describe(tasks: Iterable[Task]) -> str:
    """All tasks as one Markdown document."""
    return "\n".join([INTRODUCTION, *(line for task in tasks for line in _task(task))])


def _task(task: Task) -> Iterator[str]:
    schema = task.schema
    yield from (f"## `{task.name}`: {schema.title}", "", schema.description, "")
    yield from ("| feature | kind | admitted | an empty cell in a file | |", "|---|---|---|---|---|")
    yield from (_feature(feature, task.rule(feature.name)) for feature in schema.features)
    yield from ("", _answers(schema), "")
    columns = " or ".join(f"`{answer.column}`" for answer in task.answers)
    yield from (f"In a file the answer is in the column {columns}.", "")
    yield from (f"Nodes: {', '.join(f'`{node}`' for node in task.nodes)}, compared by {task.metric}.", "")


def _feature(feature: Feature, rule: Rule) -> str:
    admitted = ", ".join(feature.choices) if feature.choices else feature.range_text
    return f"| `{feature.name}` | {feature.kind} | {admitted} | {_empty(rule)} | {feature.description} |"


def _empty(rule: Rule) -> str:
    becomes = "the row is left out" if rule.fill is None else f"read as {rule.fill}"
    also = ", ".join(f"{number:g}" for number in rule.unknown)
    return f"{becomes}; {also} means unknown too" if also else becomes


def _answers(schema: TaskSchema) -> str:
    if schema.value is not None:
        value = schema.value
        return f"Answer: `{value.name}` in {value.unit}, counted in steps of {value.resolution} {value.unit}."
    return "Answer: " + "; ".join(f"`{label.name}` ({label.sentence})" for label in schema.labels) + "."
