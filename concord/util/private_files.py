"""Folders and files that only their owner can read, such as those of rounds, features and logs.

Each is created with these rights, since a umask of the process would also apply to files that training
packages into an image. Existing files keep their rights.
"""

import os
from pathlib import Path
from typing import Final

FOLDER: Final = 0o700
FILE: Final = 0o600


def make_folder(folder: Path) -> None:
    """Creates a folder and its missing parents for the owner alone."""
    # `Path.mkdir(parents=True)` gives the mode to the last folder only.
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        folder.mkdir(FOLDER, exist_ok=True)


def opener(path: str, flags: int) -> int:
    """For `open(…, opener=…)`: a new file is its owner's alone."""
    return os.open(path, flags, FILE)
