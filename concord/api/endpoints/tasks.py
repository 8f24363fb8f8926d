"""`/v1/tasks`: the tasks that are served, and each one's schema."""

from concord.api.endpoint import Endpoint, Listed, Operation
from concord.errors import ConcordError
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.service import Service
from concord.types.tasks import TaskDetail, TaskSummary


class Tasks:
    """Describes the tasks of one service."""

    def __init__(self, service: Service) -> None:
        self._ensembles = service.ensembles

    def endpoints(self) -> list[Endpoint]:
        """The list, and one task."""
        listing = Operation("The tasks", Listed("tasks", TaskSummary))
        detail = Operation("A task with its schema", TaskDetail, errors=(503,))
        return [
            Endpoint("GET", "/v1/tasks", self.list_tasks, listing),
            Endpoint("GET", "/v1/tasks/{task}", self.get_task, detail),
        ]

    async def list_tasks(self, _request: Request) -> Response:
        """A summary of each task."""
        return json_response({"tasks": [self._summarize(task) for task in self._ensembles.names()]})

    async def get_task(self, request: Request) -> Response:
        """One task with its schema."""
        return json_response(self._describe(request.path["task"]))

    def _summarize(self, task: str) -> TaskSummary:
        nodes = self._ensembles.clients(task).values()
        try:
            schema = self._ensembles.schema(task)
            title, description = schema.title, schema.description
        except ConcordError:
            title, description = task, "Its nodes have not answered yet."
        return TaskSummary(
            task,
            title,
            description,
            self._ensembles.policy(task),
            self._ensembles.is_ready(task),
            len(nodes),
            sum(node.status == "up" for node in nodes),
            self._ensembles.asks(task),
        )

    def _describe(self, task: str) -> TaskDetail:
        schema, settings = self._ensembles.schema(task), self._ensembles.settings(task)
        return TaskDetail(
            task=task,
            title=schema.title,
            description=schema.description,
            policy=self._ensembles.policy(task),
            ready=self._ensembles.is_ready(task),
            quorum=settings.quorum,
            deadline_ms=settings.deadline_ms,
            schema_digest=schema.digest,
            schema=schema.to_json(),
            example=schema.example,
            asks=self._ensembles.asks(task),
        )
