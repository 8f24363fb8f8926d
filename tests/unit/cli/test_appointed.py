"""What a start serves is what the ledger has appointed, and a decision without a service is written there."""

import pytest

from concord.cli.appointed import AppointedVersion, appoint, choose_versions, read_appointed
from concord.cli.stores import ledger_beside
from concord.errors import Conflict
from concord.journal import Journal
from concord.ledger import events
from concord.ledger.events import Decision
from concord.settlement.noted_blocks import NotedBlocks, verify_with_notes

KNN = "iris.knn"
D7, D8, D9 = "7" * 64, "8" * 64, "9" * 64


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """A ledger of this machine in which iris.knn serves version 7, and iris.svm one without a digest."""
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path))
    ledger = ledger_beside(None, may_be_lost=True)
    ledger.append(
        [
            events.params("iris", "wager", opens=["knn", "svm"]),
            events.open_account("iris", "knn", 10**9, 0, "7", digest=D7, newcomer=True),
            events.open_account("iris", "svm", 10**9, 0, "7"),
        ]
    )
    return ledger


def account(ledger):
    return ledger.head().state.task("iris").account("knn")


def test_a_home_without_a_ledger_has_appointed_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCORD_HOME", str(tmp_path))
    assert read_appointed() == {}


@pytest.mark.usefixtures("ledger")
def test_a_version_that_was_served_before_is_kept_where_its_file_is_known():
    assert read_appointed() == {KNN: AppointedVersion("7", D7)}


def test_an_appointed_version_goes_before_the_one_that_was_served(ledger):
    decision = Decision("promote", "9", "7", "operator", "why", D9)
    ledger.append([events.appoint("iris", "knn", decision, 1, 0)])
    assert read_appointed()[KNN] == AppointedVersion("9", D9)


def test_a_promotion_without_a_service_is_an_event_of_the_ledger(ledger):
    assert appoint("promote", KNN, AppointedVersion("9", D9), "decided by hand")
    last = account(ledger).appointment
    assert (last.action, last.version, last.before, last.by) == ("promote", "9", "7", "command line")
    assert (last.champion_digest, last.previous_digest) == (D9, D7)
    assert read_appointed()[KNN] == AppointedVersion("9", D9)


def test_a_promotion_without_a_service_is_noted_in_the_journal_so_that_verify_has_nothing_against_it(
    ledger, tmp_path
):
    journal = Journal(f"sqlite:///{tmp_path}/journal.sqlite")
    journal.migrate()
    NotedBlocks(ledger, journal).note()
    appoint("promote", KNN, AppointedVersion("9", D9), "decided by hand")
    head = ledger.head()
    assert journal.newest_block() == (head.height, head.hash)
    report = verify_with_notes(ledger, journal, lambda _seconds: None)
    journal.close()
    assert report.problems == ()


def test_what_is_appointed_already_is_no_event(ledger):
    assert not appoint("promote", KNN, AppointedVersion("7", D7), "why")
    assert account(ledger).appointment is None


@pytest.mark.usefixtures("ledger")
def test_a_model_without_an_account_needs_no_event():
    assert appoint("promote", "iris.mine", AppointedVersion("1", D9), "why")
    assert appoint("promote", "film_rating.knn", AppointedVersion("1", D9), "why")


def test_a_rollback_returns_to_the_file_that_was_served(ledger):
    appoint("promote", KNN, AppointedVersion("9", D9), "why")
    appoint("rollback", KNN, AppointedVersion("7", D7), "why")
    assert account(ledger).champion == ("7", D7)


def test_a_rollback_to_a_file_that_the_ledger_does_not_know_is_refused_with_the_remedy(ledger):
    """As whoever writes to MLflow has it: its tag names another version than the one before."""
    appoint("promote", KNN, AppointedVersion("9", D9), "why")
    with pytest.raises(Conflict, match=r"does not know the file of version 8.*models promote iris\.knn 8"):
        appoint("rollback", KNN, AppointedVersion("8", D8), "why")
    assert account(ledger).champion == ("9", D9)


def test_what_this_command_has_fitted_goes_before_what_was_appointed():
    appointed = {KNN: AppointedVersion("7", D7), "iris.svm": AppointedVersion("7", D8)}
    fitted = {KNN: AppointedVersion("9", D9), "iris.new": AppointedVersion("1", D9)}
    assert choose_versions(appointed, fitted) == appointed | {KNN: AppointedVersion("9", D9)}
