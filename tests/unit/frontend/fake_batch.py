"""The fake service with calls of many rows, and faults to order for some of them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from concord.errors import ConcordError
from tests.unit.frontend.fake_service import FakeService, verdict

Fault = Callable[[list[dict[str, Any]]], ConcordError | None]


@dataclass
class FakeBatchService(FakeService):
    """Every row has a verdict of its own, with an id that counts.

    Attributes:
        calls: The rows of each call.
        fault: Rows of a call → an error to refuse all of it with.
    """

    calls: list[list[dict[str, Any]]] = field(default_factory=list)
    fault: Fault = lambda _rows: None
    ids: int = 0

    def post(self, path: str, body: Any, request_id: str) -> tuple[int, Any]:
        task, rows = path.split("/")[3], body["rows"]
        self.calls.append(rows)
        error = self.fault(rows)
        if error is not None:
            return error.status, {
                "error": {"code": error.code, "message": error.message, "field": error.field}
            }
        verdicts = [self._verdict(task, row) for row in rows]
        answer = {
            "task": task,
            "request_id": request_id,
            "verdicts": [asdict(verdict_) for verdict_ in verdicts],
        }
        if all(verdict_.status == "no_quorum" for verdict_ in verdicts):
            return 503, {"error": verdicts[0].error, **answer}
        return 200, answer

    def _verdict(self, task, row):
        self.ids += 1
        content = self.answer(task, row)
        assert not isinstance(content, ConcordError)
        return replace(content, id=f"{self.ids:032x}")


def thistles(_task, row):
    """Long petals are those of a thistle."""
    label = "thistle" if row["petal_length"] > 2 else "rose"
    sure = {"rose": 0.87, "thistle": 0.13} if label == "rose" else {"rose": 0.2, "thistle": 0.8}
    return verdict(label=label, probabilities=sure)
