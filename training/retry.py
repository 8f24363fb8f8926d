"""Repeats a request that may succeed the next time."""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def retry(request: Callable[[], T], is_temporary: Callable[[Exception], bool], pauses: Iterable[float]) -> T:
    """Makes a request, and makes it again after each pause while its errors are temporary.

    Args:
        request: The request.
        is_temporary: Whether another try may end without this error.
        pauses: Seconds before the second try, before the third, and so on; the last try's error is raised.
    """
    for pause in pauses:
        try:
            return request()
        except Exception as error:
            if not is_temporary(error):
                raise
        time.sleep(pause)
    return request()
