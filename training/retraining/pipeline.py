"""Seven steps from new rows to a challenger, for each node of a task.

1. Load old and new data. 2. Set test rows aside that neither model has seen, and prove it. 3. Open the
champion. 4. Retrain on old and new rows and on new ones alone, and choose on validation rows. 5. Measure
champion and challenger on the test rows, once. 6. Keep all of it in MLflow. 7. Ask the gate, and register
what passes.

The settings, the basis and the seed that is registered are fixed before the test rows are used. What is
served does not change here. A node that fails leaves the others alone; data that cannot be judged on stop
the task.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from concord.drift.report import Sketch, Sketches, build_report
from concord.errors import DataError, ServiceAway, TrainingError, UnknownName
from concord.tasks.profile import TrainingProfile
from concord.types.drift import DriftReport
from concord.util.suggest import did_you_mean
from training.data.dataset import Dataset
from training.data.provenance import Provenance
from training.data.sources import JOURNAL
from training.data.split import Split
from training.fitting.evaluate import evaluate, vote
from training.fitting.fit import Fitted, fit, learn
from training.fitting.profile import build_profile
from training.progress import ReportStep, ignore_step
from training.registry.recording import log_fit, node_info, register_model
from training.registry.registry import Champion, Registry
from training.registry.versions import CHALLENGER, VersionFiles
from training.retraining.evaluation import judge
from training.retraining.gate import Condition, Cost, GateLimits, decide, same_schema
from training.retraining.holdout import HoldoutSplit, hold_out
from training.retraining.inference import load_models, measure_costs, predict
from training.retraining.old_data import OldData, Sources, find_old_data, merge, newest_of_each
from training.retraining.result import NodeMeasurement, NodeOutcome, Retraining
from training.retraining.selection import (
    Candidate,
    build_pipeline,
    choose,
    is_random,
    rows_of_basis,
    score_candidates,
    why_not_new_alone,
)
from training.retraining.tracking import close_run, log_champion, log_findings, open_run
from training.search.registration import with_winners
from training.task import SEED, Task

SEEDS = 5
"""Repetitions on validation rows, and fits of the chosen candidate where it takes a seed: the mean of five
distinguishes settings that one lucky start would not."""


@dataclass(frozen=True)
class RetrainOptions:
    """What a caller may choose.

    Attributes:
        old: Where the old data are; None: where each champion's run says.
        new: Where the new data are.
        nodes: Names within the task; all that have a champion where none is given.
        seed: Of the test rows' draw, of the first fit and of the bootstrap.
        seeds: Repetitions.
        limits: What the gate asks.
    """

    old: str | None = None
    new: str = JOURNAL
    nodes: Sequence[str] = ()
    seed: int = SEED
    seeds: int = SEEDS
    limits: GateLimits = field(default_factory=GateLimits)


def retrain(
    task: Task, registry: Registry, options: RetrainOptions, report_step: ReportStep = ignore_step
) -> Retraining:
    """Retrains a task's nodes and registers what passes the gate as `challenger`.

    Args:
        task: The task.
        registry: Where champions are, and challengers go.
        options: Data, nodes, seeds and limits.
        report_step: Shows what is being done.

    Raises:
        DataError: The data cannot be had, or are too few to judge on.
        UnknownName: The task has no such node.
        TrainingError: No node has a champion.
    """
    report_step("Reading the champions")
    task = with_winners(task, registry)
    champions = _champions(task, registry, options.nodes)
    sources = Sources(task, options.new)
    report_step("Reading new rows")
    sources.rows(options.new)
    outcomes = [
        _NodeRetraining(task, node, champion, registry, sources, options, report_step).run()
        for node, champion in champions.items()
    ]
    return Retraining(task.name, tuple(outcomes))


def _champions(task: Task, registry: Registry, nodes: Sequence[str]) -> dict[str, Champion]:
    for node in nodes:
        if node not in task.nodes:
            hint = did_you_mean(node, [*task.nodes]) or f" It has {', '.join(task.nodes)}."
            raise UnknownName(f"{task.name} has no node {node!r}.{hint}", field="--node")
    registered = registry.champions()
    models = {node: f"{task.name}.{node}" for node in nodes or task.nodes}
    missing = [model for model in models.values() if model not in registered]
    if nodes and missing:
        raise TrainingError(
            f"{missing[0]} has no champion to be better than. Run `python -m training fit {task.name}` first."
        )
    if len(missing) == len(models):
        raise TrainingError(
            f"No node of {task.name} has a champion. Run `python -m training fit {task.name}` first."
        )
    return {node: registered[model] for node, model in models.items() if model in registered}


@dataclass
class _NodeRetraining:
    """The seven steps for one node."""

    task: Task
    node: str
    champion: Champion
    registry: Registry
    sources: Sources
    options: RetrainOptions
    report_step: ReportStep

    @property
    def model(self) -> str:
        """Its registered name."""
        return f"{self.task.name}.{self.node}"

    def run(self) -> NodeOutcome:
        """Takes the steps; an error other than one of the data is in the outcome."""
        try:
            files = self.registry.fetch(self.model)
            if files is None:
                raise TrainingError(
                    f"{self.model}, version {self.champion.version}, carries no task's schema, so it cannot "
                    "be asked."
                )
            # The alias may have moved since the names were read: what was fetched is what is judged.
            self.champion = Champion(files.info.version, files.info.run_id, files.info.digest)
            schemas = same_schema(files.info.schema_digest, self.task.schema.digest)
            if not schemas.passed:
                return NodeOutcome(self.model, self.champion.version, conditions=(schemas,))
            return self._retrain(files, schemas)
        except DataError:
            raise
        except (TrainingError, ServiceAway) as error:
            return NodeOutcome(self.model, self.champion.version, error=error)

    def _retrain(self, files: VersionFiles, schemas: Condition) -> NodeOutcome:
        data = self._load()
        candidates = self._score_candidates(data.holdout)
        chosen = choose(self.task, candidates)
        with open_run(self.registry, self.model, self.champion.version) as run:
            fitted = self._fit(data, chosen)
            measurement, costs = self._measure(files, fitted, data, candidates, chosen)
            conditions = (schemas, *decide(measurement.judgement, *costs, self.options.limits))
            self._report("keeping the runs")
            log_champion(self.registry, run, self.task, self.model, self.champion, measurement)
            logged = log_fit(self.registry, fitted, run)
            log_findings(self.registry, run, self.task, measurement, conditions, fitted)
            outcome = NodeOutcome(
                self.model, self.champion.version, run, conditions, None, measurement, self._notes(data)
            )
            if outcome.passed:
                self._report("registering")
                version = register_model(self.registry, fitted, logged, CHALLENGER).version
                outcome = replace(outcome, version=version)
            close_run(self.registry, run, outcome)
        return outcome

    def _report(self, step: str) -> None:
        self.report_step(f"{self.model}: {step}")

    def _load(self) -> "_NodeData":
        self._report("reading old rows")
        learned = self.registry.learned_rows(self.champion.run_id)
        name = f"{self.model}, version {self.champion.version},"
        old = find_old_data(self.sources, name, learned, self.options.old, self.options.seed)
        new = self.sources.rows(self.sources.new)
        return _NodeData(old, new, hold_out(self.task, old.data, new, old.learned, self.options.seed))

    def _notes(self, data: "_NodeData") -> tuple[str, ...]:
        note = why_not_new_alone(self.task, data.holdout)
        return (*data.old.notes, *([note] if note else []))

    def _score_candidates(self, holdout: HoldoutSplit) -> tuple[Candidate, ...]:
        def report(candidate: Candidate) -> None:
            settings = candidate.settings_text
            self._report(f"{candidate.basis}{f' ({settings})' if settings else ''}")

        self._report("choosing on validation rows")
        return score_candidates(self.task, self.node, holdout, self.options.seeds, self.options.seed, report)

    def _fit(self, data: "_NodeData", chosen: Candidate) -> Fitted:
        """The chosen candidate on all rows that may be learned from, with the first seed."""
        self._report(f"fitting on {chosen.basis} rows")
        both, seed = chosen.basis == "old and new", self.options.seed
        rows = merge([data.old.data, data.new]) if both and data.old.data is not data.new else data.new
        learned, test = rows_of_basis(data.holdout, chosen.basis), data.holdout.test
        origins = newest_of_each([*(data.old.origins if both else ()), Provenance.of(data.new, seed)])
        model = build_pipeline(self.task, self.node, chosen.settings, seed)
        fitted = fit(self.task, self.node, rows, Split(learned, test), seed, lambda: model)
        choice = {"basis": chosen.basis, "test_rows_by": data.holdout.by}
        settings = {name: str(value) for name, value in chosen.settings.items()}
        return replace(fitted, origins=origins, params=fitted.params | choice | settings)

    def _measure(
        self,
        files: VersionFiles,
        fitted: Fitted,
        data: "_NodeData",
        candidates: tuple[Candidate, ...],
        chosen: Candidate,
    ) -> tuple[NodeMeasurement, tuple[Cost, Cost]]:
        """Step five: the only use of the test rows."""
        self._report("measuring on the test rows")
        test = data.holdout.test
        challenger = VersionFiles(node_info(fitted, "0", ""), fitted.onnx)
        with load_models([files, challenger]) as models:
            champion_votes, challenger_votes = (predict(model, test.rows) for model in models)
            costs = measure_costs(models, [len(files.onnx), len(fitted.onnx)], test.rows)
        judgement = judge(self.task, champion_votes, challenger_votes, test, self.options.seed)
        metrics = {self.options.seed: dict(judgement.challenger.metrics)}
        measurement = NodeMeasurement(
            holdout=data.holdout,
            candidates=candidates,
            chosen=chosen,
            seeds=metrics | self._measure_other_seeds(data.holdout, chosen),
            judgement=judgement,
            votes=(champion_votes, challenger_votes),
            drift=drift_between(self.task, data.old.data, data.new),
            origins=(data.old.data.name, data.new.name),
        )
        return measurement, (costs[0], costs[1])

    def _measure_other_seeds(self, holdout: HoldoutSplit, chosen: Candidate) -> dict[int, dict[str, float]]:
        """The same candidate with the other seeds: how much of its result is luck."""
        if not is_random(self.task, self.node):
            return {}
        parts, metrics = Split(rows_of_basis(holdout, chosen.basis), holdout.test), {}
        for seed in range(self.options.seed + 1, self.options.seed + self.options.seeds):
            self._report(f"fitting again with seed {seed}")
            model = build_pipeline(self.task, self.node, chosen.settings, seed)
            learn(self.task, self.node, model, parts)
            votes = vote(self.task, model, parts.test.rows)
            metrics[seed] = evaluate(self.task.schema, votes, parts.test.answers)
        return metrics


@dataclass(frozen=True)
class _NodeData:
    """The old and new data of a node, and how their rows are parted."""

    old: OldData
    new: Dataset
    holdout: HoldoutSplit


def drift_between(task: Task, old: Dataset, new: Dataset) -> DriftReport:
    """How far the new rows are from the old ones, answers included."""
    reference = TrainingProfile.from_json(build_profile(task, old.rows, old, old.answers))
    features = Sketches(reference)
    features.add(new.rows.T.astype(np.float64))
    target = None
    if reference.target is not None:
        target = Sketch(reference.target)
        target.add_missing(0, len(new.answers))
        step = float(task.schema.value.step) if task.schema.value else 1.0
        target.add(np.rint(new.answers.astype(np.float64) / step) * step)
    return build_report(task.name, reference, (), features, target=target)
