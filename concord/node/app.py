"""The HTTP interface of a node: votes on rows, and what the node states of its model.

A node loads an ONNX file after checking its digest, so a model is data and not code. It answers many rows in
one call on one thread, and does no batching, which the consensus service does. Rows come as raw float32 or as
JSON by the task's schema. A challenger may answer in the same call; its votes follow the champion's.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from concord.errors import ConfigurationError, Conflict, InvalidInput, UnknownName, WrongMediaType
from concord.http.application import SHARED_IDS, Application, Route, json_response
from concord.http.request import Request, Response
from concord.node.challenger import Absent, Challenger
from concord.node.model import Answers, OnnxModel
from concord.observability import exposition, logs, metrics
from concord.tasks.schema import Rows
from concord.types.nodes import (
    CHALLENGER_HEADER,
    MODEL_HEADER,
    ROWS_TYPE,
    SCHEMA_HEADER,
    VOTES_TYPE,
    NodeInfo,
)
from concord.util.host_names import HostNames
from concord.util.slices import in_slices, turn_for

MAX_BODY_BYTES: Final = 4 << 20
MAX_ROWS: Final = 8192
"""Twice as many as the consensus service sends at once."""

OFF_LOOP_ROWS: Final = 128
"""From this many rows the model runs in a thread, so that others are answered meanwhile: a forest takes some
milliseconds for them."""

BYTES_A_VOTE: Final = 128
"""Of a vote as JSON, or so."""

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
"""Folders below CONCORD_MODELS, each a model folder."""

PROFILE_FILE: Final = "profile.json"
"""In a model's folder, if it has one: the profile of its training data."""

REFUSED_FILE: Final = "refused"
"""In the challenger's folder instead of a model: the reason why it could not be fetched."""

_log = logging.getLogger(__name__)


def load(
    name: str, fetched: Path | None, packaged: Callable[[str], Path], hosts: HostNames | None = None
) -> "NodeApi":
    """The application of the node that `CONCORD_NODE` names.

    Args:
        name: Registered name, `iris.knn`; for a packaged model also with its version, `iris.knn:7`.
        fetched: Folder of the versions that were fetched for this node; they win over the packaged one.
        packaged: Finds the folder of the packaged model.
        hosts: Names under which the node is asked.

    Raises:
        ConfigurationError: The champion cannot be served. A challenger that cannot is dropped.
    """
    champion = fetched / CHAMPION if fetched else None
    is_fetched = champion is not None and champion.is_dir()
    folder = champion if champion is not None and is_fetched else packaged(name)
    model = OnnxModel(folder)
    if is_fetched and model.info.model != name.partition(":")[0]:
        raise ConfigurationError(
            f"{champion} holds {model.info.model}, and CONCORD_NODE={name}. Fetch it again, or remove it.",
            field="CONCORD_NODE",
        )
    event = {"model": model.tag, "fetched": is_fetched}
    _log.info("model loaded", extra=event)
    challenger = _challenger(fetched, model.info)
    return NodeApi(model, challenger=challenger, profile=_profile(folder), hosts=hosts)


def _profile(folder: Path) -> bytes | None:
    """JSON of the profile of the model's training data, which is not read here."""
    path = folder / PROFILE_FILE
    return path.read_bytes() if path.exists() else None


def _challenger(fetched: Path | None, champion: NodeInfo) -> Challenger | None:
    if fetched is None or not (fetched / CHALLENGER).is_dir():
        return None
    refused = fetched / CHALLENGER / REFUSED_FILE
    try:
        if refused.exists():
            return Absent(ConfigurationError(refused.read_text("utf-8")))
        challenger = Challenger(OnnxModel(fetched / CHALLENGER), champion)
    except ConfigurationError as error:
        return Absent(error)
    _log.info("challenger loaded", extra={"model": challenger.tag})
    return challenger


class NodeApi:
    """One node's model behind HTTP; `application` answers.

    Args:
        model: The model that it serves.
        access_log: Where access lines go.
        challenger: A version that answers beside it.
        profile: JSON of the profile of its training data.
        hosts: Names under which it is asked.
    """

    def __init__(
        self,
        model: OnnxModel,
        access_log: logs.AccessLog | None = None,
        challenger: Challenger | None = None,
        profile: bytes | None = None,
        hosts: HostNames | None = None,
    ) -> None:
        self._model, self._challenger, self._profile = model, challenger, profile
        self._rows_seen = metrics.NODE_ROWS.labels(model.info.model)
        self._seconds = metrics.INFERENCE_SECONDS.labels(model.info.model)
        metrics.MODEL.labels(model.info.model, model.info.version, model.info.run_id).set(1)
        self.application = Application(
            [
                Route("POST", "/v1/votes", self._votes),
                Route("GET", "/info", self._info),
                Route("GET", "/profile", self._profile_of_data),
                Route("GET", "/livez", self._live),
                Route("GET", "/readyz", self._live),
                Route("GET", "/metrics", self._metrics),
            ],
            start=self.start,
            max_body_bytes=MAX_BODY_BYTES,
            access_log=access_log,
            request_ids=SHARED_IDS,
            hosts=hosts,
        )

    async def start(self) -> None:
        """Exempts what start-up made from garbage collection."""
        metrics.watch_garbage_collection()

    async def _votes(self, request: Request) -> Response:
        """`POST /v1/votes`: raw floats in and out between services, JSON for people."""
        media_type = request.media_type
        if media_type == ROWS_TYPE:
            rows = self._read_raw(request.header(SCHEMA_HEADER), await request.body())
            return self._pack(*await self._answer(rows))
        if media_type == "application/json":
            rows = await self._read_json(await request.json())
            return await self._show(*await self._answer(rows))
        raise WrongMediaType(
            f"Rows come as application/json or {ROWS_TYPE}, nothing else.", field="content-type"
        )

    async def _answer(self, rows: Rows) -> tuple[Answers, Answers | None]:
        """The champion's answers, and the challenger's if it has any."""
        if len(rows) >= OFF_LOOP_ROWS:
            return await asyncio.to_thread(self._ask, rows)
        return self._ask(rows)

    def _ask(self, rows: Rows) -> tuple[Answers, Answers | None]:
        began = time.perf_counter()
        answers = self._model.answer(rows)
        self._seconds.observe(time.perf_counter() - began)
        self._rows_seen.inc(len(rows))
        return answers, self._challenger.answer(rows) if self._challenger else None

    def _pack(self, answers: Answers, tried: Answers | None) -> Response:
        body, headers = answers.tobytes(), {MODEL_HEADER: self._model.tag}
        if tried is not None and self._challenger:
            body += tried.tobytes()
            headers[CHALLENGER_HEADER] = self._challenger.tag
        return Response(body, 200, VOTES_TYPE, headers)

    def _read_raw(self, digest: str | None, body: bytes) -> Rows:
        schema = self._model.schema
        if digest != schema.digest:
            raise Conflict(
                f"This node answers schema {schema.digest}.", field=SCHEMA_HEADER, code="schema_mismatch"
            )
        width = len(schema.features) * 4
        if not body or len(body) % width:
            raise InvalidInput(f"The body must hold rows of {width} bytes.", field="body")
        _check_count(len(body) // width)
        rows = np.frombuffer(body, dtype="<f4").reshape(-1, len(schema.features))
        if not np.isfinite(rows).all():
            raise InvalidInput("Every number must be finite.", field="body")
        return rows

    async def _read_json(self, body: object) -> Rows:
        rows = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not isinstance(body, dict) or len(body) > 1:
            raise InvalidInput('The body must be {"rows": [{…}, …]}.', field="rows")
        _check_count(len(rows))
        schema = self._model.schema
        numbers = await in_slices(range(len(rows)), lambda index: schema.read_row(rows[index], index))
        return schema.to_rows(numbers)

    async def _show(self, answers: Answers, tried: Answers | None) -> Response:
        document: dict[str, object] = {"model": self._model.tag, "votes": await self._named(answers)}
        if tried is not None and self._challenger:
            document["challenger"] = {"model": self._challenger.tag, "votes": await self._named(tried)}
        await turn_for(len(answers) * BYTES_A_VOTE)
        return json_response(document)

    async def _named(self, answers: Answers) -> list[dict[str, object]]:
        schema, value = self._model.schema, self._model.schema.value
        names = [label.name for label in schema.labels]

        def show(row: int) -> dict[str, object]:
            numbers = answers[row].tolist()
            if value is not None:
                return {value.name: numbers[0]}
            label = names[int(answers[row].argmax())]
            return {"label": label, "probabilities": dict(zip(names, numbers, strict=True))}

        return await in_slices(range(len(answers)), show)

    async def _info(self, _request: Request) -> Response:
        tried = self._challenger.info if self._challenger else None
        return json_response(replace(self._model.info, challenger=tried))

    async def _profile_of_data(self, _request: Request) -> Response:
        if self._profile is None:
            raise UnknownName(f"{self._model.tag} carries no profile.", code="unknown_profile")
        return Response(self._profile, headers={MODEL_HEADER: self._model.tag})

    async def _live(self, _request: Request) -> Response:
        return json_response({"model": self._model.tag, "ready": True})

    async def _metrics(self, request: Request) -> Response:
        text, media_type = exposition.render("node", request.header("accept"))
        return Response(text, media_type=media_type)


def _check_count(rows: int) -> None:
    if not rows:
        raise InvalidInput("There must be at least one row.", field="rows")
    if rows > MAX_ROWS:
        message = f"{rows} rows are more than one call takes ({MAX_ROWS})."
        raise InvalidInput(message, field="rows", code="too_many_rows")
