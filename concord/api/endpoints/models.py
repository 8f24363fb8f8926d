"""`/v1/models`: which version every node serves, how two compare, and the decisions about them.

A list is open, as the nodes are; a comparison is made of labels and needs the right to read rounds where
that is a right; decisions need a token that administers, and its name is written down with the reason.
"""

import asyncio
import re
from typing import Any, Final

from concord.api.auth import Access
from concord.api.endpoints.administration import reason
from concord.api.params import run_exclusive, time_param
from concord.errors import Conflict, InvalidInput
from concord.http.application import json_response
from concord.http.request import Request, Response
from concord.policies.stake import Action
from concord.rollout.comparison import MOST_ROUNDS, PairedDifference, Pairing, Score, compare
from concord.rollout.planning import RolloutRequest
from concord.rollout.state import RolloutState, VersionPair
from concord.service import Service
from concord.types.models import Appointed, Comparison, Contender
from concord.util.times import iso

VERSION: Final = r"^[1-9][0-9]{0,9}$"
"""A version's number, as the registry gives it."""

_EXPECTED: Final = ("champion", "challenger")


class Models:
    """Answers for models' versions.

    Args:
        consensus: The service whose nodes are meant.
        access: Knows who administers.
    """

    def __init__(self, service: Service, access: Access) -> None:
        self._service, self._access = service, access
        self._inventory, self._rollout = service.inventory, service.rollout
        # A million rounds take a core half a minute: one comparison after the other.
        self._comparing = asyncio.Lock()

    async def listing(self, incoming: Request) -> Response:
        """`GET /v1/models`."""
        incoming.query()
        return json_response({"models": await self._inventory.list_models()})

    async def compare(self, incoming: Request) -> Response:
        """`GET /v1/models/{name}/compare?since=`: champion and challenger on the same labelled rounds."""
        query = incoming.query("since")
        since = time_param(query["since"]) if "since" in query else None
        seen = await self._inventory.read_state(incoming.path["name"])
        if since is None:
            since = seen.since
        pairing = self._pairing(seen)
        task = seen.name.rpartition(".")[0]
        compared = await run_exclusive(self._comparing, self._compare, task, since or 0, pairing)
        return json_response(_told(seen, pairing, since, compared))

    async def challenge(self, incoming: Request) -> Response:
        """`POST /v1/models/{name}/challenge`: a version answers beside the champion, for nothing."""
        return await self._appoint(incoming, "challenge", "version")

    async def promote(self, incoming: Request) -> Response:
        """`POST /v1/models/{name}/promote`: a version becomes champion, the old one is watched beside it."""
        return await self._appoint(incoming, "promote", "version")

    async def roll_back(self, incoming: Request) -> Response:
        """`POST /v1/models/{name}/rollback`: the version before becomes champion again."""
        return await self._appoint(incoming, "rollback")

    async def dismiss(self, incoming: Request) -> Response:
        """`POST /v1/models/{name}/dismiss`: the challenger leaves."""
        return await self._appoint(incoming, "dismiss")

    async def _appoint(self, incoming: Request, action: Action, *more: str) -> Response:
        token = self._access.administrator(incoming)
        incoming.query()
        body = await incoming.json()
        fields = (*more, "why", "expect")
        if not isinstance(body, dict):
            raise InvalidInput(f"The body must be an object with {', '.join(fields)}.", field="body")
        extra = next((str(name)[:60] for name in body if name not in fields), None)
        if extra is not None:
            raise InvalidInput(f"Unknown field {extra!r}; known: {', '.join(fields)}.", field=extra)
        why = reason(body.get("why"), "why")
        wish = RolloutRequest(action, _version(body, "version"), _pair(body.get("expect")))
        if action == "challenge" and wish.version is None:
            raise InvalidInput('Name the version that is to challenge, such as "9".', field="version")
        view = await self._rollout.apply(incoming.path["name"], wish, token.name, why)
        return json_response(Appointed(view), 202)

    def _pairing(self, seen: RolloutState) -> Pairing:
        task, _, node = seen.name.rpartition(".")
        champion, challenger = seen.pair
        if champion is None or challenger is None:
            raise Conflict(
                f"{seen.name} has no challenger that could be compared; `concord models list` shows what it "
                "has.",
                code="no_challenger",
            )
        state = self._service.ensembles.states().get(task)
        is_value = self._service.ensembles.schema(task).value is not None
        by_class: Score = "brier" if state is not None and state.score == "brier" else "hit"
        last = seen.appointment
        sigma = last.sigma if last is not None else state.sigma if state else None
        return Pairing(node, champion, challenger, "closeness" if is_value else by_class, sigma)

    def _compare(self, task: str, since: int, pairing: Pairing) -> PairedDifference:
        return compare(self._service.journal.judged(task, since, MOST_ROUNDS), pairing)


def _told(seen: RolloutState, pairing: Pairing, since: int | None, found: PairedDifference) -> Comparison:
    return Comparison(
        seen.name,
        seen.phase,
        None if since is None else iso(since),
        pairing.score,
        Contender(pairing.champion, found.champion),
        Contender(pairing.challenger, found.challenger),
        found.rounds,
        found.difference,
        found.low,
        found.high,
        found.verdict,
    )


def _version(body: dict[str, Any], field: str, where: str = "") -> str | None:
    """A version's number, or None where none is named."""
    given = body.get(field)
    if given is None:
        return None
    if not isinstance(given, str) or not re.fullmatch(VERSION, given):
        raise InvalidInput(
            f'A version is a number in quotes, such as "9"; {where}{field} is none.', field=where + field
        )
    return given


def _pair(given: object) -> VersionPair | None:
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) != set(_EXPECTED):
        raise InvalidInput(
            'expect is what was seen: {"champion": "8", "challenger": "9"}, null where there is none.',
            field="expect",
        )
    return _version(given, "champion", "expect."), _version(given, "challenger", "expect.")
