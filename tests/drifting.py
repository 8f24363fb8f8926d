"""Callers whose flowers change, and who say later what was true; by HTTP alone, so at any service.

    flowers = Flowers(seed=1)
    with Gardener("http://127.0.0.1:7400", token) as gardener:
        gardener.label(flowers.of("drifted", 300))

Regimes of the task iris. `learned`: Fisher's flowers. `drifted`: all measures 1.4 times as long, so that
models of Fisher's flowers take versicolor for virginica. `noise`: the same, labelled by dice: nobody
can be better at them, and whoever learns from them alone is worse. `turned`: drifted flowers that are
called what those models call them, so that whoever has learned better is wrong.
"""

import random
import threading
import time
from collections import Counter

import httpx

from concord.client import Client

MEASURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

SPECIES = {
    "setosa": ((5.01, 3.43, 1.46, 0.25), (0.35, 0.38, 0.17, 0.11)),
    "versicolor": ((5.94, 2.77, 4.26, 1.33), (0.52, 0.31, 0.47, 0.20)),
    "virginica": ((6.59, 2.97, 5.55, 2.03), (0.64, 0.32, 0.55, 0.27)),
}
"""Mean and standard deviation of each measure in cm, of Fisher's data."""

STRETCH = 1.4

AT_ONCE = 100
"""Rows and labels in one call."""


class Flowers:
    """Rows and labels of a regime, the same for the same seed."""

    def __init__(self, seed=1):
        self._random = random.Random(seed)

    def of(self, regime, count):
        """That many pairs of a row and its label."""
        return [self._flower(regime) for _ in range(count)]

    def _flower(self, regime):
        species = self._random.choice(list(SPECIES))
        stretch = 1.0 if regime == "learned" else STRETCH
        lengths = [
            max(0.1, self._random.gauss(*pair)) * stretch for pair in zip(*SPECIES[species], strict=True)
        ]
        row = {name: round(length, 3) for name, length in zip(MEASURES, lengths, strict=True)}
        if regime == "noise":
            return row, self._random.choice(list(SPECIES))
        if regime == "turned" and species == "versicolor":
            return row, "virginica"
        return row, species


class Gardener:
    """One who asks and labels, over a connection that the context's end closes.

    Args:
        url: Of the consensus service.
        token: One that labels, reads and administers.
        task: The task.
    """

    def __init__(self, url, token, task="iris"):
        self.client, self.task = Client(url, 60.0, token), task

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def label(self, pairs):
        """Asks the rows and labels their rounds; returns how often each status came back."""
        statuses = Counter()
        for start in range(0, len(pairs), AT_ONCE):
            part = pairs[start : start + AT_ONCE]
            answer = self.client.predict(self.task, [row for row, _ in part], recorded=True)
            statuses.update(verdict.status for verdict in answer.verdicts)
            labelled = zip(answer.verdicts, part, strict=True)
            labels = [{"id": verdict.id, "label": label} for verdict, (_, label) in labelled]
            results = self.client.feedback(labels, settled=True).labels
            assert {result.status for result in results} == {"accepted"}, results
        return statuses

    def model(self, node):
        """What the service says of a node's versions."""
        return next(view for view in self.client.models() if view.name == f"{self.task}.{node}")

    def await_roll(self, nodes, seconds=300):
        """Waits until these nodes serve what was decided; returns their views."""
        until = time.monotonic() + seconds
        while True:
            views = [self.model(node) for node in nodes]
            if not any(view.rolling or view.champion is None for view in views):
                return views
            assert time.monotonic() < until, views
            time.sleep(0.5)


class Passer:
    """One who asks all the time and labels nothing: a request that fails is seen.

    Use it as a context; `answers` counts statuses of verdicts and, where there was none, what came instead.
    """

    def __init__(self, url, rows, task="iris", pause=0.05):
        self.answers, self._rows, self._pause = Counter(), rows, pause
        self._url, self._over = f"{url}/v1/tasks/{task}/predict", threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _ask(self):
        with httpx.Client(timeout=10, trust_env=False) as http:
            while not self._over.wait(self._pause):
                try:
                    answer = http.post(self._url, json={"rows": self._rows})
                except httpx.HTTPError as error:
                    self.answers[type(error).__name__] += 1
                    continue
                if answer.status_code != 200:
                    self.answers[str(answer.status_code)] += 1
                    continue
                self.answers.update(verdict["status"] for verdict in answer.json()["verdicts"])
