"""A reason in the ledger is one visible line."""

import re
import sys
import unicodedata

import jsonschema_rs
import pytest

from concord.errors import InvalidInput
from concord.ledger.reasons import REASON, read_reason

INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})


@pytest.mark.parametrize(
    "text", ["mended", "  mended ", "Ça marche: 3 × 4 ≠ 13 – l’œuvre", "直しました", "رجع", "🙂"]
)
def test_a_visible_line_is_taken_without_the_spaces_around_it(text):
    assert read_reason(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "two\nlines",
        "a\u2028b",
        "paid \u202e001",
        "\u2066hidden\u2069",
        "zero\u200bwidth",
        "\ufeffmark",
        "soft\u00adhyphen",
        "tag\U000e0041",
        "private\ue000",
        "filler\u3164",
        "selector\ufe0f",
        "x" * 201,
        None,
        5,
    ],
)
def test_what_is_no_visible_line_is_refused(text):
    with pytest.raises(InvalidInput, match="none of them invisible") as caught:
        read_reason(text, "why")
    assert caught.value.field == "why"


def test_no_character_of_an_invisible_category_passes():
    pattern = re.compile(REASON)
    passed = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if (
            unicodedata.category(chr(code)) in INVISIBLE
            or 0xE000 <= code <= 0xF8FF
            or (code < 0x40000 and code & 0xFFFE == 0xFFFE)
        )
        and pattern.fullmatch(f"a{chr(code)}b")
    ]
    assert passed == []


def test_letters_of_every_script_pass():
    pattern = re.compile(REASON)
    fillers = {0x115F, 0x1160, 0x3164, 0xFFA0}
    refused = [
        hex(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code))[0] in "LN"
        and code not in fillers
        and not pattern.fullmatch(chr(code))
    ]
    assert refused == []


def test_the_pattern_means_the_same_to_another_dialect():
    validator = jsonschema_rs.validator_for({"type": "string", "pattern": REASON})
    texts = ("mended", "é 🙂", "a\u200bb", "\u202ea", "tag\U000e0041", "  ", "")
    assert [validator.is_valid(text) for text in texts] == [True, True, False, False, False, False, False]
