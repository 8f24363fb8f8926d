"""The people of `benchmarks.people` at a page: what they take for an answer, and what for an error."""

import asyncio
import subprocess
import sys

import pytest

from benchmarks.people.__main__ import ask
from benchmarks.people.tab import Broken, Tab
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
def asked(fake, page_url):
    """Has one person ask, who gets these answers one after the other."""

    def asked(*answers, filled=True):
        async def in_turn():
            async with Tab(page_url) as tab:
                await tab.open()
                if filled:
                    await tab.press("Fill in the example")
                for answer in answers:
                    fake.answer = lambda *_: answer  # noqa: B023 - it is asked for before the next one
                    await ask(tab)
                return tab.rounds()

        return asyncio.run(in_turn())

    return asked


def test_the_id_of_a_new_round_is_an_answer(asked):
    assert asked(verdict(), verdict(id="f" * 32)) == {"f" * 32}


def test_the_answer_of_before_is_none(asked):
    with pytest.raises(Broken, match="no new answer"):
        asked(verdict(), verdict())


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
def test_a_refusal_is_an_error_however_mildly_it_is_said(asked, answer, sentence):
    with pytest.raises(Broken, match=sentence):
        asked(answer)


def test_a_form_that_is_not_sent_is_an_error(asked):
    with pytest.raises(Broken, match="Fill this in"):
        asked(verdict(), filled=False)


def test_a_page_that_raises_has_no_menu_though_its_process_is_healthy(tmp_path):
    port = free_port()
    with page_at(port, tmp_path / "log", CONCORD_PROMETHEUS="no address"), pytest.raises(Broken):
        titles(f"http://127.0.0.1:{port}")


def test_the_program_fails_where_somebody_meets_an_error(tmp_path):
    port = free_port()
    with page_at(port, tmp_path / "log", CONCORD_URL=NOWHERE):
        command = [sys.executable, "-m", "benchmarks.people", f"http://127.0.0.1:{port}"]
        done = subprocess.run(
            [*command, "--people", "1", "--seconds", "1"], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "The consensus service is away." in done.stderr
