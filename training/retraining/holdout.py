"""Sets test rows aside that neither model has learned from, and proves it by their hashes.

Where the rows are dated, the test rows are the newest; otherwise they are drawn with a seed, in each class
alike, and the result says so. A row that the champion learned from is never a test row, and a test row is
removed from all that is learned from, old or new. Rows with equal features are on one side together, and all
of them count; a row that old and new data both hold, with the same answer, counts once.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.model_selection import train_test_split

from concord.errors import DataError, TrainingError
from training.data.cleaning import UNDATED
from training.data.dataset import AnswerArray, Dataset, Times
from training.data.groups import GroupIndices, RowGroups, RowIndices
from training.data.split import LabelledRows, hash_rows
from training.task import TEST_SHARE, Task

LEAST_TEST = 20
"""Test rows below which any interval is too wide to support a difference."""


HashSource = Literal["logged", "old data"]
"""The source of the champion's hashes: its run, or the data that it is said to have learned from."""


@dataclass(frozen=True)
class LearnedRows:
    """The rows that a champion learned from.

    Attributes:
        hashes: One a row.
        source: Where the hashes are from.
    """

    hashes: frozenset[bytes]
    source: HashSource


@dataclass(frozen=True)
class HoldoutSplit:
    """Three parts that share no row, and what proves it.

    Attributes:
        old: Rows of the old data that the new data lack.
        new: Rows of the new data that may be learned from.
        times: When those were, in µs since the epoch; None where the source does not know.
        test: Rows that no model has learned from.
        by: How the test rows were chosen.
        proof: Counts, digests of the sorted hashes, and what the parts share, for the record.
    """

    old: LabelledRows
    new: LabelledRows
    times: Times | None
    test: LabelledRows
    by: Literal["time", "random"]
    proof: dict[str, Any]


def hold_out(task: Task, old: Dataset, new: Dataset, learned: LearnedRows, seed: int) -> HoldoutSplit:
    """Splits old and new rows into those that may be learned from and test rows.

    Args:
        task: For its kind and its pinned rows.
        old: What the champion learned from, and its held-out rows too.
        new: What has come since; it may hold old rows.
        learned: The rows that the champion learned from.
        seed: Of the random split, where there are no dates.

    Raises:
        DataError: Too few new rows, or only one class among them.
        TrainingError: The parts share a row, which is a defect.
    """
    times = new.times if new.times is not None and _dated(new.times) else None
    groups = RowGroups(new.rows)
    free = _free(task, new, groups, learned)
    test = np.sort(held_fifth(task, groups, free, new.answers, times, seed))
    if times is not None:
        test = test[np.argsort(times[test], kind="stable")]
    _check_test(task, new.answers[test])
    rest = np.setdiff1d(np.arange(len(new.rows)), test)
    parts = {
        "new": LabelledRows(new.rows[rest], new.answers[rest]),
        "test": LabelledRows(new.rows[test], new.answers[test]),
    }
    parts["old"] = _without(old, new, parts["test"].hashes)
    proof = _proof(parts, learned)
    if times is None:
        return HoldoutSplit(**parts, times=None, by="random", proof=proof)
    return HoldoutSplit(**parts, times=times[rest], by="time", proof=proof)


def _free(task: Task, new: Dataset, groups: RowGroups, learned: LearnedRows) -> GroupIndices:
    """The groups of new rows that may be judged on."""
    rows = groups.first_rows(new.rows)
    pinned = np.array(task.pinned, dtype=np.float32).reshape(-1, rows.shape[1])
    taken = learned.hashes | set(hash_rows(pinned))
    free = np.flatnonzero([row_hash not in taken for row_hash in hash_rows(rows)])
    places = groups.places(free)
    _check(task, new.name, new.answers[places], len(new.rows) - len(places))
    return free


def held_fifth(
    task: Task, groups: RowGroups, free: GroupIndices, answers: AnswerArray, times: Times | None, seed: int
) -> RowIndices:
    """The rows of a fifth of these groups: the newest, or where the rows are not dated some by chance."""
    if times is not None:
        return groups.places(newest_fifth(free, groups.middle_times(times)))
    usual = answers if task.schema.is_regression else groups.usual_answers(answers)
    return groups.places(drawn_fifth(task, free, usual, seed))


def newest_fifth(places: RowIndices, times: Times) -> RowIndices:
    """The newest fifth of these places, the oldest of them first; of equal times the later place is newer."""
    ordered = places[np.argsort(times[places], kind="stable")]
    return ordered[-math.ceil(TEST_SHARE * len(places)) :]


def drawn_fifth(task: Task, places: RowIndices, answers: AnswerArray, seed: int) -> RowIndices:
    """A fifth of these places, by chance; of each class alike, give or take one row."""
    if task.schema.is_regression:
        _, drawn = train_test_split(places, test_size=TEST_SHARE, random_state=seed)
        return np.asarray(drawn, dtype=np.intp)
    # scikit-learn refuses to stratify by a class of one row, and new rows may have such a class.
    random, step = np.random.default_rng(seed), round(1 / TEST_SHARE)
    shuffled = random.permutation(places)
    by_class = shuffled[np.argsort(answers[shuffled], kind="stable")]
    # Of fewer places than the step, one is drawn.
    return np.asarray(by_class[random.integers(min(step, len(by_class))) :: step], dtype=np.intp)


def digest_of(row_hashes: Collection[bytes]) -> str:
    """SHA-256 of the sorted hashes: the same rows, the same digest, in whatever order."""
    return hashlib.sha256(b"".join(sorted(row_hashes))).hexdigest()


def _dated(times: Times) -> bool:
    """Whether enough rows say when they were true: with too few, the newest fifth is not the newest."""
    return bool((times != UNDATED).mean() > 2 * TEST_SHARE)


def _without(old: Dataset, new: Dataset, tested: Collection[bytes]) -> LabelledRows:
    """The old rows that are no test rows, less as many of each row and answer as the new data hold."""
    held = Counter(zip(hash_rows(new.rows), new.answers.tolist(), strict=True))
    kept: list[int] = []
    for place, row in enumerate(zip(hash_rows(old.rows), old.answers.tolist(), strict=True)):
        if row[0] in tested:
            continue
        if held[row] > 0:
            held[row] -= 1
        else:
            kept.append(place)
    places = np.array(kept, dtype=np.intp)
    return LabelledRows(old.rows[places], old.answers[places])


def _check(task: Task, name: str, answers: AnswerArray, learned: int) -> None:
    needed = math.ceil(LEAST_TEST / TEST_SHARE)
    if len(answers) < needed:
        already = f" ({learned} more were learned from already)" if learned else ""
        raise DataError(
            f"{name} has {len(answers)} rows that the champion has not learned from{already}; a "
            f"fifth of them is judged on, so wait or add rows until there are {needed}.",
            field="--new",
        )
    if task.schema.is_regression:
        return
    counts = {label.name: int((answers == place).sum()) for place, label in enumerate(task.schema.labels)}
    present = {label: rows for label, rows in counts.items() if rows}
    if len(present) == 1:
        raise DataError(
            f"{name} holds one class only, {next(iter(present))!r}: nothing can be judged on it. "
            f"Add rows of {', '.join(label for label in counts if label not in present)}.",
            field="--new",
        )


def _check_test(task: Task, answers: AnswerArray) -> None:
    if len(answers) < LEAST_TEST:
        raise DataError(
            f"The test rows are {len(answers)}, since most new rows have the features of others, and fewer "
            f"than {LEAST_TEST} support no difference. Add new rows that differ.",
            field="--new",
        )
    if not task.schema.is_regression and len(np.unique(answers)) == 1:
        label = task.schema.labels[int(answers[0])].name
        raise DataError(
            f"The test rows are all of class {label!r}, so nothing can be judged on them. "
            "Wait for rows of another class, or give more new rows.",
            field="--new",
        )


def _proof(parts: dict[str, LabelledRows], learned: LearnedRows) -> dict[str, Any]:
    hashes = {name: parts[name].hashes for name in ("old", "new", "test")}
    shared = {
        "old and test": len(hashes["old"] & hashes["test"]),
        "new and test": len(hashes["new"] & hashes["test"]),
        "champion and test": len(learned.hashes & hashes["test"]),
    }
    for pair, rows in shared.items():
        if rows:
            raise TrainingError(
                f"{pair} share {rows} rows. This is a defect of training/retraining/holdout.py."
            )
    counted = {
        name: {"rows": len(parts[name].rows), "distinct": len(own), "digest": digest_of(own)}
        for name, own in hashes.items()
    }
    own = learned.hashes
    counted["champion"] = {"rows": len(own), "distinct": len(own), "digest": digest_of(own)}
    return {"rows": counted, "champion's rows known from": learned.source, "shared": shared}
