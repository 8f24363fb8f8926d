"""Writes `nodes.toml`, and leaves it alone once a person has edited it.

The first lines say who wrote the file and hold a digest of the rest. While the digest fits, the file is ours
and follows what is packaged; once it does not, a person has edited the file and it is only read. So settings
of a task survive, and a deleted file is written anew.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from concord.cli.files.out_file import replacing
from concord.util import private_files as private

_MARK: Final = "# digest "

HEADER: Final = """\
# Which tasks there are and where their nodes answer. `concord up` writes this file as long as nobody
# else does: once you edit it, it is yours, and `concord up` follows it. Delete it to have it written anew.
# A section may also say policy, quorum, deadline_ms, grace_ms, deposit, below_quorum and fallback.
"""


def write_nodes(path: Path, urls: Mapping[str, Mapping[str, str]]) -> bool:
    """Writes the file unless a person has edited it.

    Args:
        path: The file.
        urls: Task → node → base URL.

    Returns:
        Whether the file says that; False: it is a person's, and was left as it is.
    """
    if is_edited(path):
        return False
    body = "".join(f"\n{render_section(task, {}, nodes)}" for task, nodes in urls.items())
    text = f"{HEADER}{_MARK}{_digest(body)}\n{body}"
    if not path.exists() or path.read_text("utf-8") != text:
        private.make_folder(path.parent)
        with replacing(path) as file:
            file.write(text.encode())
    return True


def render_section(task: str, settings: Mapping[str, str | float | bool], nodes: Mapping[str, str]) -> str:
    """A task's section: its settings, if any, and its nodes' URLs."""
    tables = {f"tasks.{_key(task)}": settings, f"tasks.{_key(task)}.nodes": nodes}
    return "".join(
        f"[{name}]\n" + "".join(f"{_key(key)} = {_value(value)}\n" for key, value in table.items())
        for name, table in tables.items()
        if table
    )


def is_edited(path: Path) -> bool:
    """Whether there is a file, and it is not as it was written."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return False
    _, mark, rest = text.partition(_MARK)
    digest, _, body = rest.partition("\n")
    return not (mark and digest == _digest(body))


def local_address(url: str) -> tuple[str, int] | None:
    """Host and port of a URL of this machine; None of another's."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    if not is_local or parts.hostname is None or parts.port is None:
        return None
    return parts.hostname, parts.port


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _key(name: str) -> str:
    plain = name.replace("_", "").replace("-", "")
    return name if plain.isascii() and plain.isalnum() else _value(name)


def _value(value: str | float | bool) -> str:  # noqa: FBT001 - any plain value of TOML
    return json.dumps(value, ensure_ascii=False)
