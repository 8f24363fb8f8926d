"""Whether a file has changed since it was read."""

from pathlib import Path


def file_version(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None without one. Links are followed, as mounted Secrets are links."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return (0, 0, 0)
    return status.st_mtime_ns, status.st_ino, status.st_size
