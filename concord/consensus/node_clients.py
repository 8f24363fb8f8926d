"""The clients of all nodes, and the watch that keeps each node's description and health up to date.

A healthy node is asked for `/info` every five seconds, and at once where it answers by another version. One
that is away or down is looked for every second; a good answer to the schema's example brings it back.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Final

import orjson
from pydantic import TypeAdapter

from concord.consensus.node_client import NodeClient, NodeDescription, Question, words
from concord.errors import ConcordError, ConfigurationError
from concord.tasks.profile import TrainingProfile
from concord.tasks.schema import TaskSchema
from concord.types.nodes import MODEL_HEADER, NodeInfo
from concord.util.background import spawn
from concord.util.digests import is_digest

PROBE_SECONDS: Final = 1.0
"""How often a node that does not answer is looked for."""

REFRESH_SECONDS: Final = 5.0
"""How often a healthy node is asked which version it serves; a reply by another version asks at once."""

INFO_SECONDS: Final = 2.0
INFO_BYTES: Final = 1 << 20
PROFILE_BYTES: Final = 16 << 20
"""A profile of 300 numeric features with 2,048 distinct values each; fewer may have more, 7 MB together."""

_log = logging.getLogger(__name__)
_node_info = TypeAdapter(NodeInfo)


class NodeClients:
    """The clients of all nodes of all tasks.

    Args:
        urls: Task → node → base URL.
    """

    def __init__(self, urls: dict[str, dict[str, str]]) -> None:
        self._tasks = {
            task: {
                node: NodeClient(task, node, url, self._count_change) for node, url in sorted(nodes.items())
            }
            for task, nodes in urls.items()
        }
        self._watches: list[asyncio.Task[None]] = []
        self.revision = 0
        """Grows whenever a node's description or health has changed."""

    async def start(self) -> None:
        """Begins to watch the nodes."""
        self._watches = [
            spawn(NodeWatch(client).run(), f"watch {client.task}.{client.node}") for client in self
        ]

    async def close(self) -> None:
        """Stops watching, cancels the calls under way and closes the connections."""
        for watch in self._watches:
            watch.cancel()
        for client in self:
            client.close()
        await asyncio.gather(*self._watches, return_exceptions=True)

    def by_node(self, task: str) -> dict[str, NodeClient]:
        """A task's clients by node, sorted; empty where there is no such task."""
        return self._tasks.get(task, {})

    def __iter__(self) -> Iterator[NodeClient]:
        return (client for nodes in self._tasks.values() for client in nodes.values())

    def _count_change(self) -> None:
        self.revision += 1


class NodeWatch:
    """Asks one node what it serves, now and then, and probes it while it is down.

    Args:
        client: The node's client, which gets what is learned.
    """

    def __init__(self, client: NodeClient) -> None:
        self._client = client
        self._names = {"task": client.task, "node": client.node}
        self._profiled: NodeInfo | None = None
        """The description whose training profile was fetched, or found to have none."""

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            await self._check()
            await self._fetch_profile()
            self._client.check_soon.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS if self._client.is_healthy else PROBE_SECONDS):
                    await self._client.check_soon.wait()

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(INFO_SECONDS):
                response = await self._client.get("/info", INFO_BYTES)
                if response.status != 200:
                    raise ValueError(f"/info answered {response.status}")
                await self.take_info(_node_info.validate_python(orjson.loads(response.body)))
        except (OSError, ValueError, TypeError, ConcordError) as error:
            self._client.note_call(answered=False, reason=words(error))
        finally:
            self._client.was_checked = True

    async def take_info(self, info: NodeInfo) -> None:
        """Takes what a node states on `/info`; probes a node that was down.

        Raises:
            ValueError: It is another node than was expected, or states what cannot be.
        """
        client = self._client
        if info.model != f"{client.task}.{client.node}":
            raise ValueError(
                f"it serves {info.model} and not {client.task}.{client.node}; check the nodes file"
            )
        if info.accuracy is not None and not 0 <= info.accuracy <= 1:
            raise ValueError(f"it states an accuracy of {info.accuracy}, which is not in 0..1")
        if not is_digest(info.digest):
            # It is noted in the ledger, from which nothing can be deleted.
            raise ValueError("it states a digest that is no SHA-256 in hex")
        description = NodeDescription(info, TaskSchema.from_json(info.schema))
        if description != client.description:
            client.meet(description)
            _log.info("node met", extra={**self._names, "version": info.version, "run": info.run_id})
        elif client.status == "down":
            await self._probe(description)

    async def _probe(self, description: NodeDescription) -> None:
        """Asks a node that is down for the schema's example; a usable vote brings it back."""
        rows = description.schema.read_rows([description.schema.example])
        questions = [Question(rows.tobytes(), 1, description.schema.digest, ("probe",))]
        response = await self._client.post(questions)
        if response.status != 200:
            raise ValueError(f"it answered {response.status} {response.media_type}")
        ballots, _ = await self._client.read(questions, response)
        if ballots.valid:
            raise ValueError("its answer to the example is no vote")
        self._client.note_call(answered=True)

    async def _fetch_profile(self) -> None:
        """Fetches the training profile of a version that was just met; a node answers without one too."""
        client = self._client
        if client.description is None or client.description.info == self._profiled:
            return
        info, client.training_profile, profile = client.description.info, None, None
        try:
            async with asyncio.timeout(INFO_SECONDS):
                response = await client.get("/profile", PROFILE_BYTES)
            if response.status == 200:
                if response.header(MODEL_HEADER) != f"{info.model}/{info.version}":
                    # Another pod of a node that is being rolled: the next check asks again.
                    return
                profile = await asyncio.to_thread(_read_profile, response.body)
        except OSError:
            return
        except (ValueError, ConfigurationError) as error:
            _log.warning("profile refused", extra={**self._names, "reason": words(error)})
        # A model without one, or a node of an older release, answers 404.
        client.training_profile, self._profiled = profile, info


def _read_profile(body: bytes) -> TrainingProfile:
    profile = TrainingProfile.from_json(orjson.loads(body))
    # Computed and cached here: it reads all of a document that may be large, and the event loop asks for it.
    _ = profile.digest
    return profile
