"""A process that fits, so that a fit can be ended and several cores are used.

It is spawned and not forked, uses neither database nor MLflow, and gets one request at a time: settings in,
a measurement or an error's text out. Its parent may end it at any moment and start another. It computes with
one thread, since there are as many fitters as cores were asked for, and ends with its parent.
"""

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from threadpoolctl import threadpool_limits

from concord.errors import ConcordError
from training.data.split import LabelledRows
from training.search.cross_validation import TrialMeasurement, measure
from training.search.settings import SearchSettings
from training.task import Task


@dataclass(frozen=True)
class FitWork:
    """What a fitter needs to know once.

    Attributes:
        task: The task's name.
        part: The rows of the folds.
        folds: How many.
        seed: Of folds and fits.
    """

    task: str
    part: LabelledRows
    folds: int
    seed: int


class Fitter:
    """One process, as its owner sees it.

    Args:
        work: What it measures on.

    Attributes:
        connection: Ready to be read when there is an answer, or the process is gone.
    """

    def __init__(self, work: FitWork) -> None:
        self._work = work
        self._start()

    @property
    def seconds(self) -> float:
        """How long the present request has been under way; 0 while the process starts."""
        return time.monotonic() - self._since if self._ready else 0.0

    def ask(self, settings: SearchSettings) -> None:
        """Hands settings over; the answer is read later."""
        self._since = time.monotonic()
        try:
            self.connection.send(dict(settings))
        except OSError:
            # It was ended while it had nothing to do.
            self.restart()
            self.connection.send(dict(settings))

    def answer(self) -> TrialMeasurement | str | None:
        """The measurement, or why there is none; None: the process has only now started. Waits for it."""
        try:
            result: TrialMeasurement | str | None = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(5)
            code = self._process.exitcode
            self.restart()
            how = f"by signal {-code}" if code is not None and code < 0 else f"with exit status {code}"
            return f"The process that fitted it ended {how}; too little memory is the usual reason."
        if result is None:
            self._ready, self._since = True, time.monotonic()
        return result

    def restart(self) -> None:
        """Ends the process, whatever it is doing, and starts another."""
        self.end()
        self._start()

    def end(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, child_end = context.Pipe()
        self._process = context.Process(target=serve, args=(child_end, self._work), daemon=True)
        self._process.start()
        child_end.close()
        self._ready, self._since = False, time.monotonic()


def serve(connection: Connection, work: FitWork) -> None:
    """The process itself: answers until its parent is gone."""
    # Ctrl-C reaches the whole group; the parent decides what becomes of a fit.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from training.tasks import select  # noqa: PLC0415  only this process builds the task from its name

    task = select([work.task])[0]
    connection.send(None)
    with threadpool_limits(1):
        while True:
            try:
                connection.send(_measure(task, work, connection.recv()))
            except (EOFError, OSError):
                return


def _measure(task: Task, work: FitWork, settings: SearchSettings) -> TrialMeasurement | str:
    try:
        return measure(task, settings, work.part, work.folds, work.seed)
    except ConcordError as error:
        return error.message
    except Exception as error:  # noqa: BLE001  whatever a library raises ends the trial and not the study
        return f"{type(error).__name__}: {str(error)[:500]}"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
