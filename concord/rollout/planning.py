"""Plans a decision about one node's versions: from the rollout state to the desired versions, without I/O.

A process may die between writing the desired versions and the ledger, and a caller may lose the answer; both
repeat the call. So `plan_rollout` also recognises a decision that was carried out, in part or in whole.
"""

from dataclasses import dataclass, replace
from typing import Final

from concord.errors import Conflict, InvalidInput
from concord.ledger.state import PACKAGED
from concord.policies.stake import Action
from concord.rollout.desired.store import version_number
from concord.rollout.state import RolloutState, VersionPair
from concord.types.models import DesiredVersions

_Change = tuple[str, DesiredVersions]
"""The version that a decision is about, and the desired versions afterwards."""

_Finished = tuple[str, str, bool]
"""Of a decision that was carried out: its version, the champion before, and whether the ledger has it."""


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What carrying out a decision will write.

    Attributes:
        action: The decision.
        version: The version that it is about.
        before: The champion until now.
        desired: The desired versions afterwards.
        is_recorded: Whether the ledger has the decision already.
    """

    action: Action
    version: str
    before: str
    desired: DesiredVersions
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """What a caller asks for.

    Attributes:
        action: The decision.
        version: The version that the caller names, if any.
        expect: Champion and challenger as the caller read them; None: whatever they are.
        registered: The registered version of the present champion; None where the registry does not have it.
    """

    action: Action
    version: str | None = None
    expect: VersionPair | None = None
    registered: str | None = None


def plan_rollout(state: RolloutState, request: RolloutRequest) -> RolloutPlan:
    """Plans a decision; the same plan again where it was carried out already.

    Raises:
        Conflict: The decision does not fit the state, or the state differs from what was expected.
        InvalidInput: The action needs a version and none is named.
    """
    if request.expect is None or request.expect != state.pair:
        finished = _FINDERS[request.action](state, request)
        if finished is not None:
            version, before, is_recorded = finished
            return RolloutPlan(request.action, version, before, state.desired, is_recorded)
    if request.expect is not None and request.expect != state.pair:
        raise Conflict(
            f"{state.name} has {_describe(state.pair)} by now, and not {_describe(request.expect)} as "
            "expected. Nothing was changed; look at it again (`concord models list`).",
            field="expect",
        )
    if state.champion is None:
        raise Conflict(f"{state.name} has not said yet which version it serves. Try again once it answers.")
    version, desired = _PLANNERS[request.action](state, request)
    return RolloutPlan(request.action, version, _champion_before(state, request), desired)


def _plan_challenge(state: RolloutState, request: RolloutRequest) -> _Change:
    if request.version is None:
        raise InvalidInput("Name the version that is to challenge.", field="version")
    _check_not_champion(state, request, request.version)
    if state.challenger is not None:
        what = "is watched beside the champion" if state.is_watched else "is in probation"
        raise Conflict(
            f"Version {state.challenger} of {state.name} {what}; dismiss it first.", field="version"
        )
    return request.version, replace(state.desired, challenger=request.version, challenger_digest=None)


def _find_challenge(state: RolloutState, request: RolloutRequest) -> _Finished | None:
    if request.version is None or state.challenger != request.version or state.is_watched:
        return None
    if request.expect is not None and request.expect[0] != state.champion:
        return None
    is_recorded = state.is_decided("challenge", request.version)
    return request.version, _champion_before(state, request), is_recorded


def _plan_promotion(state: RolloutState, request: RolloutRequest) -> _Change:
    version = request.version or state.challenger
    if version is None:
        raise Conflict(
            f"{state.name} has no challenger; name the version that is to be promoted.",
            field="version",
            code="no_challenger",
        )
    if request.version is None and state.is_watched:
        raise Conflict(
            f"Version {version} of {state.name} is the former champion, which answers beside the new one. "
            "Roll back, or name the version that is to be promoted.",
            field="version",
        )
    _check_not_champion(state, request, version)
    return version, DesiredVersions(version, request.registered)


def _find_promotion(state: RolloutState, request: RolloutRequest) -> _Finished | None:
    version = request.version or (request.expect[1] if request.expect else None)
    last = state.appointment
    if version is None and state.is_watched and last is not None and last.action == "challenge":
        # By a process that died before it wrote to the ledger.
        version = state.champion
    if version is None or version_number(state.desired.champion) != version:
        return None
    is_recorded = state.is_decided("promote", version)
    if last is not None and last.champion == version and not is_recorded:
        # An earlier decision, or a rollback, made it champion.
        return None
    before = last.before if last is not None and last.version == version else state.challenger or PACKAGED
    return version, before, is_recorded


def _plan_rollback(state: RolloutState, _request: RolloutRequest) -> _Change:
    version = state.rollback_version
    if version is None:
        raise Conflict(
            f"There is no version of {state.name} to roll back to; it was not promoted since. "
            "`concord models promote` serves any other one."
        )
    return version, DesiredVersions(None if version == PACKAGED else version)


def _find_rollback(state: RolloutState, request: RolloutRequest) -> _Finished | None:
    last, before = state.appointment, request.expect[0] if request.expect else None
    if last is None or state.challenger is not None or (before is not None and before == state.champion):
        return None
    if last.action == "rollback" and state.is_champion(last.version):
        return last.version, last.before, True
    if last.previous is not None and state.is_champion(last.previous):
        # By a process that died before it wrote to the ledger.
        return last.previous, before or last.champion, False
    return None


def _plan_dismissal(state: RolloutState, _request: RolloutRequest) -> _Change:
    if state.challenger is None:
        raise Conflict(f"{state.name} has no challenger to dismiss.", code="no_challenger")
    return state.challenger, replace(state.desired, challenger=None, challenger_digest=None)


def _find_dismissal(state: RolloutState, request: RolloutRequest) -> _Finished | None:
    last = state.appointment
    if last is None or state.desired.challenger is not None:
        return None
    is_recorded = last.action == "dismiss"
    version = last.version if is_recorded else last.challenger
    if version in {None, PACKAGED} or request.expect not in {None, (state.champion, version)}:
        return None
    return str(version), last.before if is_recorded else state.champion or PACKAGED, is_recorded


_PLANNERS: Final = {
    "challenge": _plan_challenge,
    "promote": _plan_promotion,
    "rollback": _plan_rollback,
    "dismiss": _plan_dismissal,
}
_FINDERS: Final = {
    "challenge": _find_challenge,
    "promote": _find_promotion,
    "rollback": _find_rollback,
    "dismiss": _find_dismissal,
}


def _check_not_champion(state: RolloutState, request: RolloutRequest, version: str) -> None:
    # The packaged version may come from another registry, where the same number is another model.
    if version == (request.registered if state.desired.champion is None else state.champion):
        raise Conflict(f"Version {version} of {state.name} is the champion already.", field="version")


def _champion_before(state: RolloutState, request: RolloutRequest) -> str:
    if state.desired.champion is None and request.registered is None:
        return PACKAGED
    return state.champion or PACKAGED


def _describe(pair: VersionPair) -> str:
    champion, challenger = pair
    beside = f"challenger {challenger}" if challenger else "no challenger"
    return f"champion {champion or 'unknown'} and {beside}"
