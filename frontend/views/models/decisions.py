"""The decisions about a model's versions, and what each does, in words.

A decision carries the versions that the page showed: if they are others by then, the service refuses it.
The page says which decisions make sense; the service decides.
"""

from collections.abc import Mapping, Sequence
from typing import Final

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

_ICONS: Final[Mapping[Action, str]] = {
    "promote": ":material/trending_up:",
    "challenge": ":material/visibility:",
    "rollback": ":material/undo:",
    "dismiss": ":material/person_remove:",
}


def offer_decisions(client: Client, view: ModelView) -> None:
    """Draws the choice of a version and the four buttons."""
    listed = view.registry.versions if view.registry else []
    others = [version.version for version in listed if version.version != view.champion]
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
    ]
    button = _("Promote version {version}", version=version) if version else _("Promote")
    done = _("**{node}** changes over to version {version}.", node=name, version=version)
    hindrance = _nothing_to_bring(view, version)
    return _make_action(client, view, "promote", button, effects, done, hindrance, version)


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
    ]
    hindrance = _nothing_to_bring(view, version)
    if hindrance is None and view.challenger is not None:
        hindrance = _(
            "Version {version} stands beside it already; dismiss it first.", version=view.challenger
        )
    button = _("Try version {version}", version=version) if version else _("Try a version")
    done = _("Version {version} is tried beside **{node}**.", node=name, version=version)
    return _make_action(client, view, "challenge", button, effects, done, hindrance, version)


def make_rollback(client: Client, view: ModelView) -> ConfirmedAction:
    """The version before the last promotion answers again."""
    name = wording.escape(view.node)
    before, now = _format_version(view.previous), _format_version(view.champion)
    effects = [
        _("**{node}** answers with {before} again, instead of {now}.", node=name, before=before, now=now),
        _("No version stands beside it afterwards."),
    ]
    done = _("**{node}** goes back to {before}.", node=name, before=before)
    hindrance = None if view.previous else _("It was not promoted, so there is nothing to go back to.")
    return _make_action(client, view, "rollback", _("Roll back"), effects, done, hindrance)


def make_dismissal(client: Client, view: ModelView) -> ConfirmedAction:
    """The version beside the one that counts leaves."""
    name, leaving = wording.escape(view.node), _capitalise(_format_version(view.challenger))
    now = _capitalise(_format_version(view.champion))
    effects = [
        _("{version} is not asked beside **{node}** any more.", version=leaving, node=name),
        _("{now} serves alone; its stake and its record stay.", now=now),
    ]
    if view.phase == "watch":
        effects.insert(1, _("The watch over the version that was promoted ends with it."))
    button = _("Dismiss version {version}", version=view.challenger) if view.challenger else _("Dismiss")
    done = _("{version} leaves **{node}**.", version=leaving, node=name)
    hindrance = None if view.challenger else _("No version stands beside it that could leave.")
    return _make_action(client, view, "dismiss", button, effects, done, hindrance)


def _make_action(
    client: Client,
    view: ModelView,
    action: Action,
    button: str,
    effects: Sequence[str],
    done: str,
    hindrance: str | None,
    version: str | None = None,
) -> ConfirmedAction:
    def act(reason: str, _key: str) -> str:
        client.appoint(view.name, action, version, reason, data.expected_versions(view))
        data.clear_cache()
        return done

    always = (
        _("The node changes over while it goes on answering; that takes some seconds, in a cluster minutes."),
        _("The ledger keeps for good who decided it, and why."),
    )
    name = f"{action}/{view.name}"
    return ConfirmedAction(name, button, _ICONS[action], [*effects, *always], act, hindrance)


def _nothing_to_bring(view: ModelView, version: str | None) -> str | None:
    if view.registry is None:
        return _("No registry is known, so no version can be brought in.")
    return None if version else _("There is no other version of this model.")


def _format_version(version: str | None) -> str:
    if version is None:
        return _("the version of now")
    if version == PACKAGED:
        return _("the version in its image")
    return _("version {version}", version=wording.escape(version))


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
