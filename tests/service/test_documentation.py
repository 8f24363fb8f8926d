"""The documentation is built once for each state of tasks and tokens, and not sent again to who has it."""

import pytest

from concord.api.endpoints import documentation
from tests.service.labelling import write_tokens


@pytest.fixture
def builds(monkeypatch):
    """For each time that the document was built, whether labels took no token."""
    calls = []
    build = documentation.build_document

    def counted(*arguments, **options):
        calls.append(options["is_open"]("label"))
        return build(*arguments, **options)

    monkeypatch.setattr(documentation, "build_document", counted)
    return calls


@pytest.fixture
def stack(start_stack):
    return start_stack()


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_it_is_built_once_for_many_requests(stack, builds, path):
    texts = {stack.http.get(path).text for _ in range(20)}
    assert (len(texts), len(builds)) == (1, 1)


def test_it_is_built_anew_when_there_are_tokens(stack, builds):
    before = stack.http.get("/openapi.json").headers["etag"]
    write_tokens(stack.home, "crm")
    after = stack.http.get("/openapi.json").headers["etag"]
    assert (before != after, builds) == (True, [True, False])


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_it_is_not_sent_to_who_has_it(stack, path):
    first = stack.http.get(path)
    again = stack.http.get(path, headers={"if-none-match": f'W/{first.headers["etag"]}, "other"'})
    assert (again.status_code, again.content) == (304, b"")


def test_it_is_sent_to_who_has_another(stack):
    assert stack.http.get("/docs", headers={"if-none-match": '"other"'}).status_code == 200
