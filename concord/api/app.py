"""The consensus service as an ASGI application, made of the endpoints of `concord.api.endpoints`.

It runs mounted in the consensus bento, which starts and closes it, and under uvicorn alone
(`uvicorn --factory concord.api.app:create`), where ASGI's lifespan does.
"""

import sys
from typing import TYPE_CHECKING, Final

from concord.api.auth import Access
from concord.api.endpoint import Endpoint, EndpointGroup
from concord.api.endpoints.administration import Administration
from concord.api.endpoints.blocks import Blocks
from concord.api.endpoints.documentation import Documentation
from concord.api.endpoints.drift import Drift
from concord.api.endpoints.feedback import Labelling
from concord.api.endpoints.health import Health
from concord.api.endpoints.history import History
from concord.api.endpoints.labelled import LabelledRounds
from concord.api.endpoints.ledger import LedgerReader
from concord.api.endpoints.models import Models
from concord.api.endpoints.nodes import Nodes
from concord.api.endpoints.predictions import Predictions
from concord.api.endpoints.protocol_v2 import ProtocolV2, protocol_error
from concord.api.endpoints.rounds import RoundReader
from concord.api.endpoints.stakes import Stakes
from concord.api.endpoints.tasks import Tasks
from concord.api.rights import OpenRights
from concord.http.application import Application, Route
from concord.http.graceful_shutdown import Drain
from concord.http.rates import Rates
from concord.http.tokens import Tokens
from concord.observability import logs, metrics
from concord.service import Service
from concord.settings import NodesFile, Settings
from concord.util.background import spawn
from concord.util.client_address import TrustedProxies
from concord.util.host_names import HostNames

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

TRUST_SECONDS: Final = 0.25
"""How long a token may outlive its removal: a look at the file costs more than all else that a token does."""


class ConsensusApi:
    """One consensus service with its HTTP interface; `application` answers.

    Args:
        service: The service; this application starts and closes it.

    Attributes:
        endpoints: Everything that it answers.

    Raises:
        ConfigurationError: The tokens' file exists and is invalid.
    """

    def __init__(self, service: Service) -> None:
        self.service, settings = service, service.settings
        tokens = Tokens(settings.tokens_file, TRUST_SECONDS)
        self._open_rights = OpenRights(settings, tokens)
        self._drain = Drain(settings.drain_file)
        self._watching: asyncio.Task[None] | None = None
        self.endpoints = self._endpoints()
        rates = Rates(settings.rate_requests, settings.rate_rows, settings.rate_burst_seconds)
        access = Access(tokens, self._open_rights, rates)
        self.application = Application(
            [
                Route(
                    endpoint.method,
                    endpoint.path,
                    access.guard(endpoint.checked_handler, endpoint.needs, endpoint.path),
                )
                for endpoint in self.endpoints
            ],
            error_bodies={"/v2": protocol_error},
            start=self.start,
            close=self.close,
            max_body_bytes=settings.max_body_bytes,
            access_log=logs.AccessLog(enabled=settings.log_level in {"DEBUG", "INFO"}),
            drain=self._drain,
            root_path=settings.root_path,
            hosts=HostNames.parse(settings.hosts),
            proxies=TrustedProxies.parse(settings.trusted_proxies),
        )

    @classmethod
    def from_settings(cls, settings: Settings, declared: NodesFile | None = None) -> "ConsensusApi":
        """Builds the service that settings and nodes file describe.

        Args:
            settings: Places of all data, and limits.
            declared: The tasks and their nodes; read from the nodes file unless given.

        Raises:
            ConfigurationError: The nodes file is missing or invalid, or the tokens' file is invalid.
        """
        return cls(Service.from_settings(settings, declared))

    async def start(self) -> None:
        """Starts the service; garbage collection then leaves out what start-up made."""
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

    def _endpoints(self) -> list[Endpoint]:
        """All endpoints, the busiest first."""
        service = self.service
        groups: Sequence[EndpointGroup] = (
            Predictions(service),
            Labelling(service),
            ProtocolV2(service),
            Administration(service),
            Models(service),
            Tasks(service),
            Drift(service.drift, service.checks),
            LabelledRounds(service),
            Nodes(service),
            History(service),
            RoundReader(service),
            LedgerReader(service),
            Blocks(service),
            Stakes(service),
            Health(service),
        )
        endpoints = [endpoint for group in groups for endpoint in group.endpoints()]
        return [*endpoints, *Documentation(service, self._open_rights, endpoints).endpoints()]


def create() -> Application:
    """The application with the environment's settings, for `uvicorn --factory`."""
    settings = Settings.read()
    logs.configure(settings.log_level)
    return ConsensusApi.from_settings(settings).application
