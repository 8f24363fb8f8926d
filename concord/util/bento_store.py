"""BentoML's store of models and bentos, without importing BentoML."""

import os
from pathlib import Path
from typing import Final

from concord.util import private_files as private

VARIABLE: Final = "BENTOML_HOME"


def store_folder() -> Path:
    """Where the store is: BENTOML_HOME, or ~/bentoml."""
    return Path(os.environ.get(VARIABLE) or "~/bentoml").expanduser()


def store_fault() -> str | None:
    """Makes the store's folder where it is missing; says why it cannot be used, or None where it can.

    BentoML itself shows a traceback at this.
    """
    folder, reason = store_folder(), "no right to"
    try:
        private.make_folder(folder)
        if os.access(folder, os.W_OK | os.X_OK):
            return None
    except OSError as error:
        reason = error.strerror or str(error)
    return f"BentoML's store {folder} cannot be written ({reason}). {VARIABLE} names another folder."
