"""Translates the service's sentences about nodes.

The service describes an account in English sentences of fixed forms (`concord.api.endpoints.history`). Each
form is listed here with names in braces, to recognise the sentence and to look its translation up. Other
sentences, and reasons that people wrote, stay as they are.
"""

import re
from typing import Final

from frontend.text import language
from frontend.text.language import N_, _

_FORMS: Final = (
    N_("account opened"),
    N_("stake paid in"),
    N_("stake withdrawn"),
    N_("stake paid in, by {by}: {why}"),
    N_("stake withdrawn, by {by}: {why}"),
    N_("1 round settled under seed: dissented from the consensus"),
    N_("1 round settled under seed: nothing taken"),
    N_("{rounds} rounds settled under seed: dissented from the consensus"),
    N_("{rounds} rounds settled under seed: nothing taken"),
    N_("1 round with a label settled under wager: {hits} right, {gain} for it"),
    N_("1 round with a label settled under wager: {hits} right, {gain} for it, levelling {levelling}"),
    N_("{rounds} rounds with a label settled under wager: {hits} right, {gain} for it"),
    N_(
        "{rounds} rounds with a label settled under wager: {hits} right, {gain} for it, levelling {levelling}"
    ),
    N_("version {version} entered probation beside {before}, by {by}: {why}"),
    N_("version {version} was promoted over {before}, by {by}: {why}"),
    N_("version {version} came back instead of {before}, by {by}: {why}"),
    N_("version {version} left, and {before} serves alone, by {by}: {why}"),
    N_("serves version {version}: its record starts anew, or goes on from its trial"),
    N_("counts again, by rule: {why}"),
    N_("counts again, by operator: {why}"),
    N_("counts again, by {by}: {why}"),
    N_("jailed: {regret} rounds lost against the mean, 6 are admitted"),
    N_("jailed: {answers} malformed answers among its last 100"),
    N_("jailed: its stake of {stake} is under 10"),
    # Why the rules let a node count again.
    N_("{rounds} labelled rounds on probation"),
    N_("fewer than two nodes count"),
    N_("fewer than two nodes of the nodes file count"),
    N_("its stake is back at {stake}"),
    N_("a mean regret of {regret} over {rounds} labelled rounds as a shadow"),
    # Why a node does not count now, or not more than its peers.
    N_(
        "Its version has {rounds} of {needed} labelled rounds: its weight is at most the median of its "
        "peers'."
    ),
    N_("On probation: {rounds} of {needed} labelled rounds watched."),
    N_("Jailed for malformed answers: it is not asked until it serves another version or is released."),
    N_("Jailed because its stake fell under 10: paying in brings it back."),
    N_("Jailed for regret: {rounds} of {needed} labelled rounds watched."),
    N_(
        "Jailed for regret: {rounds} of {needed} labelled rounds watched, with a mean regret of {regret} "
        "(0.100 is admitted)."
    ),
)

_WORDS: Final = frozenset({"version", "before", "by"})
_SENTENCE: Final = "why"
_NUMBER: Final = r"[+-]?\d[\d,]*(?:\.\d+)?"


def translate_reason(sentence: str) -> str:
    """A sentence of the service's in the reader's language."""
    for form, pattern in _PATTERNS:
        match = pattern.fullmatch(sentence)
        if match is not None:
            return _(form, **{name: _value(name, text) for name, text in match.groupdict().items()})
    return sentence


def _pattern(form: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", form)
    # Every second part is a name.
    return re.compile(
        "".join(
            f"(?P<{part}>{_admitted(part)})" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
    )


def _admitted(name: str) -> str:
    return r"\S+" if name in _WORDS else ".+" if name == _SENTENCE else _NUMBER


def _value(name: str, text: str) -> str:
    if name in _WORDS:
        return text
    return translate_reason(text) if name == _SENTENCE else _number(text)


def _number(text: str) -> str:
    """A number with the sign and the decimals that it was written with."""
    decimals = "0" * len(text.partition(".")[2])
    pattern = "#,##0" + (f".{decimals}" if decimals else "")
    is_signed = text[0] in "+-"
    return language.format_decimal(
        float(text.replace(",", "")), f"+{pattern};-{pattern}" if is_signed else pattern
    )


_PATTERNS: Final = tuple((form, _pattern(form)) for form in _FORMS)
