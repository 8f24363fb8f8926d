"""Measured numbers as a table shows them."""

from math import isfinite


def format_metric(value: float) -> str:
    """Three decimals; three digits of a small number, which decimals would hide, and none after 1,000."""
    if not isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.3g}"
