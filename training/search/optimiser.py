"""What to try next, and the results: Optuna's study, as this package uses it.

Suggestions are made in a copy of the study in memory and stored only once `claims` has found them new, so
the study holds no trial that was not run. The Tree-structured Parzen Estimator (Bergstra et al. 2011,
"Algorithms for Hyper-Parameter Optimization", NeurIPS 24) draws them. One that failed counts as poor, though
the study keeps it as failed, with its reason.

What a trial's settings are follows from its number, the seed and the results of lower numbers, never from
the clock: it learns from the trials up to `LAG` before it, and of those between it takes the settings as
poor, so that they spread out, whether they are under way or done. So a study of the same rows and seed is
the same study with any workers.
"""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final, Literal

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from concord.errors import TrainingError
from training.search.claims import Claims, TrialClaim
from training.search.identity import StudyIdentity
from training.search.settings import ALGORITHM, SearchSettings, digest
from training.search.space import Space
from training.task import LOWER_IS_BETTER

GUIDED_TRIES: Final = 5
RANDOM_TRIES: Final = 100
"""How often settings that were tried already are drawn again, by the estimator and then at random."""

LEADING: Final = 3
"""Algorithms that every other trial is kept for in turn, drawn from that algorithm's own trials alone:
among all trials the estimator settles on whichever algorithm came first, and another's better settings are
never seen."""

LAG: Final = 8
"""Trials right before a number that it does not learn from, so that they may be under way. That is how many
more fitters than one find work; they wait only for one that takes as long as eight others."""

IDENTITY: Final = "concord.identity"
NUMBER: Final = "number"


def open_study(storage: RDBStorage, identity: StudyIdentity) -> optuna.Study:
    """The study of this identity, made where it is not there."""
    direction: Literal["maximize", "minimize"] = (
        "minimize" if identity.metric in LOWER_IS_BETTER else "maximize"
    )
    study = optuna.create_study(
        study_name=identity.name, storage=storage, direction=direction, load_if_exists=True
    )
    if IDENTITY not in study.user_attrs:
        study.set_user_attr(IDENTITY, asdict(identity))
    return study


def other_studies(storage: RDBStorage, identity: StudyIdentity) -> list[tuple[str, list[str]]]:
    """The task's other studies, the newest first: name, and in what they differ."""
    studies = [(study.study_name, study.user_attrs) for study in optuna.get_all_study_summaries(storage)]
    identities = [(name, attributes.get(IDENTITY, {})) for name, attributes in reversed(studies)]
    return [
        (name, identity.differences(other))
        for name, other in identities
        if name != identity.name and other.get("task") == identity.task
    ]


class Optimiser:
    """Proposes settings and keeps results.

    Args:
        storage: The study's database.
        study: The study.
        space: What may be tried.
        claims: Which worker has which trial.
        seed: Of the suggestions; a trial's number is added.
    """

    def __init__(
        self, storage: RDBStorage, study: optuna.Study, space: Space, claims: Claims, seed: int
    ) -> None:
        self.study, self._storage, self._space, self._claims = study, storage, space, claims
        self._seed = seed
        self._id = storage.get_study_id_from_name(study.study_name)

    def learns(self, number: int) -> int:
        """How many of the first trials a number learns from; the defaults learn from none."""
        defaults = len(self._space.defaults)
        return max(defaults, number - LAG) if number >= defaults else 0

    def settings(self, claim: TrialClaim) -> tuple[int, SearchSettings]:
        """What a claim is about: as begun by another worker, the defaults of its number, or something new.

        Returns:
            Optuna's id of the trial, and the settings.

        Raises:
            TrainingError: All suggestions were tried before.
        """
        begun = self._begun(claim)
        if begun is not None:
            self._claims.note(claim, trial=begun[0])
            return begun
        settings = self._new(claim)
        trial = self._storage.create_new_trial(self._id, self._template(claim, settings))
        self._claims.note(claim, trial=trial)
        return trial, settings

    def result(self, trial: int) -> FrozenTrial:
        """A trial as the database has it."""
        return self._storage.get_trial(trial)

    def store_result(self, trial: int, value: float | None, attributes: dict[str, Any]) -> bool:
        """Keeps a trial's result; None: it failed. False where another worker has stored it before."""
        try:
            for name, attribute in attributes.items():
                self._storage.set_trial_user_attr(trial, name, attribute)
            state = TrialState.FAIL if value is None else TrialState.COMPLETE
            values = None if value is None else [value]
            return self._storage.set_trial_state_values(trial, state, values)
        except UpdateFinishedTrialError:
            return False

    def trials(self) -> list[FrozenTrial]:
        """All trials that were run, by the number of their claim."""
        trials = [trial for trial in self.study.get_trials(deepcopy=False) if NUMBER in trial.user_attrs]
        # A worker that was taken for dead may have stored its trial beside that of the one that took it over.
        trials.sort(key=lambda trial: trial.state.is_finished())
        by_number = {int(trial.user_attrs[NUMBER]): trial for trial in trials}
        return [by_number[number] for number in sorted(by_number)]

    def _begun(self, claim: TrialClaim) -> tuple[int, SearchSettings] | None:
        if claim.owners == 1:
            return None
        if claim.trial is not None:
            return claim.trial, self._space.settings(self._storage.get_trial(claim.trial).params)
        # Its worker may have died between storing the trial and noting it.
        for trial in self._storage.get_all_trials(self._id, deepcopy=False):
            if trial.user_attrs.get(NUMBER) == claim.number:
                id_ = self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number)
                return id_, self._space.settings(trial.params)
        return None

    def _new(self, claim: TrialClaim) -> SearchSettings:
        if claim.number < len(self._space.defaults):
            first = self._space.defaults[claim.number]
            if self._claims.settle(claim, digest(first)):
                return first
        before = self._before(claim.number)
        focus = self._focus(claim.number, before)
        copy = self._copy(claim.number, before, focus)
        for attempt in range(GUIDED_TRIES + RANDOM_TRIES):
            if attempt == GUIDED_TRIES:
                copy.sampler = RandomSampler(self._seed + claim.number)
            settings = self._drawn(copy, focus)
            if self._claims.settle(claim, digest(settings)):
                return settings
        raise TrainingError(
            f"{GUIDED_TRIES + RANDOM_TRIES} suggestions were all tried before: the study "
            f"{self.study.study_name} has nothing new to try. Ask for fewer trials."
        )

    def _drawn(self, copy: optuna.Study, focus: str | None) -> SearchSettings:
        if focus is not None:
            copy.enqueue_trial({ALGORITHM: focus})
        trial = copy.ask()
        chosen = str(trial.suggest_categorical(ALGORITHM, tuple(self._space.algorithms)))
        for name, declared in self._space.algorithms[chosen].items():
            declared.draw(trial, f"{chosen}.{name}")
        return self._space.settings(trial.params)

    def _before(self, number: int) -> list[FrozenTrial]:
        """The trials of lower numbers, those that it does not learn from as if they were under way."""
        # A number is given once all lower ones are here, so a trial's place is its number.
        lower, learns = self.trials()[:number], self.learns(number)
        return [_for_estimator(trial, is_learned=place < learns) for place, trial in enumerate(lower)]

    def _focus(self, number: int, before: Sequence[FrozenTrial]) -> str | None:
        """The algorithm that a trial is kept for; None: the estimator chooses it too."""
        if number % 2 == 0:
            return None
        scored = [trial for trial in before if trial.state is TrialState.COMPLETE]
        up = self.study.direction is optuna.study.StudyDirection.MAXIMIZE
        scored.sort(key=lambda trial: trial.value or 0.0, reverse=up)
        leading = list(dict.fromkeys(str(trial.params[ALGORITHM]) for trial in scored))[:LEADING]
        return leading[number // 2 % len(leading)] if leading else None

    def _copy(self, number: int, before: Sequence[FrozenTrial], focus: str | None) -> optuna.Study:
        # Each trial has a seed of its own: equal ones would propose the same from the same results.
        copy = optuna.create_study(direction=self.study.direction, sampler=_sampler(self._seed + number))
        copy.add_trials([trial for trial in before if focus in (None, trial.params[ALGORITHM])])
        return copy

    def _template(self, claim: TrialClaim, settings: SearchSettings) -> FrozenTrial:
        return create_trial(
            state=TrialState.RUNNING,
            params=dict(self._space.params(settings)),
            distributions=self._space.distributions(str(settings[ALGORITHM])),
            user_attrs={NUMBER: claim.number},
        )


def _sampler(seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Its ten random trials are not needed: each algorithm's defaults come first.
        return TPESampler(seed=seed, n_startup_trials=5, constant_liar=True)


def _for_estimator(trial: FrozenTrial, *, is_learned: bool) -> FrozenTrial:
    """A trial as the estimator sees it."""
    if is_learned and trial.state is TrialState.COMPLETE:
        return trial
    # The estimator leaves failed trials out and would try their like again; pruned ones are its worst.
    state = TrialState.PRUNED if is_learned else TrialState.RUNNING
    return create_trial(state=state, params=trial.params, distributions=trial.distributions)
