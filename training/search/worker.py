"""One worker's loop: claims trials, has them fitted, keeps what was found, until the study is complete.

Fitting happens in other processes (`fitter`); this one waits for them, ends those that take too long, and
writes to database and MLflow. What a trial has found goes to MLflow, then to the study, and then the claim is
closed, so whichever step a worker dies at, the next one goes on from there and the count is right.
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
from training.search.cross_validation import Measured
from training.search.fit_process import Fitter, Work
from training.search.optimiser import Optimiser
from training.search.tracking import Record

PAUSE_SECONDS: Final = 0.5

MOST_OWNERS: Final = 3
"""Workers that a trial may take down with it, as by eating a pod's memory, before it counts as failed."""


@dataclass(frozen=True)
class Limits:
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
class Running:
    """A trial under way in a fitter."""

    claim: TrialClaim
    trial: int
    run: str


class Search:
    """A worker.

    Args:
        work: What is measured on.
        metric: What settings are compared by.
        optimiser: Proposes and keeps.
        claims: Whose trial is whose.
        record: MLflow.
        limits: When to stop.
    """

    def __init__(
        self, work: Work, metric: str, optimiser: Optimiser, claims: Claims, record: Record, limits: Limits
    ) -> None:
        self._work, self._metric = work, metric
        self._optimiser, self._claims, self._record, self._limits = optimiser, claims, record, limits
        self._running: dict[Fitter, Running | None] = {}
        self._begun = time.monotonic()

    def run(self, workers: int, tell: Callable[[int], None]) -> None:
        """Works until the study is complete, or the time is over and what was begun is done.

        Args:
            workers: Processes that fit.
            tell: Hears, now and then, how many trials are finished.

        Raises:
            ServiceAway: MLflow does not take what was found; what was begun is left to others.
        """
        with beating(self._claims):
            try:
                tell(self._claims.counts()[0])
                while self._step(workers):
                    tell(self._claims.counts()[0])
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
            self._hear(busy[connection])  # type: ignore[index]  # `wait` returns what it was given
        for fitter in busy.values():
            self._end_monster(fitter)
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
        found = next((fitter for fitter, running in self._running.items() if running is None), None)
        if found is None:
            found = Fitter(self._work)
            self._running[found] = None
        return found

    def _begin(self, claim: TrialClaim) -> None:
        trial, settings = self._optimiser.settings(claim)
        if self._optimiser.result(trial).state.is_finished():
            self._claims.finish(claim)  # its worker died just before it could
            return
        run = self._record.begin(claim, settings)
        self._claims.note(claim, run=run)
        running = Running(claim, trial, run)
        if claim.owners > MOST_OWNERS:
            self._close(running, f"{MOST_OWNERS} workers ended while they fitted it.")
            return
        fitter = self._idle()
        self._running[fitter] = running
        fitter.ask(settings)

    def _hear(self, fitter: Fitter) -> None:
        found, running = fitter.answer(), self._running[fitter]
        if found is None:
            return
        assert running is not None, "Only busy fitters are listened to."
        self._close(running, found)
        self._running[fitter] = None

    def _end_monster(self, fitter: Fitter) -> None:
        running = self._running[fitter]
        if running is not None and fitter.seconds > self._limits.trial_seconds:
            fitter.restart()
            self._close(running, f"It took longer than {self._limits.trial_seconds:g} s.")
            self._running[fitter] = None

    def _close(self, running: Running, found: Measured | str) -> None:
        if not self._claims.holds(running.claim):
            return  # this worker was taken for dead, and another one has the trial
        known: dict[str, object] = {"run": running.run}
        value = None
        if isinstance(found, str):
            self._record.fail(running.run, found)
            known["reason"] = found
        else:
            self._record.finish(running.run, self._metric, found)
            scores = found.metrics[self._metric]
            known |= {"scores": scores, "seconds": found.seconds, "size": found.size, "reason": found.refusal}
            value = float(np.mean(scores)) if found.refusal is None else None
        self._optimiser.tell(running.trial, value, known)
        self._claims.finish(running.claim)

    def _leave(self) -> None:
        """Ends the processes and lets go of what is not finished."""
        unfinished = [running for running in self._running.values() if running]
        for fitter in self._running:
            fitter.end()
        self._claims.release()
        for running in unfinished:
            with suppress(ConcordError):
                self._record.interrupt(running.run)


@contextmanager
def beating(claims: Claims) -> Iterator[None]:
    """Says that this worker lives, from a thread of its own: MLflow may keep the other waiting."""
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
