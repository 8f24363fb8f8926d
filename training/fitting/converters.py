"""Mends skl2onnx's converter of HistGradientBoosting, which fails with the locked versions.

skl2onnx 1.20 writes booleans into an attribute of whole numbers, which onnx 1.23 refuses. Its converter is
kept and gets a container that makes numbers of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import get_converter, get_shape_calculator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

# skl2onnx ships no types.
Converter = Callable[[Any, Any, Any], None]


def register_converters() -> None:
    """Has skl2onnx use the mended converters from now on."""
    for estimator in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        alias = f"Sklearn{estimator.__name__}"
        convert = get_converter(alias)
        update_registered_converter(
            estimator,
            alias,
            get_shape_calculator(alias),
            with_numbers(convert),
            options=convert.get_allowed_options(),
        )


def with_numbers(convert: Converter) -> Converter:
    """The converter, whose nodes get numbers where it writes booleans."""

    def convert_with_numbers(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401
        add_node = container.add_node

        def add_with_numbers(*arguments: Any, **attributes: Any) -> Any:  # noqa: ANN401
            return add_node(*arguments, **{name: _numbers(value) for name, value in attributes.items()})

        container.add_node = add_with_numbers
        try:
            convert(scope, operator, container)
        finally:
            del container.add_node

    return convert_with_numbers


def _numbers(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, list):
        return value
    return [int(item) if isinstance(item, bool | np.bool_ | np.integer) else item for item in value]
