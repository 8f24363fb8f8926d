"""FastAPI stack: nodes with JSON and pydantic, and a service that asks all of them at once.

`python -m benchmarks.serving.fastapi_gather node --port 5001 --model FOLDER`
`python -m benchmarks.serving.fastapi_gather service --port 5000 --labels a,b --node NAME=URL=WEIGHT …`
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving.arguments import WeightedNode, read_arguments
from benchmarks.serving.models import Model
from benchmarks.serving.voting import weighted_majority


class Rows(BaseModel):
    """Request to a node."""

    rows: list[list[float]]


class Probabilities(BaseModel):
    """Answer of a node: a list of probabilities for each row."""

    probabilities: list[list[float]]


class Flower(BaseModel):
    """A row of a caller's request."""

    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


class Question(BaseModel):
    """Request of a caller."""

    rows: list[Flower]


class Answer(BaseModel):
    """The majority's label, the share of the weight behind it, and each node's vote."""

    label: str
    agreement: float
    votes: dict[str, str]


class Answers(BaseModel):
    """Answers to a caller, one for each row."""

    answers: list[Answer]


def node_app(folder: Path) -> FastAPI:
    """Application of a node, which answers on the event loop: rows in, probabilities out."""
    model = Model(folder)
    app = FastAPI()

    @app.post("/predict")
    async def predict(question: Rows) -> Probabilities:
        return Probabilities(probabilities=model.answer(question.rows).tolist())

    return app


def service_app(nodes: list[WeightedNode], labels: list[str]) -> FastAPI:
    """Application of the service, which asks all nodes at once; they vote by their weights."""
    weights = [node.weight for node in nodes]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout
        ) as app.state.session:
            yield

    app = FastAPI(lifespan=lifespan)

    async def ask(node: WeightedNode, rows: list[list[float]]) -> list[list[float]]:
        session: aiohttp.ClientSession = app.state.session
        async with session.post(
            f"{node.url}/predict", json={"rows": rows}, raise_for_status=True
        ) as response:
            return Probabilities.model_validate(await response.json()).probabilities

    @app.post("/predict")
    async def predict(question: Question) -> Answers:
        rows = [
            [row.sepal_length, row.sepal_width, row.petal_length, row.petal_width] for row in question.rows
        ]
        replies = await asyncio.gather(*(ask(node, rows) for node in nodes))
        answers = []
        for row_probabilities in zip(*replies, strict=True):
            choices = [probabilities.index(max(probabilities)) for probabilities in row_probabilities]
            winner, agreement = weighted_majority(choices, weights)
            votes = {node.name: labels[k] for node, k in zip(nodes, choices, strict=True)}
            answers.append(Answer(label=labels[winner], agreement=agreement, votes=votes))
        return Answers(answers=answers)

    return app


def main() -> None:
    """Serves a node or the service."""
    options = read_arguments(__doc__)
    app = node_app(options.model) if options.role == "node" else service_app(options.nodes, options.labels)
    uvicorn.run(app, port=options.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
