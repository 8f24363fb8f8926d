"""Asks each task its schema's example, as `helm test` does with the service's URL and the tasks' names.

Runs in the consensus image, with nothing but Python's own library. Waits up to two minutes for a task,
since Services learn of new pods with some delay. CONCORD_CA names the certificate of a private authority.
"""
# ruff: noqa: INP001  a file of the chart, in no package

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Any

SECONDS = 120


def fetch(url: str, body: object = None) -> dict[str, Any]:
    """The JSON that is answered; raises OSError for any other status than 200."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    if token := os.environ.get("CONCORD_TOKEN", "").strip():
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data, headers)  # noqa: S310  a Service's
    trust = ssl.create_default_context(cafile=os.environ.get("CONCORD_CA"))
    with urllib.request.urlopen(request, timeout=10, context=trust) as response:  # noqa: S310
        return dict(json.load(response))


def ask(service: str, task: str) -> dict[str, Any]:
    """The verdict on the schema's example."""
    features = fetch(f"{service}/v1/tasks/{task}")["schema"]["features"]
    row = {feature["name"]: feature["example"] for feature in features}
    return dict(fetch(f"{service}/v1/tasks/{task}/predict", {"rows": [row]})["verdicts"][0])


def ask_until_answered(service: str, task: str, end: float) -> dict[str, Any]:
    """The verdict, as soon as there is one."""
    while True:
        try:
            return ask(service, task)
        except urllib.error.HTTPError as error:
            if error.code in {401, 403}:
                sys.exit(
                    f"{task}: {error}: predictions take a token; test.tokenSecret names one for every task"
                )
            reason: Exception = error
        except (OSError, ValueError) as error:
            reason = error
        if time.monotonic() > end:
            sys.exit(f"{task}: no answer within {SECONDS} s: {reason}")
        time.sleep(1)


def main(service: str, *tasks: str) -> None:
    """Asks all; ends with 1 where one has no consensus."""
    end = time.monotonic() + SECONDS
    for task in tasks:
        verdict = ask_until_answered(service, task, end)
        answer = verdict["value"] if verdict.get("label") is None else verdict["label"]
        sys.stdout.write(f"{task}: {answer}, status {verdict['status']}\n")
        if verdict["status"] not in {"ok", "degraded"}:
            sys.exit(f"{task}: {json.dumps(verdict)}")


main(*sys.argv[1:])
