"""Who is asked: one member a node, with its calls, its health and what it says of itself.

Questions come in batches already (`concord.consensus.batching`). A member is sent at once what it is asked while
fewer than two calls are under way, and what comes meanwhile goes into the next call, so that a slow node
gets large calls and not many. After five failures in a row a member is `down`: rounds get `unavailable`
at once instead of waiting, and one probe a second brings it back.

Members speak HTTP over kept connections of their own. They refuse to interpret votes beyond turning them into
integers, and never read a pickle: a node's answer is raw floats of a known length or it is invalid.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

import numpy as np
import orjson
from pydantic import TypeAdapter

from concord.consensus.node_calls import NodeCall, NodeResponse, PendingReply, words
from concord.consensus.poll import Ballots, OnReply, Question, Reply
from concord.errors import ConcordError, ConfigurationError
from concord.http.client import HttpClient
from concord.observability import metrics
from concord.policies import voting as pool
from concord.tasks.profile import TrainingProfile
from concord.tasks.schema import TaskSchema
from concord.types.nodes import (
    CHALLENGER_HEADER,
    MODEL_HEADER,
    REQUEST_ID_HEADER,
    ROWS_TYPE,
    SCHEMA_HEADER,
    VOTES_TYPE,
    NodeInfo,
    NodeStatus,
)
from concord.util.background import spawn

CALLS_UNDER_WAY: Final = 2
"""Calls to one node at a time: one that it works on, and one on the way."""

ROWS_PER_CALL: Final = 4096
"""More rows than this are spread over several calls, so that no call outlasts a deadline."""

FAILURES_TO_DOWN: Final = 5
PROBE_SECONDS: Final = 1.0
REFRESH_SECONDS: Final = 5.0
"""How often a healthy node is asked which version it serves; a reply by another version asks at once."""

ANSWERS_REMEMBERED: Final = 100
"""Answers among which malformed ones are counted."""

NAMED_REQUESTS: Final = 32
"""Request ids that one call names; a header has a limit."""

INFO_SECONDS: Final = 2.0
INFO_BYTES: Final = 1 << 20
PROFILE_BYTES: Final = 16 << 20
"""A profile of 300 numeric features with 2,048 distinct values each; fewer may have more, 7 MB together."""

_log = logging.getLogger(__name__)
_node_info = TypeAdapter(NodeInfo)


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What a node last said of itself, understood."""

    info: NodeInfo
    schema: TaskSchema

    @property
    def digest(self) -> str:
        """Digest of the schema that the node answers by."""
        return self.schema.digest


class NodeClient:
    """One node: its address, its queue and its health.

    Args:
        task: The task that it answers.
        node: Its name within the task.
        url: Base URL of its service.
        on_change: Called when what the node says of itself, or its health, has changed.

    Raises:
        ConfigurationError: The URL is none.
    """

    def __init__(self, task: str, node: str, url: str, on_change: Callable[[], None]) -> None:
        self.task = task
        self.node = node
        self.url = url.rstrip("/")
        self._origin = _origin(task, node, url)
        self._votes = self._origin.opening("POST", "/v1/votes", {"content-type": ROWS_TYPE})
        self._info = self._origin.opening("GET", "/info")
        self._profiled = self._origin.opening("GET", "/profile")
        self.profile: NodeDescription | None = None
        self.reference: TrainingProfile | None = None
        """The profile of the data that its version learned from, if its model carries one."""
        self._referred: NodeInfo | None = None
        self.looked = False
        self.reason: str | None = "It has not answered yet."
        self.latency_ms: float | None = None
        self._on_change = on_change
        self._queue: deque[PendingReply] = deque()
        self._calls: set[NodeCall] = set()
        self._failures = 0
        self._well_formed: deque[bool] = deque(maxlen=ANSWERS_REMEMBERED)
        self._look_again = asyncio.Event()
        self._batch_rows = metrics.BATCH_ROWS.labels(task, node)
        self._seconds = metrics.NODE_SECONDS.labels(task, node)
        self._up = metrics.NODE_UP.labels(task, node)

    @property
    def status(self) -> NodeStatus:
        """`unknown` until its first word, `down` after five failures in a row, else `up`."""
        if self.profile is None:
            return "unknown"
        return "down" if self._failures >= FAILURES_TO_DOWN else "up"

    def ask(self, question: Question, on_reply: OnReply) -> PendingReply | None:
        """Asks the node; `on_reply` is called once, unless the ticket is given up or abandoned before."""
        if self.status != "up":
            on_reply(Reply("unavailable"))
            return None
        ticket = PendingReply(self, question, on_reply)
        self._queue.append(ticket)
        self._send()
        return ticket

    async def watch(self) -> None:
        """Keeps knowing the node: asks `/info` until it answers, then now and then; probes it when down."""
        while True:
            await self._look()
            await self._refer()
            healthy = self.profile is not None and not self._failures
            self._look_again.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS if healthy else PROBE_SECONDS):
                    await self._look_again.wait()

    def close(self) -> None:
        """Cancels what is under way, and asks nothing any more."""
        for call in tuple(self._calls):
            call.cancel()
        self._origin.close()

    def _send(self) -> None:
        while self._queue and len(self._calls) < CALLS_UNDER_WAY:
            tickets: list[PendingReply] = []
            rows = 0
            while self._queue and (not tickets or rows + self._queue[0].question.rows <= ROWS_PER_CALL):
                ticket = self._queue.popleft()
                if ticket.waiting:
                    tickets.append(ticket)
                    rows += ticket.question.rows
                if tickets and ticket.question.schema_digest != tickets[0].question.schema_digest:
                    self._queue.appendleft(tickets.pop())
                    break
            if tickets:
                metrics.observe(self._batch_rows, rows)
                self._calls.add(NodeCall(self, tickets))

    def call_over(self, call: NodeCall, *, answered: bool | None, reason: str | None = None) -> None:
        """Frees the call's place, and keeps account of the node's health (None: nothing learned)."""
        self._calls.discard(call)
        if answered is not None:
            self._note(answered=answered, reason=reason)
        self._send()

    async def post(self, tickets: Sequence[PendingReply]) -> NodeResponse:
        """Sends the tickets' rows."""
        first = tickets[0].question
        ids = chain.from_iterable([ticket.question.request_ids for ticket in tickets])
        named = ",".join(islice(ids, NAMED_REQUESTS))
        headers = {SCHEMA_HEADER: first.schema_digest, REQUEST_ID_HEADER: named}
        trace = next((t.question.traceparent for t in tickets if t.question.traceparent), None)
        if trace:
            headers["traceparent"] = trace
        body = first.body if len(tickets) == 1 else b"".join(ticket.question.body for ticket in tickets)
        # A challenger doubles it; one byte more shows that it is too long.
        limit = 2 * self._answer_bytes(tickets) + 1
        response = await self._origin.exchange(self._votes, headers, body, limit=limit)
        model, challenger = response.header(MODEL_HEADER), response.header(CHALLENGER_HEADER)
        return NodeResponse(response.status, response.media_type, model, challenger, response.body)

    def read(self, tickets: Sequence[PendingReply], answer: NodeResponse) -> tuple[Ballots, Ballots | None]:
        """Turns a node's bytes into integer votes; raises ValueError if they are no votes at all."""
        size = self._answer_bytes(tickets)
        if len(answer.body) != size * (2 if answer.challenger else 1):
            raise ValueError("its answer has another length than its rows")
        tried = self._ballots(answer.body[size:]) if answer.challenger else None
        return self._ballots(answer.body[:size]), tried

    def _ballots(self, body: bytes) -> Ballots:
        assert self.profile is not None
        schema = self.profile.schema
        floats = np.frombuffer(body, dtype="<f4").reshape(-1, schema.width)
        if schema.value is not None:
            votes, valid = pool.read_values(floats, float(schema.value.step))
        else:
            votes, valid = pool.read_probabilities(floats)
        return Ballots(votes.tolist(), None if valid.all() else valid.tolist())

    def heard(self, version: str | None, seconds: float) -> None:
        """Takes note of who answered, and how soon; another version is asked about at once."""
        self.latency_ms = seconds * 1000
        metrics.observe(self._seconds, seconds)
        if version and self.profile and version != self.profile.info.version:
            self.look_again()

    @property
    def malformed(self) -> int:
        """Malformed answers among its last hundred."""
        return self._well_formed.count(False)

    def judged(self, *, well_formed: bool) -> None:
        """Takes note of an answer: malformed if any of its rows got no vote that counts."""
        before = None if well_formed else self.malformed
        self._well_formed.append(well_formed)
        # Of a node that is malformed for good and may not be jailed, there is no news in each answer.
        if before is not None and self.malformed > before:
            self._on_change()

    def forget_malformed(self) -> None:
        """Counts malformed answers anew, as of a node that has been jailed for them."""
        self._well_formed.clear()

    def look_again(self) -> None:
        """Has `/info` asked soon: the node answered by another version, or another schema."""
        self._look_again.set()

    def _answer_bytes(self, tickets: Sequence[PendingReply]) -> int:
        assert self.profile is not None
        return sum(ticket.question.rows for ticket in tickets) * self.profile.schema.width * 4

    def _note(self, *, answered: bool, reason: str | None = None) -> None:
        before = self.status
        self._failures = 0 if answered else self._failures + 1
        self.reason = None if answered else reason
        if self.status != before:
            self._up.set(self.status == "up")
            _log.warning("node changed", extra={**self._names, "status": self.status, "reason": reason})
            self._look_again.set()
            self._on_change()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(INFO_SECONDS):
                response = await self._origin.exchange(self._info, {}, b"", limit=INFO_BYTES)
                if response.status != 200:
                    raise ValueError(f"/info answered {response.status}")
                await self._meet(_node_info.validate_python(orjson.loads(response.body)))
        except (OSError, ValueError, TypeError, ConcordError) as error:
            self._note(answered=False, reason=words(error))
        finally:
            self.looked = True

    async def _refer(self) -> None:
        """Fetches the profile of a version that it has just met; without one it answers all the same."""
        if self.profile is None or self.profile.info == self._referred:
            return
        info, self.reference, found = self.profile.info, None, None
        try:
            async with asyncio.timeout(INFO_SECONDS):
                response = await self._origin.exchange(self._profiled, {}, b"", limit=PROFILE_BYTES)
            if response.status == 200:
                if response.header(MODEL_HEADER) != f"{info.model}/{info.version}":
                    # Another pod of a node that is being rolled: the next look asks again.
                    return
                found = await asyncio.to_thread(_read_reference, response.body)
        except OSError:
            return
        except (ValueError, ConfigurationError) as error:
            _log.warning("profile refused", extra={**self._names, "reason": words(error)})
        # A model without one, or a node of an older release, answers 404.
        self.reference, self._referred = found, info

    async def _meet(self, info: NodeInfo) -> None:
        if info.model != f"{self.task}.{self.node}":
            raise ValueError(f"it serves {info.model} and not {self.task}.{self.node}; check the nodes file")
        if info.accuracy is not None and not 0 <= info.accuracy <= 1:
            raise ValueError(f"it states an accuracy of {info.accuracy}, which is not in 0..1")
        profile = NodeDescription(info, TaskSchema.from_json(info.schema))
        if profile != self.profile:
            if self.profile and self.profile.info.version != info.version:
                self.forget_malformed()
            self.profile = profile
            _log.info("node met", extra={**self._names, "version": info.version, "run": info.run_id})
            self._up.set(1)
            self._failures = 0
            self.reason = None
            self._on_change()
        elif self._failures >= FAILURES_TO_DOWN:
            await self._probe(profile)

    async def _probe(self, profile: NodeDescription) -> None:
        """Asks a node that is down for the schema's example; a good answer brings it back."""
        rows = profile.schema.read_rows([profile.schema.example])
        ticket = PendingReply(self, Question(rows.tobytes(), 1, profile.digest, ("probe",)), lambda _: None)
        answer = await self.post([ticket])
        if answer.status != 200 or answer.media_type != VOTES_TYPE:
            raise ValueError(f"it answered {answer.status} {answer.media_type}")
        ballots, _ = self.read([ticket], answer)
        if ballots.valid:
            raise ValueError("its answer to the example is no vote")
        self._note(answered=True)

    @property
    def _names(self) -> dict[str, str]:
        return {"task": self.task, "node": self.node}


class NodeClients:
    """All members of all tasks.

    Args:
        urls: Task → node → base URL.
    """

    def __init__(self, urls: dict[str, dict[str, str]]) -> None:
        self._tasks = {
            task: {node: NodeClient(task, node, url, self._changed) for node, url in sorted(nodes.items())}
            for task, nodes in urls.items()
        }
        self._watches: list[asyncio.Task[None]] = []
        self.revision = 0
        """Grows whenever anything that a round depends on has changed."""

    async def start(self) -> None:
        """Begins to look for the nodes."""
        self._watches = [spawn(member.watch(), f"watch {member.task}.{member.node}") for member in self]

    async def close(self) -> None:
        """Stops looking, cancels what is under way, closes the connections."""
        for watch in self._watches:
            watch.cancel()
        for member in self:
            member.close()
        await asyncio.gather(*self._watches, return_exceptions=True)

    def of(self, task: str) -> dict[str, NodeClient]:
        """The task's members by node, sorted; empty where there is no such task."""
        return self._tasks.get(task, {})

    def __iter__(self) -> Iterator[NodeClient]:
        return (member for nodes in self._tasks.values() for member in nodes.values())

    def _changed(self) -> None:
        self.revision += 1


def _read_reference(body: bytes) -> TrainingProfile:
    found = TrainingProfile.from_json(orjson.loads(body))
    # Made here and kept: it reads all of a document that may be large, and the event loop asks for it.
    _ = found.digest
    return found


def _origin(task: str, node: str, url: str) -> HttpClient:
    try:
        return HttpClient(url)
    except ValueError as error:
        raise ConfigurationError(
            f"{task}.{node} cannot be at {url!r}: {error}.", field="CONCORD_NODES"
        ) from error
