"""How much the tests do: a little on every landing, all of it in `.ci/full`.

`HYPOTHESIS_PROFILE=full` asks for all: more random cases, longer streams of rows and labels, more crashes.
"""

import os

from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "small")

# A busy machine is slow, which is no property of the code under test.
settings.register_profile(
    "small", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("full", settings.get_profile("small"), max_examples=400)
settings.load_profile(PROFILE)


def sized(small, full):
    """One of two sizes, by the profile."""
    return full if PROFILE == "full" else small
