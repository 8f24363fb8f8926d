"""The consensus service's ASGI application: which path is answered by what.

It runs mounted in the consensus bento, which starts and closes it, and under uvicorn alone
(`uvicorn --factory concord.api.app:create`), where ASGI's lifespan does.
"""

import sys
from typing import TYPE_CHECKING

from concord import __version__
from concord.api.auth import Access
from concord.api.docs import page
from concord.api.endpoints.administration import Administration
from concord.api.endpoints.blocks import Blocks
from concord.api.endpoints.drift import Drift
from concord.api.endpoints.feedback import Labelling
from concord.api.endpoints.labelled import LabelledRounds
from concord.api.endpoints.models import Models
from concord.api.endpoints.predictions import Predictions
from concord.api.endpoints.protocol_v2 import ProtocolV2, protocol_error
from concord.api.endpoints.records import Records
from concord.api.openapi import document
from concord.api.operation import Schema
from concord.http.application import Application, Route, json_response
from concord.http.drain import Drain
from concord.http.request import Request, Response
from concord.http.tokens import Tokens
from concord.observability import logs, metrics
from concord.service import Service
from concord.settings import NodesFile, Settings
from concord.util.background import spawn

if TYPE_CHECKING:
    import asyncio


class ConsensusApi:
    """One consensus service with its HTTP interface; `application` answers.

    Args:
        service: The service; this application starts and closes it.

    Raises:
        ConfigurationError: The tokens' file is there and wrong.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._tokens = Tokens(service.settings.tokens_file)
        self._drain = Drain(service.settings.drain_file)
        self._watching: asyncio.Task[None] | None = None
        self.application = Application(
            self._routes(),
            error_bodies={"/v2": protocol_error},
            start=self.start,
            close=self.close,
            max_body_bytes=service.settings.max_body_bytes,
            access_log=logs.AccessLog(enabled=service.settings.log_level in {"DEBUG", "INFO"}),
            drain=self._drain,
        )

    @classmethod
    def from_settings(cls, settings: Settings, declared: NodesFile | None = None) -> "ConsensusApi":
        """Builds the service that settings and nodes file describe.

        Args:
            settings: Where everything is kept, and the limits.
            declared: The tasks and their nodes; read from the nodes file unless given.

        Raises:
            ConfigurationError: The nodes file is missing or wrong, or the tokens' file is wrong.
        """
        return cls(Service.from_settings(settings, declared))

    async def start(self) -> None:
        """Starts the service; once it runs, garbage collection spares what start-up made."""
        await self.service.start()
        self._watching = spawn(self._drain.watch(), "drain")
        metrics.watch_garbage_collection()
        # The journal's thread gives Python's lock back within half a millisecond instead of five: requests
        # wait for it that much less (8 to 15 % more of them under load).
        sys.setswitchinterval(0.0005)

    async def close(self) -> None:
        """Closes the service."""
        if self._watching is not None:
            self._watching.cancel()
        await self.service.close()

    def _routes(self) -> list[Route]:
        predictions, records = Predictions(self.service), Records(self.service)
        blocks = Blocks(self.service)
        v2 = ProtocolV2(self.service, __version__)
        access, drift = Access(self._tokens), Drift(self.service.drift)
        labelled = LabelledRounds(self.service)
        models = Models(self.service, access)
        labelling, administration = Labelling(self.service, access), Administration(self.service, access)
        return [
            Route("POST", "/v1/tasks/{task}/predict", predictions.predict),
            Route("POST", "/v2/models/{task}/infer", v2.infer),
            Route("POST", "/v1/feedback", labelling.feedback),
            Route("GET", "/v1/tasks", records.tasks),
            Route("GET", "/v1/tasks/{task}", records.task),
            Route("GET", "/v1/tasks/{task}/drift", access.reading(drift.report)),
            Route("GET", "/v1/tasks/{task}/profile", drift.profile),
            Route("GET", "/v1/tasks/{task}/labelled", access.reading(labelled.page)),
            Route("GET", "/v1/nodes", records.nodes),
            Route("GET", "/v1/nodes/{task}/{node}/history", records.history),
            Route("POST", "/v1/nodes/{task}/{node}/release", administration.release),
            Route("POST", "/v1/nodes/{task}/{node}/deposit", administration.deposit),
            Route("POST", "/v1/nodes/{task}/{node}/withdraw", administration.withdraw),
            Route("GET", "/v1/models", models.listing),
            Route("GET", "/v1/models/{name}/compare", access.reading(models.compare)),
            Route("POST", "/v1/models/{name}/challenge", models.challenge),
            Route("POST", "/v1/models/{name}/promote", models.promote),
            Route("POST", "/v1/models/{name}/rollback", models.roll_back),
            Route("POST", "/v1/models/{name}/dismiss", models.dismiss),
            Route("GET", "/v1/rounds", access.reading(records.rounds)),
            Route("GET", "/v1/rounds/{id}", access.reading(records.round)),
            Route("GET", "/v1/ledger", records.ledger),
            Route("GET", "/v1/ledger/verify", records.verify),
            Route("GET", "/v1/ledger/audit", access.administering(records.audit)),
            Route("GET", "/v1/ledger/blocks", blocks.blocks),
            Route("GET", "/v1/ledger/blocks/{height}", blocks.block),
            Route("GET", "/v1/ledger/stakes/{task}", blocks.stakes),
            Route("GET", "/v2", v2.server),
            Route("GET", "/v2/health/live", v2.live),
            Route("GET", "/v2/health/ready", v2.ready),
            Route("GET", "/v2/models/{task}", v2.model),
            Route("GET", "/v2/models/{task}/ready", v2.model_ready),
            Route("GET", "/openapi.json", self._openapi),
            Route("GET", "/docs", self._docs),
            Route("GET", "/", self._docs),
            Route("GET", "/livez", self._live),
            Route("GET", "/readyz", v2.ready),
            Route("GET", "/metrics", self._metrics),
        ]

    async def _openapi(self, incoming: Request) -> Response:
        incoming.query()
        return json_response(self._document())

    def _document(self) -> Schema:
        return document(self.service.ensembles, __version__, secured=not self._tokens.are_off)

    async def _docs(self, incoming: Request) -> Response:
        incoming.query()
        text = page(self._document())
        return Response(text.encode(), media_type="text/html; charset=utf-8")

    async def _live(self, incoming: Request) -> Response:
        incoming.query()
        return json_response({"live": True})

    async def _metrics(self, _incoming: Request) -> Response:
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE_LATEST)


def create() -> Application:
    """The application by the environment's settings, for `uvicorn --factory`."""
    settings = Settings.read()
    logs.configure(settings.log_level)
    return ConsensusApi.from_settings(settings).application
