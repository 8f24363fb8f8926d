"""SHA-256 digests as text, by which model files are named."""

import re
from typing import Final, TypeGuard

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def is_digest(text: object) -> TypeGuard[str]:
    """Whether a value is a SHA-256 digest in lower-case hex.

    >>> is_digest("ab" * 32), is_digest("AB" * 32), is_digest(None)
    (True, False, False)
    """
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None
