"""What `benchmarks.people` counts as an answer of the page, and what as an error."""

import asyncio
import subprocess
import sys

import pytest

from benchmarks.people.__main__ import ask
from benchmarks.people.tab import PageError, Tab
from concord.errors import InvalidInput, JournalUnavailable, Overloaded
from tests.pages import NOWHERE, TITLES, page_at, titles
from tests.ports import free_port
from tests.unit.frontend.fake_service import FakeService, no_quorum, verdict

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fake():
    service = FakeService().start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def page_url(fake, tmp_path_factory):
    port = free_port()
    with page_at(port, tmp_path_factory.mktemp("page") / "log", CONCORD_URL=fake.url):
        url = f"http://127.0.0.1:{port}"
        assert titles(url) == TITLES
        yield url


@pytest.fixture
def ask_page(fake, page_url):
    """Has a person ask repeatedly; the service gives these answers."""

    def ask_page(*answers, filled=True):
        async def ask_in_turn():
            async with Tab(page_url) as tab:
                await tab.open()
                if filled:
                    await tab.press("Fill in the example")
                for answer in answers:
                    fake.answer = lambda *_: answer  # noqa: B023 - it is asked for before the next one
                    await ask(tab)
                return tab.rounds()

        return asyncio.run(ask_in_turn())

    return ask_page


def test_the_id_of_a_new_round_is_an_answer(ask_page):
    assert ask_page(verdict(), verdict(id="f" * 32)) == {"f" * 32}


def test_the_answer_of_before_is_none(ask_page):
    with pytest.raises(PageError, match="no new answer"):
        ask_page(verdict(), verdict())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Overloaded("20000 rows wait already.", retry_after=1), "Too many questions wait"),
        (InvalidInput("The row is too long."), "does not accept this"),
        (JournalUnavailable("The journal cannot be written."), "gave no answer"),
        (no_quorum(), "No consensus"),
    ],
    ids=["overloaded", "invalid", "unavailable", "no-quorum"],
)
def test_a_refusal_is_an_error_however_mildly_it_is_said(ask_page, answer, sentence):
    with pytest.raises(PageError, match=sentence):
        ask_page(answer)


def test_a_form_that_is_not_sent_is_an_error(ask_page):
    with pytest.raises(PageError, match="Fill this in"):
        ask_page(verdict(), filled=False)


def test_a_page_that_raises_has_no_menu_though_its_process_is_healthy(tmp_path):
    port = free_port()
    with page_at(port, tmp_path / "log", CONCORD_PROMETHEUS="no address"), pytest.raises(PageError):
        titles(f"http://127.0.0.1:{port}")


def test_the_program_fails_where_somebody_meets_an_error(tmp_path):
    port = free_port()
    with page_at(port, tmp_path / "log", CONCORD_URL=NOWHERE):
        command = [sys.executable, "-m", "benchmarks.people", f"http://127.0.0.1:{port}"]
        process = subprocess.run(
            [*command, "--people", "1", "--seconds", "1"], capture_output=True, text=True, check=False
        )
    assert process.returncode == 1
    assert "The consensus service is away." in process.stderr
