"""What `concord up` prints once everything answers."""

import pytest

from concord.cli.home import Home
from concord.cli.up.reporter import Reporter
from concord.cli.up.welcome import report_ready
from tests.unit.frontend.fake_service import FakeService

PAGES = {
    "page": "http://127.0.0.1:7480",
    "mlflow": "http://127.0.0.1:7490",
    "prometheus": "http://127.0.0.1:7491",
}


@pytest.fixture
def greeted(tmp_path, capsys):
    """The lines of the welcome where these pages run."""
    service = FakeService().start()

    def greeted(*running):
        pages = {name: PAGES[name] for name in running}
        report_ready(Reporter(as_json=False), Home(tmp_path), service.url, pages, ["flower"], 21.0)
        return [line.strip() for line in capsys.readouterr().out.splitlines()]

    yield greeted
    service.stop()


def test_every_page_that_runs_is_there_with_the_address_that_people_open(greeted):
    lines = greeted("page", "mlflow", "prometheus")
    assert "Page     http://127.0.0.1:7480" in lines
    assert "MLflow   http://127.0.0.1:7490" in lines
    assert "Metrics  http://127.0.0.1:7491" in lines


def test_a_page_that_does_not_run_is_not_there(greeted):
    assert not [line for line in greeted() if line.startswith(("Page", "MLflow", "Metrics"))]


def test_the_example_that_is_offered_is_a_tasks_own(greeted):
    assert "concord predict flower petal_length=1.4 petals=5 place=shade" in "\n".join(greeted())
