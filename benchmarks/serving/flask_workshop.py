"""The workshop's way: a Flask process for each model, and one that asks them one after the other.

    python -m benchmarks.serving.flask_workshop node --port 5001 --model FOLDER
    python -m benchmarks.serving.flask_workshop service --port 5000 --labels a,b --node URL=WEIGHT …

Served by `app.run(threaded=True)`, Werkzeug's development server, with its line per request on
standard error. The answer is the weighted mean of class numbers, rounded. Werkzeug closes each
connection after its answer, so the pool of the HTTP session is there as in the workshop and finds
nothing to reuse.
"""

from pathlib import Path
from typing import Any

import requests
from flask import Flask, jsonify, request
from requests.adapters import HTTPAdapter

from benchmarks.serving.arguments import Colleague, read_arguments
from benchmarks.serving.models import FEATURES, Model

POOLED = 32
"""Connections that the session keeps for each node: as many as there are callers."""


def node(folder: Path) -> Any:  # noqa: ANN401 - Flask is not typed here
    """One model: rows in, class numbers out."""
    model = Model(folder)
    app = Flask("node")

    def predict() -> Any:  # noqa: ANN401
        answers = model.answer(request.get_json()["rows"])
        return jsonify(predictions=answers.argmax(axis=1).tolist(), probabilities=answers.tolist())

    app.add_url_rule("/predict", view_func=predict, methods=["POST"])
    return app


def service(colleagues: list[Colleague], labels: list[str]) -> Any:  # noqa: ANN401
    """Asks the nodes in turn and takes the weighted mean of their class numbers."""
    app = Flask("service")
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=POOLED))
    total = sum(colleague.weight for colleague in colleagues)

    def predict() -> Any:  # noqa: ANN401
        rows = [[row[name] for name in FEATURES] for row in request.get_json()["rows"]]
        votes = []
        for colleague in colleagues:
            response = session.post(f"{colleague.url}/predict", json={"rows": rows}, timeout=5)
            response.raise_for_status()
            votes.append(response.json()["predictions"])
        answers = []
        for column in zip(*votes, strict=True):
            mean = sum(c.weight * k for c, k in zip(colleagues, column, strict=True)) / total
            named = {c.name: k for c, k in zip(colleagues, column, strict=True)}
            answers.append({"consensus": mean, "label": labels[round(mean)], "votes": named})
        return jsonify(answers=answers)

    app.add_url_rule("/predict", view_func=predict, methods=["POST"])
    return app


def main() -> None:
    """Serves one or the other."""
    given = read_arguments(__doc__)
    app = node(given.model) if given.role == "node" else service(given.nodes, given.labels)
    app.run(port=given.port, threaded=True)


if __name__ == "__main__":
    main()
