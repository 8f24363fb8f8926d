"""Which rounds `GET /v1/rounds` is asked for: the filters of its query, each checked and none required."""

import re
from collections.abc import Callable, Mapping
from typing import Final, get_args

import orjson

from concord.api.params import time_param
from concord.errors import InvalidInput
from concord.journal import LabelState, RoundFilters
from concord.types.answers import Status

FILTERS: Final = ("task", "status", "label", "answer", "id", "since", "until")
PREFIX: Final = "[0-9a-f]{4,32}"
"""At least four hex digits of an id: of a million rounds, some fifteen begin with the same ones."""

STATUSES: Final[tuple[Status, ...]] = get_args(Status)
LABEL_STATES: Final[tuple[LabelState, ...]] = get_args(LabelState)
LONGEST_ANSWER: Final = 200


def wanted(query: Mapping[str, str]) -> RoundFilters:
    """What a query asks for; whether there is such a task is not asked here.

    Raises:
        InvalidInput: A filter holds what it cannot.
    """
    status, label, prefix = query.get("status"), query.get("label"), query.get("id")
    if status is not None and status not in STATUSES:
        raise InvalidInput(f"status is one of {', '.join(STATUSES)}.", field="status")
    if label is not None and label not in LABEL_STATES:
        raise InvalidInput(f"label is one of {', '.join(LABEL_STATES)}.", field="label")
    if prefix is not None and re.fullmatch(PREFIX, prefix) is None:
        raise InvalidInput("id is the beginning of a round's id: 4 to 32 digits, 0-9 and a-f.", field="id")
    return RoundFilters(
        task=query.get("task"),
        status=status,
        since=time_param(query["since"], "since") if "since" in query else None,
        until=time_param(query["until"], "until") if "until" in query else None,
        prefix=prefix,
        label=next((one for one in LABEL_STATES if one == label), None),
        fits=_answering(query["answer"]) if "answer" in query else None,
    )


def _answering(answer: str) -> Callable[[bytes], bool]:
    """Whether a verdict answers with a class."""
    if len(answer) > LONGEST_ANSWER:
        raise InvalidInput(f"answer is a class's name, at most {LONGEST_ANSWER} characters.", field="answer")
    # Most verdicts that say otherwise are told apart without reading them.
    sought = orjson.dumps(answer)

    def fits(verdict: bytes) -> bool:
        return sought in verdict and orjson.loads(verdict)["label"] == answer

    return fits
