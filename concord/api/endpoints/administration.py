"""What operators do to nodes: release them, and pay stake in and out, as events of the ledger.

Nothing here is undone or edited; a mistake is mended by another event. Each event has a key, so that
who heard no answer asks again with the same one and nothing happens twice.
"""

import logging
import os
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from concord.api.auth import Access
from concord.errors import Conflict, InvalidInput, UnknownName
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.http.tokens import Token
from concord.ledger import events
from concord.ledger.events import Event
from concord.policies.stake import MICRO, MIN_STAKE
from concord.service import Service
from concord.types.answers import AccountView

MOST_STAKE: Final = 10**9
"""Stake in one payment; in µS a number of JSON still holds a million such payments exactly."""

MOST_REASON: Final = 200
"""Characters of a reason: a sentence, in a ledger whose head has 64 KiB."""

_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
REASON: Final = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
"""A line with something in it."""

KEY: Final = r"^[A-Za-z0-9._-]{1,64}$"
"""A key of the caller's making: part of an event's key, which has colons."""

_log = logging.getLogger(__name__)


class Administration:
    """Writes operators' events.

    Args:
        consensus: The service whose nodes are meant.
        access: Knows who administers.
    """

    def __init__(self, service: Service, access: Access) -> None:
        self._service, self._access = service, access

    async def release(self, incoming: Request) -> Response:
        """`POST /v1/nodes/{task}/{node}/release`: a jailed node, or one in probation, counts again."""
        token, body = await self._asked(incoming, "reason", "key")
        task, node = self._place(incoming)
        why = reason(body.get("reason"))
        self._check_stake(task, node)
        event = events.release(task, node, to="active", by="operator", why=why, key=_key(incoming, body))
        return await self._write(token, event, incoming)

    async def deposit(self, incoming: Request) -> Response:
        """`POST /v1/nodes/{task}/{node}/deposit`: pays stake in."""
        return await self._pay(incoming, events.deposit)

    async def withdraw(self, incoming: Request) -> Response:
        """`POST /v1/nodes/{task}/{node}/withdraw`: takes stake out."""
        return await self._pay(incoming, events.withdraw)

    async def _pay(self, incoming: Request, payment: Callable[[str, str, int, str], Event]) -> Response:
        token, body = await self._asked(incoming, "amount", "key")
        task, node = self._place(incoming)
        event = payment(task, node, _micros(body.get("amount")), _key(incoming, body))
        return await self._write(token, event, incoming)

    async def _asked(self, incoming: Request, *fields: str) -> tuple[Token, dict[str, Any]]:
        token = self._access.administrator(incoming)
        incoming.query()
        body = await incoming.json()
        if not isinstance(body, dict):
            raise InvalidInput(f"The body must be an object with {' and '.join(fields)}.", field="body")
        extra = next((str(name)[:60] for name in body if name not in fields), None)
        if extra is not None:
            raise InvalidInput(f"Unknown field {extra!r}; known: {', '.join(fields)}.", field=extra)
        return token, body

    def _place(self, incoming: Request) -> tuple[str, str]:
        task, node = incoming.path["task"], incoming.path["node"]
        self._service.ensembles.settings(task)
        state = self._service.settler.head.state.tasks.get(task)
        if state is None or node not in state.accounts:
            raise UnknownName(
                f"{task} has no node {node[:60]!r} with an account.", field="node", code="unknown_node"
            )
        return task, node

    def _check_stake(self, task: str, node: str) -> None:
        """Refuses to release who would be jailed again in a moment, because it has next to no stake."""
        account = self._service.settler.head.state.task(task).account(node)
        if account.stake < MIN_STAKE:
            raise Conflict(
                f"{node} holds {account.stake / MICRO:,.2f} stake, and counts from {MIN_STAKE // MICRO} on. "
                f"Pay some in: concord stake deposit {task} {node} AMOUNT.",
                field="node",
            )

    async def _write(self, token: Token, event: Event, incoming: Request) -> Response:
        block = await self._service.settler.append([event])
        task, node = event.body["task"], event.body["node"]
        _log.info(
            "operator's event",
            extra={
                "kind": event.kind,
                "of": f"{task}.{node}",
                "by": token.name,
                "height": block.height,
                "request_id": incoming.request_id,
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


def reason(given: object, field: str = "reason") -> str:
    """A reason that stays in the ledger for good; InvalidInput where it is none."""
    if not isinstance(given, str) or len(given) > MOST_REASON or not re.fullmatch(REASON, given):
        raise InvalidInput(
            f"Say why, in one line of at most {MOST_REASON} characters; it stays in the ledger for good.",
            field=field,
        )
    return given.strip()


def _micros(given: object) -> int:
    """An amount of stake in µS, exactly as it was written."""
    if type(given) is not int and type(given) is not float:
        raise InvalidInput("The amount must be a number of stake.", field="amount")
    micros = Decimal(repr(given)) * MICRO
    if not 0 < micros <= MOST_STAKE * MICRO or micros != int(micros):
        raise InvalidInput(
            f"The amount must be above 0 and at most {MOST_STAKE:,}, with at most six decimals.",
            field="amount",
        )
    return int(micros)


def _key(incoming: Request, body: dict[str, Any]) -> str:
    """The caller's key, in a header or in the body; without one, a fresh one."""
    stated = [key for key in (incoming.header("idempotency-key"), body.get("key")) if key is not None]
    if not stated:
        return os.urandom(16).hex()
    if not all(isinstance(key, str) and re.fullmatch(KEY, key) for key in stated):
        raise InvalidInput("A key is a text of letters, digits and . _ -, at most 64.", field="key")
    if stated[-1] != stated[0]:
        raise Conflict("Idempotency-Key and the body's key differ; say one.", field="key")
    return str(stated[0])
