"""A runbook's command on a real cluster, pasted into a shell that the page's first lines have prepared."""

import os
import subprocess
import sys
from pathlib import Path

from tests.ports import free_port
from tests.runbooks import BLOCKS, prepared, script, shortcomings

PORTS = (7400, 7406)
"""The page's own; other shells of this machine may have them."""

SECONDS = 900
"""A report with pictures takes half a minute of a core, and a registry's first use as much again; whatever
else is on the machine comes before it."""


def paste(cluster, command, folder, *, token, blocks=BLOCKS, status=0, **variables):
    """Runs a command as an operator does, and returns what it printed.

    Args:
        cluster: Where.
        command: What is pasted.
        folder: Where the shell is; what Concord keeps is kept in the cluster's own, for all commands.
        token: The operator's.
        blocks: Those of the page that are pasted before.
        status: How the command is to end.
        variables: What the alert's labels say.
    """
    ports = {port: free_port() for port in PORTS}
    text = script([prepared(block, ports, **variables) for block in blocks], command)
    env = {name: value for name, value in cluster.environment.items() if not name.startswith("CONCORD_")}
    env |= {"CONCORD_HOME": str(cluster.folder / "home"), "CONCORD_TOKEN": token}
    env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    options = {"env": env, "cwd": folder, "timeout": SECONDS}
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False, **options)
    assert done.returncode == status, done.stderr or done.stdout
    found = list(shortcomings(command, done.returncode - status, done.stdout, done.stderr, folder))
    assert found == []
    return done.stdout
