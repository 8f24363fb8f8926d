"""The composition root of the consensus service: builds its parts, starts them and closes them."""

import asyncio
import contextlib
import logging
from typing import Final

from concord.consensus.consensus import Consensus
from concord.consensus.ensembles import Ensembles
from concord.consensus.node_clients import NodeClients
from concord.consensus.reconciler import Reconciler
from concord.consensus.recorder import Recorder
from concord.drift.live import LiveDrift
from concord.errors import JournalUnavailable
from concord.http.read_threads import ReadThreads
from concord.journal import Journal, heartbeat
from concord.ledger import Ledger, open_store
from concord.observability import metrics
from concord.rollout.completion import complete_digests
from concord.rollout.desired import open_versions_store
from concord.rollout.inventory import Inventory
from concord.rollout.registry import open_registry
from concord.rollout.rollout import Rollout
from concord.settings import NodesFile, Settings
from concord.settlement.settler import Settler
from concord.util.background import spawn
from concord.util.times import DAY, HOUR, iso, now

EXPIRY_SECONDS: Final = 3600.0
"""How often features and rounds beyond their retention are removed."""

_log = logging.getLogger(__name__)


class Service:
    """The parts of one consensus service, each an attribute.

    Args:
        settings: Limits and retention.
        declared: Tasks and their nodes.
        ledger: Where stake is accounted.
        journal: Where rounds are kept; migrated by `start`.
    """

    def __init__(self, settings: Settings, declared: NodesFile, ledger: Ledger, journal: Journal) -> None:
        self.settings = settings
        self.ledger = ledger
        self.journal = journal
        self.settler = Settler(ledger, journal)
        self.node_clients = NodeClients({name: task.nodes for name, task in declared.tasks.items()})
        self.ensembles = Ensembles(declared, self.node_clients, self.settler)
        self.reconciler = Reconciler(self.ensembles, self.node_clients, self.settler, journal)
        self.recorder = Recorder(journal, self.settler.notify, keeps_features=bool(settings.retention_days))
        self.consensus = Consensus(settings, self.ensembles, self.node_clients, self.settler, self.recorder)
        self.pages, self.checks, self.scrapes = map(ReadThreads, ("pages", "checks", "scrapes"))
        self.drift = LiveDrift(journal, self.ensembles)
        self.inventory = Inventory(self.ensembles, open_versions_store(settings), open_registry(settings))
        self.rollout = Rollout(self.inventory, self.settler)
        self._background: list[asyncio.Task[None]] = []

    @classmethod
    def from_settings(cls, settings: Settings, declared: NodesFile | None = None) -> "Service":
        """Builds the service that settings and nodes file describe.

        Args:
            settings: Where everything is kept, and the limits.
            declared: The tasks and their nodes; read from the nodes file unless given.

        Raises:
            ConfigurationError: The nodes file is missing or wrong.
        """
        declared = declared or NodesFile.load(settings.nodes_file)
        journal = Journal(settings.journal_url)
        return cls(settings, declared, Ledger(open_store(settings), archive=journal), journal)

    async def start(self) -> None:
        """Brings journal and ledger up to date, or begins without them, and starts to watch the nodes."""
        await self.settler.start()
        await self.node_clients.start()
        await self.reconciler.start()
        self.recorder.start()
        self._background = [
            spawn(self.settler.run(), "settler", self.settler.fail),
            spawn(self._expire(), "expiry"),
            spawn(complete_digests(self.inventory), "digests"),
        ]
        if self.settings.retention_days:
            self._background.append(spawn(self.drift.watch(), "drift"))
        _log.info("consensus started", extra={"tasks": self.ensembles.names()})

    async def close(self) -> None:
        """Writes the rounds that wait, and closes all parts."""
        await self.reconciler.close()
        await self.node_clients.close()
        await self.recorder.close()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.inventory.close()
        for threads in (self.pages, self.checks, self.scrapes):
            threads.close()
        await asyncio.to_thread(self.journal.close)

    def ready(self) -> bool:
        """Whether every node was checked once, and some task can reach its quorum.

        Without the first, a new replica would get questions about tasks whose nodes it meets in a moment.
        """
        were_checked = all(client.was_checked for client in self.node_clients)
        return were_checked and any(self.ensembles.is_ready(task) for task in self.ensembles.names())

    async def _expire(self) -> None:
        while True:
            with contextlib.suppress(JournalUnavailable):
                # Where nothing is to be kept, no clock is asked how old it is.
                confirmed = await asyncio.to_thread(self.journal.beat)
                until = confirmed if self.settings.retention_days else now()
                _watch_clock(confirmed)
                before = until - self.settings.retention_days * DAY
                if count := await asyncio.to_thread(self.journal.expire, before):
                    _log.info("features expired", extra={"rounds": count})
                # An hour later than a label is refused, so that none comes for a round that is being removed.
                before = confirmed - self.settings.label_days * DAY - HOUR
                if count := await asyncio.to_thread(self.journal.remove_unsettled, before):
                    _log.info("rounds removed", extra={"rounds": count})
            await asyncio.sleep(EXPIRY_SECONDS)


def _watch_clock(confirmed: int) -> None:
    """States how far the clock is ahead of what heartbeats have confirmed."""
    clock = now()
    ahead = max(0, clock - confirmed)
    metrics.CLOCK_AHEAD.set(ahead / 1e6)
    if ahead > heartbeat.NEAR:
        _log.warning("clock not confirmed", extra={"clock": iso(clock), "confirmed": iso(confirmed)})
