"""What the libraries in use would report to their makers, and the variables that switch it off.

Whoever runs Concord has agreed to none of these reports, and they tell a stranger which machine runs what:
onnxruntime 1.31 and newer leave an id of the machine in `~/.cache/Microsoft` and send events, MLflow 3 sends
which of its functions are used, BentoML each start of a service, Streamlit each visit of a page. Each reads
its variable when it is imported or first used, so they are set before that: here for processes of ours, as
`ENV` in images. `tests/service/test_telemetry.py` watches what is left.
"""

import os
from typing import Final

OFF: Final = {
    "BENTOML_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}
"""Variable → value with which nothing is reported; DO_NOT_TRACK is for what comes later and asks for it."""


def switch_off() -> None:
    """Sets them for this process and those that it starts, unless the environment says otherwise."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
