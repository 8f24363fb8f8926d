"""A metric is shown with digits that say something, whatever its unit."""

import pytest

from concord.util.numbers import format_metric


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9, "0.900"),
        (0.0, "0.000"),
        (-0.25, "-0.250"),
        (0.0123, "0.012"),
        (0.000123456, "0.000123"),
        (3.2e-8, "3.2e-08"),
        (999.5, "999.500"),
        (13_600_000.4, "13,600,000"),
        (float("nan"), "nan"),
    ],
)
def test_a_number_keeps_its_first_digits(value, text):
    assert format_metric(value) == text
