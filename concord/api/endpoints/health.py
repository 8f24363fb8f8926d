"""`/livez`, `/readyz` and `/metrics`: what probes and Prometheus ask."""

from typing import Any

from concord.api.endpoint import Endpoint, Operation
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.observability import exposition, metrics
from concord.service import Service


class Health:
    """Liveness, readiness and metrics of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def endpoints(self) -> list[Endpoint]:
        """Probes and metrics, which are always open."""
        ready = Operation("Readiness", tag="service", statuses=(200, 503))
        text = Operation(
            "Prometheus metrics",
            {"type": "string"},
            tag="service",
            errors=(429,),
            media_type="text/plain",
            query=None,
        )
        return [
            Endpoint("GET", "/livez", self.get_liveness, Operation("Liveness", tag="service")),
            Endpoint("GET", "/readyz", self.get_readiness, ready),
            Endpoint("GET", "/metrics", self.get_metrics, text),
        ]

    async def get_liveness(self, _request: Request) -> Response:
        """200 as long as the process answers."""
        return json_response({"live": True})

    async def get_readiness(self, _request: Request) -> Response:
        """200 once some task can reach its quorum."""
        return readiness_response(self._service.ready())

    async def get_metrics(self, request: Request) -> Response:
        """The service's metrics, in Prometheus' text format or as OpenMetrics."""
        # Gathered by the loop's thread, which adds to the same counts meanwhile.
        metrics.count_gathered()
        text, media_type = await self._service.scrapes.run(
            request.caller, exposition.render_counted, "consensus", request.header("accept")
        )
        return Response(text, media_type=media_type)


def readiness_response(ready: bool, task: str | None = None) -> Response:  # noqa: FBT001 - the answer itself
    """200 or 503, of the service or of one task."""
    body: dict[str, Any] = {"name": task, "ready": ready} if task else {"ready": ready}
    return json_response(body, 200 if ready else 503)
