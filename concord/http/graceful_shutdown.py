"""Graceful shutdown: before this process ends, every answer closes its connection (the process drains).

A pod that is to end leaves its Service at once, but callers keep their connections to it, and a request that
is on its way when the server closes them at SIGTERM is lost. So the pod's `preStop` hook makes a file; from
then on each answer closes its connection, and the next request opens one to another pod. None is refused.
"""

import asyncio
from pathlib import Path
from typing import Final

CHECK_SECONDS: Final = 0.2
"""How often it is checked whether the file exists; a fraction of the seconds for which a pod drains."""


class Drain:
    """Whether the process will end soon.

    Args:
        file: The file whose presence says so; None without draining.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.is_on = False
        if file is not None:
            # A container that starts again in its pod finds the file of the one before.
            file.unlink(missing_ok=True)

    async def watch(self) -> None:
        """Waits for the file."""
        while self._file is not None and not self.is_on:
            await asyncio.sleep(CHECK_SECONDS)
            self.is_on = self._file.exists()
