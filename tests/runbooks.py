"""The commands of `docs/runbooks.md`, as an operator pastes them."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "docs" / "runbooks.md").read_text("utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)
_TOLD = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
SPANS = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", _TOLD)]

COMMANDS = sorted({span for span in SPANS if re.match(r"(concord|kubectl|curl|helm) ", span)})
"""Each once, with the variables that the page's first block sets."""

ALERT = {"NAMESPACE": "concord", "TASK": "iris", "NODE": "knn"}
"""What an alert's labels say."""


def filled(command, **variables):
    """A command with its variables filled in; `ID` and `FILE.csv` stand for what a person has."""
    for name, value in {**ALERT, **variables}.items():
        command = command.replace(f"${name}", value)
    return command
