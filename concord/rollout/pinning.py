"""Pins the versions of a decision to files: each desired version gets the SHA-256 digest of its ONNX file.

The registry is a store that others may write, so a version's number does not say which file it is. A version
that the ledger knows keeps the digest that the ledger has; of a version that is new to it the registry states
the digest, once, when an administrator decides about it. Nodes load a file with that digest and no other.
"""

from dataclasses import replace
from typing import Final

from concord.errors import Conflict
from concord.ledger.state import PACKAGED
from concord.policies.stake import Account
from concord.rollout.desired.store import version_number
from concord.rollout.planning import RolloutPlan
from concord.rollout.registry import RegisteredModel
from concord.util.digests import is_digest

_REGISTER: Final = "`python -m training register FILE.onnx --as {name}` registers it with its digest."


def pin_plan(plan: RolloutPlan, account: Account | None, model: RegisteredModel | None) -> RolloutPlan:
    """The plan with the digests of its desired versions.

    Args:
        plan: What is to be written; digests that its desired versions have already stay.
        account: The node's account, with the digests that the ledger has.
        model: The registered model; None where no registry is configured.

    Raises:
        Conflict: Nobody states the version's digest, or the registry states another one than the ledger.
    """
    desired = plan.desired
    champion, challenger = version_number(desired.champion), version_number(desired.challenger)
    if plan.version != PACKAGED and plan.action != "dismiss":
        _check_registered(plan, account, model)
    if champion is not None and desired.champion_digest is None:
        desired = replace(desired, champion_digest=_find_digest(champion, account, model))
    if challenger is not None and desired.challenger_digest is None:
        digest = _find_digest(challenger, account, model)
        # A former champion whose file nobody knows does not go on beside the new one.
        desired = replace(
            desired, challenger_digest=digest, challenger=desired.challenger if digest else None
        )
    return replace(plan, desired=desired)


def decided_digest(plan: RolloutPlan) -> str | None:
    """The digest of the version that a plan is about, as its event has it."""
    return {"dismiss": None, "challenge": plan.desired.challenger_digest}.get(
        plan.action, plan.desired.champion_digest
    )


def _check_registered(plan: RolloutPlan, account: Account | None, model: RegisteredModel | None) -> None:
    """Refuses a version that no digest names, or two different ones."""
    version = model.find_version(plan.version) if model else None
    registered, name = version.digest if version else "", model.name if model else "it"
    known = account.find_digest(plan.version) if account else None
    if plan.action == "rollback":
        last = account.appointment if account else None
        if known is None and (last is None or last.previous != plan.version or not is_digest(registered)):
            raise Conflict(
                f"The ledger does not know the file of version {plan.version} of {name}, so there is nothing "
                f"to go back to. `concord models promote {name} {plan.version}` serves it as it is "
                "registered.",
                field="version",
                code="unknown_digest",
            )
        return
    if not is_digest(registered):
        raise Conflict(
            f"Version {plan.version} of {name} has no tag concord.digest with the SHA-256 of its file, so "
            f"nobody could tell later which file was appointed. {_REGISTER.format(name=name)}",
            field="version",
            code="no_digest",
        )
    if known is not None and known != registered:
        raise Conflict(
            f"Version {plan.version} of {name} is registered with the file {registered[:12]}, and the ledger "
            f"knows it with the file {known[:12]}: somebody has changed the registry. If it is to be served, "
            f"give it a number of its own: {_REGISTER.format(name=name)}",
            field="version",
            code="digest_changed",
        )


def _find_digest(version: str, account: Account | None, model: RegisteredModel | None) -> str | None:
    known = account.find_digest(version) if account else None
    registered = model.find_version(version) if model else None
    return known or (registered.digest if registered and is_digest(registered.digest) else None)
