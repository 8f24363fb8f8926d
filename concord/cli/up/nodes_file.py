"""Writes `nodes.toml`, and leaves it alone once a person has edited it.

The first lines say who wrote the file and hold a digest of the rest. As long as the digest is true
the file is ours and follows what is packaged; when it is not, the file is its editor's and only
read from then on. So settings of a task survive, and a deleted file is written anew.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from concord.util import private_files as private

Urls = Mapping[str, Mapping[str, str]]
"""Task → node → base URL."""

_MARK: Final = "# digest "

HEADER: Final = """\
# Which tasks there are and where their nodes answer. `concord up` writes this file as long as nobody
# else does: once you edit it, it is yours, and `concord up` follows it. Delete it to have it written anew.
# A section may also say policy, quorum, deadline_ms, grace_ms, deposit, below_quorum and fallback.
"""


def write(path: Path, urls: Urls) -> bool:
    """Writes the file unless a person has edited it.

    Returns:
        Whether the file says what was asked; False: it is a person's, and was left as it is.
    """
    if is_edited(path):
        return False
    text = render(urls)
    if not path.exists() or path.read_text("utf-8") != text:
        private.make_folder(path.parent)
        fresh = path.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        fresh.replace(path)
    return True


def render(urls: Urls) -> str:
    """The file's text."""
    sections = [
        f"\n[tasks.{key(task)}.nodes]\n" + "".join(f'{key(node)} = "{url}"\n' for node, url in nodes.items())
        for task, nodes in urls.items()
    ]
    body = "".join(sections)
    return f"{HEADER}{_MARK}{_digest(body)}\n{body}"


def is_edited(path: Path) -> bool:
    """Whether there is a file, and it is not as it was written."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return False
    _, mark, rest = text.partition(_MARK)
    stated, _, body = rest.partition("\n")
    return not (mark and stated == _digest(body))


def port_here(url: str) -> tuple[str, int] | None:
    """Host and port of a URL of this machine, or None."""
    parts = urlsplit(url)
    if (
        parts.scheme != "http"
        or parts.hostname not in {"127.0.0.1", "localhost", "::1"}
        or parts.port is None
    ):
        return None
    return parts.hostname, parts.port


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def key(name: str) -> str:
    """A name as a key of TOML."""
    plain = name.replace("_", "").replace("-", "")
    return name if plain.isascii() and plain.isalnum() else value(name)


def value(plain: str | float | bool) -> str:  # noqa: FBT001 - any plain value of TOML
    """A text, number or truth as TOML writes it."""
    return json.dumps(plain, ensure_ascii=False)
