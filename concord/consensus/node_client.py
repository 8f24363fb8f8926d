"""The client of one node: questions in, votes as integers out.

A question is sent at once while fewer than two calls to the node are under way; questions that come meanwhile
share the next call, so that a slow node gets few, large calls. After five failed calls in a row the node is
`down` and questions get `unavailable` at once. `concord.consensus.node_clients` checks the node's health.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from concord.errors import ConfigurationError
from concord.http.client import ClientResponse, HttpClient
from concord.observability import metrics
from concord.policies import voting
from concord.tasks.schema import TaskSchema
from concord.types.answers import Outcome
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
from concord.util.slices import URGENT, next_turn

if TYPE_CHECKING:
    from concord.tasks.profile import TrainingProfile

CALLS_UNDER_WAY: Final = 2
"""Calls to one node at a time: one that it works on, and one on the way."""

ROWS_PER_CALL: Final = 4096
"""More rows than this are spread over several calls, so that no call outlasts a deadline."""

FAILURES_TO_DOWN: Final = 5
"""Failed calls in a row after which a node is not asked any more."""

ANSWERS_REMEMBERED: Final = 100
"""Answers among which malformed ones are counted."""

BYTES_AT_ONCE: Final = 1 << 13
"""Bytes of an answer that are read at once; as integers they take half a millisecond."""

NAMED_REQUESTS: Final = 32
"""Request ids that one call names; a header has a limit."""

_log = logging.getLogger(__name__)


class Question(NamedTuple):
    """Rows for the nodes, of one request or of several that share a batch: float32, little-endian, C order.

    They are bytes, so that a batch joins the rows of its requests without reading them.

    Attributes:
        body: The rows as bytes.
        rows: How many.
        schema_digest: The schema that they are written by.
        request_ids: The requests that they belong to, for the nodes' logs.
        traceparent: W3C trace context of a caller, if any.
    """

    body: bytes
    rows: int
    schema_digest: str
    request_ids: tuple[str, ...]
    traceparent: str | None = None


class Ballots(NamedTuple):
    """One model's votes on several rows; a node's answer holds its champion's, and perhaps a challenger's.

    Each question of a call gets its part of both.

    Attributes:
        votes: Per row, integers as `concord.policies.voting` reads them.
        valid: Per row, whether the vote is usable; None if all are.
    """

    votes: Sequence[Sequence[int]]
    valid: Sequence[bool] | None

    def part(self, start: int, stop: int) -> "Ballots":
        """The votes on some of the rows."""
        valid = None if self.valid is None or all(self.valid[start:stop]) else self.valid[start:stop]
        return Ballots(self.votes[start:stop], valid)

    def usable(self, row: int) -> bool:
        """Whether the vote on a row counts."""
        return self.valid is None or self.valid[row]


@dataclass(slots=True)
class Reply:
    """What one node did with a question, also where it sent nothing; not frozen, which is faster to make.

    Attributes:
        outcome: `voted` if at least one row got a usable vote.
        version: Model version that answered.
        latency_ms: From asking to answer; None where there was none.
        votes: Per row, integers as `concord.policies.voting` reads them; empty unless `voted`.
        valid: Per row, whether the vote is usable; None if all are.
        challenger: Version of the challenger that answered in the same call, if one did.
        tried: The challenger's votes, which do not count.
    """

    outcome: Outcome
    version: str | None = None
    latency_ms: float | None = None
    votes: Sequence[Sequence[int]] = ()
    valid: Sequence[bool] | None = None
    challenger: str | None = None
    tried: Ballots | None = None

    def usable(self, row: int) -> bool:
        """Whether the vote on a row counts."""
        return self.outcome == "voted" and (self.valid is None or self.valid[row])

    def row_outcome(self, row: int) -> Outcome:
        """The outcome for one row of the question."""
        return "invalid" if self.outcome == "voted" and not self.usable(row) else self.outcome


OnReply = Callable[[Reply], None]


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What a node states on `/info`, with its schema read."""

    info: NodeInfo
    schema: TaskSchema

    @property
    def accuracy(self) -> int:
        """The accuracy that the node states, in ppm; 0 for a regression."""
        return round((self.info.accuracy or 0) * voting.PPM)


class NodeClient:
    """One node: its address, the questions that wait for it, and its health.

    Args:
        task: The task that it answers.
        node: Its name within the task.
        url: Base URL of its service.
        on_change: Called when the node's description or health has changed.

    Raises:
        ConfigurationError: The URL is none.
    """

    def __init__(self, task: str, node: str, url: str, on_change: Callable[[], None]) -> None:
        self.task = task
        self.node = node
        self.url = url.rstrip("/")
        self.description: NodeDescription | None = None
        self.training_profile: TrainingProfile | None = None
        """The profile of the data that its version learned from, if its model carries one."""
        self.was_checked = False
        """Whether `/info` was asked at least once, with or without success."""
        self.reason: str | None = "It has not answered yet."
        """Why it is not up, for people."""
        self.latency_ms: float | None = None
        self.check_soon = asyncio.Event()
        """Set where the node answered by another version or schema than it has stated."""
        self._http = _http_client(task, node, url)
        self._votes = self._http.opening("POST", "/v1/votes", {"content-type": ROWS_TYPE})
        self._on_change = on_change
        self._queue: deque[PendingReply] = deque()
        self._calls: set[NodeCall] = set()
        self._failures = 0
        self._well_formed: deque[bool] = deque(maxlen=ANSWERS_REMEMBERED)
        self._batch_rows = metrics.BATCH_ROWS.labels(task, node)
        self._seconds = metrics.NODE_SECONDS.labels(task, node)
        self._up = metrics.NODE_UP.labels(task, node)

    @property
    def status(self) -> NodeStatus:
        """`unknown` until it has stated what it serves, `down` after five failures in a row, else `up`."""
        if self.description is None:
            return "unknown"
        return "down" if self._failures >= FAILURES_TO_DOWN else "up"

    @property
    def is_healthy(self) -> bool:
        """Whether it has stated what it serves and its last call did not fail."""
        return self.description is not None and not self._failures

    @property
    def malformed(self) -> int:
        """Malformed answers among its last hundred."""
        return self._well_formed.count(False)

    def ask(self, question: Question, on_reply: OnReply) -> "PendingReply | None":
        """Asks the node; `on_reply` is called once, unless the pending reply is given up or abandoned before.

        A node that is not up is not asked: then `on_reply` is called at once and None is returned.
        """
        if self.status != "up":
            on_reply(Reply("unavailable"))
            return None
        pending = PendingReply(question, on_reply)
        self._queue.append(pending)
        self._send()
        return pending

    def close(self) -> None:
        """Cancels the calls under way and closes the connections."""
        for call in tuple(self._calls):
            call.cancel()
        self._http.close()

    async def get(self, path: str, limit: int) -> ClientResponse:
        """Reads what the node states of itself, at most `limit` bytes; OSError where it does not answer."""
        return await self._http.exchange(self._http.opening("GET", path), {}, b"", limit=limit)

    async def post(self, questions: Sequence[Question]) -> ClientResponse:
        """Sends the rows of questions in one call; OSError where the node does not answer."""
        first = questions[0]
        ids = chain.from_iterable([question.request_ids for question in questions])
        headers = {
            SCHEMA_HEADER: first.schema_digest,
            REQUEST_ID_HEADER: ",".join(islice(ids, NAMED_REQUESTS)),
        }
        trace = next((question.traceparent for question in questions if question.traceparent), None)
        if trace:
            headers["traceparent"] = trace
        body = first.body if len(questions) == 1 else b"".join([question.body for question in questions])
        # A challenger doubles it; one byte more shows that it is too long.
        limit = 2 * self._answer_bytes(questions) + 1
        return await self._http.exchange(self._votes, headers, body, limit=limit)

    async def read(
        self, questions: Sequence[Question], response: ClientResponse
    ) -> tuple[Ballots, Ballots | None]:
        """The champion's votes, and the challenger's if there is one, as integers.

        Raises:
            ValueError: The body holds no votes on these questions.
        """
        size, has_challenger = self._answer_bytes(questions), bool(response.header(CHALLENGER_HEADER))
        if response.media_type != VOTES_TYPE:
            raise ValueError("its answer has another media type")
        if len(response.body) != size * (2 if has_challenger else 1):
            raise ValueError("its answer has another length than its rows")
        tried = await self._ballots(response.body[size:]) if has_challenger else None
        return await self._ballots(response.body[:size]), tried

    def meet(self, description: NodeDescription) -> None:
        """Takes a new description of a node that has just answered; a new version begins without faults."""
        if self.description and self.description.info.version != description.info.version:
            self.forget_malformed()
        self.description = description
        self._failures, self.reason = 0, None
        self._up.set(1)
        self._on_change()

    def note_call(self, *, answered: bool, reason: str | None = None) -> None:
        """Keeps account of the node's health: whether a call was answered, and why it was not."""
        before = self.status
        self._failures = 0 if answered else self._failures + 1
        self.reason = None if answered else reason
        if self.status != before:
            self._up.set(self.status == "up")
            event = {"task": self.task, "node": self.node, "status": self.status, "reason": reason}
            _log.warning("node changed", extra=event)
            self.check_soon.set()
            self._on_change()

    def note_answer(self, version: str | None, seconds: float) -> None:
        """Notes an answer's version and latency; another version than the stated one is checked at once."""
        self.latency_ms = seconds * 1000
        self._seconds.observe(seconds)
        if version and self.description and version != self.description.info.version:
            self.check_soon.set()

    def note_form(self, *, well_formed: bool) -> None:
        """Counts an answer; it is malformed if any of its rows got no usable vote."""
        before = None if well_formed else self.malformed
        self._well_formed.append(well_formed)
        # A node that is malformed for good and may not be jailed changes nothing with each answer.
        if before is not None and self.malformed > before:
            self._on_change()

    def forget_malformed(self) -> None:
        """Counts malformed answers anew, as of a node that has been jailed for them."""
        self._well_formed.clear()

    def end_call(self, call: "NodeCall", *, answered: bool | None, reason: str | None) -> None:
        """Frees the call's place and notes its result (None: it says nothing about the node's health)."""
        self._calls.discard(call)
        if answered is not None:
            self.note_call(answered=answered, reason=reason)
        self._send()

    def _send(self) -> None:
        while self._queue and len(self._calls) < CALLS_UNDER_WAY:
            replies: list[PendingReply] = []
            rows = 0
            while self._queue and (not replies or rows + self._queue[0].question.rows <= ROWS_PER_CALL):
                pending = self._queue.popleft()
                if pending.is_open:
                    replies.append(pending)
                    rows += pending.question.rows
                if replies and pending.question.schema_digest != replies[0].question.schema_digest:
                    self._queue.appendleft(replies.pop())
                    break
            if replies:
                self._batch_rows.observe(rows)
                self._calls.add(NodeCall(self, replies))

    def _answer_bytes(self, questions: Sequence[Question]) -> int:
        assert self.description is not None
        return sum([question.rows for question in questions]) * self.description.schema.width * 4

    async def _ballots(self, body: bytes) -> Ballots:
        assert self.description is not None
        schema = self.description.schema
        rows = max(1, BYTES_AT_ONCE // (4 * schema.width)) * schema.width * 4
        if len(body) <= rows:
            return _read_ballots(schema, body)
        parts = [body[begin : begin + rows] for begin in range(0, len(body), rows)]
        return _joined([await _read_in_turn(schema, part) for part in parts])


class PendingReply:
    """A poll's question that waits for one node: in its queue, or with others in a call.

    A poll that is over, or whose callers have hung up, gives up its own; the call goes on for the others.
    """

    __slots__ = ("_began", "_on_reply", "call", "is_open", "question")

    def __init__(self, question: Question, on_reply: OnReply) -> None:
        self.question = question
        self.is_open = True
        self.call: NodeCall | None = None
        self._on_reply = on_reply
        self._began = time.perf_counter()

    def answer(self, reply: Reply) -> None:
        """Hands the reply on, unless it was given up or abandoned."""
        self.call = None
        if self.is_open:
            self.is_open = False
            self._on_reply(reply)

    def latency_ms(self, now: float) -> float:
        """Milliseconds from the question to a `perf_counter` reading, rounded to the µs."""
        return round((now - self._began) * 1000, 3)

    def give_up(self) -> None:
        """Ends the wait because the poll is over; the node was too late."""
        self._leave(late=True)

    def abandon(self) -> None:
        """Ends the wait because all callers have hung up, which is no fault of the node."""
        self._leave(late=False)

    def _leave(self, *, late: bool) -> None:
        self.is_open = False
        if self.call is not None:
            self.call.leave(late=late)


class NodeCall:
    """One HTTP call with the rows of one or more pending replies: a small call costs as much as a large one.

    It is cancelled once none of them is open any more. A node whose answer came too late for all of them has
    failed; one whose callers have hung up has not.
    """

    def __init__(self, client: NodeClient, replies: Sequence[PendingReply]) -> None:
        self._client = client
        self._replies = replies
        self._open = len(replies)
        self._late = False
        for pending in replies:
            pending.call = self
        self._began = time.perf_counter()
        self._answered: bool | None = None
        self._reason: str | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())
        # Not in `_run`: a task that is cancelled before its first step never runs any of it.
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        """Ends the call, even if replies are pending."""
        self._task.cancel()

    def leave(self, *, late: bool) -> None:
        """One of its pending replies was given up (`late`) or abandoned."""
        self._open -= 1
        self._late = self._late or late
        if not self._open:
            self._task.cancel()

    async def _run(self) -> None:
        questions = [pending.question for pending in self._replies]
        try:
            response = await self._client.post(questions)
        except OSError as error:
            self._answered, self._reason = False, words(error)
            self._answer_all(Reply("unavailable"))
            return
        self._answered = await self._read(questions, response)
        self._reason = f"It answered {response.status} {response.media_type}, which is no vote."

    def _end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._answered = False if self._late else None
            self._reason = "It did not answer in time."
        elif error := task.exception():
            _log.error("call failed", exc_info=error)
            self._answer_all(Reply("unavailable"))
        self._client.end_call(self, answered=self._answered, reason=self._reason)

    async def _read(self, questions: Sequence[Question], response: ClientResponse) -> bool | None:
        """Hands out the response; false if the node failed, None if it refused the question."""
        if response.status != 200:
            if response.status in (404, 409):
                self._client.check_soon.set()
            self._answer_all(Reply("unavailable"))
            return None if response.status in (413, 422) else False
        version, challenger = _version(response, MODEL_HEADER), _version(response, CHALLENGER_HEADER)
        try:
            ballots, tried = await self._client.read(questions, response)
        except ValueError:
            self._answer_all(Reply("invalid", version))
            self._client.note_form(well_formed=False)
            # The node lives, and its votes are worthless: that is an outcome, not an outage.
            return True
        now = time.perf_counter()
        self._share_out(now, version, ballots, challenger, tried)
        self._client.note_form(well_formed=ballots.valid is None)
        self._client.note_answer(version, now - self._began)
        return True

    def _share_out(
        self, now: float, version: str | None, ballots: Ballots, challenger: str | None, tried: Ballots | None
    ) -> None:
        start = 0
        for pending in self._replies:
            stop = start + pending.question.rows
            reply = _reply(version, pending.latency_ms(now), ballots, start, stop)
            if tried is not None:
                reply.challenger, reply.tried = challenger, tried.part(start, stop)
            pending.answer(reply)
            start = stop

    def _answer_all(self, reply: Reply) -> None:
        for pending in self._replies:
            pending.answer(reply)


def words(error: Exception) -> str:
    """An error as a reason that a person can read."""
    return str(error) or type(error).__name__


async def _read_in_turn(schema: TaskSchema, body: bytes) -> Ballots:
    await next_turn(URGENT)
    return _read_ballots(schema, body)


def _read_ballots(schema: TaskSchema, body: bytes) -> Ballots:
    floats = np.frombuffer(body, dtype="<f4").reshape(-1, schema.width)
    if schema.value is not None:
        votes, valid = voting.read_values(floats, float(schema.value.step))
    else:
        votes, valid = voting.read_probabilities(floats)
    return Ballots(votes.tolist(), None if valid.all() else valid.tolist())


def _joined(parts: Sequence[Ballots]) -> Ballots:
    """The votes of parts that follow one another."""
    votes = [vote for part in parts for vote in part.votes]
    if all(part.valid is None for part in parts):
        return Ballots(votes, None)
    return Ballots(votes, [part.usable(row) for part in parts for row in range(len(part.votes))])


def _reply(version: str | None, latency: float, ballots: Ballots, start: int, stop: int) -> Reply:
    if ballots.valid is None:
        # Nearly always, and there are as many replies as nodes times requests.
        return Reply("voted", version, latency, ballots.votes[start:stop])
    votes, valid = ballots.part(start, stop)
    if valid is not None and not any(valid):
        return Reply("invalid", version, latency)
    return Reply("voted", version, latency, votes, valid)


def _version(response: ClientResponse, header: str) -> str | None:
    """The version in a `<task>.<node>/<version>` header."""
    model = response.header(header)
    return model.rpartition("/")[2] if model else None


def _http_client(task: str, node: str, url: str) -> HttpClient:
    try:
        return HttpClient(url)
    except ValueError as error:
        raise ConfigurationError(
            f"{task}.{node} cannot be at {url!r}: {error}.", field="CONCORD_NODES"
        ) from error
