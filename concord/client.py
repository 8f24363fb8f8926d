"""A typed, synchronous Python client of the consensus service, for the command line, the page and scripts.

    with Client("http://127.0.0.1:7400") as concord:
        answer = concord.predict("iris", [{"sepal_length": 6.0, …}]).verdicts[0]

It keeps one pooled connection; answers are values of `concord.types`. An error of the service is raised as
`Refused` with its code, message and field; a service that cannot be reached as `ServiceAway`.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from concord.errors import ConfigurationError, Refused, ServiceAway
from concord.http.outgoing import authority_file, client_options, distrust_of, proxy_note
from concord.policies.stake import Action
from concord.tasks.profile import TrainingProfile
from concord.tasks.schema import TaskSchema
from concord.types.answers import PredictResponse, Verdict
from concord.types.drift import DriftReport
from concord.types.ledger import BlockPage, StakesPage
from concord.types.models import Appointed, Comparison, ModelView
from concord.types.nodes import AccountView, NodeHistory, NodeView
from concord.types.rounds import FeedbackResponse, LabelledPage, LabelledRow, LabelResult, Round, RoundPage
from concord.types.tasks import TaskDetail, TaskSummary

T = TypeVar("T")


REPLAY_SECONDS: Final = 600.0
"""Time limit of a replay of the whole ledger: enough for some hundred thousand rounds."""


COMPARE_SECONDS: Final = 300.0
"""Time limit of a drift report: a million rounds take half a minute, one report after the other."""


DECISION_SECONDS: Final = 60.0
"""Time limit of a decision about versions: registry, cluster and ledger each have a limit of their own."""


class Client:
    """A connection to one consensus service.

    Args:
        url: Its address.
        timeout: Seconds to wait for an answer; a round ends within its deadline of a few.
        token: A token with the right to label, read rounds or administer, where the service needs one.
        ca: A file with the certificate of the authority that signed the service's, trusted besides the
            system's; what CONCORD_CA names unless given.

    Raises:
        ConfigurationError: The token or a certificate is none, or a proxy cannot be used.
    """

    def __init__(
        self, url: str, timeout: float = 10.0, token: str | None = None, ca: str | Path | None = None
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {_header_token(token)}"} if token else {}
        options = client_options(self.url, authority_file() if ca is None else Path(ca))
        self._http = httpx.Client(base_url=self.url, timeout=timeout, headers=headers, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def ready(self) -> bool:
        """Whether some task can be answered; false if the service cannot be reached."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def metrics(self) -> str:
        """The service's current metrics in Prometheus' text format."""
        response = self._send("GET", "/metrics")
        if response.is_error or not response.headers.get("content-type", "").startswith("text/plain"):
            raise ServiceAway(f"What answers at {self.url} has no metrics.", field="CONCORD_URL")
        return response.text

    def tasks(self) -> list[TaskSummary]:
        """All tasks."""
        return _read(list[TaskSummary], self._get("/v1/tasks")["tasks"])

    def task(self, task: str) -> TaskDetail:
        """A task with its schema."""
        return _read(TaskDetail, self._get(f"/v1/tasks/{_part(task)}"))

    def schema(self, task: str) -> TaskSchema:
        """A task's schema."""
        return TaskSchema.from_json(self.task(task).schema)

    def drift(self, task: str, *, since: str | None = None, limit: int | None = None) -> DriftReport:
        """The drift report of a task's newest rows against the training data."""
        path = f"/v1/tasks/{_part(task)}/drift"
        return _read(DriftReport, self._get(path, {"since": since, "limit": limit}, COMPARE_SECONDS))

    def profile(self, task: str) -> TrainingProfile:
        """The training profile that the task's models carry."""
        return TrainingProfile.from_json(self._get(f"/v1/tasks/{_part(task)}/profile"))

    def labelled(self, task: str, *, since: str | None = None, at_once: int = 500) -> Iterator[LabelledRow]:
        """Every row of a task that has a label and is kept, oldest first, page by page.

        Args:
            task: The task.
            since: Only rows of this time, with its zone, or later.
            at_once: Rows on a page, at most 1,000.
        """
        after: str | None = None
        while True:
            query = {"since": since, "limit": at_once, "after": after}
            page = _read(LabelledPage, self._get(f"/v1/tasks/{_part(task)}/labelled", query))
            yield from page.rows
            after = page.next
            if after is None:
                return

    def nodes(self, task: str | None = None) -> list[NodeView]:
        """The nodes of a task, or of all."""
        return _read(list[NodeView], self._get("/v1/nodes", {"task": task})["nodes"])

    def history(self, task: str, node: str, *, before: int | None = None) -> NodeHistory:
        """The changes of a node's stake in the newest 1,000 blocks, or in as many below a height."""
        path = f"/v1/nodes/{_part(task)}/{_part(node)}/history"
        return _read(NodeHistory, self._get(path, {"before": before}))

    def predict(
        self,
        task: str,
        rows: Sequence[Mapping[str, float | str]],
        *,
        recorded: bool = False,
        settled: bool = False,
        votes: bool = True,
        request_id: str | None = None,
    ) -> PredictResponse:
        """The consensus answers to rows of named columns.

        Args:
            task: The task.
            rows: Up to 1,000.
            recorded: Wait until the rounds are durable.
            settled: Wait until they are settled in a block.
            votes: Have the nodes' votes in the answer; without, it is a fraction as long. `round` has them.
            request_id: An id of the caller's own, for logs and rounds.

        Raises:
            Refused: With `code` `invalid_input`, `no_quorum` and so on.
            ServiceAway: Nothing answers.
        """
        path = f"/v1/tasks/{_part(task)}/predict"
        query = {"recorded": recorded, "settled": settled, "votes": "" if votes else "none"}
        return _read(PredictResponse, self._post(path, {"rows": list(rows)}, request_id, query))

    def feedback(
        self, labels: Sequence[Mapping[str, object]], *, settled: bool = False, request_id: str | None = None
    ) -> FeedbackResponse:
        """Sends labels of rounds; the same labels again change nothing.

        Args:
            labels: Up to 1,000 of `{"id", "label"}`, `{"id", "value"}` for a regression, or `{"id", "text"}`
                with either as a person typed it.
            settled: Wait until they are settled in a block.
            request_id: An id of the caller's own, for logs.

        Raises:
            Refused: No label was accepted; `results_of` returns the result of each.
            ServiceAway: Nothing answers.
        """
        body, flags = {"labels": list(labels)}, {"settled": settled}
        return _read(FeedbackResponse, self._post("/v1/feedback", body, request_id, flags))

    def release(self, task: str, node: str, reason: str, *, key: str | None = None) -> AccountView:
        """Lets a node that is jailed or in probation count again."""
        return self._administer(task, node, "release", {"reason": reason}, key)

    def deposit(
        self, task: str, node: str, amount: float, reason: str, *, key: str | None = None
    ) -> AccountView:
        """Pays stake into a node's account; with the same key only once."""
        return self._administer(task, node, "deposit", {"amount": amount, "reason": reason}, key)

    def withdraw(
        self, task: str, node: str, amount: float, reason: str, *, key: str | None = None
    ) -> AccountView:
        """Takes stake out of a node's account; with the same key only once."""
        return self._administer(task, node, "withdraw", {"amount": amount, "reason": reason}, key)

    def models(self) -> list[ModelView]:
        """Every node's model with the versions that it serves and tries."""
        return _read(list[ModelView], self._get("/v1/models")["models"])

    def compare(self, name: str, *, since: str | None = None) -> Comparison:
        """A model's champion and challenger on the labelled rounds since its phase began, or since a time."""
        path = f"/v1/models/{_part(name)}/compare"
        return _read(Comparison, self._get(path, {"since": since}, REPLAY_SECONDS))

    def appoint(
        self,
        name: str,
        action: Action,
        version: str | None = None,
        why: str = "",
        expect: Mapping[str, str | None] | None = None,
    ) -> ModelView:
        """Decides about a model's versions; the same call again completes one that was interrupted.

        Args:
            name: Registered name, `iris.knn`.
            action: `challenge`, `promote`, `rollback` or `dismiss`.
            version: Required for a challenge; a promotion takes the challenger unless given.
            why: The reason, one line; it stays in the ledger for good.
            expect: The current `champion` and `challenger` (None: none); if they are others by now, nothing
                changes.

        Raises:
            Refused: With `code` `conflict`, `unknown_version`, `no_registry` and so on.
            ServiceAway: Nothing answers.
        """
        named = {"version": version, "expect": None if expect is None else dict(expect)}
        body = {"why": why} | {field: value for field, value in named.items() if value is not None}
        path = f"/v1/models/{_part(name)}/{action}"
        return _read(Appointed, self._request("POST", path, json=body, timeout=DECISION_SECONDS)).model

    def rounds(
        self,
        *,
        task: str | None = None,
        status: str | None = None,
        since: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        **filters: str | None,
    ) -> RoundPage:
        """One page of rounds, newest first.

        Args:
            task: Only rounds of this task.
            status: Only `ok`, `degraded` or `no_quorum` ones.
            since: Only rounds of this time, with its zone, or later.
            limit: Rounds on the page, at most 500; with a filter that reads each round there may be fewer.
            after: The cursor that came with the page before.
            filters: `label` (`known`, `unknown`, `disputed`), `answer` (a class), `id` (how it begins),
                `until` (a time).
        """
        query = {"task": task, "status": status, "since": since, "limit": limit, "after": after}
        return _read(RoundPage, self._get("/v1/rounds", query | filters))

    def all_rounds(self, **filters: str | None) -> Iterator[Round]:
        """Every round that fits, newest first, page by page."""
        after: str | None = None
        while True:
            page = self.rounds(limit=500, after=after, **filters)
            yield from page.rounds
            after = page.after
            if after is None:
                return

    def round(self, round_id: str) -> Round:
        """One round."""
        return _read(Round, self._get(f"/v1/rounds/{_part(round_id)}"))

    def ledger(self) -> dict[str, Any]:
        """The newest state: height, hash, and every account in µS."""
        return self._get("/v1/ledger")

    def block(self, height: int) -> dict[str, Any]:
        """One block."""
        return self._get(f"/v1/ledger/blocks/{height}")

    def blocks(self, *, before: int | None = None, limit: int | None = None) -> BlockPage:
        """One page of blocks, newest first.

        Args:
            before: Only blocks below this height.
            limit: How many, at most 100.
        """
        return _read(BlockPage, self._get("/v1/ledger/blocks", {"before": before, "limit": limit}))

    def stakes(self, task: str, *, before: int | None = None) -> StakesPage:
        """The stake that each node gained and lost in the newest 1,000 blocks, or those below a height."""
        return _read(StakesPage, self._get(f"/v1/ledger/stakes/{_part(task)}", {"before": before}))

    def verify(self) -> dict[str, Any]:
        """The result of replaying every block and comparing it with the journal."""
        return self._get("/v1/ledger/verify", timeout=REPLAY_SECONDS)

    def audit(self) -> dict[str, Any]:
        """The result of settling every block again; needs a token that administers."""
        return self._get("/v1/ledger/audit", timeout=REPLAY_SECONDS)

    def _administer(
        self, task: str, node: str, action: str, body: Mapping[str, object], key: str | None
    ) -> AccountView:
        path = f"/v1/nodes/{_part(task)}/{_part(node)}/{action}"
        headers = {"idempotency-key": key} if key else None
        return _read(AccountView, self._request("POST", path, json=dict(body), headers=headers))

    def _get(
        self, path: str, query: Mapping[str, str | int | None] | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        return self._request("GET", path, params=params, timeout=timeout or self._http.timeout)

    def _post(
        self, path: str, body: Mapping[str, object], request_id: str | None, query: Mapping[str, bool | str]
    ) -> dict[str, Any]:
        params = {name: "true" if value is True else value for name, value in query.items() if value}
        headers = {"x-request-id": request_id} if request_id else None
        return self._request("POST", path, params=params, json=body, headers=headers)

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's
        response = self._send(method, path, **options)
        try:
            document = response.json()
        except ValueError as error:
            raise ServiceAway(
                f"What answers at {self.url} is no consensus service.", field="CONCORD_URL"
            ) from error
        if response.is_error:
            raise _refusal(response, document)
        return dict(document)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            if distrust := distrust_of(error):
                raise ServiceAway(
                    f"What answers at {self.url} is not trusted: {distrust}", field="CONCORD_CA"
                ) from error
            raise ServiceAway(
                f"No consensus service answers at {self.url} ({error or type(error).__name__})."
                f"{proxy_note(self.url)} `concord up` starts one; CONCORD_URL names another address.",
                field="CONCORD_URL",
            ) from error


def verdicts_of(refusal: Refused) -> list[Verdict]:
    """The verdicts in the body of a refusal: a 503 below the quorum has one a row."""
    return _read(list[Verdict], refusal.body.get("verdicts", []))


def results_of(refusal: Refused) -> list[LabelResult]:
    """The result of each label of a refused call; empty if it was refused for another reason."""
    return _read(list[LabelResult], refusal.body.get("labels", []))


def _header_token(token: str) -> str:
    """A token as a header can carry it, without the line break at the end of a file."""
    text = token.strip()
    if not text.isascii() or not text.isprintable():
        raise ConfigurationError(
            "The token holds characters that no token has; copy it anew (CONCORD_TOKEN).",
            field="CONCORD_TOKEN",
        )
    return text


def _refusal(response: httpx.Response, document: Any) -> Refused:  # noqa: ANN401 - any JSON document
    status = response.status_code
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return Refused(f"The service answered {status}.", status=status, code="unknown")
    retry_after = response.headers.get("retry-after", "")
    return Refused(
        str(error.get("message")),
        status=status,
        code=str(error.get("code")),
        field=error.get("field"),
        retry_after=float(retry_after) if retry_after.isdigit() else None,
        body=document,
    )


def _part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a type expression
    return TypeAdapter(kind)


def _read(kind: type[T], document: object) -> T:
    adapter = _adapter(kind)  # type: ignore[arg-type] # mypy doubts that a type is hashable
    try:
        value: T = adapter.validate_python(document)
    except ValidationError as error:
        raise ServiceAway(
            f"The service answers in another version's words: {error.errors()[0]['msg']}."
        ) from error
    return value
