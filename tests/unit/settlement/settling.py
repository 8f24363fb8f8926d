"""Rounds to be settled, and random states to settle them on; for tests of the rules."""

from random import Random

from hypothesis import strategies as st

from concord.journal.rows import SettlementRound
from concord.ledger import events
from concord.ledger.state import TaskState
from concord.policies.stake import MIN_STAKE, Account
from concord.policies.voting import PPM, split
from concord.settlement import evidence

VERSIONS = ("1", "2", None)
CLASSES = 3
NAMES = ("a", "aa", "ab", "b", "ba", "c", "d")


def hot(version, label, classes=CLASSES):
    """A ballot that is sure of a class."""
    return [version, *(PPM if k == label else 0 for k in range(classes))]


def wager_round(id_, votes, label, task="t", **more):
    return SettlementRound(id_, task, "wager", evidence.write(0, votes, **more), label)


def seed_round(id_, answer, votes, task="t"):
    return SettlementRound(id_, task, "seed", evidence.write_seed(answer, votes))


class Draw:
    """States and rounds from a seed: the sizes are hypothesis' to shrink, and the rest comes a lot faster."""

    def __init__(self, seed):
        self.random = Random(seed)

    def stake(self):
        edges = (0, 1, MIN_STAKE - 1, MIN_STAKE, 2 * MIN_STAKE, 10**9)
        return self.random.choice((*edges, self.random.randrange(10**9), self.random.randrange(10**13)))

    def account(self):
        random = self.random
        standing = random.choice(("active",) * 4 + ("probation", "jailed"))
        answered = random.randint(PPM, 100 * PPM)
        return Account(
            stake=self.stake(),
            deposit=self.stake(),
            accuracy=random.randint(0, PPM),
            rounds=random.randint(0, 99),
            version=random.choice(VERSIONS),
            score=random.randint(0, answered),
            answered=answered,
            regret=random.choice((0, 5 * PPM, 6 * PPM, random.randint(0, 8 * PPM))),
            standing=standing,
            reason=random.choice(("regret", "invalid", "stake")) if standing == "jailed" else None,
            watched=random.randint(0, 60) if standing != "active" else 0,
            changes=random.randint(0, 3),
        )

    def task(self, nodes, score):
        """A task's state of any kind, whose money adds up."""
        names = self.random.sample(NAMES, nodes)
        held = {name: self.account() for name in names}
        treasury = self.random.randrange(10**9)
        total = sum(account.stake for account in held.values()) + treasury
        score = score or self.random.choice(("hit", "brier"))
        return TaskState("wager", score=score, treasury=treasury, paid_in=total, accounts=held)

    def counts(self, *, regression):
        if regression:
            return [self.random.randint(-3000, 3000)]
        if self.random.random() < 0.4:
            return hot(None, self.random.randrange(CLASSES))[1:]
        return split(PPM, [self.random.randint(0, 9) for _ in range(CLASSES - 1)] + [1])

    def ballots(self, names, most, *, regression):
        chosen = self.random.sample(names, self.random.randint(0, min(most, len(names))))
        return {n: [self.random.choice(VERSIONS), *self.counts(regression=regression)] for n in chosen}

    def round(self, name, state, kind, *, regression, task="t"):
        """A round with votes of any nodes, of a stranger, and of versions that came and went."""
        names = [*state.accounts, "stranger"]
        if kind == "seed":
            votes = {node: self.random.randrange(CLASSES) for node in names if self.random.random() < 0.8}
            return seed_round(name, self.random.randrange(CLASSES), votes, task)
        votes, shadows, tried = (self.ballots(names, most, regression=regression) for most in (9, 2, 2))
        return wager_round(
            name,
            votes,
            self.random.randint(-3000, 3000) if regression else self.random.randrange(CLASSES + 1),
            task,
            shadows={node: ballot for node, ballot in shadows.items() if node not in votes},
            challengers=tried,
            scale=self.random.choice((1, 100, 1000)) if regression else None,
        )


@st.composite
def batches(draw, most=6, kinds=("wager",), regression=None, score=None):
    """A state of task `t`, and rounds of it."""
    nodes, count = draw(st.integers(1, 5)), draw(st.integers(1, most))
    made = Draw(draw(st.integers(0, 2**64)))
    values = made.random.random() < 0.4 if regression is None else regression
    state = made.task(nodes, score)
    return state, [
        made.round(f"{made.random.randrange(16):x}{i}", state, made.random.choice(kinds), regression=values)
        for i in range(count)
    ]


def opened(*names, task="t", policy="wager", deposit=10**9, **more):
    return [
        events.params(task, policy, **more),
        *(events.open_account(task, n, deposit, 900_000, "1") for n in names),
    ]
