"""A service whose predictions take a token: what the page shows it, and says to people without one."""

import pytest

from concord.errors import Forbidden, Unauthorized
from tests.unit.frontend.fake_service import verdict
from tests.unit.frontend.test_access import TOKEN, use_token
from tests.unit.frontend.test_predict import press, text


def ask(page):
    return press(press(page, "Fill in"), "Ask")


@pytest.fixture
def closed(service):
    """Answers a question only with the token."""

    def answer(*_asked):
        if service.shown[-1] == f"Bearer {TOKEN}":
            return verdict()
        return Unauthorized("This needs a token.", field="authorization")

    service.answer = answer
    return service


def test_without_a_token_the_page_says_what_asking_takes(closed, open_page):
    page = ask(open_page())
    assert "Asking takes a token here." in page.warning[0].value
    assert "shows a token that predicts this task" in text(page)


def test_a_typed_token_asks(closed, open_page):
    page = ask(use_token(ask(open_page()), TOKEN))
    assert "It is a rose." in text(page)


def test_the_visitors_token_asks_for_everybody_and_stands_nowhere(closed, open_page, monkeypatch):
    monkeypatch.setenv("CONCORD_PAGE_VISITOR_TOKEN", TOKEN)
    page = ask(open_page())
    assert "It is a rose." in text(page)
    assert TOKEN not in text(page)


def test_another_visitors_token_is_shown_once_its_file_has_it(closed, open_page, monkeypatch, tmp_path):
    file = tmp_path / "token"
    file.write_text("old-token")
    monkeypatch.setenv("CONCORD_PAGE_VISITOR_TOKEN_FILE", str(file))
    assert page_is_closed(ask(open_page()))
    file.write_text(f"{TOKEN}\n")
    assert not page_is_closed(ask(open_page()))


def page_is_closed(page):
    return any("Asking takes a token here." in warning.value for warning in page.warning)


def test_a_file_that_cannot_be_read_asks_without_a_token_and_is_logged(
    closed, open_page, monkeypatch, tmp_path, caplog
):
    monkeypatch.setenv("CONCORD_PAGE_VISITOR_TOKEN_FILE", str(tmp_path / "nowhere"))
    assert page_is_closed(ask(open_page()))
    assert "visitor token not read" in caplog.messages


@pytest.mark.parametrize("code", ["forbidden", "forbidden_task", "expired_token", "tokens_off"])
def test_every_refusal_that_another_token_would_mend_is_told_so(service, open_page, code):
    service.answer = lambda *_: Forbidden("Not with this.", code=code)
    assert page_is_closed(ask(open_page()))
