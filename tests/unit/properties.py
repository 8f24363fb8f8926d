"""What always holds, checked on a few random cases in the quick suite and on many in the slow one.

At its small size (`tests/sizes.py`) the slow suite checks a quarter of them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from hypothesis import HealthCheck, given, settings

from tests.sizes import sized

FEW, MANY = 40, 400


def exactly(cases, **options):
    """The same cases on every machine, however slow it is."""
    return settings(
        derandomize=True,
        max_examples=cases,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        **options,
    )


@dataclass(frozen=True)
class Property:
    """A property, and on how many cases the slow suite checks it at its full size."""

    name: str
    cases: int
    check: Callable[[], None]

    def __str__(self):
        return self.name

    @property
    def invariants(self):
        """The numbers that its docstring names: I1 to I13."""
        return invariants(self.check.__doc__)


def invariants(docstring):
    """The numbers of the invariants that a docstring names, each as a sentence of its own."""
    return {int(number) for number in re.findall(r"\bI(\d+)\.", docstring or "")}


class Properties(list):
    """The laws of one module; as a decorator it makes a quick test of one and keeps it for the slow one."""

    def __call__(self, *strategies, few=FEW, many=MANY):
        def keep(check):
            self.append(Property(check.__name__, many, counted(sized(many // 4, many), strategies, check)))
            return exactly(few)(given(*strategies)(check))

        return keep


def counted(cases, strategies, check):
    """Checks a law on so many cases, and fails where a strategy runs out of them before."""
    ran = 0

    @wraps(check)
    def once(*drawn, **named):
        nonlocal ran
        ran += 1
        check(*drawn, **named)

    property_ = exactly(cases)(given(*strategies)(once))

    @wraps(check)
    def every():
        nonlocal ran
        ran = 0
        property_()
        assert ran >= cases, f"{ran} of {cases} cases"

    return every
