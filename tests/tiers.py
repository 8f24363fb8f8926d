"""The tiers of tests, by their markers: quick tests have none of them."""

import pytest

TIERS = frozenset({"slow", "browser", "e2e", "clients", "datasets"})

GUARD = "guard"
"""Marks those tests of the other tiers that `.ci/run` runs."""

MARKERS = pytest.StashKey()
"""Every collected test's id → the names of its markers, whether or not this run takes it."""


def misplaced(markers):
    """The tests of more than one tier, and quick tests that are marked as guards."""
    return sorted(
        test
        for test, names in markers.items()
        if len(names & TIERS) > 1 or (GUARD in names and not names & TIERS)
    )
