"""Standard output and standard error whose encoding lacks characters, such as a check mark or an accent.

Python raises an error for such a character, which would hide an answer that is there already.
"""

import codecs
import io
import sys


def replace_what_lacks() -> None:
    """Has characters that the encoding lacks shown as question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def encoding() -> str:
    """Python's name of standard output's encoding."""
    return codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name


def can_echo(text: str) -> bool:
    """Whether `click.echo` prints all characters of a text; it writes UTF-8 where the encoding is ASCII."""
    try:
        text.encode("utf-8" if encoding() == "ascii" else encoding())
    except UnicodeEncodeError:
        return False
    return True
