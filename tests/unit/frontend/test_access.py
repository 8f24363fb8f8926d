"""Who may change things from the page, and that a token stays where it belongs."""

import pytest
from streamlit.testing.v1 import AppTest

TOKEN = "q3Vt0lhN2Xw9f-8dYpZk_7RsBmE4uA1cJg5oKiTxW6U"
AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "0123456789abcdef0123456789abcdef",
    "client_id": "concord",
    "client_secret": "s",
    "server_metadata_url": "http://localhost:1/.well-known/openid-configuration",
}


def script(url):
    import streamlit as st

    from frontend import access

    client = access.find_client(url)
    if client is None:
        access.show_sign_in_hint()
    else:
        client.tasks()
        st.button("Change it")
    access.find_reader(url).client.tasks()
    st.text(f"key {access.find_reader(url).key}")
    access.show_account()


@pytest.fixture
def open_script(service, monkeypatch):
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)

    def open_(person=None, auth=None, **claims):
        page = AppTest.from_function(script, kwargs={"url": service.url}, default_timeout=10)
        if auth:
            page.secrets["auth"] = auth
            # As Streamlit has it once a file of secrets says so.
            page.user = {"is_logged_in": False}
        if person:
            page.user = {"is_logged_in": True, "email": person, **claims}
        return page.run()

    return open_


@pytest.fixture
def list_people(monkeypatch):
    def list_(people="ada@example.org", token=TOKEN):
        monkeypatch.setenv("CONCORD_PAGE_PEOPLE", people)
        monkeypatch.setenv("CONCORD_PAGE_TOKEN", token)

    return list_


def use_token(page, token):
    next(element for element in page.text_input if element.label == "Token").set_value(token)
    press(page, "Use this token")
    return page


def press(page, label):
    next(button for button in page.button if button.label == label).click()
    return page.run()


def labels(page):
    return [button.label for button in page.button]


def page_text(page):
    return "\n".join(element.value for element in (*page.markdown, *page.error, *page.text))


def test_a_visitor_may_change_nothing_and_is_told_what_it_takes(open_script, service):
    page = open_script()
    assert "Change it" not in labels(page)
    assert "changing things is not" in page_text(page)
    assert set(service.shown) == {None}


def test_a_typed_token_is_shown_to_the_service_and_nowhere_else(open_script, service):
    page = use_token(open_script(), f"  {TOKEN}\n")
    assert "Change it" in labels(page)
    assert service.shown[-2:] == [f"Bearer {TOKEN}"] * 2
    assert TOKEN not in page_text(page)
    assert TOKEN not in str(dict(page.query_params))
    assert not page.text_input


def test_a_tokens_field_hides_what_is_typed(open_script):
    assert open_script().text_input[0].proto.type == 1  # PASSWORD


def test_a_token_is_forgotten_on_request(open_script, service):
    page = press(use_token(open_script(), TOKEN), "Forget the token")
    assert "Change it" not in labels(page)
    assert service.shown[-1] is None
    assert page.text_input[0].value == ""


@pytest.mark.parametrize("typed", ["", "two words", "jetön", "x" * 513])
def test_what_can_be_no_token_is_not_sent(open_script, service, typed):
    page = use_token(open_script(), typed)
    assert "That is no token" in page.error[0].value
    assert set(service.shown) == {None}


def test_what_is_read_with_a_token_is_kept_apart(open_script):
    before, after = open_script(), use_token(open_script(), TOKEN)
    other = use_token(open_script(), TOKEN)
    keys = {page.text[0].value for page in (before, after, other)}
    assert "key" in keys
    assert len(keys) == 3
    assert not any(TOKEN in key for key in keys)


def test_where_sign_in_is_configured_it_is_offered(open_script):
    page = open_script(auth=AUTH)
    assert "Sign in" in labels(page)
    assert "Sign in, or use a token" in page_text(page)


def test_each_of_several_providers_is_offered(open_script):
    shared = {name: AUTH[name] for name in ("redirect_uri", "cookie_secret")}
    page = open_script(auth={**shared, "google": AUTH, "work": AUTH})
    assert {"Sign in with google", "Sign in with work"} <= set(labels(page))


def test_who_is_listed_and_signed_in_acts_with_the_pages_token(open_script, list_people, service):
    list_people("alan@example.org, Ada@Example.org")
    page = open_script("ada@example.org", AUTH)
    assert "Change it" in labels(page)
    assert f"Bearer {TOKEN}" in service.shown
    assert "Signed in as ada@example.org" in page_text(page)
    assert TOKEN not in page_text(page)


def test_who_is_signed_in_and_not_listed_may_change_nothing(open_script, list_people, service):
    list_people()
    page = open_script("eve@example.org", AUTH)
    assert "eve@example.org, and that address is not among those" in page_text(page)
    assert set(service.shown) == {None}


def test_an_address_that_its_provider_doubts_counts_for_nothing(open_script, list_people, service):
    list_people()
    page = open_script("ada@example.org", AUTH, email_verified=False)
    assert "does not vouch" in page_text(page)
    assert set(service.shown) == {None}


def test_nobody_is_listed_unless_somebody_says_so(open_script, monkeypatch):
    monkeypatch.setenv("CONCORD_PAGE_TOKEN", TOKEN)
    assert "Change it" not in labels(open_script("ada@example.org", AUTH))


@pytest.mark.parametrize("content", [None, "", b"\xff\xfe"])
def test_a_page_without_a_usable_token_says_so(open_script, list_people, monkeypatch, tmp_path, content):
    list_people(token="")
    monkeypatch.setenv("CONCORD_PAGE_TOKEN_FILE", str(tmp_path / "token"))
    if content is not None:
        (tmp_path / "token").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "no token of its own" in page_text(open_script("ada@example.org", AUTH))


def test_a_token_in_a_file_is_read_anew(open_script, list_people, monkeypatch, service, tmp_path):
    list_people(token="")
    file = tmp_path / "token"
    monkeypatch.setenv("CONCORD_PAGE_TOKEN_FILE", str(file))
    file.write_text("first\n")
    page = open_script("ada@example.org", AUTH)
    file.write_text("second\n")
    page.run()
    assert service.shown[-1] == "Bearer second"
    assert {"Bearer first", "Bearer second"} <= set(service.shown)


def test_a_typed_token_goes_before_the_pages(open_script, service, list_people):
    list_people("nobody@example.org")
    page = use_token(open_script("ada@example.org", AUTH), "mine")
    assert service.shown[-1] == "Bearer mine"
    assert "Sign out" in labels(page)
