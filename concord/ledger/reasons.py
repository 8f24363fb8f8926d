"""Reasons that people give, which stay in the ledger for good: one visible line.

Characters that are invisible, or change the direction of what follows, make a line say another thing to its
reader than to a search. The pattern is the one of the OpenAPI document too, so it names ranges, as its
dialects of regular expressions share no words for categories.
"""

import re
from typing import Final

from concord.errors import InvalidInput

MOST_REASON: Final = 200
"""Characters of a reason: a sentence, in a ledger whose head has 64 KiB."""

_UNSEEN: Final = (
    # Controls, the soft hyphen, the grapheme joiner.
    r"\u0000-\u001f\u007f-\u009f\u00ad\u034f"
    # Signs that span others, and fillers.
    r"\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    # Spaces without width, marks and overrides of direction, ends of lines and paragraphs.
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    # Private use, selectors of variants, the byte order mark, what is no character.
    r"\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    # The same beyond 16 bits, and the tags of plane 14.
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe\U0003ffff\U000e0000-\U000e0fff"
)
"""Categories Cc, Cf, Zl and Zp of Unicode, what it calls default-ignorable, and of the first planes private
use and non-characters. Larger ranges, whose characters are shown as boxes, would make the pattern slow for
those who make texts by it. A lone surrogate stands in no JSON, and some dialects refuse one in a pattern."""

REASON: Final = rf"^[^{_UNSEEN}]*[^\s{_UNSEEN}][^{_UNSEEN}]*$"
"""One line that is not empty."""

_REASON: Final = re.compile(REASON)


def read_reason(text: object, field: str = "reason") -> str:
    """A reason that stays in the ledger for good.

    Raises:
        InvalidInput: It is none.
    """
    if not isinstance(text, str) or len(text) > MOST_REASON or not _REASON.fullmatch(text):
        raise InvalidInput(
            f"Say why, in one line of at most {MOST_REASON} characters, none of them invisible or changing "
            "the direction of writing; it stays in the ledger for good.",
            field=field,
        )
    return text.strip()
