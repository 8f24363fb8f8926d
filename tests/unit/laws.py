"""What always holds, checked on a few random cases in the quick suite and on many in the slow one."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings

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
class Law:
    """A property, and on how many cases the slow suite checks it."""

    name: str
    cases: int
    check: Callable[[], None]

    def __str__(self):
        return self.name


class Laws(list):
    """The laws of one module; as a decorator it makes a quick test of one and keeps it for the slow one."""

    def __call__(self, *strategies, few=FEW, many=MANY):
        def keep(check):
            self.append(Law(check.__name__, many, exactly(many)(given(*strategies)(check))))
            return exactly(few)(given(*strategies)(check))

        return keep
