"""Drift of a task's live rounds: the journal's rows, votes and labels against what its models carry.

The profile is the one that most of the task's deposits stand behind, as with schemas; a node's answers
are compared with that node's own, by version. Everything is counted in one pass over the journal, oldest
first, in a thread, in memory that does not grow with the rounds except by sixteen bytes a labelled one.
It changes nothing; rounds whose rows were forgotten are not seen.
"""

import asyncio
import logging
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from concord.consensus.ensembles import Ensembles
from concord.drift.errors import error_drift, scaled
from concord.drift.metrics import DriftGauges
from concord.drift.report import Sketch, Sketches, report_of
from concord.errors import ConcordError, UnknownName
from concord.journal import Journal, KeptRound
from concord.tasks.labels import said_label
from concord.tasks.profile import Column, TrainingProfile
from concord.tasks.schema import TaskSchema
from concord.types.drift import DriftReport, ErrorDrift
from concord.util.times import iso

USUAL_ROUNDS: Final = 10_000
"""Rounds that are looked at unless more are asked for: a second's work, and more than the tests need."""

MOST_ROUNDS: Final = 1_000_000

REFRESH_SECONDS: Final = 300.0
"""How often the metrics are brought up to date. Drift takes days, and alerts are looked at by the minute."""

FIRST_SECONDS: Final = 30.0
"""When they are for the first time: the nodes have been met by then, and the start is over."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Carried:
    """What a task's models carry.

    Attributes:
        schema: The task's schema.
        reference: The profile with most deposits behind it.
        nodes: Whose models have this one.
        held_out: Node → its version, and its answers to the rows that were held out.
    """

    schema: TaskSchema
    reference: TrainingProfile
    nodes: tuple[str, ...]
    held_out: Mapping[str, tuple[str, Column]]


class LiveDrift:
    """Compares live rounds with what was learned from.

    Args:
        journal: Where the rounds are.
        panels: Knows tasks and members.
    """

    def __init__(self, journal: Journal, panels: Ensembles) -> None:
        self._journal, self._ensembles = journal, panels
        self._gauges = DriftGauges()
        # Task → the errors that the detector was last told of, hashed, and what it said.
        self._said: dict[str, tuple[int, ErrorDrift]] = {}

    def carried(self, task: str) -> Carried:
        """What the task's models carry now; to be called from the event loop.

        Raises:
            UnknownName: There is no such task, or no model of it carries a profile.
            NoQuorum: No node of the task has ever answered.
        """
        schema = self._ensembles.schema(task)
        behind: dict[str, int] = {}
        known: dict[str, tuple[TrainingProfile, list[str]]] = {}
        held_out: dict[str, tuple[str, Column]] = {}
        for node, member in self._ensembles.clients(task).items():
            reference, profile = member.training_profile, member.description
            if reference is None or profile is None or profile.digest != schema.digest:
                continue
            account = self._ensembles.account(task, node)
            behind[reference.digest] = behind.get(reference.digest, 0) + (account.deposit if account else 0)
            known.setdefault(reference.digest, (reference, []))[1].append(node)
            if reference.held_out is not None:
                held_out[node] = profile.info.version, reference.held_out
        if not known:
            raise UnknownName(
                f"No model of {task[:60]} carries a profile of the data that it learned from. "
                "`concord train` fits one that does.",
                field="task",
                code="unknown_profile",
            )
        reference, nodes = known[min(behind, key=lambda digest: (-behind[digest], digest))]
        return Carried(schema, reference, tuple(nodes), held_out)

    def report(self, carried: Carried, task: str, since: int = 0, limit: int = USUAL_ROUNDS) -> DriftReport:
        """Looks at the newest rounds; synchronous, for a thread.

        Args:
            carried: What to compare with.
            task: Whose rounds.
            since: None older than this, in µs since the epoch.
            limit: At most so many.

        Raises:
            JournalUnavailable: The journal is away.
        """
        counting = _Counting(carried)
        for chunk in self._journal.kept(task, since, limit):
            counting.add(chunk)
        return replace(counting.report(task), errors=self._errors(task, counting))

    def _errors(self, task: str, counting: "_Counting") -> ErrorDrift:
        """What the detector says. It takes seconds of a core, so the same errors are shown to it once."""
        errors, times = counting.errors, counting.labelled
        told = hash((errors.tobytes(), times.tobytes()))
        known, said = self._said.get(task, (None, None))
        if said is None or known != told or said.problem:
            said = error_drift(errors, times)
            self._said[task] = told, said
        return said

    async def watch(self) -> None:
        """Keeps the metrics up to date for as long as it runs."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Brings the metrics of all tasks up to date; of one whose rounds cannot be compared they stay."""
        for task in self._ensembles.names():
            try:
                report = await asyncio.to_thread(self.report, self.carried(task), task)
            except UnknownName:
                continue
            except ConcordError as error:
                _log.info("drift not looked at", extra={"of": task, "reason": error.message})
                continue
            self._gauges.show(report)


class _Counting:
    """One pass over the rounds of a task."""

    def __init__(self, carried: Carried) -> None:
        self._carried, self._schema = carried, carried.schema
        self._features = Sketches(carried.reference)
        self._target = Sketch(carried.reference.target) if carried.reference.target else None
        self._votes = {
            (node, version): Sketch(column) for node, (version, column) in carried.held_out.items()
        }
        self._since = self._until = 0
        # Sixteen bytes a labelled round: all that grows with them.
        self.errors, self.labelled = array("d"), array("q")

    def add(self, chunk: Sequence[KeptRound]) -> None:
        """Counts some rounds."""
        self._since, self._until = self._since or chunk[0].time, chunk[-1].time
        self._features.add_rows([orjson.loads(one.features) for one in chunk])
        truths = [None if one.label is None else said_label(self._schema, one.label) for one in chunk]
        if self._target:
            self._target.add_cells([truth for truth in truths if truth is not None])
        said: dict[tuple[str, str], list[object]] = {key: [] for key in self._votes}
        answer = "label" if self._schema.value is None else "value"
        for one, truth in zip(chunk, truths, strict=True):
            verdict = orjson.loads(one.verdict)
            # What is said below the quorum is a stand-in and nobody's answer.
            if truth is not None and verdict["status"] != "no_quorum" and verdict[answer] is not None:
                self._add_error(verdict[answer], truth, one.time)
            for vote in verdict["votes"]:
                answers = said.get((vote["node"], vote["version"]))
                if answers is not None and vote["outcome"] == "voted":
                    answers.append(vote[answer])
        for key, answers in said.items():
            self._votes[key].add_cells(answers)

    def report(self, task: str) -> DriftReport:
        """What was seen, but for the errors."""
        carried = self._carried
        found = report_of(
            task,
            carried.reference,
            carried.nodes,
            self._features,
            target=self._target,
            answers=self._votes,
        )
        return replace(
            found,
            since=iso(self._since) if self._since else None,
            until=iso(self._until) if self._until else None,
        )

    def _add_error(self, answer: Any, truth: Any, time: int) -> None:  # noqa: ANN401 - names, or values
        value = self._schema.value
        error = float(answer != truth) if value is None else scaled(abs(answer - truth), value.scale)
        self.errors.append(error)
        self.labelled.append(time)
