"""Every test belongs to one tier, so that each is run by one part of CI and none by two."""

import pytest

from tests.tiers import MARKERS, misplaced


def test_every_test_that_was_collected_belongs_to_one_tier(request):
    markers = request.config.stash[MARKERS]
    assert request.node.nodeid in markers
    assert misplaced(markers) == []


@pytest.mark.parametrize(
    ("names", "is_misplaced"),
    [
        (set(), False),
        ({"slow", "parametrize"}, False),
        ({"slow", "guard"}, False),
        ({"browser", "guard"}, False),
        ({"guard"}, True),
        ({"slow", "browser"}, True),
        ({"slow", "e2e", "guard"}, True),
    ],
)
def test_two_tiers_or_a_guard_of_none_are_misplaced(names, is_misplaced):
    assert misplaced({"a": names}) == (["a"] if is_misplaced else [])
