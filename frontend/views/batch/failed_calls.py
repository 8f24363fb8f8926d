"""Says why some rows of a batch have no answer: which lines, what happened, what to do."""

from typing import Final

from frontend.components import states
from frontend.components.message import show_list, show_small
from frontend.data import service
from frontend.text import wording
from frontend.text.language import _, ngettext
from frontend.views.batch.data import Batch, FailedCall

SHOWN_FAILURES: Final = 10


def show_failed_calls(batch: Batch) -> None:
    """Says of the rows without an answer what happened to them."""
    lines = [_failure(failure) for failure in batch.failures[:SHOWN_FAILURES]]
    more = len(batch.failures) - len(lines)
    if more > 0:
        lines.append(ngettext("One more call failed.", "{count} more calls failed.", more))
    without = sum(reply is not None and reply.status == "no_quorum" for reply in batch.replies)
    if without:
        lines.append(
            ngettext("Too few nodes voted on one row.", "Too few nodes voted on {count} rows.", without)
        )
    if batch.gave_up:
        lines.append(_("The rest was not asked, since one call after the other failed."))
    elif batch.waits:
        lines.append(_("You stopped it; what was answered is kept."))
    show_list(lines)
    if any(failure.code in service.CLOSED for failure in batch.failures):
        states.show_closed(next(one.message for one in batch.failures if one.code in service.CLOSED))
    elif batch.failures:
        show_small(_("If it happens again, tell the operator the number of a call that failed."))


def _failure(failure: FailedCall) -> str:
    if failure.code == "service_away":
        why = _("the consensus service did not answer")
    elif failure.code in service.BUSY:
        why = _("too many questions waited, for half a minute")
    else:
        why = wording.escape(failure.message)
    if failure.line is not None:
        where = _(
            "line {line}, column {column}", line=failure.line, column=wording.escape(failure.column or "–")
        )
        why = f"{where}: {why}"
    return _(
        "Lines {first} to {last}: {why} (`{number}`)",
        first=failure.lines[0],
        last=failure.lines[-1],
        why=why,
        number=failure.request_id,
    )
