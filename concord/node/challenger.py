"""The challenger: a second version of a node's model that answers beside the champion and does not count.

It runs in the champion's process and must never cost the champion an answer. So it is dropped, until the
process ends, when it answers another schema, fails, or is slow several times in a row; a log line and `/info`
say why.
"""

import logging
import time
from dataclasses import replace
from typing import Final

from concord.errors import ConfigurationError
from concord.node.model import Answers, OnnxModel
from concord.observability import metrics
from concord.tasks.schema import Rows
from concord.types.nodes import ChallengerInfo, NodeInfo

SLOW_SECONDS: Final = 0.1
"""Half of the grace period of a poll: a longer wait for the challenger would make the champion late."""

SLOW_CALLS: Final = 3
"""In a row, since a busy machine makes a single call slow."""

_log = logging.getLogger(__name__)


class Challenger:
    """Answers beside a champion until it is dropped.

    Args:
        model: The challenger's model.
        champion: What the champion states.
    """

    def __init__(self, model: OnnxModel, champion: NodeInfo) -> None:
        info = model.info
        self.tag = model.tag
        self.info = ChallengerInfo(info.version, info.run_id, info.digest)
        self._model: OnnxModel | None = model
        self._slow = 0
        self._gauge = metrics.MODEL.labels(info.model, info.version, info.run_id)
        self._gauge.set(1)
        if info.model != champion.model:
            self._drop(f"It is a version of {info.model}, not of {champion.model}.")
        elif info.schema_digest != champion.schema_digest:
            self._drop(
                f"It answers schema {info.schema_digest[:12]}, the champion {champion.schema_digest[:12]}."
            )

    def answer(self, rows: Rows) -> Answers | None:
        """Its answers, shaped as the champion's; None where it was dropped, now or before."""
        if self._model is None:
            return None
        began = time.perf_counter()
        try:
            answers = self._model.answer(rows)
        except Exception as error:  # noqa: BLE001 - whatever the fault, the champion's answer goes out
            self._drop(f"It failed: {type(error).__name__}.")
            return None
        self._watch(time.perf_counter() - began)
        return answers

    def _watch(self, seconds: float) -> None:
        self._slow = self._slow + 1 if seconds > SLOW_SECONDS else 0
        if self._slow >= SLOW_CALLS:
            self._drop(f"It took over {SLOW_SECONDS * 1000:.0f} ms in {SLOW_CALLS} calls in a row.")

    def _drop(self, reason: str) -> None:
        self._model = None
        self._gauge.set(0)
        self.info = replace(self.info, dropped=reason)
        _log.error("challenger dropped", extra={"model": self.tag, "reason": reason})


class Absent(Challenger):
    """A challenger that could not be loaded: it answers nothing, and `/info` says why."""

    def __init__(self, error: ConfigurationError) -> None:
        self.tag, self._model = "", None
        self.info = ChallengerInfo(None, None, None, dropped=error.message)
        _log.error("challenger dropped", extra={"reason": error.message})
