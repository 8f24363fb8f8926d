"""Drift of a task's live rounds: the journal's rows, votes and labels against the models' training profiles.

Features and labels are compared with the profile that has most deposits behind it, a node's answers with its
own model's answers to held-out rows, by version. One pass over the journal in a thread counts everything, in
memory that does not grow with the rounds except by sixteen bytes a labelled one. Forgotten rows are missing.
"""

import asyncio
import logging
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from concord.consensus.ensembles import Ensembles
from concord.drift.errors import detect_error_drift, scale_error
from concord.drift.metrics import DriftGauges
from concord.drift.report import Sketch, Sketches, build_report
from concord.errors import ConcordError, UnknownName
from concord.journal import Journal
from concord.journal.rows import KeptRound
from concord.tasks.labels import decode_label
from concord.tasks.profile import Column, TrainingProfile
from concord.tasks.schema import TaskSchema
from concord.types.drift import DriftReport, ErrorDrift
from concord.util.times import iso

USUAL_ROUNDS: Final = 10_000
"""Rounds that are read by default: a second's work, and more than the statistical tests need."""

MOST_ROUNDS: Final = 1_000_000

REFRESH_SECONDS: Final = 300.0
"""Time between two updates of the metrics; drift takes days."""

FIRST_SECONDS: Final = 30.0
"""Time until the first update; by then every node has been asked for its profile."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DriftBaseline:
    """What live rounds of a task are compared with.

    Attributes:
        schema: The task's schema.
        profile: The training profile with most deposits behind it.
        nodes: The nodes whose models have this profile.
        held_out: Node → its version, and that version's answers to held-out rows.
    """

    schema: TaskSchema
    profile: TrainingProfile
    nodes: tuple[str, ...]
    held_out: Mapping[str, tuple[str, Column]]


class LiveDrift:
    """Reports the drift of live rounds.

    Args:
        journal: Stores the rounds.
        ensembles: The tasks and their nodes.
    """

    def __init__(self, journal: Journal, ensembles: Ensembles) -> None:
        self._journal, self._ensembles = journal, ensembles
        self._gauges = DriftGauges()
        # Task → hash of the errors that the detector last got, and its result.
        self._detected: dict[str, tuple[int, ErrorDrift]] = {}

    def find_baseline(self, task: str) -> DriftBaseline:
        """What the task's rounds are compared with now; call it from the event loop.

        Raises:
            UnknownName: There is no such task, or none of its models has a profile.
            NoQuorum: No node of the task has ever answered.
        """
        schema = self._ensembles.schema(task)
        deposits: defaultdict[str, int] = defaultdict(int)
        profiles: dict[str, TrainingProfile] = {}
        nodes: defaultdict[str, list[str]] = defaultdict(list)
        held_out: dict[str, tuple[str, Column]] = {}
        for node, client in self._ensembles.clients(task).items():
            profile, description = client.training_profile, client.description
            if profile is None or description is None or description.schema.digest != schema.digest:
                continue
            account = self._ensembles.account(task, node)
            deposits[profile.digest] += account.deposit if account else 0
            profiles[profile.digest] = profile
            nodes[profile.digest].append(node)
            if profile.held_out is not None:
                held_out[node] = description.info.version, profile.held_out
        if not profiles:
            raise UnknownName(
                f"No model of {task[:60]} carries a profile of the data that it learned from. "
                "`concord train` fits one that does.",
                field="task",
                code="unknown_profile",
            )
        digest = min(profiles, key=lambda digest: (-deposits[digest], digest))
        return DriftBaseline(schema, profiles[digest], tuple(nodes[digest]), held_out)

    def report(
        self, baseline: DriftBaseline, task: str, since: int = 0, limit: int = USUAL_ROUNDS
    ) -> DriftReport:
        """Compares the newest rounds with the baseline; synchronous, for a thread.

        Args:
            baseline: What to compare with.
            task: The task.
            since: No round older than this, in µs since the epoch.
            limit: Rounds at most.

        Raises:
            JournalUnavailable: The journal is away.
        """
        counter = _RoundCounter(baseline)
        for chunk in self._journal.kept(task, since, limit):
            counter.add(chunk)
        return replace(counter.report(task), errors=self._detect_errors(task, counter))

    def _detect_errors(self, task: str, counter: "_RoundCounter") -> ErrorDrift:
        """The detector's result; it takes seconds of a core, so it runs once for the same errors."""
        digest = hash((counter.errors.tobytes(), counter.times.tobytes()))
        last, result = self._detected.get(task, (None, None))
        if result is None or last != digest or result.problem:
            result = detect_error_drift(counter.errors, counter.times)
            self._detected[task] = digest, result
        return result

    async def watch(self) -> None:
        """Updates the metrics again and again, until it is cancelled."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Updates the metrics of every task whose rounds can be compared."""
        for task in self._ensembles.names():
            try:
                report = await asyncio.to_thread(self.report, self.find_baseline(task), task)
            except UnknownName:
                continue
            except ConcordError as error:
                _log.info("drift not looked at", extra={"of": task, "reason": error.message})
                continue
            self._gauges.show(report)


class _RoundCounter:
    """Counts the rounds of a task in one pass."""

    def __init__(self, baseline: DriftBaseline) -> None:
        self._baseline, self._schema = baseline, baseline.schema
        self._answer_field = "label" if baseline.schema.value is None else "value"
        self._features = Sketches(baseline.profile)
        self._target = Sketch(baseline.profile.target) if baseline.profile.target else None
        self._answers = {
            (node, version): Sketch(column) for node, (version, column) in baseline.held_out.items()
        }
        self._since = self._until = 0
        # Sixteen bytes a labelled round: the only memory that grows with the rounds.
        self.errors, self.times = array("d"), array("q")

    def add(self, chunk: Sequence[KeptRound]) -> None:
        """Counts some rounds, the oldest first."""
        self._since, self._until = self._since or chunk[0].time, chunk[-1].time
        self._features.add_rows([orjson.loads(round_.features) for round_ in chunk])
        verdicts = [orjson.loads(round_.verdict) for round_ in chunk]
        labels = [
            None if round_.label is None else decode_label(self._schema, round_.label) for round_ in chunk
        ]
        if self._target:
            self._target.add_cells([label for label in labels if label is not None])
        for round_, verdict, label in zip(chunk, verdicts, labels, strict=True):
            answer = verdict[self._answer_field]
            # The answer of a round below the quorum is a fallback and no node's.
            if label is not None and answer is not None and verdict["status"] != "no_quorum":
                self._add_error(answer, label, round_.time)
        self._add_answers(verdicts)

    def report(self, task: str) -> DriftReport:
        """The report, without errors."""
        profile, nodes = self._baseline.profile, self._baseline.nodes
        report = build_report(
            task, profile, nodes, self._features, target=self._target, answers=self._answers
        )
        return replace(
            report,
            since=iso(self._since) if self._since else None,
            until=iso(self._until) if self._until else None,
        )

    def _add_answers(self, verdicts: Sequence[Mapping[str, Any]]) -> None:
        """Counts the votes of the versions whose held-out answers are known."""
        answers: dict[tuple[str, str], list[object]] = {key: [] for key in self._answers}
        for verdict in verdicts:
            for vote in verdict["votes"]:
                key = vote["node"], vote["version"]
                if vote["outcome"] == "voted" and key in answers:
                    answers[key].append(vote[self._answer_field])
        for key, cells in answers.items():
            self._answers[key].add_cells(cells)

    def _add_error(self, answer: Any, label: Any, time: int) -> None:  # noqa: ANN401 - names, or values
        value = self._schema.value
        error = float(answer != label) if value is None else scale_error(abs(answer - label), value.scale)
        self.errors.append(error)
        self.times.append(time)
