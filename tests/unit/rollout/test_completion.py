"""Desired versions from before there were digests get theirs from the ledger."""

import asyncio
from types import SimpleNamespace

import pytest

from concord.errors import ServiceAway
from concord.policies.stake import Account
from concord.rollout.completion import complete_digests
from concord.rollout.desired.folder import FolderVersionsStore
from concord.types.models import DesiredVersions

pytestmark = pytest.mark.anyio

KNN = "iris.knn"
D8 = "8" * 64


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def inventory(tmp_path):
    """A node whose desired versions are 8, and 9 beside it, both without a digest."""
    desired = FolderVersionsStore(tmp_path / "versions")
    desired.write(KNN, DesiredVersions(), DesiredVersions("8", "9"))
    accounts = {"knn": Account(1, 1, 0, version="8")}
    ensembles = SimpleNamespace(account=lambda _task, node: accounts.get(node))
    return SimpleNamespace(desired=desired, ensembles=ensembles, accounts=accounts)


async def test_a_champion_gets_the_digest_once_the_ledger_has_it(inventory):
    work = asyncio.create_task(complete_digests(inventory, 0.01))
    await asyncio.sleep(0.05)
    assert not work.done()
    inventory.accounts["knn"] = Account(1, 1, 0, version="8", digest=D8)
    await asyncio.wait_for(work, 5)
    assert inventory.desired.read_all() == {KNN: DesiredVersions("8", "9", D8)}


async def test_another_versions_digest_is_not_taken_for_it(inventory):
    inventory.accounts["knn"] = Account(1, 1, 0, version="7", digest=D8)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(complete_digests(inventory, 0.01), 0.1)
    assert inventory.desired.read_all() == {KNN: DesiredVersions("8", "9")}


async def test_where_nothing_is_missing_it_ends_at_once(inventory):
    inventory.desired.write(KNN, DesiredVersions("8", "9"), DesiredVersions(None, "9"))
    await asyncio.wait_for(complete_digests(inventory, 60), 5)


async def test_a_store_that_is_away_is_asked_again(inventory):
    read, faults = inventory.desired.read_all, [ServiceAway("The cluster's API does not serve.")]

    def read_all():
        if faults:
            raise faults.pop()
        return read()

    inventory.desired.read_all = read_all
    inventory.accounts["knn"] = Account(1, 1, 0, version="8", digest=D8)
    await asyncio.wait_for(complete_digests(inventory, 0.01), 5)
    assert inventory.desired.read_all()[KNN].champion_digest == D8
