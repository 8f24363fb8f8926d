"""Repeats calls to a service that is busy or away."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from concord.errors import Refused, ServiceAway

T = TypeVar("T")

PATIENCE: Final = 60.0
"""Seconds of waiting after which a busy or absent service is given up."""


def call_until_answered(
    call: Callable[[], T],
    recover: Callable[[Refused], T],
    is_temporary: Callable[[Refused], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Calls a service again, after the pause that it asks for, until it answers.

    Args:
        call: The call.
        recover: The results that a refusal holds, for it may be about some rows only; empty if none.
        is_temporary: Whether a refusal may be another one later.
        sleep: Waits so many seconds.

    Raises:
        Refused: The service refuses for good, or has been busy for a minute.
        ServiceAway: It has not answered for a minute.
    """
    waited = 0.0
    while True:
        try:
            return call()
        except (Refused, ServiceAway) as error:
            if isinstance(error, Refused) and (results := recover(error)):
                return results
            if waited >= PATIENCE or (isinstance(error, Refused) and not is_temporary(error)):
                raise
            pause = (isinstance(error, Refused) and error.retry_after) or 1.0
        sleep(pause)
        waited += pause
