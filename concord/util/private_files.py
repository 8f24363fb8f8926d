"""Makes folders and files that only their owner can read, for rounds, features and logs.

The mode is given where each is made and not by the process's umask, because what training packages into an
image must be readable there. Existing files keep their mode.
"""

import os
from pathlib import Path
from typing import Final

FOLDER: Final = 0o700
FILE: Final = 0o600


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it that are missing, for its owner alone."""
    # `Path.mkdir(parents=True)` gives the mode to the last one only.
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        folder.mkdir(FOLDER, exist_ok=True)


def opener(path: str, flags: int) -> int:
    """For `open(…, opener=…)`: a new file is its owner's alone."""
    return os.open(path, flags, FILE)
