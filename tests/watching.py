"""Runs a command where nothing leaves the machine, and tells which names it looked up and files it left.

The command has a network of its own with loopback only, in which this module answers as the name server:
every name is looked up here, by whatever library, and there is none. Takes root on Linux, with `unshare`
and `ip`.

    python tests/watching.py REPORT URL COMMAND…

is what `watch` runs inside; URL is empty for a command that ends by itself.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

SECONDS = 180
SILENT_SECONDS = 3
"""For which a service that answers is watched further: reports are sent some time after the start."""

NO_SUCH_NAME = b"\x81\x83"
_WITHIN = 'ip link set lo up && mount --bind "$0" /etc/resolv.conf && exec "$@"'


@dataclass(frozen=True)
class Watched:
    """What a command did.

    Attributes:
        names: The names that it looked up, except those of this machine.
        files: The files that it left below HOME, relative to it.
        output: What it printed.
        status: Its exit status.
    """

    names: frozenset[str]
    files: frozenset[str]
    output: str
    status: int


def is_possible():
    """Whether this machine lets us make a network."""
    if sys.platform != "linux" or not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True, check=False).returncode == 0


def watch(folder, command, variables, url=""):
    """Runs a command to its end, or until a URL answers; HOME is `folder/home`."""
    home, names = folder / "home", folder / "resolv.conf"
    home.mkdir()
    names.write_text("nameserver 127.0.0.1\n", "utf-8")
    report = folder / "report.json"
    inside = [sys.executable, __file__, str(report), url, *command]
    done = subprocess.run(
        ["unshare", "-m", "-n", "sh", "-c", _WITHIN, str(names), *inside],
        env={**variables, "HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False, timeout=2 * SECONDS,
    )  # fmt: skip
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text("utf-8"))
    files = frozenset(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    output = done.stdout + done.stderr
    return Watched(frozenset(found["names"]) - {"localhost"}, files, output, found["status"])


def _serve_names(server, names):
    while True:
        question, asker = server.recvfrom(4096)
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode("ascii", "replace"))
            place += question[place] + 1
        names.add(".".join(labels))
        counts = question[4:6] + bytes(6)
        server.sendto(question[:2] + NO_SUCH_NAME + counts + question[12 : place + 5], asker)


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _run(url, command):
    """The exit status; 0 for a service that answered and was then ended."""
    if not url:
        return subprocess.run(command, check=False, timeout=SECONDS).returncode
    process, end = subprocess.Popen(command, start_new_session=True), time.monotonic() + SECONDS
    while not (ready := _answers(url)) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(SILENT_SECONDS if ready else 0)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)
    return 0 if ready else 1


def _main(report, url, *command):
    names = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        threading.Thread(target=_serve_names, args=(server, names), daemon=True).start()
        status = _run(url, command)
        Path(report).write_text(json.dumps({"names": sorted(names), "status": status}), "utf-8")


if __name__ == "__main__":
    _main(*sys.argv[1:])
