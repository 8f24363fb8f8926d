"""Decompresses the body of a request, up to a limit that is held while decompressing.

A few kilobytes may stand for gigabytes, so no more than the limit is ever made of them.
"""

import zlib
from typing import Any, Final

from concord.errors import BodyTooLarge, CallerError, WrongMediaType

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})


def decompress(body: bytes, coding: str, most: int) -> bytes:
    """Undoes the coding of a body.

    Args:
        body: As it came.
        coding: Its header `content-encoding`.
        most: Length up to which it is decompressed.

    Raises:
        WrongMediaType: The coding is another than gzip or deflate, or there are several.
        BodyTooLarge: It is longer when decompressed.
        CallerError: It is not what the coding says, is cut off, or goes on behind its end.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _CODINGS:
        raise WrongMediaType(
            f"The body may be compressed with gzip or deflate, not {name[:60]!r}.", field="content-encoding"
        )
    stream: Any = zlib.decompressobj(_window(name, body))
    try:
        content: bytes = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise _broken(name) from error
    if len(content) > most:
        raise BodyTooLarge(f"The decompressed body is over {most} bytes; send several calls.", field="body")
    if not stream.eof or stream.unused_data:
        raise _broken(name)
    return content


def _window(name: str, body: bytes) -> int:
    """The format as zlib numbers it; `deflate` is zlib's own, whose header some clients leave out."""
    if name != "deflate":
        return _GZIP
    has_header = (
        len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0
    )
    return _ZLIB if has_header else _RAW


def _broken(name: str) -> CallerError:
    return CallerError(f"The body is not one whole {name} stream.", field="body", code="invalid_compression")
