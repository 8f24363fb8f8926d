"""Sends callers elsewhere before this process ends.

A pod that is to end is taken out of its Service at once, and yet who has a connection to it keeps asking
over that one. At SIGTERM the server closes idle connections, and a request that is on its way at that
moment is lost: its caller can't know whether it was heard. So the pod's `preStop` hook makes a file, and
from then on every answer closes its connection; whoever asks again does so over a new one, which another
pod gets. Nothing is refused meanwhile.
"""

import asyncio
from pathlib import Path
from typing import Final

LOOK_SECONDS: Final = 0.2
"""How often the file is looked for; a fraction of the seconds for which a pod drains."""


class Drain:
    """Whether the process was told that it will end.

    Args:
        file: The file that says so; None: nobody will.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.is_on = False
        if file is not None:
            # A container that starts again in its pod finds what the one before was told.
            file.unlink(missing_ok=True)

    async def watch(self) -> None:
        """Looks for the file until it is there."""
        while self._file is not None and not self.is_on:
            await asyncio.sleep(LOOK_SECONDS)
            self.is_on = self._file.exists()
