"""Flask stack of the workshop: a process for each model, and a service that asks them in sequence.

`python -m benchmarks.serving.flask_workshop node --port 5001 --model FOLDER`
`python -m benchmarks.serving.flask_workshop service --port 5000 --labels a,b --node NAME=URL=WEIGHT …`
"""

from pathlib import Path
from typing import Any

import requests
from flask import Flask, jsonify, request
from requests.adapters import HTTPAdapter

from benchmarks.serving.arguments import WeightedNode, read_arguments
from benchmarks.serving.models import FEATURES, Model

POOL_SIZE = 32
"""Connections that the session may keep for each node; Werkzeug's server closes each after its answer."""


def node_app(folder: Path) -> Any:  # noqa: ANN401 - Flask is not typed here
    """Application of a node: rows in, class numbers out."""
    model = Model(folder)
    app = Flask("node")

    def predict() -> Any:  # noqa: ANN401
        answers = model.answer(request.get_json()["rows"])
        return jsonify(predictions=answers.argmax(axis=1).tolist(), probabilities=answers.tolist())

    app.add_url_rule("/predict", view_func=predict, methods=["POST"])
    return app


def service_app(nodes: list[WeightedNode], labels: list[str]) -> Any:  # noqa: ANN401
    """Application of the service, which answers with the rounded weighted mean of class numbers."""
    app = Flask("service")
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=POOL_SIZE))
    total = sum(node.weight for node in nodes)

    def predict() -> Any:  # noqa: ANN401
        rows = [[row[name] for name in FEATURES] for row in request.get_json()["rows"]]
        votes = []
        for node in nodes:
            response = session.post(f"{node.url}/predict", json={"rows": rows}, timeout=5)
            response.raise_for_status()
            votes.append(response.json()["predictions"])
        answers = []
        for column in zip(*votes, strict=True):
            mean = sum(node.weight * k for node, k in zip(nodes, column, strict=True)) / total
            named_votes = {node.name: k for node, k in zip(nodes, column, strict=True)}
            answers.append({"consensus": mean, "label": labels[round(mean)], "votes": named_votes})
        return jsonify(answers=answers)

    app.add_url_rule("/predict", view_func=predict, methods=["POST"])
    return app


def main() -> None:
    """Serves a node or the service."""
    options = read_arguments(__doc__)
    app = node_app(options.model) if options.role == "node" else service_app(options.nodes, options.labels)
    app.run(port=options.port, threaded=True)


if __name__ == "__main__":
    main()
