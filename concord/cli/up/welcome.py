"""What `concord up` prints once everything answers: addresses, and what to try first."""

import json
from collections.abc import Mapping, Sequence

from concord.cli.home import Home
from concord.cli.text.key_values import command_prefix, predict_command
from concord.cli.up.reporter import OK, Reporter, short_path
from concord.errors import ConcordError
from concord.tasks.values import Row


def report_ready(
    reporter: Reporter,
    home: Home,
    service: str,
    pages: Mapping[str, str],
    tasks: Sequence[str],
    seconds: float,
) -> None:
    """Reports where everything answers.

    Args:
        reporter: Prints it.
        home: The home folder, with the logs.
        service: The consensus service's URL.
        pages: Name → URL of the pages that run.
        tasks: The tasks whose nodes were started.
        seconds: How long the start took.
    """
    addresses = {
        "Answers": f"{service}/docs",
        "Page": pages.get("page"),
        "MLflow": pages.get("mlflow"),
        "Metrics": pages.get("prometheus"),
        "Logs": short_path(home.folder / "logs"),
    }
    lines = [f"  {name:<9}{address}" for name, address in addresses.items() if address]
    task, row = _find_example(service, tasks)
    if row:
        examples = (f"  {line}" for line in _examples(service, task, row))
        lines += ["", "Try it in another terminal:", "", *examples]
    lines += ["", "Ctrl-C stops everything."]
    reporter.report(
        "ready",
        f"{OK} Concord is up after {seconds:.0f} s.\n",
        plain="\n".join(lines),
        seconds=round(seconds, 1),
        url=service,
        page=pages.get("page"),
        mlflow=pages.get("mlflow"),
        prometheus=pages.get("prometheus"),
        logs=str(home.folder / "logs"),
        tasks=list(tasks),
    )


def _examples(service: str, task: str, row: Row) -> list[str]:
    """Commands that ask a task about its example row."""
    concord = f"{command_prefix()}concord"
    return [
        *predict_command(task, row),
        "",
        f"curl -s {service}/v1/tasks/{task}/predict -H 'content-type: application/json' \\",
        f"  -d '{json.dumps({'rows': [row]}, ensure_ascii=False)}'",
        "",
        f"{concord} demo       how a consensus comes about, step by step",
        f"{concord} --help     everything else",
    ]


def _find_example(service: str, tasks: Sequence[str]) -> tuple[str, Row]:
    """The first task that answers, `iris` before others, and its example; an empty row where none does."""
    from concord.client import Client

    with Client(service, timeout=3.0) as client:
        for task in sorted(tasks, key=lambda name: name != "iris"):
            try:
                return task, dict(client.task(task).example)
            except ConcordError:
                continue
    return "", {}
