"""A consensus node: one ONNX model behind HTTP, and what it says of itself.

A node loads ONNX and nothing else, after checking its digest: a model is data here, not code. It
stays simple and vectorised: many rows in one call, one thread, no batching of its own (the
consensus service batches where requests meet). Rows come as raw float32 or as JSON by the task's
schema; a pickle is refused like anything else that is neither.

The contract of a model: one input, float32 of shape (rows, features) in the order of the schema's
features, a choice as its index; an output `probabilities` of shape (rows, classes), or `value` of
shape (rows, 1).
"""

import asyncio
import hashlib
import logging
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from concord import logs, metrics
from concord.asgi import SHARED_IDS, Application, Route, json_response
from concord.errors import ConfigurationError, Conflict, InvalidInput, WrongMediaType
from concord.incoming import Incoming, Response
from concord.schema import Rows, TaskSchema
from concord.wire import MODEL_HEADER, ROWS_TYPE, SCHEMA_HEADER, VOTES_TYPE, NodeInfo

MODEL_FILE: Final = "model.onnx"
INFO_FILE: Final = "info.json"

MAX_BODY_BYTES: Final = 4 << 20
MAX_ROWS: Final = 8192
"""Twice what the consensus service sends at once."""

OFF_LOOP_ROWS: Final = 512
"""From this many rows the model runs in a thread, so that probes are answered meanwhile."""

_log = logging.getLogger(__name__)
_node_info = TypeAdapter(NodeInfo)


class OnnxModel:
    """A model folder, loaded: `model.onnx` and `info.json`.

    Args:
        folder: Where they are.

    Raises:
        ConfigurationError: A file is missing, the digest differs or the graph breaks the contract.
    """

    def __init__(self, folder: Path) -> None:
        self.info = _read_info(folder / INFO_FILE)
        self.schema = TaskSchema.from_json(self.info.schema)
        self._session, self._input, self._output = _load(folder / MODEL_FILE, self.info, self.schema)
        self.answer(self.schema.read_rows([self.schema.example]))

    @property
    def tag(self) -> str:
        """`<task>.<node>/<version>`."""
        return f"{self.info.model}/{self.info.version}"

    def answer(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Answers rows of shape (rows, features) with float32 of shape (rows, classes) or (rows, 1)."""
        answers = self._session.run([self._output], {self._input: rows})[0]
        return np.ascontiguousarray(answers, dtype="<f4").reshape(len(rows), self.schema.width)


class NodeApi:
    """The ASGI application of one node.

    Args:
        model: The model that it serves.
        access_log: Where access lines go.
    """

    def __init__(self, model: OnnxModel, access_log: logs.AccessLog | None = None) -> None:
        self._model = model
        self._rows_seen = metrics.NODE_ROWS.labels(model.info.model)
        self._seconds = metrics.INFERENCE_SECONDS.labels(model.info.model)
        metrics.MODEL.labels(model.info.model, model.info.version, model.info.run_id).set(1)
        self._application = Application(
            [
                Route("POST", "/v1/votes", self._votes),
                Route("GET", "/info", self._info),
                Route("GET", "/livez", self._live),
                Route("GET", "/readyz", self._live),
                Route("GET", "/metrics", self._metrics),
            ],
            start=self.start,
            max_body_bytes=MAX_BODY_BYTES,
            access_log=access_log,
            request_ids=SHARED_IDS,
        )

    async def start(self) -> None:
        """Spares the garbage collector what start-up made."""
        metrics.watch_garbage_collection()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one ASGI connection."""
        await self._application(scope, receive, send)

    async def _votes(self, incoming: Incoming) -> Response:
        """`POST /v1/votes`: raw floats in and out between services, JSON for people."""
        media_type = incoming.media_type
        if media_type == ROWS_TYPE:
            rows = self._read_raw(incoming.header(SCHEMA_HEADER), await incoming.body())
            answers = await self._answer(rows)
            return Response(answers.tobytes(), 200, VOTES_TYPE, {MODEL_HEADER: self._model.tag})
        if media_type == "application/json":
            rows = self._read_json(await incoming.json())
            return self._show(await self._answer(rows))
        raise WrongMediaType(
            f"Rows come as application/json or {ROWS_TYPE}, nothing else.", field="content-type"
        )

    async def _answer(self, rows: Rows) -> npt.NDArray[np.float32]:
        began = time.perf_counter()
        if len(rows) >= OFF_LOOP_ROWS:
            answers = await asyncio.to_thread(self._model.answer, rows)
        else:
            answers = self._model.answer(rows)
        self._seconds.observe(time.perf_counter() - began)
        self._rows_seen.inc(len(rows))
        return answers

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

    def _read_json(self, body: object) -> Rows:
        rows = body.get("rows") if isinstance(body, dict) else None
        if not isinstance(rows, list) or not isinstance(body, dict) or len(body) > 1:
            raise InvalidInput('The body must be {"rows": [{…}, …]}.', field="rows")
        _check_count(len(rows))
        return self._model.schema.read_rows(rows)

    def _show(self, answers: npt.NDArray[np.float32]) -> Response:
        schema = self._model.schema
        if schema.value is not None:
            votes: list[dict[str, object]] = [{schema.value.name: float(row[0])} for row in answers]
        else:
            names = [label.name for label in schema.labels]
            votes = [
                {
                    "label": names[int(row.argmax())],
                    "probabilities": dict(zip(names, row.tolist(), strict=True)),
                }
                for row in answers
            ]
        return json_response({"model": self._model.tag, "votes": votes})

    async def _info(self, _incoming: Incoming) -> Response:
        return json_response(self._model.info)

    async def _live(self, _incoming: Incoming) -> Response:
        return json_response({"model": self._model.tag, "ready": True})

    async def _metrics(self, _incoming: Incoming) -> Response:
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE_LATEST)


def _check_count(rows: int) -> None:
    if not rows:
        raise InvalidInput("There must be at least one row.", field="rows")
    if rows > MAX_ROWS:
        message = f"{rows} rows are more than one call takes ({MAX_ROWS})."
        raise InvalidInput(message, field="rows", code="too_many_rows")


def _read_info(path: Path) -> NodeInfo:
    try:
        return _node_info.validate_python(orjson.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigurationError(
            f"{path} does not say what model this is: {error}.", field=INFO_FILE
        ) from error


def _load(path: Path, info: NodeInfo, schema: TaskSchema) -> tuple[Any, str, str]:
    """Opens the graph; returns the session and the names of its input and output."""
    import onnxruntime  # noqa: PLC0415 - the consensus image has none, and imports this package too

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", field=MODEL_FILE) from error
    if hashlib.sha256(data).hexdigest() != info.digest:
        raise ConfigurationError(
            f"{path} is not what was registered as {info.model} {info.version}: its digest differs.",
            field=MODEL_FILE,
        )
    options = onnxruntime.SessionOptions()
    # One thread a node: many share a machine, and one that takes all cores makes the others late.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), {output.name for output in session.get_outputs()}
    wanted = "value" if schema.is_regression else "probabilities"
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or wanted not in outputs:
        raise ConfigurationError(
            f"{path} must have one float32 input and an output {wanted!r}; it has "
            f"{', '.join(i.type for i in inputs)} and {', '.join(sorted(outputs))}.",
            field=MODEL_FILE,
        )
    return session, inputs[0].name, wanted
