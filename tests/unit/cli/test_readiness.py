"""`concord up` is ready once every task that it started is answered, and not as soon as its nodes are up."""

import pytest

from concord.cli.up import readiness
from concord.cli.up.readiness import PartProgress, Readiness


def task(name, up, *, ready):
    return {"task": name, "nodes_up": up, "ready": ready}


@pytest.fixture
def look(monkeypatch):
    """Looks at a service that answers so."""

    def look(*tasks, nodes=(("iris", 5),)):
        document = {"tasks": list(tasks)} if tasks else None
        monkeypatch.setattr(readiness, "fetch_json", lambda _url: document)
        return Readiness("http://127.0.0.1:7400", dict(nodes), {}).look()

    return look


def test_a_task_whose_accounts_are_being_opened_is_waited_for(look):
    assert look(task("iris", 5, ready=False)) == [PartProgress("iris", 5, 5), PartProgress("consensus", 0, 1)]
    assert all(part.is_up for part in look(task("iris", 5, ready=True)))


def test_each_task_that_was_started_is_waited_for_and_no_other(look):
    started = (("iris", 5), ("film", 3))
    tasks = task("iris", 5, ready=True), task("film", 3, ready=False)
    assert not look(*tasks, nodes=started)[-1].is_up
    assert look(*tasks)[-1].is_up


def test_a_service_that_does_not_answer_is_waited_for(look):
    assert look() == [PartProgress("iris", 0, 5), PartProgress("consensus", 0, 1)]
