"""Ends a process when its parent ends, even by SIGKILL; as a program it runs a command so.

    python -S -E tether.py PARENT_PID COMMAND…

A parent that is killed cannot stop its children. On Linux the kernel can: the request outlives `exec`, so it
works for any program. Elsewhere only the parent stops its children. Run as a file and without site packages,
it costs a hundredth of a second.
"""

import ctypes
import os
import signal
import sys

SET_PDEATHSIG = 1
"""Linux's prctl option: a signal for this process when its parent ends."""


def end_with_parent(parent: int) -> None:
    """Has the kernel end this process by SIGTERM when its parent, the process of that id, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGTERM)
        # The parent may have ended before the kernel was asked.
        if os.getppid() != parent:
            os._exit(1)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command is our own caller's
