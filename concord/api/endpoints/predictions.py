"""`POST /v1/tasks/{task}/predict`: rows of named columns in, verdicts with their evidence out."""

from typing import Any

import orjson

from concord.errors import InvalidInput
from concord.http.request import Request, Response
from concord.service import Service


class Predictions:
    """Answers rows of named columns."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def predict(self, request: Request) -> Response:
        """200 with a verdict a row; 503 if every row lacks the quorum, and the task refuses then."""
        query = request.query("recorded", "settled")
        task, request_id = request.path["task"], request.request_id
        result = await self._service.consensus.predict(
            task,
            _rows(await request.json(), self._service.settings.max_rows),
            request_id,
            request.traceparent,
            recorded=request.flag(query, "recorded"),
            settled=request.flag(query, "settled"),
        )
        error = self._service.consensus.refusal(task, result)
        head = {"task": task, "request_id": request_id, **({"error": error} if error else {})}
        body = orjson.dumps(head)[:-1] + b',"verdicts":[' + b",".join(result.encoded) + b"]}"
        return Response(body, 503 if error else 200)


def check_row_count(count: int, most: int) -> None:
    """Refuses an empty request and one with more rows than a call takes."""
    if not count:
        raise InvalidInput("There must be at least one row.", field="rows")
    if count > most:
        raise InvalidInput(
            f"{count} rows are more than one call takes ({most}); send several calls.",
            field="rows",
            code="too_many_rows",
        )


def _rows(body: object, most: int) -> list[dict[str, Any]]:
    if not isinstance(body, dict):
        raise InvalidInput('The body must be an object: {"rows": [{…}, …]}.', field="body")
    extra = next((str(name)[:60] for name in body if name != "rows"), None)
    if extra is not None:
        raise InvalidInput(f"Unknown field {extra!r}; the body has one field, 'rows'.", field=extra)
    rows = body.get("rows")
    if not isinstance(rows, list):
        raise InvalidInput("'rows' must be a list of objects, one a row.", field="rows")
    check_row_count(len(rows), most)
    return rows
