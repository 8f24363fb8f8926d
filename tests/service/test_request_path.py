"""A row passes fifteen files between request and answer, and the architecture page names them."""

import re
import sys
from pathlib import Path

import concord

PACKAGE = Path(concord.__file__).parent
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"
STATION = re.compile(r"^\d+\. `concord/([\w/]+\.py)` ", re.MULTILINE)
NOT_COUNTED = ("observability/", "types/", "errors.py")
"""Metrics and logs, values that travel over HTTP, and errors: they decide nothing on the way."""


class TracedApi:
    """An application that notes which files of `concord` execute between a predict request and its answer.

    Only the event loop's thread is traced; what the loop does for others meanwhile is in some requests' files
    and not in all.
    """

    def __init__(self, api):
        self._api = api
        self.requests = []

    async def __call__(self, scope, receive, send):
        if scope.get("path") != "/v1/tasks/iris/predict":
            await self._api(scope, receive, send)
            return
        files = set()

        async def send_and_stop(message):
            if message["type"] == "http.response.body":
                sys.setprofile(None)
            await send(message)

        sys.setprofile(lambda frame, *_: files.add(frame.f_code.co_filename))
        try:
            await self._api(scope, receive, send_and_stop)
        finally:
            sys.setprofile(None)
        self.requests.append({name for path in files if (name := _in_package(path))})


def _in_package(path):
    file = Path(path)
    name = file.relative_to(PACKAGE).as_posix() if file.is_relative_to(PACKAGE) else ""
    return "" if name.startswith(NOT_COUNTED) else name


def test_a_row_passes_the_files_that_the_architecture_page_names_and_no_other(start_stack):
    stack = start_stack()
    config = stack.service._server.config
    traced = config.loaded_app = TracedApi(config.loaded_app)
    for _ in range(10):
        assert stack.predict().status_code == 200
    files = set.intersection(*traced.requests) - {""}
    stations = STATION.findall(ARCHITECTURE.read_text("utf-8"))
    assert sorted(files) == sorted(stations)
    assert len(stations) <= 18
