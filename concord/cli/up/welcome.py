"""What `concord up` prints once everything answers: addresses, and what to try first."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from concord.cli.home import Home, read_settings
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
    logs = home.folder / "logs"
    reporter.report(
        "ready",
        f"{OK} Concord is up after {seconds:.0f} s.\n",
        plain="\n".join([*_addresses(service, pages, logs), *_examples(service, tasks)]),
        seconds=round(seconds, 1),
        url=service,
        **{page: pages.get(page) for page in ("page", "mlflow", "prometheus")},
        logs=str(logs),
        tasks=list(tasks),
    )


def _addresses(service: str, pages: Mapping[str, str], logs: Path) -> list[str]:
    addresses = {
        "Answers": f"{service}/docs",
        "Page": pages.get("page"),
        "MLflow": pages.get("mlflow"),
        "Metrics": pages.get("prometheus"),
        "Logs": short_path(logs),
    }
    return [f"  {name:<9}{address}" for name, address in addresses.items() if address]


def _examples(service: str, tasks: Sequence[str]) -> list[str]:
    """What to try first: commands that ask a task about its example row, if one answers."""
    takes_token = read_settings().predict_access == "token"
    task, row = _find_example(service, tasks)
    end = ["", "Ctrl-C stops everything."]
    if not row:
        return end
    concord = f"{command_prefix()}concord"
    commands = [
        *predict_command(task, row),
        "",
        f"curl -s {_trusting(service)}{service}/v1/tasks/{task}/predict \\",
        *(['  -H "authorization: Bearer $CONCORD_TOKEN" \\'] if takes_token else []),
        f"  -H 'content-type: application/json' -d '{json.dumps({'rows': [row]}, ensure_ascii=False)}'",
        "",
        f"{concord} demo       how a consensus comes about, step by step",
        f"{concord} --help     everything else",
    ]
    return ["", "Try it in another terminal:", "", *(f"  {line}" for line in commands), *end]


def _trusting(service: str) -> str:
    """The option by which curl trusts a service that speaks TLS."""
    authority = os.environ.get("CONCORD_CA") if service.startswith("https:") else None
    return f"--cacert {shlex.quote(authority)} " if authority else ""


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
