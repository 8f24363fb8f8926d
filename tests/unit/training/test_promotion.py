"""The registry's side of a promotion: an alias moves, and what was served before is kept in mind."""

import pytest

from concord.errors import Conflict, InvalidInput, UnknownName
from training.data import generated
from training.fit import fit
from training.promotion import PACKAGED, Versions
from training.registry import Registry
from training.split import split
from training.tasks.iris import TASK


@pytest.fixture
def versions(own_home):
    """A registry with two versions of iris.knn, read anew at every call."""
    data = generated(TASK, 1)
    Registry(own_home).record(fit(TASK, "knn", data, split(TASK, data, 1), 1))
    return lambda: Versions(own_home)


@pytest.fixture
def champion(versions):
    return lambda: versions()._champion("iris.knn")


def test_a_list_tells_versions_aliases_and_a_metric(versions):
    (knn,) = [model for model in versions().listing() if model["model"] == "iris.knn"]
    assert [one["version"] for one in knn["versions"]] == ["2", "1"]
    assert [one["aliases"] for one in knn["versions"]] == [["champion"], []]
    assert knn["versions"][0]["metric"] == "accuracy"
    assert knn["previous"] == "1"


def test_a_promotion_can_be_rolled_back_once(versions, champion):
    assert versions().promote("iris.knn", "1", {}, again=False).previous == "2"
    assert champion() == "1"
    assert versions().roll_back("iris.knn").version == "2"
    assert champion() == "2"
    versions().settle("iris.knn")
    with pytest.raises(Conflict, match=r"no version of iris\.knn to roll back to"):
        versions().roll_back("iris.knn")


def test_a_rollback_that_was_not_settled_can_be_repeated(versions, champion):
    versions().promote("iris.knn", "1", {}, again=False)
    assert versions().roll_back("iris.knn") == versions().roll_back("iris.knn")
    assert champion() == "2"


def test_the_champion_is_not_promoted_twice_unless_that_ends_a_promotion(versions):
    with pytest.raises(Conflict, match=r"Version 2 of iris\.knn is the champion already"):
        versions().promote("iris.knn", "2", {}, again=False)
    assert versions().promote("iris.knn", "2", {}, again=True).previous == "1"


def test_what_a_node_serves_counts_more_than_the_alias(versions):
    digest = versions()._find("iris.knn", "1").tags["concord.digest"]
    served = {"version": "1", "digest": digest}
    assert versions().promote("iris.knn", "2", served, again=True).previous == "1"


def test_another_registrys_version_of_the_same_number_is_the_packaged_one(versions):
    served = {"version": "1", "digest": "another"}
    assert versions().promote("iris.knn", "2", served, again=True).previous == PACKAGED
    assert versions().roll_back("iris.knn").version is None


def test_a_misspelt_model_is_suggested(versions):
    with pytest.raises(UnknownName, match=r"Did you mean 'iris\.knn'\?"):
        versions().promote("iris.kn", "1", {}, again=False)


def test_an_unknown_version_is_told_what_there_is(versions):
    with pytest.raises(UnknownName, match=r"has no version 9; it has 1, 2\."):
        versions().promote("iris.knn", "9", {}, again=False)


def test_a_version_without_a_schema_cannot_be_served(versions, own_home):
    Registry(own_home).client.delete_model_version_tag("iris.knn", "1", "concord.schema")
    with pytest.raises(InvalidInput, match="carries no task's schema"):
        versions().promote("iris.knn", "1", {}, again=False)


def test_a_home_without_a_registry_says_what_makes_one(tmp_path):
    with pytest.raises(UnknownName, match="`concord train` makes one"):
        Versions(tmp_path)


@pytest.fixture
def in_a_cluster(own_home, versions):
    return lambda: Versions(own_home, cluster=True)


def test_in_a_cluster_a_fit_does_not_change_what_a_rollback_returns_to(in_a_cluster, own_home):
    in_a_cluster().promote("iris.knn", "2", {"version": "1", "digest": ""}, again=True)
    data = generated(TASK, 2)
    Registry(own_home).record(fit(TASK, "knn", data, split(TASK, data, 2), 2))
    assert in_a_cluster().roll_back("iris.knn").version == "1"


def test_in_a_cluster_there_is_nothing_to_roll_back_to_before_a_promotion(in_a_cluster):
    with pytest.raises(Conflict, match=r"no version of iris\.knn to roll back to"):
        in_a_cluster().roll_back("iris.knn")


def test_in_a_cluster_the_version_of_the_image_is_gone_back_to(in_a_cluster):
    served = {"version": "packaged", "digest": ""}
    assert in_a_cluster().promote("iris.knn", "2", served, again=True).previous == PACKAGED
