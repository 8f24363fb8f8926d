"""The page as a person sees it, over HTTP to a fake consensus service."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.unit.frontend.fake_service import FakeService
from tests.unit.frontend.page_driver import APP


def clear_caches():
    """Drops everything that the page keeps for all sessions."""
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def service(monkeypatch, request):
    """A fake service that the page is told of; a module's `SERVICE` says what it can do besides."""
    fake = getattr(request.module, "SERVICE", FakeService)().start()
    monkeypatch.setenv("CONCORD_URL", fake.url)
    yield fake
    clear_caches()
    fake.stop()


@pytest.fixture(scope="session", autouse=True)
def _without_components_of_packages():
    """Streamlit looks through every installed package for components at each start, for 0.2 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
        yield


@pytest.fixture
def open_page():
    """Opens the page, with what its address says."""

    def open_(**address):
        page = AppTest.from_file(str(APP), default_timeout=10)
        for name, value in address.items():
            page.query_params[name] = value
        return page.run()

    yield open_
    clear_caches()
