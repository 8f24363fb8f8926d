"""The service's sentences about nodes, in the reader's language.

The ledger tells of an account in English sentences of fixed forms (`concord.api.endpoints.history`). A form stands
here as the service writes it, with names in braces where it differs, so it is what a sentence is known
by and what the catalogues translate. A sentence of no such form, and what a person gave as a reason,
stay as they are.
"""

import re
from typing import Final

from frontend.text import language
from frontend.text.language import mark, say

_FORMS: Final = (
    mark("account opened"),
    mark("stake paid in"),
    mark("stake withdrawn"),
    mark("1 round settled under seed: dissented from the consensus"),
    mark("1 round settled under seed: nothing taken"),
    mark("{rounds} rounds settled under seed: dissented from the consensus"),
    mark("{rounds} rounds settled under seed: nothing taken"),
    mark("1 round with a label settled under wager: {hits} right, {gain} for it"),
    mark("1 round with a label settled under wager: {hits} right, {gain} for it, levelling {levelling}"),
    mark("{rounds} rounds with a label settled under wager: {hits} right, {gain} for it"),
    mark(
        "{rounds} rounds with a label settled under wager: {hits} right, {gain} for it, levelling {levelling}"
    ),
    mark("version {version} entered probation beside {before}, by {by}: {why}"),
    mark("version {version} was promoted over {before}, by {by}: {why}"),
    mark("version {version} came back instead of {before}, by {by}: {why}"),
    mark("version {version} left, and {before} serves alone, by {by}: {why}"),
    mark("serves version {version}: its record starts anew, or goes on from its trial"),
    mark("counts again, by rule: {why}"),
    mark("counts again, by operator: {why}"),
    mark("jailed: {regret} rounds lost against the mean, 6 are admitted"),
    mark("jailed: {answers} malformed answers among its last 100"),
    mark("jailed: its stake of {stake} is under 10"),
    # Why the rules let a node count again.
    mark("{rounds} labelled rounds on probation"),
    mark("fewer than two nodes count"),
    mark("fewer than two nodes of the nodes file count"),
    mark("its stake is back at {stake}"),
    mark("a mean regret of {regret} over {rounds} labelled rounds as a shadow"),
    # Why a node does not count now.
    mark("On probation: {rounds} of {needed} labelled rounds watched."),
    mark("Jailed for malformed answers: it is not asked until it serves another version or is released."),
    mark("Jailed because its stake fell under 10: paying in brings it back."),
    mark("Jailed for regret: {rounds} of {needed} labelled rounds watched."),
    mark(
        "Jailed for regret: {rounds} of {needed} labelled rounds watched, with a mean regret of {regret} "
        "(0.100 is admitted)."
    ),
)

_WORDS: Final = frozenset({"version", "before", "by"})
_SENTENCE: Final = "why"
_NUMBER: Final = r"[+-]?\d[\d,]*(?:\.\d+)?"


def said(sentence: str) -> str:
    """A sentence of the service's as the reader would write it."""
    for form, pattern in _PATTERNS:
        found = pattern.fullmatch(sentence)
        if found is not None:
            return say(form, **{name: _value(name, text) for name, text in found.groupdict().items()})
    return sentence


def _pattern(form: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", form)
    # Every second part is a name.
    return re.compile(
        "".join(
            f"(?P<{part}>{_admitted(part)})" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        )
    )


def _admitted(name: str) -> str:
    return r"\S+" if name in _WORDS else ".+" if name == _SENTENCE else _NUMBER


def _value(name: str, text: str) -> str:
    if name in _WORDS:
        return text
    return said(text) if name == _SENTENCE else _number(text)


def _number(text: str) -> str:
    """A number with the sign and the decimals that it was written with."""
    decimals = "0" * len(text.partition(".")[2])
    pattern = "#,##0" + (f".{decimals}" if decimals else "")
    is_signed = text[0] in "+-"
    return language.decimal(float(text.replace(",", "")), f"+{pattern};-{pattern}" if is_signed else pattern)


_PATTERNS: Final = tuple((form, _pattern(form)) for form in _FORMS)
