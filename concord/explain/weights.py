"""Explains in sentences why each vote of a round had its weight.

The numbers are those of the ledger at the height on which the round was decided. `concord.policies.voting`
computes the weights; here its steps are repeated in words, to three digits.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from concord.ledger.state import PROBATION_ROUNDS, SHADOW_ROUNDS, TaskState
from concord.policies.stake import MICRO, PROVEN_ROUNDS, Account
from concord.policies.voting import CAP, MINIMUM_PEERS, PPM, WARM_LABELS, limit_newcomers
from concord.settlement.jailing import INVALID_ANSWERS, INVALID_WINDOW
from concord.types.answers import Verdict, Vote

_NOT_VOTED: Final[Mapping[str, str]] = {
    "late": "It answered too late for this round, so it had no vote; that costs no stake.",
    "unavailable": "It did not answer, so it had no vote; that costs no stake.",
    "invalid": (
        f"Its answer was malformed, so no vote; {INVALID_ANSWERS} among its last {INVALID_WINDOW} jail it."
    ),
}


class WeightReasons:
    """The reasons of one round's weights.

    Args:
        verdict: The round's verdict.
        task: The task's state on which it was decided; None where the ledger did not have the task.
        scored: The non-voters that answered in time to be scored.
    """

    def __init__(self, verdict: Verdict, task: TaskState | None, scored: Sequence[str] = ()) -> None:
        self._verdict, self._task, self._scored = verdict, task, frozenset(scored)
        voters = [vote.node for vote in verdict.votes if vote.outcome == "voted"]
        accounts = task.accounts if task else {}
        self._voters = {node: accounts[node] for node in voters if node in accounts}
        self._total = sum(account.stake for account in self._voters.values())
        self._labels = task.labels if task else 0
        self._is_warm = self._labels >= WARM_LABELS
        self._best = max((account.skill for account in self._voters.values()), default=0)

    @property
    def method(self) -> str:
        """How the weights and the answer were made."""
        if self._verdict.status == "no_quorum":
            return "Too few nodes answered usably, by their deposits, so there is no consensus and no weight."
        if self._verdict.policy == "seed":
            return "A weight is stated accuracy times stake; the rounded mean of the class numbers answers."
        answers = {
            "weighted_median": "the weighted median of the votes answers",
            "stake_mean": "all medians were 0, so the mean of the votes by stake answers",
            "linear": "the weighted mean of the votes answers",
        }.get(self._verdict.pool.method if self._verdict.pool else "", "the votes were pooled")
        if self._is_warm:
            return f"A weight is stake times a factor of skill; {answers}."
        return (
            f"The task had {self._labels} labelled rounds, fewer than {WARM_LABELS}: a weight is a share of "
            f"the stake, whatever the skill; {answers}."
        )

    def explain(self, vote: Vote) -> str:
        """The reason of one node's weight."""
        account = self._task.accounts.get(vote.node) if self._task else None
        if vote.outcome in _NOT_VOTED:
            return _NOT_VOTED[vote.outcome]
        if vote.outcome in {"shadow", "jailed"}:
            is_asked = vote.outcome == "shadow"
            return _explain_non_voter(account, is_asked=is_asked, is_scored=vote.node in self._scored)
        if self._verdict.status == "no_quorum":
            return "It voted, and too few others did: below the quorum no vote has a weight."
        if account is None:
            return _explain_missing_account(vote)
        if not self._total:
            return "None of the voters held any stake, so all counted alike."
        is_seed = self._verdict.policy == "seed"
        return self._explain_seed(account) if is_seed else self._explain_wager(vote.node, account)

    def _explain_seed(self, account: Account) -> str:
        products = {node: voter.accuracy * voter.stake for node, voter in self._voters.items()}
        if not any(products.values()):
            return "Accuracy times stake was 0 for every voter, so all counted alike."
        return (
            f"Its stated accuracy, {account.accuracy / PPM:.3f}, times its stake, {_stake(account.stake)}, "
            f"is {account.accuracy * account.stake / sum(products.values()):.1%} of the sum over all voters."
        )

    def _explain_wager(self, node: str, account: Account) -> str:
        held = (
            f"It held {_stake(account.stake)} of the {_stake(self._total)} stake that voted "
            f"({account.stake / self._total:.1%})"
        )
        if not self._is_warm:
            return f"{held}; with {self._labels} of {WARM_LABELS} labelled rounds, stake alone counts."
        skill, lag = account.skill / PPM, (self._best - account.skill) / PPM
        if not lag:
            gate = f"Its skill, {skill:.3f}, is the best among them, so its stake counts whole"
        else:
            gate = (
                f"Its skill, {skill:.3f}, is {lag:.3f} below the best ({self._best / PPM:.3f}), so its stake "
                f"counts by a factor of (1 − {lag:.3f})^8 = {max(0.0, 1 - lag) ** 8:.3f}"
            )
        return f"{held}. {gate}.{self._explain_newcomer(account)}{self._explain_cap(node)}"

    def _explain_newcomer(self, account: Account) -> str:
        """A sentence about the limit of a version that has no record yet."""
        if not account.is_newcomer or len(self._voters) < MINIMUM_PEERS:
            return ""
        return (
            f" Its version has {account.known_rounds} of {PROVEN_ROUNDS} labelled rounds: its weight is at "
            "most the median of its peers'."
        )

    def _explain_cap(self, node: str) -> str:
        """A sentence about the cap, where one node would have had a larger weight than it allows."""
        names = sorted(self._voters)
        exact = [
            self._voters[name].stake * max(0.0, 1 - (self._best - self._voters[name].skill) / PPM) ** 8
            for name in names
        ]
        newcomers = [i for i, name in enumerate(names) if self._voters[name].is_newcomer]
        raw = dict(zip(names, limit_newcomers(exact, newcomers), strict=True))
        first, total = max(raw, key=lambda name: raw[name]), sum(raw.values())
        # Weights that were rounded up to the cap were not cut.
        if len(raw) < 2 or not total or raw[first] / total * PPM <= CAP + 1 or total <= raw[first]:
            return ""
        if node == first:
            return f" That would be {raw[first] / total:.3f}, and one node may have {CAP / PPM:.1f} at most."
        return f" {first} was cut to {CAP / PPM:.1f}, and the others share {1 - CAP / PPM:.1f}."


def _explain_non_voter(account: Account | None, *, is_asked: bool, is_scored: bool) -> str:
    """Why a node did not count, and whether it was scored."""
    if account is not None and account.standing == "probation":
        reason = f"It was on probation ({account.watched} of {PROBATION_ROUNDS} labelled rounds)"
    elif account is not None and account.reason == "regret":
        watched = min(account.watched, SHADOW_ROUNDS)
        reason = f"It was jailed for regret ({watched} of {SHADOW_ROUNDS} labelled rounds watched)"
    elif account is not None and account.reason is not None:
        words = {"invalid": "malformed answers", "stake": "a stake under 10"}
        reason = f"It was jailed for {words.get(account.reason, account.reason)}"
    else:
        reason = "It did not count at that height"
    if not is_asked:
        return f"{reason}, and is not asked."
    if is_scored:
        return f"{reason}: asked and scored off the answer's path, not counted."
    return f"{reason}: not counted, and not heard in time to be scored."


def _explain_missing_account(vote: Vote) -> str:
    if vote.weight:
        return "The ledger knew no account of it yet, so the deposit of the nodes file stood for its stake."
    return "It had no account yet, so it had no stake and no weight."


def _stake(micro: int) -> str:
    return f"{micro / MICRO:,.2f}"
