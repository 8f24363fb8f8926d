"""One worker's loop: claims trials, has them fitted and keeps the results, until the study is complete.

Fitting happens in other processes (`fit_process`); this one waits for them, ends those that take too long,
and writes to database and MLflow. A trial's result goes to MLflow, then to the study, and then the claim is
closed, so after a crash at any step the next worker goes on from there and the count is right.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Final

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from concord.errors import ConcordError
from training.search.claims import BEAT_SECONDS, Claims, TrialClaim
from training.search.cross_validation import TrialMeasurement
from training.search.fit_process import Fitter, FitWork
from training.search.optimiser import Optimiser
from training.search.tracking import StudyRuns

PAUSE_SECONDS: Final = 0.5

MOST_OWNERS: Final = 3
"""Workers that a trial may take down with it, as by eating a pod's memory, before it counts as failed."""


@dataclass(frozen=True)
class SearchLimits:
    """When to stop.

    Attributes:
        trials: How many the study is to have in all; None: as many as the time allows.
        seconds: After which no trial is begun; None: no such limit.
        trial_seconds: What one trial may take.
    """

    trials: int | None
    seconds: float | None
    trial_seconds: float


@dataclass(frozen=True)
class RunningTrial:
    """A trial under way in a fitter."""

    claim: TrialClaim
    trial: int
    run: str


class SearchWorker:
    """A worker.

    Args:
        work: What is measured on.
        metric: What settings are compared by.
        optimiser: Proposes settings and keeps results.
        claims: Which worker has which trial.
        runs: MLflow's runs of the study.
        limits: When to stop.
    """

    def __init__(
        self,
        work: FitWork,
        metric: str,
        optimiser: Optimiser,
        claims: Claims,
        runs: StudyRuns,
        limits: SearchLimits,
    ) -> None:
        self._work, self._metric = work, metric
        self._optimiser, self._claims, self._runs, self._limits = optimiser, claims, runs, limits
        self._running: dict[Fitter, RunningTrial | None] = {}
        self._begun = time.monotonic()

    def run(self, workers: int, report_finished: Callable[[int], None]) -> None:
        """Works until the study is complete, or the time is over and what was begun is done.

        Args:
            workers: Processes that fit.
            report_finished: Shows, now and then, how many trials are finished.

        Raises:
            ServiceAway: MLflow takes no results; unfinished trials are left to others.
        """
        with heartbeat(self._claims):
            try:
                report_finished(self._claims.counts()[0])
                while self._step(workers):
                    report_finished(self._claims.counts()[0])
            finally:
                self._leave()

    def _step(self, workers: int) -> bool:
        """Begins and ends what can be; whether there is anything left to do."""
        nothing_new = self._fill(workers)
        busy = {fitter.connection: fitter for fitter, running in self._running.items() if running}
        if not busy:
            if nothing_new and self._complete():
                return False
            time.sleep(PAUSE_SECONDS)
            return True
        for connection in wait(list(busy), PAUSE_SECONDS):
            self._collect(busy[connection])  # type: ignore[index]  # `wait` returns what it was given
        for fitter in busy.values():
            self._end_overdue(fitter)
        return True

    def _complete(self) -> bool:
        if self._over:
            return True
        return self._limits.trials is not None and self._claims.counts()[0] >= self._limits.trials

    @property
    def _over(self) -> bool:
        seconds = self._limits.seconds
        return seconds is not None and time.monotonic() - self._begun >= seconds

    def _fill(self, workers: int) -> bool:
        """Begins trials while there are idle fitters; whether there was none to begin now."""
        while sum(running is not None for running in self._running.values()) < workers:
            claim = None if self._over else self._claims.claim(self._limits.trials, self._optimiser.learns)
            if claim is None:
                return True
            self._begin(claim)
        return False

    def _idle(self) -> Fitter:
        # A process is started with its first trial: where nothing is left to do, none is.
        idle = next((fitter for fitter, running in self._running.items() if running is None), None)
        if idle is None:
            idle = Fitter(self._work)
            self._running[idle] = None
        return idle

    def _begin(self, claim: TrialClaim) -> None:
        trial, settings = self._optimiser.settings(claim)
        if self._optimiser.result(trial).state.is_finished():
            self._claims.finish(claim)  # its worker died just before it could
            return
        run = self._runs.begin(claim, settings)
        self._claims.note(claim, run=run)
        running = RunningTrial(claim, trial, run)
        if claim.owners > MOST_OWNERS:
            self._close(running, f"{MOST_OWNERS} workers ended while they fitted it.")
            return
        fitter = self._idle()
        self._running[fitter] = running
        fitter.ask(settings)

    def _collect(self, fitter: Fitter) -> None:
        result, running = fitter.answer(), self._running[fitter]
        if result is None:
            return
        assert running is not None, "Only busy fitters are read."
        self._close(running, result)
        self._running[fitter] = None

    def _end_overdue(self, fitter: Fitter) -> None:
        running = self._running[fitter]
        if running is not None and fitter.seconds > self._limits.trial_seconds:
            fitter.restart()
            self._close(running, f"It took longer than {self._limits.trial_seconds:g} s.")
            self._running[fitter] = None

    def _close(self, running: RunningTrial, result: TrialMeasurement | str) -> None:
        if not self._claims.holds(running.claim):
            return  # this worker was taken for dead, and another one has the trial
        attributes: dict[str, object] = {"run": running.run}
        value = None
        if isinstance(result, str):
            self._runs.fail(running.run, result)
            attributes["reason"] = result
        else:
            self._runs.finish(running.run, self._metric, result)
            scores = result.metrics[self._metric]
            attributes |= {"scores": scores, "seconds": result.seconds}
            attributes |= {"size": result.size, "reason": result.refusal}
            value = float(np.mean(scores)) if result.refusal is None else None
        self._optimiser.store_result(running.trial, value, attributes)
        self._claims.finish(running.claim)

    def _leave(self) -> None:
        """Ends the processes and releases unfinished trials."""
        unfinished = [running for running in self._running.values() if running]
        for fitter in self._running:
            fitter.end()
        self._claims.release()
        for running in unfinished:
            with suppress(ConcordError):
                self._runs.interrupt(running.run)


@contextmanager
def heartbeat(claims: Claims) -> Iterator[None]:
    """Shows that this worker lives, from a thread of its own: MLflow may keep the main one waiting."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_SECONDS):
            with suppress(SQLAlchemyError):
                claims.beat()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
