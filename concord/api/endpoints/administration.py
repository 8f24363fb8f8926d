"""`POST /v1/nodes/{task}/{node}/…`: operators release nodes, and pay stake in and out.

Each change is an event of the ledger, with the token's name and a reason; a mistake is corrected by another
event. Each has a key, so that a request that got no answer is safely repeated with the same key.
"""

import logging
import os
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from concord.api.endpoint import Endpoint, Operation
from concord.api.params import Schema, object_schema
from concord.errors import Conflict, InvalidInput, UnknownName
from concord.http.application import json_response
from concord.http.request import Request, Response, object_body
from concord.ledger import events
from concord.ledger.events import Event
from concord.ledger.reasons import MOST_REASON, REASON, read_reason
from concord.policies.stake import MICRO, MIN_STAKE
from concord.service import Service
from concord.types.nodes import AccountView

MOST_STAKE: Final = 10**9
"""Stake in one payment; in µS a number of JSON still holds a million such payments exactly."""

KEY: Final = r"^[A-Za-z0-9._-]{1,64}$"
"""An idempotency key: part of an event's key, whose parts are separated by colons."""

_log = logging.getLogger(__name__)


class Administration:
    """Writes operators' events.

    Args:
        service: Has the nodes and the ledger.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def endpoints(self) -> list[Endpoint]:
        """Release, deposit and withdrawal."""
        amount: Schema = {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": MOST_STAKE,
            "multipleOf": 0.000001,
        }
        release = _describe_change(
            "release_node",
            "Let a node that is jailed or in probation count again",
            {},
            {"reason": "Its features are in order again."},
        )
        pays, example = {"amount": amount}, {"amount": 100, "reason": "Its share of the third quarter."}
        deposit = _describe_change("deposit_stake", "Pay stake into a node's account", pays, example)
        withdraw = _describe_change("withdraw_stake", "Take stake out of a node's account", pays, example)
        return [
            Endpoint("POST", "/v1/nodes/{task}/{node}/release", self.release, release, "administer"),
            Endpoint("POST", "/v1/nodes/{task}/{node}/deposit", self.deposit, deposit, "administer"),
            Endpoint("POST", "/v1/nodes/{task}/{node}/withdraw", self.withdraw, withdraw, "administer"),
        ]

    async def release(self, request: Request) -> Response:
        """A jailed node, or one in probation, counts again."""
        body = object_body(await request.strict_json(), "reason", "key")
        task, node = self._find_account(request)
        why = read_reason(body.get("reason"))
        self._check_stake(task, node)
        by, key = _name_of(request), _read_key(request, body)
        event = events.release(task, node, to="active", by=by, why=why, key=key)
        return await self._append(event, request)

    async def deposit(self, request: Request) -> Response:
        """Pays stake in."""
        return await self._pay(request, events.deposit)

    async def withdraw(self, request: Request) -> Response:
        """Takes stake out."""
        return await self._pay(request, events.withdraw)

    async def _pay(self, request: Request, payment: Callable[..., Event]) -> Response:
        body = object_body(await request.strict_json(), "amount", "reason", "key")
        task, node = self._find_account(request)
        amount, why = _read_micros(body.get("amount")), read_reason(body.get("reason"))
        event = payment(task, node, amount, _read_key(request, body), by=_name_of(request), why=why)
        return await self._append(event, request)

    def _find_account(self, request: Request) -> tuple[str, str]:
        """Task and node of the path, if the node has an account."""
        task, node = request.path["task"], request.path["node"]
        self._service.ensembles.settings(task)
        state = self._service.settler.head.state.tasks.get(task)
        if state is None or node not in state.accounts:
            raise UnknownName(
                f"{task} has no node {node[:60]!r} with an account.", field="node", code="unknown_node"
            )
        return task, node

    def _check_stake(self, task: str, node: str) -> None:
        """Refuses to release a node that would be jailed again at once for its low stake."""
        account = self._service.settler.head.state.task(task).account(node)
        if account.stake < MIN_STAKE:
            raise Conflict(
                f"{node} holds {account.stake / MICRO:,.2f} stake, and counts from {MIN_STAKE // MICRO} on. "
                f"Pay some in: concord stake deposit {task} {node} AMOUNT --reason WHY.",
                field="node",
            )

    async def _append(self, event: Event, request: Request) -> Response:
        block = await self._service.settler.append([event])
        task, node = event.body["task"], event.body["node"]
        _log.info(
            "operator's event",
            extra={
                "kind": event.kind,
                "of": f"{task}.{node}",
                "by": request.required_token.name,
                "height": block.height,
                "request_id": request.request_id,
            },
        )
        account = self._service.settler.head.state.task(task).account(node)
        return json_response(
            AccountView(
                task,
                node,
                block.height,
                account.standing,
                account.stake / MICRO,
                account.deposit / MICRO,
            )
        )


def _name_of(request: Request) -> str:
    """The name of the token, unless it is the one by which the ledger names its own rule."""
    name = request.required_token.name
    return "operator" if name == events.RULE else name


def _read_micros(amount: object) -> int:
    """An amount of stake in µS, exactly as it was written."""
    if type(amount) is not int and type(amount) is not float:
        raise InvalidInput("The amount must be a number of stake.", field="amount")
    micros = Decimal(repr(amount)) * MICRO
    if not 0 < micros <= MOST_STAKE * MICRO or micros != int(micros):
        raise InvalidInput(
            f"The amount must be above 0 and at most {MOST_STAKE:,}, with at most six decimals.",
            field="amount",
        )
    return int(micros)


def _read_key(request: Request, body: dict[str, Any]) -> str:
    """The caller's key, in a header or in the body; without one, a fresh one."""
    keys = [key for key in (request.header("idempotency-key"), body.get("key")) if key is not None]
    if not keys:
        return os.urandom(16).hex()
    if not all(isinstance(key, str) and re.fullmatch(KEY, key) for key in keys):
        raise InvalidInput("A key is a text of letters, digits and . _ -, at most 64.", field="key")
    if keys[-1] != keys[0]:
        raise Conflict("Idempotency-Key and the body's key differ; say one.", field="key")
    return str(keys[0])


def _describe_change(
    name: str, summary: str, fields: dict[str, Schema], example: dict[str, object]
) -> Operation:
    required = fields | {"reason": {"type": "string", "maxLength": MOST_REASON, "pattern": REASON}}
    key: Schema = {"type": "string", "pattern": KEY}
    return Operation(
        summary,
        AccountView,
        name=name,
        tag="administration",
        errors=(409, 503),
        body=object_schema(required | {"key": key}, list(required)) | {"example": example},
        headers={"idempotency-key": key},
    )
