"""Registers a liar for each task: a champion's graph that names the next class, or a value far off.

    CONCORD_HOME=… python -m tests.service.liars [TASK …] [loan_default=loan_data.csv …]

It states the champion's schema and accuracy, as any model from elsewhere may, and is packaged and
deployed like every other model of the registry. Run in a process of its own, since it imports MLflow.
"""

import sys
from dataclasses import replace

import numpy as np
import onnx

from concord.settings import Settings
from tests.homes import SHIPPED
from training.fit_tasks import prepare
from training.fitting.fit import fit
from training.registry.recording import record_fit
from training.registry.registry import Registry
from training.task import SEED
from training.tasks import select

LIAR = "liar"
LIKENESS = {"loan_amount": "ridge"}
"""Whose graph is turned into a lie; `logistic_regression`'s where none is said."""

SIGMAS_OFF = 4
"""How many of the schema's usual errors a value is raised by: the score is 0 from three on."""


def twisted(task, data):
    """The bytes of a graph whose classes are rotated by one, or whose value is shifted."""
    model = onnx.load_from_string(data)
    if task.schema.is_regression:
        lie = np.array(SIGMAS_OFF * task.schema.value.scale, np.float32)
        return _appended(model, "value", "Add", lie)
    order = np.roll(np.arange(task.schema.width), 1)
    return _appended(model, "probabilities", "Gather", order, axis=1)


def _appended(model, output, operation, operand, **attributes):
    graph = model.graph
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = ["truth" if name == output else name for name in names]
    graph.initializer.append(onnx.numpy_helper.from_array(operand, "lie"))
    graph.node.append(onnx.helper.make_node(operation, ["truth", "lie"], [output], **attributes))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def main(*arguments):
    """Fits the likeness of a champion of every task, or of those named, and registers its twisted form."""
    files = (argument.split("=") for argument in arguments if "=" in argument)
    paths = dict(files)
    named = [argument for argument in arguments if "=" not in argument]
    registry = Registry(Settings.read().home)
    for plan in prepare(select(named or SHIPPED), paths, SEED):
        task = plan.task
        fitted = fit(task, LIKENESS.get(task.name, "logistic_regression"), plan.data, plan.parts, SEED)
        record_fit(registry, replace(fitted, node=LIAR, onnx=twisted(task, fitted.onnx)))


if __name__ == "__main__":
    main(*sys.argv[1:])
