"""Every test belongs to one tier, so that each is run by one part of CI and none by two."""

import re
from pathlib import Path

import pytest

from tests.tiers import MARKERS, misplaced


def test_every_test_that_was_collected_belongs_to_one_tier(request):
    markers = request.config.stash[MARKERS]
    assert request.node.nodeid in markers
    assert misplaced(markers) == []


def test_every_file_of_the_cluster_tests_is_in_one_part_of_the_full_run():
    root = Path(__file__).parents[2]
    named = re.findall(r"tests/e2e/test_\w+\.py", (root / ".ci" / "full").read_text("utf-8"))
    files = [path.relative_to(root).as_posix() for path in (root / "tests" / "e2e").glob("test_*.py")]
    assert sorted(named) == sorted(files)


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
