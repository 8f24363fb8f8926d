"""The registry's side of a promotion: an alias moves, and what was served before is kept in mind."""

import pytest

from concord.errors import Conflict, InvalidInput, UnknownName
from training.data.dataset import generate_rows
from training.data.split import split
from training.fitting.fit import fit
from training.registry.aliases import PACKAGED, RegisteredModels
from training.registry.recording import record_fit
from training.registry.registry import Registry
from training.tasks.iris import TASK


@pytest.fixture
def versions(own_home):
    """A registry with two versions of iris.knn, read anew at every call."""
    data = generate_rows(TASK, 1)
    record_fit(Registry(own_home), fit(TASK, "knn", data, split(TASK, data, 1), 1))
    return lambda: RegisteredModels(own_home)


@pytest.fixture
def champion(versions):
    return lambda: versions().champion("iris.knn")


def test_a_list_tells_versions_aliases_and_a_metric(versions):
    (knn,) = [model for model in versions().to_json() if model["model"] == "iris.knn"]
    assert [one["version"] for one in knn["versions"]] == ["2", "1"]
    assert [one["aliases"] for one in knn["versions"]] == [["champion"], []]
    assert knn["versions"][0]["metric"] == "accuracy"
    assert knn["previous"] == "1"


def test_a_promotion_can_be_rolled_back_once(versions, champion):
    assert versions().promote("iris.knn", "1").previous == "2"
    assert champion() == "1"
    assert versions().roll_back("iris.knn").version == "2"
    assert champion() == "2"
    versions().settle("iris.knn")
    with pytest.raises(Conflict, match=r"no version of iris\.knn to roll back to"):
        versions().roll_back("iris.knn")


def test_a_rollback_that_was_not_settled_can_be_repeated(versions, champion):
    versions().promote("iris.knn", "1")
    assert versions().roll_back("iris.knn") == versions().roll_back("iris.knn")
    assert champion() == "2"


def test_a_champion_that_is_promoted_again_keeps_the_alias_and_the_way_back(versions, champion):
    """Somebody may have moved the alias without the ledger, which a promotion then takes note of."""
    versions().promote("iris.knn", "1")
    again = versions().promote("iris.knn", "1")
    assert (again.is_moved, again.previous, champion()) == (False, "2", "1")


def test_a_version_without_a_digest_is_not_promoted(versions, own_home):
    Registry(own_home).client.delete_model_version_tag("iris.knn", "1", "concord.digest")
    with pytest.raises(InvalidInput, match=r"carries no digest of its file.*training register"):
        versions().promote("iris.knn", "1")


def test_a_rollback_to_what_the_registry_does_not_know_leaves_the_alias(versions, own_home, champion):
    """As a service writes it whose first version was packaged from another registry."""
    Registry(own_home).client.set_registered_model_tag("iris.knn", "concord.previous", PACKAGED)
    assert versions().roll_back("iris.knn").version is None
    assert champion() == "2"


def test_a_misspelt_model_is_suggested(versions):
    with pytest.raises(UnknownName, match=r"Did you mean 'iris\.knn'\?"):
        versions().promote("iris.kn", "1")


def test_an_unknown_version_is_told_what_there_is(versions):
    with pytest.raises(UnknownName, match=r"has no version 9; it has 1, 2\."):
        versions().promote("iris.knn", "9")


def test_a_version_without_a_schema_cannot_be_served(versions, own_home):
    Registry(own_home).client.delete_model_version_tag("iris.knn", "1", "concord.schema")
    with pytest.raises(InvalidInput, match="carries no task's schema"):
        versions().promote("iris.knn", "1")


def test_a_home_without_a_registry_says_what_makes_one(tmp_path):
    with pytest.raises(UnknownName, match="`concord train` makes one"):
        RegisteredModels(tmp_path)
