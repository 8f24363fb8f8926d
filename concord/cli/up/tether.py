"""Runs a command that ends when its parent does, however that one ends.

    python -S -E tether.py PARENT_PID COMMAND…

A parent that is killed cannot stop its children. On Linux the kernel can: the request outlives
`exec`, so it works for any program. Elsewhere children are stopped by the parent alone. Run as a
file and without site packages, it costs a hundredth of a second.
"""

import ctypes
import os
import signal
import sys

SET_PDEATHSIG = 1
"""Linux's prctl option: a signal for this process when its parent ends."""


def main() -> None:
    """Asks the kernel, then becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have ended before the kernel was asked.
        if os.getppid() != parent:
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command is our own caller's


if __name__ == "__main__":
    main()
