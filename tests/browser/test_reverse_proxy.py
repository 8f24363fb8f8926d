"""Every page and `/docs` in Chromium, behind an nginx that offers API and page below a path."""

import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from tests.browser.people import SOUND, needs_chromium, settle, sound
from tests.pages import TITLES, page_at
from tests.ports import free_port
from tests.service.conftest import serving, starting

pytestmark = [
    *needs_chromium,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx on the PATH"),
]

CONFIG = """
daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location /taken/ {{ proxy_pass {service}/; }}
    location /left/ {{ proxy_pass {service}; }}
    location /page/ {{
      proxy_pass http://127.0.0.1:{page};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """The address of an nginx before a service and its page, which asks the service through it."""
    folder, port, page = tmp_path_factory.mktemp("nginx"), free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    with serving() as serve, starting(serve, folder) as start:
        stack = start(root_path="/left")
        config = folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, port=port, page=page, service=stack.url), "utf-8")
        nginx = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(config)])
        environment = {"CONCORD_URL": f"{url}/taken", "STREAMLIT_SERVER_BASE_URL_PATH": "/page"}
        try:
            with page_at(page, folder / "log", **environment):
                wait_for(f"{url}/taken/readyz")
                yield url
        finally:
            nginx.terminate()
            nginx.wait(10)


def wait_for(url):
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.mark.parametrize("title", TITLES)
def test_every_page_is_drawn_below_a_path(proxy, look, title):
    path = "" if title == TITLES[0] else title.lower()
    page = look(f"{proxy}/page/{path}", width=1440)
    page.get_by_role("heading", name=title, exact=True, level=1).wait_for(timeout=60_000)
    settle(page)
    assert page.get_by_text("No consensus service answers").count() == 0
    assert sound(page) == SOUND


def test_the_menu_leads_from_page_to_page_below_the_path(proxy, look):
    page = look(f"{proxy}/page/", width=1440)
    page.get_by_role("link", name="Nodes").click()
    page.get_by_role("heading", name="Nodes", exact=True, level=1).wait_for(timeout=60_000)
    assert page.url.startswith(f"{proxy}/page/nodes")


@pytest.mark.parametrize("path", ["taken", "left"])
def test_the_documentation_leads_to_its_document_below_the_path(proxy, look, path):
    page = look(f"{proxy}/{path}/docs")
    with page.expect_response("**/openapi.json") as answered:
        page.get_by_role("link", name="openapi.json").click()
    assert answered.value.url == f"{proxy}/{path}/openapi.json"
    assert answered.value.json()["info"]["title"] == "Concord"
