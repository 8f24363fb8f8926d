"""What one builds today: FastAPI nodes with JSON and pydantic, and a FastAPI service that asks all at once.

    python -m benchmarks.serving.fastapi_gather node --port 5001 --model FOLDER
    python -m benchmarks.serving.fastapi_gather service --port 5000 --labels a,b --node URL=WEIGHT …

Served by uvicorn with uvloop and httptools, and without its access log, which spares this stack a
cost that Concord has. Nodes answer on the event loop: a thread for a model of some µs would cost
more than it. The service gathers over one pooled aiohttp session, and votes by accuracy.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving.arguments import Colleague, read_arguments
from benchmarks.serving.models import Model
from benchmarks.serving.voting import weighted_majority


class Rows(BaseModel):
    """What a node is asked."""

    rows: list[list[float]]


class Probabilities(BaseModel):
    """What it answers, a list a row."""

    probabilities: list[list[float]]


class Flower(BaseModel):
    """A row of a caller's."""

    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


class Question(BaseModel):
    """What a caller asks."""

    rows: list[Flower]


class Answer(BaseModel):
    """The majority's label, the share of the weight behind it, and each node's vote."""

    label: str
    agreement: float
    votes: dict[str, str]


class Answers(BaseModel):
    """One answer a row."""

    answers: list[Answer]


def node(folder: Path) -> FastAPI:
    """One model: rows in, probabilities out."""
    model = Model(folder)
    app = FastAPI()

    @app.post("/predict")
    async def predict(question: Rows) -> Probabilities:
        return Probabilities(probabilities=model.answer(question.rows).tolist())

    return app


def service(colleagues: list[Colleague], labels: list[str]) -> FastAPI:
    """Asks all nodes at once, and lets them vote by their weights."""
    weights = [colleague.weight for colleague in colleagues]

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout
        ) as app.state.session:
            yield

    app = FastAPI(lifespan=living)

    async def ask(colleague: Colleague, rows: list[list[float]]) -> list[list[float]]:
        session: aiohttp.ClientSession = app.state.session
        async with session.post(
            f"{colleague.url}/predict", json={"rows": rows}, raise_for_status=True
        ) as response:
            return Probabilities.model_validate(await response.json()).probabilities

    @app.post("/predict")
    async def predict(question: Question) -> Answers:
        rows = [
            [row.sepal_length, row.sepal_width, row.petal_length, row.petal_width] for row in question.rows
        ]
        replies = await asyncio.gather(*(ask(colleague, rows) for colleague in colleagues))
        answers = []
        for opinions in zip(*replies, strict=True):
            choices = [opinion.index(max(opinion)) for opinion in opinions]
            winner, agreement = weighted_majority(choices, weights)
            votes = {c.name: labels[k] for c, k in zip(colleagues, choices, strict=True)}
            answers.append(Answer(label=labels[winner], agreement=agreement, votes=votes))
        return Answers(answers=answers)

    return app


def main() -> None:
    """Serves one or the other."""
    given = read_arguments(__doc__)
    app = node(given.model) if given.role == "node" else service(given.nodes, given.labels)
    uvicorn.run(app, port=given.port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
