"""The workshop's example on live nodes: one round of the task `workshop`, from its accounts to its block.

The task is opened by events in the ledger, so it lives in the same service and asks the same nodes as `iris`,
with accounts of its own under the policy `seed`. That takes write access to the ledger's store; a caller of
the API cannot do it.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from concord.errors import ConcordError, ConfigurationError, NoQuorum, Refused, ServiceAway
from concord.ledger import Ledger, State, events
from concord.ledger.events import Event
from concord.policies.scoring import hit
from concord.policies.stake import MICRO, wager_round
from concord.types.answers import Verdict

if TYPE_CHECKING:
    from concord.client import Client

T = TypeVar("T")

TASK: Final = "workshop"
ASKS: Final = "iris"

ACCURACIES: Final = {
    "logistic_regression": 970_000,
    "decision_tree": 570_000,
    "knn": 920_000,
    "random_forest": 540_000,
}
"""The workshop's own figures in ppm, in its order; they were not measured on these nodes."""

TAUGHT_VOTES: Final = (2, 1, 2, 1)
"""What the workshop's models answered, in the same order."""

ROW: Final = {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 5.1, "petal_width": 1.6}
"""Row 83 of the Iris data, counted from 0."""

TRUTH: Final = 1
"""Its class: versicolor."""

START: Final = 1000 * MICRO

WAIT_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class WorkshopRound:
    """A round of the workshop's task; stakes in µS, in the order of `ACCURACIES`.

    Attributes:
        verdict: The answer with its evidence.
        labels: Names of the classes.
        votes: Node → class index it named; a node that did not vote is not in it.
        before: Stakes that the round was decided on.
        after: Stakes after its block.
        under_wager: What `wager` would have made of `before`, knowing the true label.
        block: The block that settled it.
    """

    verdict: Verdict
    labels: tuple[str, ...]
    votes: Mapping[str, int]
    before: Mapping[str, int]
    after: Mapping[str, int]
    under_wager: Mapping[str, int]
    block: int

    @property
    def answer(self) -> int:
        """Index of the class that was answered."""
        return self.labels.index(self.verdict.label or "")

    @property
    def weights(self) -> dict[str, int]:
        """Weight of each vote: accuracy × stake, in µS."""
        return {
            node: accuracy * self.before[node] // 1_000_000
            for node, accuracy in ACCURACIES.items()
            if node in self.votes
        }

    @property
    def slashed(self) -> tuple[str, ...]:
        """Nodes that lost stake."""
        return tuple(node for node in ACCURACIES if self.after[node] < self.before[node])

    @property
    def is_as_taught(self) -> bool:
        """Whether the nodes answered as those of the workshop did."""
        return tuple(self.votes.get(node) for node in ACCURACIES) == TAUGHT_VOTES


def run_round(
    client: "Client", ledger: Ledger, *, again: bool, sleep: Callable[[float], None] = time.sleep
) -> WorkshopRound:
    """Opens the task, sets the accounts (unless `again`), asks once and waits for the block.

    Raises:
        ServiceAway: No service answers, or it keeps another ledger.
        ConfigurationError: The Iris nodes are not there.
        NoQuorum: Too few of them answered.
    """
    check_nodes(client)
    check_ledger(client, ledger)
    run, head = secrets.token_hex(6), ledger.head()
    # Payments of this run have keys of their own, so nothing before it is searched for them.
    height = ledger.append(lambda state: opening_events(state, run, again=again), since=head.height).height
    _wait_for_task(client, height, sleep)
    before = dict(ledger.head().state.task(TASK).balances)
    verdict = client.predict(TASK, [ROW], settled=True).verdicts[0]
    if verdict.label is None:
        raise NoQuorum("Too few of the four nodes answered in time. `concord nodes workshop` shows them.")
    block = verdict.block or _wait_for_block(client, verdict.id, sleep)
    labels = tuple(label.name for label in client.schema(TASK).labels)
    votes = {vote.node: labels.index(vote.label) for vote in verdict.votes if vote.label is not None}
    after = dict(ledger.state_before(block + 1).task(TASK).balances)
    return WorkshopRound(
        verdict, labels, votes, before, after, stakes_under_wager(before, votes, len(labels)), block
    )


def opening_events(state: State, run: str, *, again: bool) -> list[Event]:
    """The events after which the task is there and its accounts hold what they shall.

    Args:
        state: What the ledger holds.
        run: Names this run in the payments' keys.
        again: Leave the accounts of a former run as they are.
    """
    opening = [events.params(TASK, "seed", asks=ASKS, members=sorted(ACCURACIES))]
    task = state.tasks.get(TASK)
    for node, accuracy in ACCURACIES.items():
        account, key = task.accounts.get(node) if task else None, f"{TASK}:{run}:{node}"
        if account is None:
            opening.append(events.open_account(TASK, node, START, accuracy))
        elif not again and account.stake < START:
            opening.append(events.deposit(TASK, node, START - account.stake, key))
        elif not again and account.stake > START:
            opening.append(events.withdraw(TASK, node, account.stake - START, key))
    return opening


def stakes_under_wager(before: Mapping[str, int], votes: Mapping[str, int], classes: int) -> dict[str, int]:
    """Stakes after the same round under `wager`, before levelling, once the true label is there."""
    scores = {
        node: hit([int(k == votes[node]) for k in range(classes)], TRUTH)
        for node in ACCURACIES
        if node in votes
    }
    changes = wager_round(before, scores, 1)
    return {node: stake + changes.get(node, 0) for node, stake in before.items()}


def check_nodes(client: "Client") -> None:
    """Checks that the four Iris nodes answer.

    Raises:
        ConfigurationError: They do not.
    """
    remedy = "Start them with `concord up iris`."
    try:
        nodes = {node.node: node for node in client.nodes(ASKS)}
    except Refused as error:
        if error.code != "unknown_task":
            raise
        raise ConfigurationError(
            f"The service has no task iris, whose nodes the demo asks. {remedy}"
        ) from error
    missing = [name for name in ACCURACIES if name not in nodes]
    if missing:
        raise ConfigurationError(f"The task iris has no node {', '.join(missing)}. {remedy}")
    down = [name for name in ACCURACIES if nodes[name].status != "up"]
    if down:
        raise ConfigurationError(
            f"{', '.join(down)} of iris {'is' if len(down) == 1 else 'are'} {nodes[down[0]].status}. "
            "`concord nodes iris` says why."
        )


def check_ledger(client: "Client", ledger: Ledger) -> None:
    """Checks that the service keeps its ledger in the store that is written here.

    Raises:
        ServiceAway: It keeps another one.
    """
    # The service is asked first: what is appended in between is then one more block here, not one less.
    summary, head = client.ledger(), ledger.head()
    height, hash_ = int(summary["height"]), summary["hash"]
    if height > head.height or (height and ledger.block(height).hash != hash_):
        raise ServiceAway(
            f"The service at {client.url} keeps its ledger elsewhere than in this home folder. "
            "Run the demo where `concord up` runs, with the same CONCORD_HOME.",
            field="CONCORD_HOME",
        )


def _poll(look: Callable[[], T | None], sleep: Callable[[float], None]) -> T | None:
    """Looks until there is something, for at most `WAIT_SECONDS`."""
    for _ in range(round(WAIT_SECONDS / POLL_SECONDS)):
        result = look()
        if result is not None:
            return result
        sleep(POLL_SECONDS)
    return look()


def _wait_for_task(client: "Client", height: int, sleep: Callable[[float], None]) -> None:
    """Waits until the service has read the block and can ask the task."""

    def is_ready() -> bool | None:
        try:
            return (client.ledger()["height"] >= height and client.task(TASK).ready) or None
        except Refused as error:
            if error.code not in {"unknown_task", "no_quorum"}:
                raise
            return None

    if not _poll(is_ready, sleep):
        raise ServiceAway(f"The service has not taken in block {height} within {WAIT_SECONDS:.0f} s.")


def _wait_for_block(client: "Client", round_id: str, sleep: Callable[[float], None]) -> int:
    """Waits until the round is settled; returns its block."""
    block = _poll(lambda: client.round(round_id).block, sleep)
    if block is None:
        raise ConcordError(
            f"Round {round_id} is recorded and not settled yet; `concord rounds show` tells when it is."
        )
    return block
