"""A `concord up` with real processes, and the events that it reports."""

import json
import signal
import subprocess
import sys

CONCORD = (sys.executable, "-c", "from concord.cli import main; main(prog_name='concord')")


class Up:
    """A `concord up --json` that runs until its end is asked for.

    Args:
        env: Its environment, with a home and a BentoML store of its own.
        options: The command's tasks and options.
        cwd: The project's folder, if another than this one.
    """

    def __init__(self, env, *options, cwd=None):
        self._process = subprocess.Popen(
            [*CONCORD, "up", "--json", *options], env=env, cwd=cwd, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self.events = []

    def until(self, event):
        for line in self._process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1].get("event") == event:
                return self.events[-1]
        raise AssertionError(f"it ended with {self._process.wait()} before {event}: {self.events}")

    def end(self, how=signal.SIGINT):
        if self._process.stdout.closed:
            return self._process.returncode
        self._process.send_signal(how)
        with self._process:
            self.events += [json.loads(line) for line in self._process.stdout]
        return self._process.returncode
