"""Twenty people on the page for two minutes: nobody meets an error, and how long each waits is printed."""

import subprocess
import sys

from tests.browser.people import needs_chromium

pytestmark = needs_chromium


def test_twenty_people_for_two_minutes_meet_no_error(filled_world, capsys):
    command = [
        sys.executable,
        "-m",
        "benchmarks.people",
        filled_world.page,
        "--people",
        "20",
        "--seconds",
        "120",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(f"\n{done.stdout}", end="")  # noqa: T201
    assert (done.returncode, done.stderr) == (0, "")
    asked = next(line for line in done.stdout.splitlines() if line.startswith("ask "))
    assert int(asked.split()[1]) > 20
