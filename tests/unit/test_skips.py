"""A test that skips itself for want of a tool fails in CI, which has brought the tool."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="promtool is not on the PATH")
def test_by_mark(): ...

@pytest.fixture
def server():
    pytest.skip("there is no mariadbd here")

def test_by_fixture(server): ...

def test_of_the_machine():
    pytest.skip("no IPv6 here")

def test_of_data():
    pytest.skip("the real files are not here: ../shared/data")

@pytest.mark.xfail
def test_of_a_known_fault():
    assert False

def test_that_runs(): ...
"""


@pytest.fixture
def outcomes(pytester, monkeypatch):
    """Runs the tests where `../shared` is there, or is not; what became of them."""

    def run(*, in_ci, has_shared=False):
        tests = pytester.mkdir("repository") / "tests"
        tests.mkdir()
        (tests / "conftest.py").write_text(CONFTEST.read_text("utf-8"), "utf-8")
        (tests / "test_some.py").write_text(TESTS, "utf-8")
        if has_shared:
            pytester.mkdir("shared")
        monkeypatch.delenv("CONCORD_CI_TOOLS", raising=False)
        if in_ci:
            monkeypatch.setenv("CONCORD_CI_TOOLS", "1")
        return pytester.runpytest_inprocess(tests, "-p", "no:cacheprovider").parseoutcomes()

    return run


def test_without_ci_what_is_missing_is_skipped(outcomes):
    assert outcomes(in_ci=False) == {"passed": 1, "skipped": 4, "xfailed": 1}


def test_in_ci_a_missing_tool_is_a_failure_and_missing_data_are_not(outcomes):
    assert outcomes(in_ci=True) == {"passed": 1, "errors": 2, "skipped": 2, "xfailed": 1}


def test_in_ci_a_missing_file_of_data_that_are_there_is_a_failure(outcomes):
    found = outcomes(in_ci=True, has_shared=True)
    assert found == {"passed": 1, "errors": 2, "failed": 1, "skipped": 1, "xfailed": 1}
