"""What a decision about one node's versions comes to: values, no effects.

A decision is made on the entry, and by the ledger alone where both differ: a process that died between the
two left its decision half done, and the same call again ends it. So `decide` also recognises the call that
was carried out already; the caller had no answer and asks again.
"""

from dataclasses import dataclass
from typing import Final

from concord.errors import Conflict, InvalidInput
from concord.policies.stake import Action
from concord.rollout.desired import Entry, number
from concord.rollout.state import PACKAGED, Pair, RolloutState


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What a decision comes to.

    Attributes:
        action: What is decided.
        version: What it is about.
        before: The champion until now.
        entry: The entry afterwards.
        is_said: Whether the ledger has it already.
    """

    action: Action
    version: str
    before: str
    entry: Entry
    is_said: bool = False


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """What a caller asks for.

    Attributes:
        action: What is to be done.
        version: The version that is named, if one is.
        expect: Champion and challenger as the caller saw them; None: whatever they are.
        shadow: How the champion of now is named in an entry; None where the registry does not know it.
    """

    action: Action
    version: str | None = None
    expect: Pair | None = None
    shadow: str | None = None


def decide(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan:
    """What is to be done; the same again where it was done already.

    Raises:
        Conflict: It does not fit what is, or what is differs from what was expected.
        InvalidInput: A version has to be named and is not.
    """
    done = _done(seen, wish)
    if done is not None:
        return done
    if wish.expect is not None and wish.expect != seen.pair:
        raise Conflict(
            f"{seen.name} has {_words(seen.pair)} by now, and not {_words(wish.expect)} as expected. "
            "Nothing was changed; look at it again (`concord models list`).",
            field="expect",
        )
    if seen.champion is None:
        raise Conflict(f"{seen.name} has not said yet which version it serves. Try again once it answers.")
    return _DECISIONS[wish.action](seen, wish)


def _done(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan | None:
    """The plan that was carried out already, perhaps but for what follows the entry; else None."""
    if wish.expect is not None and wish.expect == seen.pair:
        return None
    return _REPEATS[wish.action](seen, wish)


def _challenge(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan:
    version = _named(wish)
    _check_other(seen, wish, version)
    _check_free(seen)
    return RolloutPlan("challenge", version, _before(seen, wish), Entry(seen.entry.champion, version))


def _challenged(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan | None:
    if wish.version is None or seen.challenger != wish.version or seen.is_watched:
        return None
    if wish.expect is not None and wish.expect[0] != seen.champion:
        return None
    said = seen.decided("challenge", wish.version)
    return RolloutPlan("challenge", wish.version, _before(seen, wish), seen.entry, said)


def _promote(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan:
    version = wish.version or seen.challenger
    if version is None:
        raise Conflict(
            f"{seen.name} has no challenger; name the version that is to be promoted.",
            field="version",
            code="no_challenger",
        )
    if wish.version is None and seen.is_watched:
        raise Conflict(
            f"Version {version} of {seen.name} is the former champion, which answers beside the new one. "
            "Roll back, or name the version that is to be promoted.",
            field="version",
        )
    _check_other(seen, wish, version)
    return RolloutPlan("promote", version, _before(seen, wish), Entry(version, wish.shadow))


def _promoted(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan | None:
    version = wish.version or (wish.expect[1] if wish.expect else None)
    last = seen.appointment
    if version is None and seen.is_watched and last is not None and last.action == "challenge":
        # By a process that died before it could say so.
        version = seen.champion
    if version is None or number(seen.entry.champion) != version:
        return None
    said = seen.decided("promote", version)
    if last is not None and last.champion == version and not said:
        # It counted before what was decided last, or came back by it.
        return None
    before = last.before if last is not None and last.version == version else seen.challenger or PACKAGED
    return RolloutPlan("promote", version, before, seen.entry, said)


def _roll_back(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan:
    version = seen.returns_to
    if version is None:
        raise Conflict(
            f"There is no version of {seen.name} to roll back to; it was not promoted since. "
            "`concord models promote` serves any other one."
        )
    return RolloutPlan(
        "rollback", version, _before(seen, wish), Entry(None if version == PACKAGED else version)
    )


def _rolled_back(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan | None:
    last, before = seen.appointment, wish.expect[0] if wish.expect else None
    if last is None or seen.challenger is not None or (before is not None and before == seen.champion):
        return None
    if last.action == "rollback" and seen.serves(last.version):
        return RolloutPlan("rollback", last.version, last.before, seen.entry, is_said=True)
    if last.previous is not None and seen.serves(last.previous):
        # By a process that died before it could say so.
        return RolloutPlan("rollback", last.previous, before or last.champion, seen.entry)
    return None


def _dismiss(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan:
    if seen.challenger is None:
        raise Conflict(f"{seen.name} has no challenger that could leave.", code="no_challenger")
    return RolloutPlan("dismiss", seen.challenger, _before(seen, wish), Entry(seen.entry.champion))


def _dismissed(seen: RolloutState, wish: RolloutRequest) -> RolloutPlan | None:
    last = seen.appointment
    if last is None or seen.entry.challenger is not None:
        return None
    said = last.action == "dismiss"
    version = last.version if said else last.challenger
    if version in {None, PACKAGED} or wish.expect not in {None, (seen.champion, version)}:
        return None
    before = last.before if said else seen.champion or PACKAGED
    return RolloutPlan("dismiss", str(version), before, seen.entry, said)


_DECISIONS: Final = {
    "challenge": _challenge,
    "promote": _promote,
    "rollback": _roll_back,
    "dismiss": _dismiss,
}
_REPEATS: Final = {
    "challenge": _challenged,
    "promote": _promoted,
    "rollback": _rolled_back,
    "dismiss": _dismissed,
}


def _named(wish: RolloutRequest) -> str:
    if wish.version is None:
        raise InvalidInput("Name the version that is to challenge.", field="version")
    return wish.version


def _check_other(seen: RolloutState, wish: RolloutRequest, version: str) -> None:
    # What is packaged may come from another registry, whose number 1 is another model.
    if version == (wish.shadow if seen.entry.champion is None else seen.champion):
        raise Conflict(f"Version {version} of {seen.name} is the champion already.", field="version")


def _check_free(seen: RolloutState) -> None:
    if seen.challenger is not None:
        what = "is watched beside the champion" if seen.is_watched else "is in probation"
        raise Conflict(f"Version {seen.challenger} of {seen.name} {what}; dismiss it first.", field="version")


def _before(seen: RolloutState, wish: RolloutRequest) -> str:
    if seen.entry.champion is None and wish.shadow is None:
        return PACKAGED
    return seen.champion or PACKAGED


def _words(pair: Pair) -> str:
    champion, challenger = pair
    beside = f"challenger {challenger}" if challenger else "no challenger"
    return f"champion {champion or 'unknown'} and {beside}"
