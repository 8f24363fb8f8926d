"""The commands of the pages that alerts lead to, as an operator pastes them.

`docs/runbooks.md` prepares the shell for them all: its first block of lines finds the service, its second
one the journal. This makes the script of a pasted command and says what is wrong with what it printed; who
runs it, and where, is the tests' own.
"""

import re
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[1] / "docs"
RUNBOOKS: Final = (DOCS / "runbooks.md").read_text("utf-8")
DRIFT: Final = (DOCS / "drift.md").read_text("utf-8")

_FENCE: Final = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_COMMAND: Final = re.compile(r"(concord|kubectl|curl|helm) ")


def _blocks(page):
    return [text for language, text in _FENCE.findall(page) if language == "bash"]


def _commands(page):
    """What stands between backticks, and begins as a command does."""
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", _FENCE.sub("", page)))
    return {span for span in spans if _COMMAND.match(span)}


BLOCKS: Final = _blocks(RUNBOOKS)
"""What is pasted first: the way to the service, and the way to the journal."""

COMMANDS: Final = sorted(
    _commands(RUNBOOKS) | _commands(DRIFT) | {line for text in _blocks(DRIFT) for line in text.splitlines()}
)
"""Each once, with the variables that the first block sets and with placeholders."""

PLACEHOLDERS: Final = {"ID", "LABELS.csv", "ROWS.csv", "TIME"}
"""What stands for what a person has: a round, files, and a time."""

ALERT: Final = {"NAMESPACE": "concord", "TASK": "iris", "NODE": "knn"}
"""What an alert's labels say."""

IMPORTANT: Final = re.findall(r"^\| \[`(Concord\w+)`\]", RUNBOOKS, re.MULTILINE)
"""The alerts that the page calls the most important."""

NOT_PASTED: Final = {"kubectl -n $NAMESPACE top pods": "kind has no metrics server"}
"""Commands that nothing answers on the test's cluster, and why."""

ELSEWHERE: Final = {
    "concord models compare $TASK.$NODE --namespace $NAMESPACE": "test_dashboards.py",
    "concord models rollback $TASK.$NODE --namespace $NAMESPACE": "test_dashboards.py",
    'concord release $TASK $NODE --reason "…"': "test_monitoring.py",
}
"""Commands that take something to have happened, and the file of tests/e2e in which it has."""

_VARIABLE: Final = re.compile(r"\$(?:(?P<bare>\w+)|\{(?P<braced>\w+)(?P<hyphens>//_/-)?\})")


def filled(command, **variables):
    """A command as bash reads it, where the variables have the values of an alert."""
    known = ALERT | variables

    def value(found):
        name = found["bare"] or found["braced"]
        if name not in known:
            return found[0]
        return known[name].replace("_", "-") if found["hyphens"] else known[name]

    return _VARIABLE.sub(value, command)


def prepared(block, ports, **variables):
    """A block of the page with other values for its variables, and free ports for its own."""
    for name, value in variables.items():
        block = re.sub(rf"\b{name}=\w+", f"{name}={value}", block, count=1)
    for port, free in ports.items():
        block = re.sub(rf"\b{port}\b", str(free), block)
    return block


def script(blocks, command):
    """A shell into which the blocks were pasted, and then the command, once the ways are open.

    What the blocks say goes to a file of its own, so that the command's output is all there is.
    """
    pasted = "\n".join(blocks)
    opened = f"[ $(grep -c 'from 127' prepared.log) = {pasted.count('port-forward')} ]"
    return "\n".join(
        (
            "set -o pipefail",
            "trap 'kill $(jobs -p) 2>/dev/null' EXIT",
            "{",
            pasted,
            "} >prepared.log 2>&1",
            f"for _ in $(seq 100); do {opened} && break; sleep 0.2; done",
            command,
        )
    )


def stays(command, port, free, path):
    """A command that stays until it is ended, in the background, and a request to what it opens."""
    waits = "--retry 20 --retry-delay 1 --retry-connrefused"
    command = command.replace(f"{port}:", f"{free}:")
    return f"timeout 30 {command} >way.log &\ncurl -sf {waits} http://127.0.0.1:{free}{path}"


def shortcomings(command, status, told, complained, folder):
    """What is wrong with what a pasted command did, a sentence each.

    A shell's status says little: kubectl ends with 0 where it finds nothing, and so does what prints nothing.

    Args:
        command: The command.
        status: How it ended.
        told: What it printed.
        complained: What it printed as errors.
        folder: Where it ran.
    """
    if status:
        yield f"it ended with {status}: {complained or told}"
    if "No resources found" in told + complained:
        yield "it found no resources"
    written = re.search(r"(?:>|--out) (\S+)$", command)
    if written:
        path = folder / written[1]
        if not path.exists() or not path.stat().st_size:
            yield f"it wrote nothing into {written[1]}"
    elif not told.strip():
        yield f"it printed nothing; its errors: {complained}"
    if re.search(r"^0 lines read$", told, re.MULTILINE):
        yield "it read no lines"
