"""`/v2`: the Open Inference Protocol, version 2 (REST), over the same predictions.

A task is a model here. One tensor per feature goes in, or one of all features; `label` and `probabilities`,
or `value`, come out, with `status` a row and all verdicts as one JSON string in `parameters`.
Errors look as the protocol says, `{"error": "message"}`, with `code` and `field` beside it.
"""

from typing import Final

import orjson

from concord import __version__
from concord.api.endpoint import Endpoint, PerTask, Undocumented
from concord.api.endpoints.health import Health, readiness_response
from concord.api.endpoints.predictions import check_row_count
from concord.api.open_inference.description import describe_infer, describe_metadata
from concord.api.open_inference.inputs import read_body, read_request
from concord.api.open_inference.outputs import VERSION, describe_model, pack_response, write_outputs
from concord.errors import ConcordError, UnknownName
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.service import Service
from concord.util.slices import long_work, turn_for

_VERSIONED: Final = Undocumented(
    "It is the same as without a version; a task has one, which its metadata names."
)
_SLASH: Final = Undocumented("It is the same as /v2.")


class ProtocolV2:
    """Health, metadata and inference as the protocol names them."""

    def __init__(self, service: Service) -> None:
        self._service, self._health = service, Health(service)

    def endpoints(self) -> list[Endpoint]:
        """Inference first, then metadata and health."""
        live = describe_metadata("Liveness", name="get_v2_liveness")
        ready = describe_metadata("Readiness", name="get_v2_readiness", statuses=(200, 503))
        model_ready = describe_metadata("Model readiness", statuses=(200, 503))
        model = describe_metadata("Model metadata", errors=(503,))
        version = "/v2/models/{task}/versions/{version}"
        return [
            Endpoint("POST", "/v2/models/{task}/infer", self.infer, PerTask(describe_infer), "predict"),
            Endpoint("POST", f"{version}/infer", self.infer, _VERSIONED, "predict"),
            Endpoint("GET", "/v2", self.get_server, describe_metadata("Server metadata")),
            Endpoint("GET", "/v2/", self.get_server, _SLASH),
            Endpoint("GET", "/v2/health/live", self._health.get_liveness, live),
            Endpoint("GET", "/v2/health/ready", self._health.get_readiness, ready),
            Endpoint("GET", "/v2/models/{task}", self.get_model, model),
            Endpoint("GET", "/v2/models/{task}/ready", self.get_model_readiness, model_ready),
            Endpoint("GET", version, self.get_model, _VERSIONED),
            Endpoint("GET", f"{version}/ready", self.get_model_readiness, _VERSIONED),
        ]

    async def get_server(self, _request: Request) -> Response:
        """The server's metadata."""
        return json_response(
            {"name": "concord", "version": __version__, "extensions": ["binary_tensor_data"]}
        )

    async def get_model(self, request: Request) -> Response:
        """A task's tensors in and out."""
        task = self._task_of(request)
        return json_response(describe_model(task, self._service.ensembles.schema(task)))

    async def get_model_readiness(self, request: Request) -> Response:
        """200 while the task can reach its quorum."""
        task = self._task_of(request)
        return readiness_response(self._service.ensembles.is_ready(task), task)

    async def infer(self, request: Request) -> Response:
        """Tensors in, tensors out."""
        request.query()
        task = self._task_of(request)
        schema = self._service.ensembles.schema(task)
        most = self._service.settings.max_rows
        inference = await read_request(*await read_body(request), schema, most)
        check_row_count(inference.row_count, most)
        request.take_rows(inference.row_count)
        with long_work(inference.row_count):
            result = await self._service.consensus.predict(
                task, inference.rows(), request.request_id, request.traceparent, caller=request.caller
            )
            await turn_for(sum(map(len, result.encoded)))
        evidence = b"[" + b",".join(result.encoded) + b"]"
        error = self._service.consensus.refusal(task, result)
        if error is not None:
            refused = {"error": error["message"], "code": error["code"], "field": None}
            return json_response(refused | {"parameters": {"verdicts": evidence.decode()}}, 503)
        outputs, binary = write_outputs(result.verdicts, schema, inference.outputs)
        await turn_for(len(evidence))
        head = {
            "model_name": task,
            "model_version": VERSION,
            "id": inference.id or request.request_id,
            "parameters": {"verdicts": evidence.decode()},
            "outputs": outputs,
        }
        return pack_response(head, binary)

    def _task_of(self, request: Request) -> str:
        """The task that a path names.

        Raises:
            UnknownName: There is no such task, or the path names another version than the one there is.
        """
        task, version = request.path["task"], request.path.get("version", VERSION)
        self._service.ensembles.settings(task)
        if version != VERSION:
            raise UnknownName(f"{task} has the version {VERSION} and no other.", field="version")
        return task


def protocol_error(error: ConcordError) -> bytes:
    """`{"error": "message", "code": …, "field": …}`."""
    return orjson.dumps({"error": error.message, "code": error.code, "field": error.field})
