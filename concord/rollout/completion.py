"""Completes desired versions that were written before there were digests, for an upgrade without a break.

A pod loads no version without the digest of its file. Once the ledger has noted which file a node serves, its
digest is written beside the version; the pods that run go on meanwhile, and a new one waits for it.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from concord.errors import ConcordError
from concord.policies.stake import Account
from concord.rollout.desired.store import version_number
from concord.rollout.inventory import Inventory
from concord.types.models import DesiredVersions

LOOK_SECONDS: Final = 5.0
"""How often it looks while a digest is missing; once none is, every version is written with its digest."""

_log = logging.getLogger(__name__)


async def complete_digests(inventory: Inventory, seconds: float = LOOK_SECONDS) -> None:
    """Looks until no desired version lacks a digest that the ledger may still learn."""
    reason = ""
    while True:
        try:
            if await _complete_once(inventory):
                return
        except ConcordError as error:
            if error.message != reason:
                reason = error.message
                _log.warning("digests not completed", extra={"reason": reason})
        await asyncio.sleep(seconds)


async def _complete_once(inventory: Inventory) -> bool:
    """Writes the digests that the ledger has by now; true where none is missing."""
    stored = await asyncio.to_thread(inventory.desired.read_all)
    is_complete = True
    for name, versions in _incomplete(stored).items():
        task, _, node = name.rpartition(".")
        completed = _with_digests(versions, inventory.ensembles.account(task, node))
        if completed != versions:
            await asyncio.to_thread(inventory.desired.write, name, versions, completed)
            _log.info("digest completed", extra={"model": name, "version": versions.champion})
        is_complete = is_complete and not _incomplete({name: completed})
    return is_complete


def _incomplete(stored: Mapping[str, DesiredVersions]) -> dict[str, DesiredVersions]:
    """The nodes whose champion is a number without a digest."""
    return {
        name: versions
        for name, versions in stored.items()
        if version_number(versions.champion) is not None and versions.champion_digest is None
    }


def _with_digests(versions: DesiredVersions, account: Account | None) -> DesiredVersions:
    if account is None:
        return versions
    champion, challenger = (version_number(role) for role in (versions.champion, versions.challenger))
    return replace(
        versions,
        champion_digest=account.find_digest(champion) if champion else None,
        challenger_digest=versions.challenger_digest
        or (account.find_digest(challenger) if challenger else None),
    )
