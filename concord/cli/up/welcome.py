"""What `concord up` prints once everything answers: addresses, and what to try first."""

import os
from collections.abc import Mapping, Sequence

from concord.cli.home import Home
from concord.cli.up.readiness import home_of
from concord.cli.up.reporter import OK, Reporter, compact, shown
from concord.errors import ConcordError

Row = Mapping[str, float | str]


def welcome(
    voice: Reporter, place: Home, service: str, pages: Mapping[str, str], tasks: Sequence[str], seconds: float
) -> None:
    """Says where everything is."""
    addresses = {
        "Answers": f"{service}/docs",
        "Page": home_of(pages.get("page", "")),
        "MLflow": home_of(pages.get("mlflow", "")),
        "Metrics": home_of(pages.get("prometheus", "")),
        "Logs": shown(place.home / "logs"),
    }
    lines = [f"  {name:<9}{where}" for name, where in addresses.items() if where]
    task, row = _first(service, tasks)
    if row:
        lines += [
            "",
            "Try it in another terminal:",
            "",
            *(f"  {line}" for line in examples(service, task, row)),
        ]
    lines += ["", "Ctrl-C stops everything."]
    voice.say(
        "ready",
        f"{OK} Concord is up after {seconds:.0f} s.\n",
        plain="\n".join(lines),
        seconds=round(seconds, 1),
        url=service,
        page=addresses["Page"] or None,
        mlflow=addresses["MLflow"] or None,
        prometheus=addresses["Metrics"] or None,
        logs=str(place.home / "logs"),
        tasks=list(tasks),
    )


def examples(service: str, task: str, row: Row) -> list[str]:
    """Commands that ask a task about its example."""
    concord = f"{prefix()}concord"
    return [
        *command(task, row),
        "",
        f"curl -s {service}/v1/tasks/{task}/predict -H 'content-type: application/json' \\",
        f"  -d '{compact({'rows': [dict(row)]})}'",
        "",
        f"{concord} demo       how a consensus comes about, step by step",
        f"{concord} --help     everything else",
    ]


def command(task: str, row: Row) -> list[str]:
    """`concord predict` for a row, in lines that a shell takes."""
    import shlex

    words = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in row.items()
    ]
    lines, line = [], f"{prefix()}concord predict {task}"
    for word in map(shlex.quote, words):
        if len(line) + len(word) > 72:
            lines.append(f"{line} \\")
            line = "   "
        line = f"{line} {word}"
    return [*lines, line]


def prefix() -> str:
    """`uv run `, where that is how this command was started."""
    return "uv run " if os.environ.get("UV") else ""


def _first(service: str, tasks: Sequence[str]) -> tuple[str, Row]:
    from concord.client import Client

    with Client(service, timeout=3.0) as client:
        for task in sorted(tasks, key=lambda name: name != "iris"):
            try:
                return task, client.task(task).example
            except ConcordError:
                continue
    return "", {}
