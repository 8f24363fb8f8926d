"""`/v1/models`: which versions the nodes serve, how two versions compare, and decisions about them.

The list is open, as that of nodes is; a comparison uses labels, so it needs the right to read rounds where
that is a right; decisions need a token that administers, and the ledger keeps its name with the reason.
"""

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from concord.api.endpoint import Endpoint, Listed, Operation
from concord.api.params import TIME, Schema, object_schema, time_param
from concord.errors import Conflict, InvalidInput
from concord.http.application import json_response
from concord.http.request import Request, Response, object_body
from concord.ledger.reasons import MOST_REASON, REASON, read_reason
from concord.policies.stake import Action
from concord.rollout.comparison import MOST_ROUNDS, PairedDifference, Pairing, Score, compare
from concord.rollout.planning import RolloutRequest
from concord.rollout.state import RolloutState, VersionPair
from concord.service import Service
from concord.types.models import Appointed, Comparison, Contender, ModelView
from concord.util.times import iso

VERSION: Final = r"^[1-9][0-9]{0,9}$"
"""A version's number, as the registry gives it."""

_VERSION: Final[Schema] = {"type": "string", "pattern": VERSION}
_VERSION_OR_NONE: Final[Schema] = {"anyOf": [_VERSION, {"type": "null"}]}
_REASON: Final[Schema] = {"type": "string", "maxLength": MOST_REASON, "pattern": REASON}
_PAIR: Final[Mapping[str, Schema]] = {"champion": _VERSION_OR_NONE, "challenger": _VERSION_OR_NONE}


class Models:
    """Lists, compares and decides about the versions of models.

    Args:
        service: Has the inventory of versions and their rollout.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._inventory, self._rollout = service.inventory, service.rollout
        # A million rounds take a core half a minute: one comparison after the other.
        self._comparing = asyncio.Lock()

    def endpoints(self) -> list[Endpoint]:
        """The list, the comparison and the four decisions."""
        models = Listed("models", ModelView)
        listing = Operation("The versions that nodes serve and try", models, tag="models")
        comparison = Operation(
            "Champion and challenger on the same labelled rounds",
            Comparison,
            name="compare_versions",
            tag="models",
            errors=(409, 429, 503),
            query={"since": TIME},
        )
        return [
            Endpoint("GET", "/v1/models", self.list_models, listing),
            Endpoint("GET", "/v1/models/{name}/compare", self.compare, comparison, "read"),
            *(
                Endpoint(
                    "POST",
                    f"/v1/models/{{name}}/{action}",
                    partial(self._decide, action),
                    operation,
                    "administer",
                )
                for action, operation in _describe_decisions().items()
            ),
        ]

    async def list_models(self, _request: Request) -> Response:
        """Every node's model."""
        return json_response({"models": await self._inventory.list_models()})

    async def compare(self, request: Request) -> Response:
        """Champion and challenger on the labelled rounds since their phase began, or since a time."""
        since = time_param(request.query("since"), "since")
        state = await self._inventory.read_state(request.path["name"])
        if since is None:
            since = state.since
        pairing = self._pair_versions(state)
        task = state.name.rpartition(".")[0]
        compared = await self._service.checks.run_alone(
            self._comparing, request.caller, self._compare, task, since or 0, pairing
        )
        return json_response(_make_comparison(state, pairing, since, compared))

    async def _decide(self, action: Action, request: Request) -> Response:
        named = ("version",) if action in {"challenge", "promote"} else ()
        body = object_body(await request.strict_json(), *named, "why", "expect")
        why = read_reason(body.get("why"), "why")
        decision = RolloutRequest(action, _read_version(body, "version"), _read_pair(body.get("expect")))
        if action == "challenge" and decision.version is None:
            raise InvalidInput('Name the version that is to challenge, such as "9".', field="version")
        view = await self._rollout.apply(request.path["name"], decision, request.required_token.name, why)
        return json_response(Appointed(view), 202)

    def _pair_versions(self, state: RolloutState) -> Pairing:
        task, _, node = state.name.rpartition(".")
        champion, challenger = state.pair
        if champion is None or challenger is None:
            raise Conflict(
                f"{state.name} has no challenger that could be compared; `concord models list` shows what it "
                "has.",
                code="no_challenger",
            )
        policy = self._service.ensembles.states().get(task)
        is_value = self._service.ensembles.schema(task).value is not None
        by_class: Score = "brier" if policy is not None and policy.score == "brier" else "hit"
        appointment = state.appointment
        sigma = appointment.sigma if appointment is not None else policy.sigma if policy else None
        return Pairing(node, champion, challenger, "closeness" if is_value else by_class, sigma)

    def _compare(self, task: str, since: int, pairing: Pairing) -> PairedDifference:
        return compare(self._service.journal.judged(task, since, MOST_ROUNDS), pairing)


def _make_comparison(
    state: RolloutState, pairing: Pairing, since: int | None, compared: PairedDifference
) -> Comparison:
    return Comparison(
        state.name,
        state.phase,
        None if since is None else iso(since),
        pairing.score,
        Contender(pairing.champion, compared.champion),
        Contender(pairing.challenger, compared.challenger),
        compared.rounds,
        compared.difference,
        compared.low,
        compared.high,
        compared.verdict,
    )


def _read_version(body: dict[str, Any], field: str, where: str = "") -> str | None:
    """A version's number, or None where none is named."""
    version = body.get(field)
    if version is None:
        return None
    if not isinstance(version, str) or not re.fullmatch(VERSION, version):
        raise InvalidInput(
            f'A version is a number in quotes, such as "9"; {where}{field} is none.', field=where + field
        )
    return version


def _read_pair(expect: object) -> VersionPair | None:
    if expect is None:
        return None
    if not isinstance(expect, dict) or set(expect) != set(_PAIR):
        raise InvalidInput(
            'expect is what was seen: {"champion": "8", "challenger": "9"}, null where there is none.',
            field="expect",
        )
    return _read_version(expect, "champion", "expect."), _read_version(expect, "challenger", "expect.")


def _describe_decisions() -> Mapping[Action, Operation]:
    return {
        "challenge": _describe(
            "challenge",
            "Have a version answer beside the champion, for nothing",
            _VERSION,
            required=("version",),
        ),
        "promote": _describe("promote", "Make a version champion, and watch the old one beside it", _VERSION),
        "rollback": _describe("rollback", "Make the version before champion again"),
        "dismiss": _describe("dismiss", "Have the challenger leave"),
    }


def _describe(
    action: Action, summary: str, version: Schema | None = None, *, required: tuple[str, ...] = ()
) -> Operation:
    """The operation of a decision; `version` describes the version where one can be named."""
    fields = {"why": _REASON, "expect": object_schema(_PAIR, list(_PAIR))}
    example = {"why": "It was retrained on newer rows."}
    if version is not None:
        fields, example = {"version": version, **fields}, {"version": "9", **example}
    return Operation(
        summary,
        Appointed,
        name=f"{action}_version",
        tag="models",
        errors=(409, 503),
        body=object_schema(fields, [*required, "why"]) | {"example": example},
        statuses=(202,),
    )
