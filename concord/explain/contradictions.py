"""What the journal shows of a round otherwise than the record that its proof proves.

Answer, votes and label are read from columns of the journal that no block holds. The record of a settled
round leads to a root in the ledger; so where the two differ, somebody has changed the journal.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from concord.explain.votes import AnswerDecoder
from concord.journal.rows import StoredRound
from concord.settlement.records import WORDS, compare_record
from concord.types.answers import Verdict, Vote
from concord.util.times import iso

Record = Mapping[str, Any]


def find_contradiction(
    stored: StoredRound, verdict: Verdict, record: Record, decoder: AnswerDecoder
) -> str | None:
    """The first contradiction, as a sentence that names both sides; None where there is none.

    Where the schema is not known any more, numbers cannot be compared with names, and nothing is.

    Args:
        stored: The round, with its label.
        verdict: What the journal shows as its answer.
        record: The record, which leads to the root in the round's block.
        decoder: Decodes the record's integers.
    """
    if not decoder.is_readable:
        return None
    for what, shown, proven in _compare(stored, verdict, record, decoder):
        if shown != proven:
            return (
                f"The journal shows {what} as {shown}, and the proof says {proven}: the journal was changed "
                f"after block {stored.block} settled this round."
            )
    return None


def _compare(
    stored: StoredRound, verdict: Verdict, record: Record, decoder: AnswerDecoder
) -> Iterator[tuple[str, Any, Any]]:
    yield "the round", f"{stored.id} of {stored.task}", f"{record['id']} of {record['task']}"
    yield "the policy", verdict.policy, record["policy"]
    yield "the answer", _answer(verdict.label, verdict.value), decoder.format_answer(record["answer"])
    voted = {vote.node: vote for vote in verdict.votes if vote.outcome == "voted"}
    yield "the voters", ", ".join(sorted(voted)), ", ".join(sorted(record["votes"]))
    for node, counts in sorted(record["votes"].items()):
        yield from _compare_vote(voted[node], counts, decoder)
    formats: dict[str, Callable[[int], str]] = {
        "label": decoder.format_answer,
        "labelled": iso,
        "time": iso,
    }
    for name, proven, shown in compare_record(stored, record):
        written = formats.get(name, str)
        yield f"the {WORDS[name]}", None if shown is None else written(shown), written(proven)
    if "height" in record:
        yield "the answer's height", verdict.height, record["height"]


def _compare_vote(
    vote: Vote, raw: int | Sequence[Any], decoder: AnswerDecoder
) -> Iterator[tuple[str, Any, Any]]:
    """One node's vote; under `seed` a record has its class alone."""
    what = f"the vote of {vote.node}"
    if isinstance(raw, int):
        yield what, vote.label, decoder.class_name(raw)
        return
    label, probabilities, value = decoder.decode_counts(raw[1:])
    yield what, _answer(vote.label, vote.value), _answer(label, value)
    yield f"the probabilities of {vote.node}", vote.probabilities, probabilities


def _answer(label: str | None, value: float | None) -> str:
    return str(value if label is None else label)
