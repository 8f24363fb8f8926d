"""A service that will soon end answers on, and sends its callers to another one."""

from tests.service.stack import wait_until


def test_no_connection_is_kept_once_the_file_is_there_and_nothing_is_refused(start_stack, tmp_path):
    told = tmp_path / "draining"
    stack = start_stack(drain_file=told)
    assert "connection" not in stack.predict().headers
    told.touch()
    wait_until(lambda: stack.predict().headers.get("connection") == "close")
    assert stack.predict().status_code == 200
    assert stack.http.get("/v1/unknown").headers["connection"] == "close"


def test_a_service_that_starts_forgets_what_the_one_before_was_told(start_stack, tmp_path):
    told = tmp_path / "draining"
    told.touch()
    stack = start_stack(drain_file=told)
    assert not told.exists()
    assert "connection" not in stack.predict().headers
