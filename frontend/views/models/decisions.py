"""What may be decided about a model's versions, and what each decision does, in words.

A decision goes with the versions that were seen: if they are others by the time of the last press, the
service refuses and nothing happens. Which decision makes sense is shown here; which one holds, the service
says.
"""

from collections.abc import Sequence

import streamlit as st

from concord.client import Client
from concord.policies.stake import Action
from concord.types.models import ModelView
from frontend.components import confirm
from frontend.components.confirm import ConfirmedAction
from frontend.text import wording
from frontend.text.language import _
from frontend.views.models import data, versions

PACKAGED = "packaged"
"""In place of a number: the version in the node's image."""


def offer_decisions(client: Client, view: ModelView) -> None:
    """Draws the choice of a version and the four buttons."""
    versions_ = [version_.version for version_ in view.registry.versions] if view.registry else []
    others = [version for version in versions_ if version != view.champion]
    chosen = st.selectbox(
        _("Version to bring in"),
        others,
        index=others.index(view.challenger) if view.challenger in others else (0 if others else None),
        format_func=lambda version: versions.format_version(view, version),
        key=f"models/version/{view.name}",
        help=_("For a promotion or a challenge; a rollback and a dismissal know theirs."),
        placeholder=_("There is no other version"),
        disabled=not others,
    )
    # Two by two, so that the buttons are wide enough on a telephone too.
    for pair in (
        (make_promotion(client, view, chosen), make_challenge(client, view, chosen)),
        (make_rollback(client, view), make_dismissal(client, view)),
    ):
        for column, action in zip(st.columns(2), pair, strict=True):
            with column:
                confirm.offer_action(action)


def make_promotion(client: Client, view: ModelView, version: str | None) -> ConfirmedAction:
    """A version becomes the one that answers."""
    name, now = wording.escape(view.node), _format_version(view.champion)
    effects = [
        _("**{node}** answers with version {version} instead of {now}.", node=name, version=version, now=now),
        _(
            "{now} stays beside it, is asked and scored, and can come back by a rollback.",
            now=_capitalise(now),
        ),
        _("Its stake stays; its skill starts anew, or goes on from what the version showed on trial."),
        *_common_effects(),
    ]
    done = _("**{node}** changes over to version {version}.", node=name, version=version)
    return ConfirmedAction(
        f"promote/{view.name}",
        _("Promote version {version}", version=version) if version else _("Promote"),
        ":material/trending_up:",
        effects,
        _make_callback(client, view, "promote", version, done),
        _nothing_to_bring(view, version),
    )


def make_challenge(client: Client, view: ModelView, version: str | None) -> ConfirmedAction:
    """A version answers beside the one that counts."""
    name = wording.escape(view.node)
    effects = [
        _(
            "Version {version} of **{node}** is asked beside {now}: what it says is scored and counts for "
            "nothing.",
            node=name,
            version=version,
            now=_format_version(view.champion),
        ),
        _("No stake moves by its answers. After 20 labelled rounds there is enough to judge it."),
        *_common_effects(),
    ]
    hindrance = _nothing_to_bring(view, version)
    if hindrance is None and view.challenger is not None:
        hindrance = _(
            "Version {version} stands beside it already; dismiss it first.", version=view.challenger
        )
    done = _("Version {version} is tried beside **{node}**.", node=name, version=version)
    return ConfirmedAction(
        f"challenge/{view.name}",
        _("Try version {version}", version=version) if version else _("Try a version"),
        ":material/visibility:",
        effects,
        _make_callback(client, view, "challenge", version, done),
        hindrance,
    )


def make_rollback(client: Client, view: ModelView) -> ConfirmedAction:
    """The version before the last promotion answers again."""
    name, before = wording.escape(view.node), _format_version(view.previous)
    effects = [
        _(
            "**{node}** answers with {before} again, instead of {now}.",
            node=name,
            before=before,
            now=_format_version(view.champion),
        ),
        _("No version stands beside it afterwards."),
        *_common_effects(),
    ]
    return ConfirmedAction(
        f"rollback/{view.name}",
        _("Roll back"),
        ":material/undo:",
        effects,
        _make_callback(
            client, view, "rollback", None, _("**{node}** goes back to {before}.", node=name, before=before)
        ),
        None if view.previous else _("It was not promoted, so there is nothing to go back to."),
    )


def make_dismissal(client: Client, view: ModelView) -> ConfirmedAction:
    """The version beside the one that counts leaves."""
    name, leaves = wording.escape(view.node), _format_version(view.challenger)
    effects = [
        _("{version} is not asked beside **{node}** any more.", version=_capitalise(leaves), node=name),
        _(
            "{now} serves alone; its stake and its record stay.",
            now=_capitalise(_format_version(view.champion)),
        ),
        *_common_effects(),
    ]
    if view.phase == "watch":
        effects.insert(1, _("The watch over the version that was promoted ends with it."))
    return ConfirmedAction(
        f"dismiss/{view.name}",
        _("Dismiss version {version}", version=view.challenger) if view.challenger else _("Dismiss"),
        ":material/person_remove:",
        effects,
        _make_callback(
            client,
            view,
            "dismiss",
            None,
            _("{version} leaves **{node}**.", version=_capitalise(leaves), node=name),
        ),
        None if view.challenger else _("No version stands beside it that could leave."),
    )


def _make_callback(
    client: Client, view: ModelView, action: Action, version: str | None, done: str
) -> confirm.ActionCallback:
    def act(reason: str, _key: str) -> str:
        data.appoint(client, view, action, version, reason)
        return done

    return act


def _common_effects() -> Sequence[str]:
    return (
        _("The node changes over while it goes on answering; that takes some seconds, in a cluster minutes."),
        _("The ledger keeps for good who decided it, and why."),
    )


def _nothing_to_bring(view: ModelView, version: str | None) -> str | None:
    if view.registry is None:
        return _("No registry is known, so no version can be brought in.")
    return None if version else _("There is no other version of this model.")


def _format_version(version: str | None) -> str:
    if version is None:
        return _("the version of now")
    return (
        _("the version in its image")
        if version == PACKAGED
        else _("version {version}", version=wording.escape(version))
    )


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
