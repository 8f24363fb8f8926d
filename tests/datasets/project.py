"""A user's copy of the project with ten task files more, and one who goes all the way with one of them."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from concord.client import Client
from tests.datasets.foreign import FOREIGN
from tests.datasets.reference import ask_scikit_learn, read_truths, score, task_of, usable
from tests.homes import ROOT, environment
from tests.service.up import CONCORD

TASKS = Path(__file__).parent / "tasks"

LEFT = shutil.ignore_patterns(".git", ".venv", ".concord", ".*_cache", "__pycache__", "dist")
"""What is no part of a project."""

ASKED, LEAST_ASKED = 0.3, 110
"""Rows that no model has learned from until they were asked and labelled: a share, and at least so many,
since a retraining needs 100 new ones. Of the 178 wines too few are left then for a drift report."""


@dataclass(frozen=True)
class Project:
    """A copy of the repository, in which commands are run as a user runs them.

    Attributes:
        root: Its folder.
        env: The environment of the commands, with a home of their own.
    """

    root: Path
    env: dict[str, str]

    @classmethod
    def copy(cls, folder):
        """Copies the repository and adds the ten files, and nothing else."""
        root = shutil.copytree(ROOT, folder / "project", ignore=LEFT, symlinks=True)
        if (ROOT.parent / "shared").exists():
            (folder / "shared").symlink_to((ROOT.parent / "shared").resolve())
        for name in FOREIGN:
            shutil.copy(TASKS / f"{name}.py", root / "training" / "tasks")
        own = {"PYTHONPATH": str(root), "XDG_CACHE_HOME": str(folder / "cache")}
        return cls(root, environment(folder / "home") | own)

    def run(self, *command, status=(0,), **variables):
        """Runs a command in the project; returns what it printed."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.env | variables,
            capture_output=True,
            text=True,
            timeout=3600,
            check=False,
        )
        assert done.returncode in status, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout

    def train(self, *arguments, **options):
        """Runs `python -m training`."""
        return self.run(sys.executable, "-m", "training", *arguments, **options)


def read_table(path):
    """A CSV file with its cells as they stand there."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def part(exported, folder):
    """Parts a package's table at random into rows to learn from and rows to ask; the paths of both files."""
    table = read_table(exported)
    asked = table.sample(max(LEAST_ASKED, round(ASKED * len(table))), random_state=7)
    learned = table.drop(asked.index)
    paths = folder / f"{exported.stem}.csv", folder / f"{exported.stem}-asked.csv"
    for rows, path in zip((learned, asked), paths, strict=True):
        rows.to_csv(path, index=False)
    return paths


class Way:
    """What a user does with one data set once it is served, each step once and after those before it.

    Args:
        project: Where commands are run.
        name: Of the task.
        learned, asked: The files.
        url, token: Of the service.
    """

    def __init__(self, project, name, learned, asked, url, token):
        self.project, self.name, self.learned = project, name, learned
        self.task, self.foreign = task_of(name), FOREIGN[name]
        self._asked, self.url = asked, url
        self._variables = {"CONCORD_URL": url, "CONCORD_TOKEN": token}

    def concord(self, *arguments):
        """Runs `concord`."""
        return self.project.run(*CONCORD, *arguments, **self._variables)

    @cached_property
    def answers(self):
        """The rows that could be asked, with the columns `answer`, `status` and `id`."""
        out = self._asked.with_name(f"{self.name}-answers.csv")
        self.concord("predict", self.name, "--file", self._asked, "--out", out, "--rules", "--skip-invalid")
        return read_table(out)

    @cached_property
    def known(self):
        """Those of them whose truth is known."""
        return usable(self.task, self.foreign, self.answers)

    @cached_property
    def truths(self):
        """What is true of them."""
        return read_truths(self.foreign, self.known)

    @cached_property
    def score(self):
        """How good the service's answers are."""
        said = self.known["answer"]
        if self.foreign.metric == "r2":
            said = said.astype(float)
        elif self.foreign.metric == "roc_auc":
            second = sorted(set(self.truths))[1]
            with Client(self.url) as client:
                rounds = {one.id: one.verdict for one in client.all_rounds(task=self.name)}
            said = [rounds[id_].probabilities[second] for id_ in self.known["id"]]
        return score(self.foreign, said, self.truths)

    @cached_property
    def scikit_learns(self):
        """How good scikit-learn's are, on the same rows from the same rows."""
        said = ask_scikit_learn(self.task, self.foreign, read_table(self.learned), self.known)
        return score(self.foreign, said, self.truths)

    @cached_property
    def drift(self):
        """What `concord drift` says of the very file that was learned from."""
        return json.loads(self.concord("drift", self.name, "--file", self.learned, "--json"))

    @cached_property
    def labels(self):
        """What became of the labels of all rows whose truth is known."""
        path = self._asked.with_name(f"{self.name}-labels.csv")
        pd.DataFrame({"id": self.known["id"], "label": self.truths}).to_csv(path, index=False)
        return json.loads(self.concord("feedback", path, "--settled", "--json"))

    @cached_property
    def retraining(self):
        """What `python -m training retrain` prints, once all rows are labelled."""
        assert self.labels
        return self.project.train(
            "retrain", self.name, "--new", "journal", "--seeds", "2", status=(0, 3), **self._variables
        )

    def answer_example(self):
        """The answer to the row that fills a form."""
        cells = (f"{name}={value}" for name, value in self.task.schema.example.items())
        return json.loads(self.concord("predict", self.name, *cells, "--json"))
