"""A service and a registry that are stood in for."""

import pytest

from tests.unit.training.upkeep.world import World


@pytest.fixture
def world():
    return World()
