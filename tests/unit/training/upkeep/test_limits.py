"""Upkeep's settings are read from the environment, and a wrong one is named."""

import pytest

from concord.errors import ConfigurationError
from training.upkeep.limits import UpkeepLimits


def test_a_setting_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("CONCORD_UPKEEP_WATCH_LABELS", "40")
    assert UpkeepLimits.read().watch_labels == 40


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CONCORD_UPKEEP_RETRAIN_LABELS", "many", "CONCORD_UPKEEP_RETRAIN_LABELS"),
        ("CONCORD_UPKEEP_PROBATION_MOST", "1", "probation_most cannot be less than probation_labels"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said):
        UpkeepLimits.read()
