"""Finds the tasks: every module of this folder that defines `TASK`.

There is no list to keep. A new task is one new file here, and a file that is broken is an error
that names it, never a task that is silently missing.
"""

import importlib
import pkgutil
from collections.abc import Iterable

from concord.errors import ConfigurationError, UnknownName
from training.task import Task


def discover() -> dict[str, Task]:
    """Every task by its name, in alphabetical order.

    Raises:
        ConfigurationError: A module defines no `TASK`, cannot be imported, or repeats a name.
    """
    found: dict[str, Task] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        task = _load(module.name)
        if task.name in found:
            raise ConfigurationError(f"training/tasks/{module.name}.py defines {task.name!r} a second time.")
        found[task.name] = task
    return dict(sorted(found.items()))


def select(names: Iterable[str]) -> list[Task]:
    """The tasks of these names, or all tasks where none is named.

    Raises:
        UnknownName: No file defines a task of that name.
    """
    tasks = discover()
    wanted = list(dict.fromkeys(names)) or list(tasks)
    for name in wanted:
        if name not in tasks:
            raise UnknownName(
                f"There is no task {name!r}; there are {', '.join(tasks)}.", field=name, code="unknown_task"
            )
    return [tasks[name] for name in wanted]


def _load(module: str) -> Task:
    try:
        task = importlib.import_module(f"{__name__}.{module}").TASK
    except Exception as error:  # a broken file of the user's, whatever it raises
        raise ConfigurationError(f"training/tasks/{module}.py cannot be loaded: {error!r}.") from error
    if not isinstance(task, Task):
        raise ConfigurationError(f"training/tasks/{module}.py: TASK is no training.task.Task.")
    return task
