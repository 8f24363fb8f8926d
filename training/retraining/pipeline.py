"""Seven steps from new rows to a challenger, for each node of a task.

1. Load old and new data. 2. Set test rows aside that neither model has seen, and prove it. 3. Open the
champion. 4. Retrain on old and new rows and on new ones alone, and choose on validation rows. 5. Look at the
test rows, once, with champion and challenger. 6. Keep all of it. 7. Ask the gate, and register what passes.

The settings, the basis and the seed that is registered are fixed before the test rows are looked at. What
is served does not change here. A node that fails leaves its siblings alone; data that cannot be judged on
stop the task.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from concord.drift.report import Sketch, Sketches, build_report
from concord.errors import DataError, TrainingError, UnknownName
from concord.tasks.profile import TrainingProfile
from concord.types.drift import DriftReport
from training.data.dataset import Dataset
from training.data.provenance import Provenance
from training.data.sources import JOURNAL
from training.data.split import Split
from training.fitting.evaluate import evaluate, vote
from training.fitting.fit import Fitted, fit, learn
from training.fitting.profile import profile
from training.registry.champions import Champion
from training.registry.registry import Kept, Registry, describe
from training.registry.versions import CHALLENGER, Fetched
from training.retraining import tracking as record
from training.retraining.evaluation import judge
from training.retraining.gate import Condition, Cost, Limits, decide, same_schema
from training.retraining.holdout import Isolated, isolate
from training.retraining.inference import costs_of, opened, votes_of
from training.retraining.provenance import Before, Sources, before, merged, united
from training.retraining.result import Measured, NodeOutcome, Retraining
from training.retraining.selection import Trial, basis_of, choose, is_random, left_out, made, try_all
from training.search.registration import with_winners
from training.task import SEED, Task

SEEDS = 5
"""Repetitions on validation rows, and fits of the chosen candidate where it takes a seed: the mean of five
tells settings apart that one lucky start would not."""

Tell = Callable[[str], None]


def retrain(  # noqa: PLR0913  what a caller may choose
    task: Task,
    registry: Registry,
    *,
    old: str | None = None,
    new: str = JOURNAL,
    nodes: Sequence[str] = (),
    seed: int = SEED,
    seeds: int = SEEDS,
    limits: Limits | None = None,
    tell: Tell = lambda _: None,
) -> Retraining:
    """Retrains a task's nodes and registers what passes the gate as `challenger`.

    Args:
        task: The task.
        registry: Where champions are, and challengers go.
        old: Where the old data are; None: where each champion's run says.
        new: Where the new data are.
        nodes: Names within the task; all that have a champion where none is given.
        seed: Of the test rows' draw, of the first fit and of the bootstrap.
        seeds: Repetitions.
        limits: What the gate asks.
        tell: Hears what is being done.

    Raises:
        DataError: The data cannot be had, or are too few to judge on.
        UnknownName: The task has no such node.
        TrainingError: No node has a champion.
    """
    tell("Reading the champions")
    task = with_winners(task, registry)
    champions = _champions(task, registry, nodes)
    sources = Sources(task, new)
    tell("Reading new rows")
    sources.rows(new)
    outcomes = []
    for node, champion in champions.items():
        work = _Node(task, node, champion, registry, sources, seed, seeds, limits or Limits(), tell)
        outcomes.append(work.outcome(old))
    return Retraining(task.name, tuple(outcomes))


def _champions(task: Task, registry: Registry, nodes: Sequence[str]) -> dict[str, Champion]:
    for node in nodes:
        if node not in task.nodes:
            near = get_close_matches(node, task.nodes, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(task.nodes)}."
            raise UnknownName(f"{task.name} has no node {node!r}. {hint}", field="--node")
    found = registry.champions()
    missing = [node for node in nodes if f"{task.name}.{node}" not in found]
    if missing:
        raise TrainingError(
            f"{task.name}.{missing[0]} has no champion to be better than. "
            f"Run `python -m training fit {task.name}` first."
        )
    chosen = {
        node: found[f"{task.name}.{node}"] for node in nodes or task.nodes if f"{task.name}.{node}" in found
    }
    if not chosen:
        raise TrainingError(
            f"No node of {task.name} has a champion. Run `python -m training fit {task.name}` first."
        )
    return chosen


@dataclass
class _Node:
    """One node on its way through the steps, which share what is here."""

    task: Task
    node: str
    champion: Champion
    registry: Registry
    sources: Sources
    seed: int
    seeds: int
    limits: Limits
    tell: Tell

    @property
    def model(self) -> str:
        """Its registered name."""
        return f"{self.task.name}.{self.node}"

    def outcome(self, old: str | None) -> NodeOutcome:
        """All seven steps."""
        version = self.champion.version
        try:
            fetched = self.registry.fetch(self.model)
            if fetched is None:
                raise TrainingError(
                    f"{self.model}, version {version}, carries no task's schema, so it cannot be asked."
                )
            # The alias may have moved since the names were read: what was fetched is what is judged.
            self.champion = Champion(fetched.info.version, fetched.info.run_id, fetched.info.digest)
            version = fetched.info.version
            alike = same_schema(fetched.info.schema_digest, self.task.schema.digest)
            if not alike.passed:
                return NodeOutcome(self.model, version, conditions=(alike,))
            return self._judged(fetched, alike, old)
        except DataError:
            raise
        except TrainingError as error:
            return NodeOutcome(self.model, version, error=error)

    def _judged(self, fetched: Fetched, alike: Condition, old: str | None) -> NodeOutcome:
        self._say("reading old rows")
        stated = self.registry.learned(self.champion.run_id)
        name = f"{self.model}, version {self.champion.version},"
        known, new = before(self.sources, name, stated, old, self.seed), self.sources.rows(self.sources.new)
        isolated = isolate(self.task, known.data, new, known.learned, self.seed)
        trials = self._tried(isolated)
        chosen = choose(self.task, trials)
        with record.begun(self.registry, self.model, self.champion.version) as run:
            fitted = self._fitted(known, new, isolated, chosen)
            measured, costs = self._measured(fetched, fitted, known, new, isolated, trials, chosen)
            conditions = (alike, *decide(measured.judgement, *costs, self.limits))
            kept = self._keep(run, fitted, measured, conditions)
            few = left_out(self.task, isolated)
            notes = (*known.notes, *([few] if few else []))
            outcome = NodeOutcome(self.model, self.champion.version, run, conditions, None, measured, notes)
            if outcome.passed:
                self._say("registering")
                outcome = replace(outcome, version=self.registry.register(fitted, kept, CHALLENGER).version)
            record.end(self.registry, run, outcome)
        return outcome

    def _say(self, text: str) -> None:
        self.tell(f"{self.model}: {text}")

    def _tried(self, isolated: Isolated) -> tuple[Trial, ...]:
        def tell(trial: Trial) -> None:
            settings = ", ".join(f"{name.split('__')[-1]}={value}" for name, value in trial.settings.items())
            self._say(f"{trial.basis}{f' ({settings})' if settings else ''}")

        self._say("choosing on validation rows")
        return try_all(self.task, self.node, isolated, self.seeds, self.seed, tell)

    def _fitted(self, known: Before, new: Dataset, isolated: Isolated, chosen: Trial) -> Fitted:
        """The chosen candidate on all rows that may be learned from, with the first seed."""
        self._say(f"fitting on {chosen.basis} rows")
        both = chosen.basis == "old and new"
        data = merged([known.data, new]) if both and known.data is not new else new
        part = Split(basis_of(isolated, chosen.basis), isolated.test, 0)
        copies = len(data.rows) - len(part.training.rows) - len(part.test.rows)
        origins = united([*(known.origins if both else ()), Provenance.of(new, self.seed)])
        fitted = fit(
            self.task,
            self.node,
            data,
            replace(part, copies=max(copies, 0)),
            self.seed,
            lambda: made(self.task, self.node, chosen.settings, self.seed),
        )
        chosen_as = {"basis": chosen.basis, "test_rows_by": isolated.by} | {
            name: str(value) for name, value in chosen.settings.items()
        }
        return replace(fitted, origins=origins, params=fitted.params | chosen_as)

    def _measured(
        self,
        fetched: Fetched,
        fitted: Fitted,
        known: Before,
        new: Dataset,
        isolated: Isolated,
        trials: tuple[Trial, ...],
        chosen: Trial,
    ) -> tuple[Measured, tuple[Cost, Cost]]:
        """Step five: the only look at the test rows."""
        self._say("looking at the test rows")
        test = isolated.test
        challenger = Fetched(describe(fitted, "0", ""), fitted.onnx)
        with opened([fetched, challenger]) as models:
            votes = [votes_of(model, test.rows) for model in models]
            served, found = costs_of(models, [len(fetched.onnx), len(fitted.onnx)], test.rows)
        judgement = judge(self.task, votes[0], votes[1], test, self.seed)
        seeds = {self.seed: dict(judgement.challenger.metrics)} | self._others(isolated, chosen)
        drift = drift_of(self.task, known.data, new)
        named = (known.data.name, new.name)
        said = (votes[0], votes[1])
        return Measured(isolated, trials, chosen, seeds, judgement, said, drift, named), (served, found)

    def _others(self, isolated: Isolated, chosen: Trial) -> dict[int, dict[str, float]]:
        """The same candidate with the other seeds: how much of it is luck."""
        more = range(self.seed + 1, self.seed + self.seeds) if is_random(self.task, self.node) else range(0)
        learned, found = basis_of(isolated, chosen.basis), {}
        for seed in more:
            self._say(f"fitting again with seed {seed}")
            model = made(self.task, self.node, chosen.settings, seed)
            learn(self.task, self.node, model, Split(learned, isolated.test, 0))
            said = vote(self.task, model, isolated.test.rows)
            found[seed] = evaluate(self.task.schema, said, isolated.test.answers)
        return found

    def _keep(
        self,
        run: str,
        fitted: Fitted,
        measured: Measured,
        conditions: tuple[Condition, ...],
    ) -> Kept:
        self._say("keeping the runs")
        record.champion(self.registry, run, self.task, self.model, self.champion, measured)
        kept = self.registry.keep(fitted, run)
        record.findings(self.registry, run, self.task, measured, conditions, fitted)
        return kept


def drift_of(task: Task, old: Dataset, new: Dataset) -> DriftReport:
    """How far the new rows are from the old ones, answers included."""
    reference = TrainingProfile.from_json(profile(task, old.rows, old, old.answers))
    features = Sketches(reference)
    features.add(new.rows.T.astype(np.float64))
    target = None
    if reference.target is not None:
        target = Sketch(reference.target)
        target.add_missing(0, len(new.answers))
        step = float(task.schema.value.step) if task.schema.value else 1.0
        target.add(np.rint(new.answers.astype(np.float64) / step) * step)
    return build_report(task.name, reference, (), features, target=target)
